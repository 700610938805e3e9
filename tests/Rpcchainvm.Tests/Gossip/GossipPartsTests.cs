// The parts of gossip one by one: rates, tables, queues, filters.

using System;
using System.Collections.Generic;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Tests.Gossip;

public sealed class GossipPartsTests
{
    private static readonly NodeId A = Net.IdOf(1);
    private static readonly NodeId B = Net.IdOf(2);

    [Fact]
    public void A_peer_takes_up_to_its_limit_and_again_as_the_window_slides()
    {
        ManualTime time = new();
        SlidingWindow window = new(time, TimeSpan.FromSeconds(10), 100);
        Assert.True(window.TryTake(A, 6, 10) && window.TryTake(A, 6, 10));
        Assert.False(window.TryTake(A, 1, 10));
        Assert.True(window.TryTake(B, 1, 10));
        time.Move(TimeSpan.FromSeconds(11));                        // the new period begins when it is first asked for
        Assert.False(window.IsBelow(A, 10));
        time.Move(TimeSpan.FromSeconds(2));                         // 12 * 0.8 = 9.6
        Assert.True(window.TryTake(A, 1, 10));
        Assert.False(window.TryTake(A, 1, 10));
        time.Move(TimeSpan.FromSeconds(21));
        Assert.True(window.TryTake(A, 10, 10));
        Assert.False(window.TryTake(A, 1, 10));
    }

    [Fact]
    public void Rates_are_counted_for_a_bounded_number_of_peers()
    {
        SlidingWindow window = new(new ManualTime(), TimeSpan.FromSeconds(10), 100);
        int taken = 0;
        for (int i = 0; i < 10_000; i++)
        {
            taken += window.TryTake(Net.IdOf(i), 1, 10) ? 1 : 0;
        }

        Assert.Equal((100, 100), (taken, window.Peers));
    }

    [Theory]
    [InlineData(3600, 0, 0)]
    [InlineData(3600, 1, 3600)]
    [InlineData(3600, 2, 1800 + 120)]
    [InlineData(3600, 100, 36 + 23.88)]
    public void A_peer_may_pull_as_often_as_chance_makes_it(double requests, int validators, double limit) =>
        Assert.Equal(limit, SlidingWindow.LimitOf(requests, validators), 0.01);

    [Fact]
    public async Task Samples_are_connected_validators_and_never_oneself()
    {
        Source source = new([new(A, 5), new(B, 50), new(Net.IdOf(3), 45), new(NodeId.Zero, 1_000)]);
        PeerTable table = new(A, source, new ManualTime(), new PeerLimits(), new SeededRandom(1));
        Assert.False(table.TrySample(out _));
        foreach (int i in (int[])[1, 2, 9])
        {
            table.Add(Net.IdOf(i));
        }

        Assert.True(table.IsValidator(Net.IdOf(9)));                // nobody is known to validate yet: everyone counts
        await table.RefreshAsync(default);
        Assert.False(table.IsValidator(Net.IdOf(9)));
        Assert.False(table.IsValidator(NodeId.Zero));
        Assert.Equal(2, table.ConnectedValidators);
        for (int i = 0; i < 50; i++)
        {
            Assert.True(table.TrySample(out NodeId peer));
            Assert.Equal(B, peer);
        }

        Assert.Equal([B], table.Top(900));                          // 50 and 45 of 100 are enough; 45 is not connected
        table.Remove(B);
        Assert.False(table.TrySample(out _));
        Assert.Empty(table.Top(1000));
    }

    [Fact]
    public async Task The_validators_are_asked_for_once_a_minute_and_kept_when_they_cannot_be_known()
    {
        ManualTime time = new();
        Source source = new([new(B, 1)]);
        PeerTable table = new(A, source, time, new PeerLimits(), new SeededRandom(1));
        for (int i = 0; i < 10; i++)
        {
            await table.RefreshAsync(default);
        }

        Assert.Equal(1, source.Asked);
        source.Validators = null;
        time.Move(TimeSpan.FromMinutes(1));
        await table.RefreshAsync(default);
        Assert.Equal(2, source.Asked);
        Assert.False(table.IsValidator(A));
    }

