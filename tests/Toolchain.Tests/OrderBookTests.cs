// The order book against a model of two numbers per level.

using System;
using System.Buffers.Binary;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class OrderBookTests
{
    private static readonly LocalKey Volume = new(new Bytes32(0, 0, 0, 9));

    [Theory, InlineData(1), InlineData(2)]
    public void Orders_take_what_waits_and_leave_the_rest(ulong seed)
    {
        SeededRandom random = new(seed);
        ProgramHost host = new(ReferencePrograms.OrderBook);
        ulong[] bids = new ulong[3];
        ulong[] asks = new ulong[3];
        (ulong Bought, ulong Sold)[] positions = new (ulong, ulong)[4];
        UInt128 volume = 0;
        for (int round = 0; round < 300; round++)
        {
            int level = random.Next(3);
            int trader = random.Next(4);
            ulong quantity = (ulong)random.Next(1_000);
            bool buys = random.Chance(1, 2);
            ref ulong other = ref (buys ? ref asks[level] : ref bids[level]);
            ref ulong own = ref (buys ? ref bids[level] : ref asks[level]);
            ulong fill = Math.Min(other, quantity);
            (other, own, volume) = (other - fill, own + quantity - fill, volume + fill);
            positions[trader] = buys ? (positions[trader].Bought + fill, positions[trader].Sold) : (positions[trader].Bought, positions[trader].Sold + fill);

            Assert.Equal(Halt.Success, host.Run(OrderBookCalls.Place(Trader(trader), Level(level), Volume, quantity, buys ? OrderSide.Buy : OrderSide.Sell), Trader(trader)).Halt);
            Assert.Equal(Halt.Success, host.Run(OrderBookCalls.Quote(Level(level)), Trader(trader)).Halt);
            Assert.True((bids[level], asks[level]) == Words(host, Level(level)), $"seed {seed} round {round}");
            Assert.True(positions[trader] == Words(host, OrderBookCalls.PositionKey(Trader(trader))), $"seed {seed} round {round}");
            Assert.Equal(volume, host.Balance(Volume));
        }
    }

    [Fact]
    public void Another_ones_position_and_a_third_side_are_refused()
    {
        ProgramHost host = new(ReferencePrograms.OrderBook);
        Assert.Equal(257, host.Run(OrderBookCalls.Place(Trader(0), Level(0), Volume, 5, OrderSide.Buy), Trader(1)).Code);
        Assert.Equal(258, host.Run(OrderBookCalls.Place(Trader(0), Level(0), Volume, 5, (OrderSide)2), Trader(0)).Code);
        Assert.Empty(Written(host, Level(0)));
    }

    [Fact]
    public void Touch_program_loads_what_it_only_reads()
    {
        ProgramHost host = new(TouchProgram.Assemble(1, 1, 2));
        host.Set(Level(2), [7]);
        Outcome outcome = host.Run(TouchProgram.Call([Level(0)], [Level(1)], [Level(2), Level(3)]), Trader(0));
        Assert.Equal(Halt.Success, outcome.Halt);
        Assert.Equal(((UInt128)1, (UInt128)1), (host.Balance(Level(0)), host.Balance(Level(1))));
        Assert.Equal([7], Written(host, Level(2)));
    }

    private static byte[] Written(ProgramHost host, LocalKey key) => host.Records.TryGetValue(key, out ParallelVm.Executor.Record? record) ? record.Value.ToArray() : [];

    private static (ulong First, ulong Second) Words(ProgramHost host, LocalKey key)
    {
        byte[] padded = new byte[16];
        Written(host, key).CopyTo(padded, 0);
        return (BinaryPrimitives.ReadUInt64LittleEndian(padded), BinaryPrimitives.ReadUInt64LittleEndian(padded.AsSpan(8)));
    }

    private static PublicKey Trader(int index) => new(new Bytes32(1, 2, 3, (ulong)index + 1));

    private static LocalKey Level(int index) => new(new Bytes32(5, 0, 0, (ulong)index + 1));
}
