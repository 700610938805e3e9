// The client of the node's database against a map.

using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Node;
using ParallelVm.Rpcchainvm.Protos.Rpcdb;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class NodeDatabaseTests
{
    [Theory, InlineData(5), InlineData(6)]
    public async Task Reads_walks_and_batches_agree_with_a_sorted_map(int seed)
    {
        await using NodeStub node = await NodeStub.StartAsync();
        using RpcChannel channel = new(node.Server.Address);
        NodeDatabase database = new(channel);
        SortedDictionary<string, byte[]> twin = new(StringComparer.Ordinal);
        SeededRandom random = new((ulong)seed);
        for (int round = 0; round < 40; round++)
        {
            List<(byte[] Key, byte[]? Value)> batch = [];
            for (int i = random.Next(6); i >= 0; i--)
            {
                byte[] key = [(byte)random.Next(4), (byte)random.Next(5)];
                byte[]? value = random.Chance(1, 3) ? null : new byte[random.Next(3)];      // an empty value is a value
                batch.Add((key, value));                                                     // one key may come twice: the last word counts
                _ = value is null ? twin.Remove(Convert.ToHexStringLower(key)) : (twin[Convert.ToHexStringLower(key)] = value) is null;
            }

            await database.WriteAsync(batch);
            byte[] asked = [(byte)random.Next(4), (byte)random.Next(5)];
            bool isThere = twin.TryGetValue(Convert.ToHexStringLower(asked), out byte[]? expected);
            Assert.Equal(expected, await database.GetAsync(asked));
            Assert.Equal(isThere, await database.HasAsync(asked));

            byte[] prefix = random.Chance(1, 2) ? [] : [(byte)random.Next(4)];
            List<string> walked = [];
            await foreach ((byte[] key, byte[] _) in database.WalkAsync(asked, prefix))
            {
                walked.Add(Convert.ToHexStringLower(key));
            }

            List<string> want = [];
            foreach (string key in twin.Keys)
            {
                if (string.CompareOrdinal(key, Convert.ToHexStringLower(asked)) >= 0 && key.StartsWith(Convert.ToHexStringLower(prefix), StringComparison.Ordinal))
                {
                    want.Add(key);
                }
            }

            Assert.True(want.Count == walked.Count && string.Join(',', want) == string.Join(',', walked), $"seed {seed} round {round}");
        }

        Assert.Equal(0, node.OpenIterators);
        await database.PutAsync((byte[])[9], (byte[])[1]);
        await database.DeleteAsync((byte[])[9]);
        await database.DeleteAsync((byte[])[9]);
        Assert.Null(await database.GetAsync((byte[])[9]));
    }

    [Fact]
    public async Task After_a_failed_write_nothing_is_believed_any_more()
    {
        await using NodeStub node = await NodeStub.StartAsync();
        using RpcChannel channel = new(node.Server.Address);
        NodeDatabase database = new(channel);
        await database.PutAsync((byte[])[1], (byte[])[2]);
        node.WriteError = Error.Closed;
        await Assert.ThrowsAsync<NodeDatabaseException>(() => database.PutAsync((byte[])[1], (byte[])[3]));
        node.WriteError = Error.Unspecified;
        await Assert.ThrowsAsync<NodeDatabaseException>(() => database.GetAsync((byte[])[1]));
        await Assert.ThrowsAsync<NodeDatabaseException>(() => database.PutAsync((byte[])[1], (byte[])[3]));
        Assert.Equal([2], await new NodeDatabase(channel).GetAsync((byte[])[1]));
    }
}
