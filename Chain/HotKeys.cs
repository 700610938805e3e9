// Keys that more transactions want to write than one block lets. Those that want to write such a key wait in a queue of
// its own, the best first; only the best is shown to the builder, and the next is shown when it is gone.
//
//   open     t9 t2 [k7: t5] t11 [k3: t1] ...        what a builder walks
//   queues   k7: t5 t8 t13 ... (60,000 of them)      one look in the walk, however long the queue
//
// A key is hot when its waiting writers are at least two and their gas limits add up to more than a block gives to one
// key; a key that is not hot can hold nobody up. Who comes while a key is hot waits in its queue: the hottest key's when it writes
// several. Those that came before stay open; they are at most as much gas as a block gives to the key.
//
// Invariants
//   H1  open holds every entry without a queue, and the best of each queue
//   H2  the load of a key is the count and the gas of the waiting entries that write it
//
// Threading: the mempool's.   Cost: a look-up for each written key, and O(log n), per entry in and out.

using System;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>The waiting transactions by the hot key that they write.</summary>
/// <param name="keyGasMax">Gas of writers of one key that a block takes at most.</param>
internal sealed class HotKeys(ulong keyGasMax)
{
    private readonly Dictionary<StateKey, Load> _loads = [];
    private readonly Dictionary<StateKey, Queue> _queues = [];

    /// <summary>What a builder walks (H1), best first.</summary>
    public SortedSet<Mempool.Entry> Open { get; } = new(Mempool.BestFirst);

    /// <summary>Queues that are not empty.</summary>
    public int QueueCount => _queues.Count;

    /// <summary>Takes an entry in.</summary>
    public void Add(Mempool.Entry entry)
    {
        ulong gas = entry.Prepared.Transaction.GasLimit;
        ReadOnlySpan<Access> accesses = entry.Prepared.Transaction.Accesses.Accesses;
        StateKey hottest = default;
        ulong hottestGas = keyGasMax;
        for (int i = 0; i < accesses.Length; i++)
        {
            if (accesses[i].Mode == AccessMode.Write)
            {
                ref Load load = ref CollectionsMarshal.GetValueRefOrAddDefault(_loads, entry.Prepared.Keys[i], out _);
                load = new Load(load.Writers + 1, load.Gas + gas);
                if (load.Writers > 1 && load.Gas > hottestGas)
                {
                    hottest = entry.Prepared.Keys[i];
                    hottestGas = load.Gas;
                }
            }
        }

        if (hottestGas == keyGasMax)
        {
            Open.Add(entry);
            return;
        }

        ref Queue? queue = ref CollectionsMarshal.GetValueRefOrAddDefault(_queues, hottest, out _);
        queue ??= new Queue(hottest);
        entry.Queue = queue;
        Mempool.Entry? best = queue.Waiting.Min;
        queue.Waiting.Add(entry);
        if (queue.Waiting.Min == entry)
        {
            Open.Add(entry);
            if (best is not null)
            {
                Open.Remove(best);
            }
        }
    }

    /// <summary>Lets an entry go.</summary>
    public void Remove(Mempool.Entry entry)
    {
        ReadOnlySpan<Access> accesses = entry.Prepared.Transaction.Accesses.Accesses;
        for (int i = 0; i < accesses.Length; i++)
        {
            if (accesses[i].Mode == AccessMode.Write)
            {
                Load load = _loads[entry.Prepared.Keys[i]];
                if (load.Writers == 1)
                {
                    _loads.Remove(entry.Prepared.Keys[i]);
                }
                else
                {
                    _loads[entry.Prepared.Keys[i]] = new Load(load.Writers - 1, load.Gas - entry.Prepared.Transaction.GasLimit);
                }
            }
        }

        bool wasOpen = Open.Remove(entry);
        if (entry.Queue is { } queue)
        {
            queue.Waiting.Remove(entry);
            entry.Queue = null;
            if (queue.Waiting.Count == 0)
            {
                _queues.Remove(queue.Key);
            }
            else if (wasOpen)
            {
                Open.Add(queue.Waiting.Min!);
            }
        }
    }

    /// <summary>Those that wait to write one hot key, best first; never empty while it is known.</summary>
    internal sealed class Queue(StateKey key)
    {
        /// <summary>The key.</summary>
        public StateKey Key { get; } = key;

        /// <summary>In the order of <see cref="Mempool.BestFirst"/>.</summary>
        public SortedSet<Mempool.Entry> Waiting { get; } = new(Mempool.BestFirst);
    }

    private readonly record struct Load(int Writers, ulong Gas);
}
