// The pool program from outside: how its entries are called. AmmLayout says where the records live.
// Programs/amm.pvasm is the other half; selectors and argument offsets are the same numbers there.

using System;
using System.Buffers.Binary;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Which way a swap goes.</summary>
public enum SwapDirection : byte
{
    /// <summary>Asset A goes in, asset B comes out.</summary>
    AToB = 0,

    /// <summary>Asset B goes in, asset A comes out.</summary>
    BToA = 1,
}

/// <summary>Calls of the constant-product pool program.</summary>
public static class AmmCalls
{
    /// <summary>Selector of <c>swap</c>.</summary>
    public const uint SwapSelector = 1;

    /// <summary>Selector of <c>add_liquidity</c>.</summary>
    public const uint AddLiquiditySelector = 2;

    /// <summary>Selector of <c>remove_liquidity</c>.</summary>
    public const uint RemoveLiquiditySelector = 3;

    /// <summary>Gives exactly <paramref name="amountIn"/> and takes what the curve gives, at least <paramref name="minOut"/>.</summary>
    /// <param name="caller">The sender of the transaction; its vault balances are used.</param>
    /// <param name="pool">Local key of the pool record.</param>
    /// <param name="assetA">The pool's asset A.</param>
    /// <param name="assetB">The pool's asset B.</param>
    public static ProgramCall Swap(
        PublicKey caller, LocalKey pool, Bytes32 assetA, Bytes32 assetB, ulong amountIn, ulong minOut, SwapDirection direction)
    {
        (Bytes32 assetIn, Bytes32 assetOut) = direction == SwapDirection.AToB ? (assetA, assetB) : (assetB, assetA);
        return new ProgramCall(
            SwapSelector,
            Words(amountIn, minOut, (ulong)direction),
            [
                new SlotBinding(pool, AccessMode.Write),
                new SlotBinding(AmmLayout.BalanceKey(caller, assetIn), AccessMode.Write),
                new SlotBinding(AmmLayout.BalanceKey(caller, assetOut), AccessMode.Add),
                new SlotBinding(AmmLayout.VolumeKey(pool), AccessMode.Add),
            ]);
    }

    /// <summary>Gives up to both amounts in the pool's proportion (exactly both for the first deposit) and takes shares.</summary>
    /// <param name="minShares">Aborts when fewer shares would be given.</param>
    public static ProgramCall AddLiquidity(
        PublicKey caller, LocalKey pool, Bytes32 assetA, Bytes32 assetB, ulong maxA, ulong maxB, ulong minShares) => new(
        AddLiquiditySelector,
        Words(maxA, maxB, minShares),
        [
            new SlotBinding(pool, AccessMode.Write),
            new SlotBinding(AmmLayout.BalanceKey(caller, assetA), AccessMode.Write),
            new SlotBinding(AmmLayout.BalanceKey(caller, assetB), AccessMode.Write),
            new SlotBinding(AmmLayout.ShareKey(caller, pool), AccessMode.Add),
        ]);

    /// <summary>Gives shares back and takes their part of both reserves, rounded down.</summary>
    /// <param name="minA">Aborts when less of asset A would be given.</param>
    /// <param name="minB">Aborts when less of asset B would be given.</param>
    public static ProgramCall RemoveLiquidity(
        PublicKey caller, LocalKey pool, Bytes32 assetA, Bytes32 assetB, ulong shares, ulong minA, ulong minB) => new(
        RemoveLiquiditySelector,
        Words(shares, minA, minB),
        [
            new SlotBinding(pool, AccessMode.Write),
            new SlotBinding(AmmLayout.BalanceKey(caller, assetA), AccessMode.Add),
            new SlotBinding(AmmLayout.BalanceKey(caller, assetB), AccessMode.Add),
            new SlotBinding(AmmLayout.ShareKey(caller, pool), AccessMode.Write),
        ]);

    private static byte[] Words(ulong first, ulong second, ulong third)
    {
        byte[] arguments = new byte[24];
        BinaryPrimitives.WriteUInt64LittleEndian(arguments, first);
        BinaryPrimitives.WriteUInt64LittleEndian(arguments.AsSpan(8), second);
        BinaryPrimitives.WriteUInt64LittleEndian(arguments.AsSpan(16), third);
        return arguments;
    }
}

/// <summary>Values that the pool program aborts with; a receipt shows 256 more.</summary>
public static class AmmAborts
{
    /// <summary>A slot names another record than the entry needs: not the caller's balance or shares, or not this pool's volume.</summary>
    public const uint WrongKey = 1;

    /// <summary>The pool slot names a record that is not a pool.</summary>
    public const uint NotAPool = 2;

    /// <summary>A direction other than 0 and 1.</summary>
    public const uint BadDirection = 3;

    /// <summary>The caller holds less than it gives.</summary>
    public const uint Overdraft = 4;

    /// <summary>The result is below the caller's minimum.</summary>
    public const uint Slippage = 5;

    /// <summary>The amounts are too small to move anything, or the pool is empty.</summary>
    public const uint NothingToDo = 6;
}
