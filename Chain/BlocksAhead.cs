// Blocks that were parsed and may soon have to be verified, and what was found out about their transactions before that: the rules of each one applied, its
// keys hashed, its signatures checked, while the chain executes what is below.
//
//   parsed --TryAdd--> a place --TryNext/Good--> 256 transactions --> ... --> all        on whatever thread has time
//                        \----------------------Take----------------------> verified      with as much as there is by then
//
// A parsed block is a stranger's bytes, and what is done for it here may be in vain. Invariants
//   A1  at most PlacesMax blocks of BytesMax bytes together have places
//   A2  a block has a place only on top of the last accepted block, of a processing one, or of one with a place of which nothing was found to be bad
//   A3  a place ends with the block's own verification, which would have done the work, when its height is accepted, or, once the block is known to be bad, for another
//   A4  work in vain (a signature, or a record fetched: each some ten microseconds) is never more than VainMax above the work of the blocks that verified; beyond
//       that nothing is looked at ahead
//   A5  only what is good is told to Verify, of exactly the block's bytes, so no verdict depends on what was done here, or how far
//
// Threading: any; one lock of its own, held for a few comparisons. A block's entries below Checked are written before Checked moves, by the one thread that checks.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>One block, looked at ahead.</summary>
internal sealed class BlockAhead(Block block)
{
    private int _checked;
    private volatile bool _isOver;

    public Block Block { get; } = block;

    /// <summary>By transaction; those of [0, Checked) are all there and signed, others may be there because they wait in the mempool.</summary>
    public PreparedTransaction?[] Prepared { get; } = new PreparedTransaction?[block.Transactions.Length];

    /// <summary>Transactions [0, Checked) are good.</summary>
    public int Checked
    {
        get => Volatile.Read(ref _checked);
        set => Volatile.Write(ref _checked, value);
    }

    /// <summary>It was taken, forgotten, or found to be bad: nobody looks further.</summary>
    public bool IsOver
    {
        get => _isOver;
        set => _isOver = value;
    }

    /// <summary>Signatures checked and records fetched for it so far.</summary>
    public long Work { get; set; }

    public bool HasMore => !IsOver && Checked < Prepared.Length;
}

/// <summary>The places.</summary>
internal sealed class BlocksAhead
{
    /// <summary>Most blocks.</summary>
    public const int PlacesMax = 16;

    /// <summary>Most bytes of blocks.</summary>
    public const long BytesMax = 8L << 20;

    /// <summary>Most work in vain: a quarter of a second of one core.</summary>
    public const long VainMax = 16_384;

    private readonly Lock _gate = new();
    private readonly List<BlockAhead> _places = new(PlacesMax);         // parents before their children
    private long _bytes;
    private long _vain;

    /// <summary>Blocks with a place.</summary>
    public int Count
    {
        get
        {
            lock (_gate)
            {
                return _places.Count;
            }
        }
    }

    /// <summary>Work in vain, less that of blocks which verified.</summary>
    public long Vain
    {
        get
        {
            lock (_gate)
            {
                return _vain;
            }
        }
    }

    /// <summary>The header of a block that has a place and nothing bad so far.</summary>
    public bool TryFindGood(BlockId id, out BlockHeader header)
    {
        lock (_gate)
        {
            BlockAhead? found = Find(id);
            header = found?.Block.Header ?? default;
            return found is { IsOver: false };
        }
    }

    /// <summary>True when the block has a place already.</summary>
    public bool Has(BlockId id)
    {
        lock (_gate)
        {
            return Find(id) is not null;
        }
    }

    /// <summary>True when a block may be given a place now.</summary>
    public bool HasRoomFor(Block block)
    {
        lock (_gate)
        {
            return _vain < VainMax && (HasRoom(block) || _places.Exists(static place => place.IsOver));
        }
    }

    /// <summary>Gives a block a place (A1, A4). The caller has looked at what it stands on (A2).</summary>
    public bool TryAdd(BlockAhead ahead)
    {
        lock (_gate)
        {
            if (_vain >= VainMax || Find(ahead.Block.Id) is not null)
            {
                return false;
            }

            while (!HasRoom(ahead.Block) && _places.Find(static place => place.IsOver) is { } bad)
            {
                End(bad);
            }

            if (!HasRoom(ahead.Block))
            {
                return false;
            }

            _places.Add(ahead);
            _bytes += ahead.Block.Bytes.Length;
            return true;
        }
    }

    /// <summary>The next block with something left to check: the one that was given its place first.</summary>
    public bool TryNext([NotNullWhen(true)] out BlockAhead? next)
    {
        lock (_gate)
        {
            next = _vain >= VainMax ? null : _places.Find(static ahead => ahead.HasMore);
            return next is not null;
        }
    }

    /// <summary>Counts work: signatures before they are checked, records when they were fetched, a few at a time.</summary>
    public void Charge(BlockAhead ahead, long work)
    {
        lock (_gate)
        {
            ahead.Work += work;
            _vain += work;
        }
    }

    /// <summary>The block is being verified: what is known of it, or null. Nothing is added from now on.</summary>
    public BlockAhead? Take(BlockId id)
    {
        lock (_gate)
        {
            BlockAhead? found = Find(id);
            if (found is not null)
            {
                End(found);
            }

            return found;
        }
    }

    /// <summary>A block verified: what it cost ahead, or what it costs to check, was not in vain.</summary>
    /// <param name="ahead">What was known of it, if anything.</param>
    public void Verified(Block block, BlockAhead? ahead)
    {
        long signatures = 0;
        foreach (Transaction transaction in block.Transactions)
        {
            signatures += transaction.Signers.Length;
        }

        lock (_gate)
        {
            _vain = Math.Max(0, _vain - Math.Max(signatures, ahead?.Work ?? 0));
        }
    }

    /// <summary>Ends the places of all at or below an accepted height.</summary>
    public void Forget(Height accepted)
    {
        lock (_gate)
        {
            for (int i = _places.Count - 1; i >= 0; i--)
            {
                if (_places[i].Block.Header.Height.CompareTo(accepted) <= 0)
                {
                    End(_places[i]);
                }
            }
        }
    }

    private bool HasRoom(Block block) => _places.Count < PlacesMax && _bytes + block.Bytes.Length <= BytesMax;

    private BlockAhead? Find(BlockId id) => _places.Find(ahead => ahead.Block.Id == id);

    private void End(BlockAhead ahead)
    {
        ahead.IsOver = true;
        _places.Remove(ahead);
        _bytes -= ahead.Block.Bytes.Length;
    }
}
