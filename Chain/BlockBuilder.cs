// Chooses the transactions of a block: best tip first, as long as they fit. Fees buy span, not only gas, so beside the block's
// gas and bytes it watches how long the longest chain of waits becomes, and how much of the block one written key takes.
//
//   gas      sum of gas limits                          <= the chain's block gas
//   bytes    header and transactions                    <= the chain's block bytes
//   share    gas limits of those that write one key     <= 25 % of block gas, or a single transaction
//   span     gas limits along the longest chain         <= 60 % of block gas, or a single transaction
//   payer    reservations of one payer, in order        <= its balance before the block
//   code     a program that is active at the block's start, and has the entry; containers of all of them <= what a block may call
//
// Share and span are the builder's manners, not rules of validity: a block that ignores them is slow, not wrong.
//
// A transaction that does not fit stays in the mempool; the walk goes on with the next, for at most MaxScan entries, so
// a pool full of one hot key costs a bounded walk.
//
// Pure: same pool, same state, same time, same choice.   Threading: ChainService's lock.   Cost: O(accesses) per candidate.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>Packs one block; made anew for each.</summary>
internal sealed class BlockBuilder
{
    /// <summary>Most mempool entries looked at for one block.</summary>
    public const int MaxScan = 32_768;

    /// <summary>After so many in a row that did not fit gas or bytes, the block counts as full.</summary>
    private const int FullAfter = 64;

    private readonly ChainLimits _limits;
    private readonly IStateView _state;
    private readonly ReplayScope _known;
    private readonly BlockPrograms _programs;
    private readonly ulong _timestampMs;
    private readonly ulong _maxShare;
    private readonly ulong _maxSpan;
    private readonly Dictionary<StateKey, KeyLoad> _keys = [];
    private readonly Dictionary<PublicKey, UInt128> _left = [];
    private readonly List<Transaction> _chosen = [];
    private ulong _gas;
    private long _bytes = BlockFormat.HeaderBytes;

    /// <param name="state">The parent's state.</param>
    /// <param name="known">Ids that the branch holds already.</param>
    /// <param name="programs">Of that state.</param>
    public BlockBuilder(ChainLimits limits, IStateView state, ReplayScope known, BlockPrograms programs, ulong timestampMs)
    {
        _limits = limits;
        _state = state;
        _known = known;
        _programs = programs;
        _timestampMs = timestampMs;
        _maxShare = limits.MaxBlockGas / 4;
        _maxSpan = limits.MaxBlockGas / 5 * 3;
    }

    /// <summary>The chosen transactions, in block order.</summary>
    /// <param name="batch">Gets their messages, in the same order.</param>
    public Transaction[] Pack(IEnumerable<Mempool.Entry> ordered, List<Message> batch)
    {
        int scanned = 0;
        int full = 0;
        foreach (Mempool.Entry entry in ordered)
        {
            if (++scanned > MaxScan || full >= FullAfter)
            {
                break;
            }

            if (!FitsBlock(entry.Prepared))
            {
                full++;
            }
            else if (IsAllowed(entry.Prepared) && _programs.TryBind(entry.Prepared, out Message? message, out _) && TryPlace(message))
            {
                full = 0;
                batch.Add(message);
                Take(entry.Prepared);
            }
        }

        return [.. _chosen];
    }

    private bool FitsBlock(PreparedTransaction prepared) =>
        _gas + prepared.Transaction.GasLimit <= _limits.MaxBlockGas && _bytes + 4 + prepared.Transaction.Bytes.Length <= _limits.MaxBlockBytes;

    private bool IsAllowed(PreparedTransaction prepared)
    {
        if (ChainRules.CheckTime(prepared.Transaction, _timestampMs).IsRefused || _known.Contains(prepared.Transaction.Id))
        {
            return false;
        }

        ref UInt128 left = ref CollectionsMarshal.GetValueRefOrAddDefault(_left, prepared.Transaction.Payer, out bool isKnown);
        if (!isKnown)
        {
            left = NativeBalance.Read(_state, prepared.PayerKey);
        }

        return left >= prepared.Reservation;
    }

    // Share and span: where would the transaction start, if every transaction took its whole gas limit?
    private bool TryPlace(Message message)
    {
        ReadOnlySpan<Access> accesses = message.Accesses.Accesses;
        ulong start = 0;
        for (int i = 0; i < accesses.Length; i++)
        {
            if (!_keys.TryGetValue(message.Keys[i], out KeyLoad load))
            {
                continue;
            }

            start = Math.Max(start, load.FreeFor(accesses[i].Mode));
            if (accesses[i].Mode == AccessMode.Write && load.Written != 0 && load.Written + message.GasLimit > _maxShare)
            {
                return false;
            }
        }

        ulong end = start + message.GasLimit;
        if (start != 0 && end > _maxSpan)
        {
            return false;
        }

        for (int i = 0; i < accesses.Length; i++)
        {
            ref KeyLoad load = ref CollectionsMarshal.GetValueRefOrAddDefault(_keys, message.Keys[i], out _);
            load = load.With(accesses[i].Mode, end, message.GasLimit);
        }

        return true;
    }

    private void Take(PreparedTransaction prepared)
    {
        _gas += prepared.Transaction.GasLimit;
        _bytes += 4 + prepared.Transaction.Bytes.Length;
        _left[prepared.Transaction.Payer] -= prepared.Reservation;
        _chosen.Add(prepared.Transaction);
    }

    // When, in gas on endless cores, a key's last reader, writer and adder are done, and how much gas its writers took.
    private readonly record struct KeyLoad(ulong ReadEnd, ulong WriteEnd, ulong AddEnd, ulong Written)
    {
        public ulong FreeFor(AccessMode mode) => mode switch
        {
            AccessMode.Read => Math.Max(WriteEnd, AddEnd),
            AccessMode.Add => Math.Max(WriteEnd, ReadEnd),
            _ => Math.Max(WriteEnd, Math.Max(ReadEnd, AddEnd)),
        };

        public KeyLoad With(AccessMode mode, ulong end, ulong gas) => mode switch
        {
            AccessMode.Read => this with { ReadEnd = Math.Max(ReadEnd, end) },
            AccessMode.Add => this with { AddEnd = Math.Max(AddEnd, end) },
            _ => this with { WriteEnd = end, Written = Written + gas },
        };
    }
}
