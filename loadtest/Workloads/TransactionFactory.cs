// Intents to signed bytes: the client's side of the load. An intent that is meant to fail is encoded so that it passes
// admission and fails in its block, in the way that the intent says.
//
//   slippage            asks for more than any pool gives
//   overdraft           moves more than the world holds
//   out of gas          gas limit = intrinsic gas + 1
//   undeclared access   the last slot's record is declared Read, where the program adds
//
// A transaction is unique by its expiry (one per height) and its highest price (one per place in the offer).
//
// Threading: any thread; nothing is shared.   Cost: one signature per transaction, two when it is to run out of gas.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Workloads;

/// <summary>Signs the load of a world.</summary>
/// <param name="wall">The clock of a chain that runs by the wall clock: a transaction expires <see cref="WallExpiryMs"/> after it was signed. Null: the load's own.</param>
internal sealed class TransactionFactory(DexWorld world, TimeProvider? wall = null)
{
    /// <summary>Less than the longest that a chain allows.</summary>
    private const long WallExpiryMs = 50_000;

    /// <summary>Far above what a transfer or a swap uses, and low enough for thousands of them in a block.</summary>
    private const ulong GasLimit = 32_000;

    private const ulong PriceFloor = 1_000;

    /// <summary>The block's time at a height: the chain's clock ticks once per block, in <see cref="BlockTimeMs"/>.</summary>
    public static ulong TimeMsAt(Height height) => DexWorld.GenesisTimeMs + height.Value * BlockTimeMs;

    /// <summary>Milliseconds between blocks on the load's clock.</summary>
    public const ulong BlockTimeMs = 1_000;

    /// <summary>Encodes and signs one intent for the block at <paramref name="height"/>.</summary>
    public Transaction Sign(in Intent intent, Height height)
    {
        SigningKey sender = world.Account(intent.Sender);
        ProgramCall call = CallOf(intent, sender.PublicKey);
        ProgramId program = intent.Kind == IntentKind.Transfer ? DexWorld.Token : DexWorld.Amm;
        Transaction transaction = Sign(intent, height, sender, program, call, GasLimit);
        return intent.Failure == IntentFailure.OutOfGas
            ? Sign(intent, height, sender, program, call, GasPrices.Launch.Intrinsic(transaction.Bytes.Length, 1, transaction.Accesses.Accesses) + 1)
            : transaction;
    }

    private Transaction Sign(in Intent intent, Height height, SigningKey sender, ProgramId program, ProgramCall call, ulong gasLimit)
    {
        TransactionBuilder builder = new(world.Genesis.ChainId)
        {
            ExpiryMs = wall is null
                ? TimeMsAt(height) + BlockTimeMs / 2            // what its block leaves over is gone at the next tick
                : (ulong)(wall.GetUtcNow().ToUnixTimeMilliseconds() + WallExpiryMs),
            GasLimit = gasLimit,
            MaxPrice = PriceFloor + (ulong)intent.Index,
            Tip = 1,
        };
        builder.Call(program, call.Selector, call.Arguments);
        for (int slot = 0; slot < call.Slots.Length; slot++)
        {
            bool isWeakened = intent.Failure == IntentFailure.UndeclaredAccess && slot == call.Slots.Length - 1;
            builder.Slot(program, call.Slots[slot].Key, isWeakened ? AccessMode.Read : call.Slots[slot].Mode);
        }

        return builder.Sign(sender);
    }

    private ProgramCall CallOf(in Intent intent, PublicKey sender)
    {
        if (intent.Kind == IntentKind.Transfer)
        {
            UInt128 amount = intent.Failure == IntentFailure.Overdraft ? UInt128.MaxValue : intent.Amount;
            return TokenCalls.Transfer(sender, world.Account(intent.Recipient).PublicKey, amount);
        }

        (LocalKey key, Bytes32 assetA, Bytes32 assetB) = world.Pool(intent.Pool);
        ulong minOut = intent.Failure == IntentFailure.Slippage ? ulong.MaxValue : 0;
        SwapDirection direction = intent.IsReverse ? SwapDirection.BToA : SwapDirection.AToB;
        return AmmCalls.Swap(sender, key, assetA, assetB, intent.Amount, minOut, direction);
    }
}
