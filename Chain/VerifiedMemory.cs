// Which exact bytes carried good signatures. Keyed by the hash of the whole transaction, not by its id: the id leaves the
// signatures out, so a copy with a forged signature has the id of the good one, and a node that skipped it by id would
// accept a block that other nodes refuse.
//
// A transaction in the mempool is known by its bytes and needs no entry here; this remembers those that came in blocks, were
// displaced from the mempool, or were checked ahead. Bounded, oldest out first; forgetting costs a second check, never an answer.
//
// Threading: any thread, one lock of its own: who checks ahead does not wait for a block that is being executed.

using System.Collections.Generic;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>A bounded memory of checked transactions.</summary>
internal sealed class VerifiedMemory
{
    private const int MaxEntries = 131_072;

    private readonly Lock _gate = new();
    private readonly HashSet<Bytes32> _entries = [];
    private readonly Queue<Bytes32> _order = new();

    /// <summary>True when nothing was remembered yet.</summary>
    public bool IsEmpty
    {
        get
        {
            lock (_gate)
            {
                return _entries.Count == 0;
            }
        }
    }

    /// <summary>True when these exact bytes were checked.</summary>
    public bool Contains(in Bytes32 wireHash)
    {
        lock (_gate)
        {
            return _entries.Contains(wireHash);
        }
    }

    /// <summary>Remembers checked bytes.</summary>
    public void Add(in Bytes32 wireHash)
    {
        lock (_gate)
        {
            if (!_entries.Add(wireHash))
            {
                return;
            }

            _order.Enqueue(wireHash);
            if (_order.Count > MaxEntries)
            {
                _entries.Remove(_order.Dequeue());
            }
        }
    }

    /// <summary>The key of a transaction.</summary>
    public static Bytes32 HashOf(Transaction transaction) => Blake3.Hash(transaction.Bytes.Span);
}
