// The plugin's clients against the node's side of the services beside vm.VM, over loopback.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost.Tests;

public sealed class SideServiceTests
{
    private static readonly byte[] Prefix = "vm/"u8.ToArray();

    [Fact]
    public async Task Validators_are_those_of_the_network_at_every_height_that_there_is()
    {
        HostNetwork network = new(3, 1);
        int calls = 0;
        await using RpcServer server = await RpcServer.StartAsync(new NodeServices(network.Identities[0], network).ToRpc(), observer: (_, _, _) => calls++);
        using RpcChannel channel = new(server.Address);
        ValidatorStateClient client = new(channel);
        NodeId[] nodes = [.. network.Identities.Select(static node => node.NodeId)];
        Assert.Equal((NodeServices.PChainHeight, NodeServices.PChainHeight), (await client.GetMinimumHeightAsync(), await client.GetCurrentHeightAsync()));
        Assert.Equal(NodeIdentity.SubnetId, await client.GetSubnetIdAsync(NodeIdentity.ChainId));
        Assert.Equal(nodes, (await client.GetValidatorSetAsync(7, NodeIdentity.SubnetId)).Select(static validator => validator.Node));
        Assert.Empty(await client.GetValidatorSetAsync(7, default));

        (ulong height, IReadOnlyList<CurrentValidator> current) = await client.GetCurrentValidatorSetAsync(NodeIdentity.SubnetId);
        Assert.Equal(NodeServices.PChainHeight, height);
        Assert.Equal(nodes, current.Select(static validator => validator.Validator.Node));
        Assert.All(current, static validator => Assert.True(validator is { IsActive: true, IsL1: true, Validator.Weight: NodeServices.Weight, Validator.PublicKey.Length: 96 }));
        Assert.Equal(3, current.Select(static validator => validator.ValidationId).Distinct().Count());

        (Bytes32 subnet, WarpKeySet set) = Assert.Single(await client.GetWarpSetsAsync(5));
        Assert.Equal((NodeIdentity.SubnetId, 3 * NodeServices.Weight), (subnet, set.TotalWeight));
        Assert.Equal(nodes.Order(), set.Keys.Select(static key => Assert.Single(key.Nodes)).Order());
        Assert.True(set.Keys.Zip(set.Keys.Skip(1)).All(static pair => pair.First.PublicKey.Span.SequenceCompareTo(pair.Second.PublicKey.Span) < 0));

        // what cannot change is asked once, what can each time, and what failed again
        int before = calls;
        for (int i = 0; i < 3; i++)
        {
            await client.GetSubnetIdAsync(NodeIdentity.ChainId);
            await client.GetValidatorSetAsync(7, NodeIdentity.SubnetId);
            await client.GetWarpSetsAsync(5);
        }

        Assert.Equal(before, calls);
        await client.GetCurrentHeightAsync();
        for (int i = 0; i < 2; i++)
        {
            await Assert.ThrowsAsync<RpcException>(() => client.GetWarpSetsAsync(8));
            await Assert.ThrowsAsync<RpcException>(() => client.GetValidatorSetAsync(8, NodeIdentity.SubnetId));
            await Assert.ThrowsAsync<RpcException>(() => client.GetSubnetIdAsync(default));
        }

        Assert.Equal(before + 7, calls);
        for (ulong old = 0; old < 8; old++)
        {
            await client.GetWarpSetsAsync(old % 8);
        }

        Assert.Equal(before + 14, calls);                               // of eight heights one was known
    }

    [Fact]
    public async Task A_chain_has_its_names_and_no_other_has_them()
    {
        HostNetwork network = new(1, 1);
        await using RpcServer server = await RpcServer.StartAsync(new NodeServices(network.Identities[0], network).ToRpc());
        using RpcChannel channel = new(server.Address);
        AliasReaderClient client = new(channel);
        Assert.Equal(NodeIdentity.ChainId, await client.FindAsync(NodeServices.Alias));
        Assert.Equal(NodeServices.Alias, await client.PrimaryAsync(NodeIdentity.ChainId));
        Assert.Equal([NodeServices.Alias, IdText.Of(NodeIdentity.ChainId)], await client.AllAsync(NodeIdentity.ChainId));
        await Assert.ThrowsAsync<RpcException>(() => client.FindAsync("nobody"));
        await Assert.ThrowsAsync<RpcException>(() => client.PrimaryAsync(default));
        await Assert.ThrowsAsync<RpcException>(() => client.AllAsync(default));
    }

    [Fact]
    public async Task The_database_can_be_compacted_and_says_how_it_is()
    {
        using TestFolder folder = new();
        using DiskMap map = new(System.IO.Path.Combine(folder.Path, "db"));
        await using RpcServer server = await RpcServer.StartAsync([new DatabaseService(map, Prefix).ToRpc()]);
        using RpcChannel channel = new(server.Address);
        NodeDatabase database = new(channel);
        await database.PutAsync((byte[])[1], (byte[])[2]);
        await database.CompactAsync(default, default);
        using System.Text.Json.JsonDocument health = System.Text.Json.JsonDocument.Parse(await database.CheckHealthAsync());
        Assert.Equal([2], await database.GetAsync((byte[])[1]));
    }

