// One peer that floods: memory stays where it was, and the others are heard.

using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;

namespace ParallelVm.Rpcchainvm.Tests.Gossip;

[Collection(Alone.Name)]
public sealed class PeerFloodTests
{
    [Fact]
    public async Task A_flood_costs_a_bounded_memory_and_mutes_only_the_one_that_floods()
    {
        Net net = new(3, 31, capacity: 2_000);
        PeerNetwork network = net.Nodes[0].Network;
        SeededRandom random = new(31);
        byte[] flooder = net.Nodes[1].Id.ToArray();
        long baseline = 0;
        for (int second = 0; second < 60; second++)
        {
            for (int message = 0; message < 40; message++)
            {
                List<ReadOnlyMemory<byte>> elements = [];
                for (int i = 0; i < 500; i++)
                {
                    elements.Add(MemorySet.Transaction(random, 100));
                }

                await network.AppGossipAsync(flooder, SdkMessages.WithHandler(0, SdkMessages.WriteElements(elements)), default);
                await network.AppRequestAsync(flooder, (uint)random.Next(int.MaxValue), DateTime.MaxValue, PeerNetworkTests.Noise(random, 200), default);
            }

            net.Time.Move(TimeSpan.FromSeconds(1));
            net.Errors.Clear();
            if (second == 10)
            {
                baseline = GC.GetTotalMemory(forceFullCollection: true);
            }
        }

        long grown = GC.GetTotalMemory(forceFullCollection: true) - baseline;
        Assert.True(grown < 16 << 20, $"the memory grew by {grown} bytes while 100 MB came");
        Assert.Equal(2_000, net.Nodes[0].Set.Count);
        Assert.InRange(network.Counters[PeerEvent.GossipDropped], 2_300, 2_399);      // of 2,400 messages

        // someone else is heard at the height of it
        List<GossipItem> waiting = [];
        net.Nodes[0].Set.List(waiting);
        net.Nodes[0].Set.Remove(waiting[0].Id);
        byte[] good = SdkMessages.WithHandler(0, SdkMessages.WriteElements([MemorySet.Transaction(random)]));
        await network.AppGossipAsync(flooder, SdkMessages.WithHandler(0, PeerNetworkTests.EmptyElements(1_024)), default);
        await network.AppGossipAsync(flooder, good, default);
        Assert.Equal(1_999, net.Nodes[0].Set.Count);
        await network.AppGossipAsync(net.Nodes[2].Id.ToArray(), good, default);
        Assert.Equal(2_000, net.Nodes[0].Set.Count);
    }
}
