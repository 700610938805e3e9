// What a unit of gas costs, and what a payer must hold before its transaction may enter a block.
//
//   price       = base fee + min(tip, max price - base fee)          the base part is burned, the rest goes to the treasury
//   reservation = gas limit x price                                  taken before the batch, the unused part given back after it
//
// Range: gas limit <= 2^40 and price < 2^64, so a reservation is below 2^104, and the reservations of every transaction
// that a block or a mempool can hold add up far below 2^128: no sum here can wrap.

using System;

namespace ParallelVm.Chain;

/// <summary>The fee formulas.</summary>
public static class Fees
{
    /// <summary>The highest gas limit that any chain may allow.</summary>
    public const ulong MaxGas = 1UL << 40;

    /// <summary>What the payer pays per gas.</summary>
    /// <param name="baseFee">The chain's, at most <paramref name="maxPrice"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="maxPrice"/> is below the base fee: admission refuses that.</exception>
    public static ulong PriceOf(ulong baseFee, ulong maxPrice, ulong tip) => baseFee + EffectiveTip(baseFee, maxPrice, tip);

    /// <summary>The part of the price that goes to the treasury: what a transaction is ordered by.</summary>
    public static ulong EffectiveTip(ulong baseFee, ulong maxPrice, ulong tip)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxPrice, baseFee);
        return Math.Min(tip, maxPrice - baseFee);
    }

    /// <summary>What a payer must hold for a transaction.</summary>
    public static UInt128 Reservation(ulong gasLimit, ulong price) => (UInt128)gasLimit * price;
}