    // Two chains put, take and look for; a plain list of what lies between them says what must be found.
    [Theory, InlineData(1), InlineData(2)]
    public async Task What_one_chain_puts_the_other_finds_until_it_takes_it_and_the_database_changes_with_it(int seed)
    {
        using TestFolder folder = new();
        using DiskMap map = new(System.IO.Path.Combine(folder.Path, "db"));
        SharedMemoryPool pool = new();
        Bytes32[] chains = [new(1, 0, 0, 0), new(2, 0, 0, 0)];
        await using RpcServer first = await RpcServer.StartAsync([pool.ToRpc(chains[0], map, Prefix)]);
        await using RpcServer second = await RpcServer.StartAsync([pool.ToRpc(chains[1], map, Prefix)]);
        using RpcChannel one = new(first.Address);
        using RpcChannel two = new(second.Address);
        SharedMemoryClient[] clients = [new(one), new(two)];
        List<SharedElement>[] lying = [[], []];                         // for each chain
        SeededRandom random = new((ulong)seed);
        int refused = 0;
        for (int round = 0; round < 150; round++)
        {
            int self = random.Next(2);
            int peer = 1 - self;
            SharedElement[] put = [.. Enumerable.Range(0, random.Next(4)).Select(_ => new SharedElement(
                [(byte)random.Next(12)], [(byte)round, (byte)random.Next(256)], [.. Enumerable.Range(0, random.Next(4)).Select(_ => new byte[] { (byte)random.Next(3) })]))];
            byte[][] removed = [.. lying[self].Where(_ => random.Chance(1, 3)).Select(static element => element.Key)];
            bool isLegal = put.Select(static element => element.Key[0]).Distinct().Count() == put.Length
                && !put.Any(element => lying[peer].Exists(old => old.Key[0] == element.Key[0]));
            byte[] mark = [(byte)(round % 5)];
            Task apply = clients[self].ApplyAsync([new SharedChange(chains[peer], removed, put)], [(mark, [0]), (mark, [(byte)round])]);
            if (isLegal)
            {
                await apply;
                lying[self].RemoveAll(element => removed.Any(key => key[0] == element.Key[0]));
                lying[peer].AddRange(put);
                Assert.True(map.TryGet([.. Prefix, .. mark], out byte[]? value) && value![0] == round, $"seed {seed} round {round}");
            }
            else
            {
                await Assert.ThrowsAsync<RpcException>(() => apply);
                Assert.False(map.TryGet([.. Prefix, .. mark], out byte[]? value) && value![0] == round, $"seed {seed} round {round}: half of it happened");
                refused++;
            }

            lying[self].Sort(static (a, b) => a.Key[0].CompareTo(b.Key[0]));
            Assert.Equal(lying[self].Select(static element => element.Value), await clients[self].GetAsync(chains[peer], [.. lying[self].Select(static element => element.Key)]));
            byte[][] traits = [[(byte)random.Next(3)], [(byte)random.Next(3)]];
            HashSet<byte> wanted = [.. lying[self].Where(element => element.Traits.Any(trait => traits.Any(t => t[0] == trait[0]))).Select(static element => element.Key[0])];
            HashSet<byte> found = [];
            (byte[] lastTrait, byte[] lastKey) = ([], []);
            SharedPage page = await clients[self].FindAsync(chains[peer], traits, [], [], 2);
            while (true)
            {
                found.UnionWith(page.Values.Select(value => lying[self].Single(element => element.Value.AsSpan().SequenceEqual(value)).Key[0]));
                if (page.LastKey.AsSpan().SequenceEqual(lastKey) && page.LastTrait.AsSpan().SequenceEqual(lastTrait))
                {
                    break;
                }

                (lastTrait, lastKey) = (page.LastTrait, page.LastKey);
                page = await clients[self].FindAsync(chains[peer], traits, page.LastTrait, page.LastKey, 2);
            }

            Assert.True(wanted.SetEquals(found), $"seed {seed} round {round}: {wanted.Count} wanted, {found.Count} found");
        }

        Assert.True(refused > 5, $"seed {seed}: {refused} refused");
        await Assert.ThrowsAsync<RpcException>(() => clients[0].GetAsync(chains[1], [[99]]));
        await clients[0].ApplyAsync([new SharedChange(chains[1], [[99]], [])], []);                     // taken before it is put: the put leaves nothing
        await clients[1].ApplyAsync([new SharedChange(chains[0], [], [new SharedElement([99], [1], [])])], []);
        await Assert.ThrowsAsync<RpcException>(() => clients[0].GetAsync(chains[1], [[99]]));
    }
}