    [Fact]
    public void A_transaction_is_pushed_once_and_again_when_it_still_waits_much_later()
    {
        ManualTime time = new();
        MemorySet set = new();
        PushQueue queue = new(set, time, new PeerLimits());
        SeededRandom random = new(5);
        byte[] stays = MemorySet.Transaction(random);
        byte[] goes = MemorySet.Transaction(random);
        foreach (byte[] one in (byte[][])[stays, goes, stays])
        {
            set.Put(one);
            queue.Add(new GossipItem(MemorySet.IdOf(one), one));
        }

        Assert.Equal(2, queue.TakeFresh().Count);
        Assert.Empty(queue.TakeFresh());
        Assert.Empty(queue.TakeDue());
        set.Remove(MemorySet.IdOf(goes));
        time.Move(TimeSpan.FromSeconds(30));
        Assert.Equal([stays], queue.TakeDue().ConvertAll(item => item.ToArray()));
        Assert.Equal(1, queue.Tracked);

        // it vanished after it was pushed: when it comes back, it is not pushed at once
        set.Put(goes);
        queue.Add(new GossipItem(MemorySet.IdOf(goes), goes));
        Assert.Empty(queue.TakeFresh());
        time.Move(TimeSpan.FromSeconds(30));
        Assert.Equal(2, queue.TakeDue().Count);
    }

    [Fact]
    public void Pushes_are_remembered_up_to_a_bound_and_messages_end_at_their_size()
    {
        PeerLimits limits = new() { MaxTracked = 500, MaxDiscarded = 10 };
        ManualTime time = new();
        MemorySet set = new();
        PushQueue queue = new(set, time, limits);
        SeededRandom random = new(6);
        for (int i = 0; i < 5_000; i++)
        {
            byte[] one = MemorySet.Transaction(random, 1_000);
            set.Put(one);
            queue.Add(new GossipItem(MemorySet.IdOf(one), one));
        }

        Assert.Equal(500, queue.Tracked);
        Assert.Equal(21, queue.TakeFresh().Count);                  // 20 KiB and what crosses it
        List<GossipItem> all = [];
        set.List(all);
        all.ForEach(item => set.Remove(item.Id));
        Assert.Empty(queue.TakeFresh());
        time.Move(TimeSpan.FromSeconds(31));
        Assert.Empty(queue.TakeDue());
        Assert.Equal(0, queue.Tracked);
    }

    [Theory, InlineData(1ul), InlineData(9ul)]
    public void A_filter_forgets_nothing_that_waits_and_begins_anew_when_it_is_full(ulong seed)
    {
        SeededRandom random = new(seed);
        MemorySet set = new();
        KnownFilter known = new(set, new PeerLimits { FilterMinIds = 100 }, random.Fork(1));
        HashSet<string> salts = [];
        List<byte[]> waiting = [];
        for (int i = 0; i < 2_000; i++)
        {
            byte[] one = MemorySet.Transaction(random);
            set.Put(one);
            known.Add(MemorySet.IdOf(one));
            waiting.Add(one);
            if (i % 100 == 0)
            {
                Assert.True(SdkMessages.TryReadPair(known.EncodeRequest(), 2, out ReadOnlyMemory<byte> salt, out ReadOnlyMemory<byte> bytes, out _));
                Assert.True(BloomFilter.TryDecode(bytes.Span, out BloomFilter? filter, out _));
                Bytes32 salted = Bytes32.From(salt.Span);
                salts.Add(salted.ToString());
                Assert.All(waiting, item => Assert.True(filter.Contains(BloomFilter.HashOf(MemorySet.IdOf(item).Value, salted)), $"seed {seed} at {i}"));
            }
        }

        Assert.InRange(known.Resets, 3, 12);                        // it grows with what waits: about once a doubling
        Assert.True(salts.Count > 2);
    }

    private sealed class Source(IReadOnlyList<ValidatorWeight>? validators) : IValidatorSource
    {
        public IReadOnlyList<ValidatorWeight>? Validators { get; set; } = validators;

        public int Asked { get; private set; }

        public Task<IReadOnlyList<ValidatorWeight>?> CurrentAsync(System.Threading.CancellationToken cancelled)
        {
            Asked++;
            return Task.FromResult(Validators);
        }
    }
}
