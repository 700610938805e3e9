// The order book program from outside. A level is one price of one market; Programs/orderbook.pvasm has the records.

using System.Buffers.Binary;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Which side an order is on.</summary>
public enum OrderSide : byte
{
    /// <summary>Buys what waits to be sold.</summary>
    Buy = 0,

    /// <summary>Sells to what waits to buy.</summary>
    Sell = 1,
}

/// <summary>Calls of the order book program.</summary>
public static class OrderBookCalls
{
    /// <summary>Selector of <c>place</c>.</summary>
    public const uint PlaceSelector = 1;

    /// <summary>Selector of <c>quote</c>.</summary>
    public const uint QuoteSelector = 2;

    /// <summary>Takes what waits at a level on the other side, and leaves the rest there.</summary>
    /// <param name="caller">The sender of the transaction.</param>
    /// <param name="level">The price's record.</param>
    /// <param name="volume">The market's volume.</param>
    public static ProgramCall Place(PublicKey caller, LocalKey level, LocalKey volume, ulong quantity, OrderSide side)
    {
        byte[] arguments = new byte[16];
        BinaryPrimitives.WriteUInt64LittleEndian(arguments, quantity);
        arguments[8] = (byte)side;
        return new ProgramCall(
            PlaceSelector,
            arguments,
            [
                new SlotBinding(level, AccessMode.Write),
                new SlotBinding(PositionKey(caller), AccessMode.Write),
                new SlotBinding(volume, AccessMode.Add),
            ]);
    }

    /// <summary>Looks at a level.</summary>
    public static ProgramCall Quote(LocalKey level) => new(QuoteSelector, [], [new SlotBinding(level, AccessMode.Read)]);

    /// <summary>What an account bought and sold.</summary>
    public static LocalKey PositionKey(PublicKey account) => new(account.Value);
}
