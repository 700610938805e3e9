// The programs that the transactions of one block call, and those that these may call in turn, found in the state that the block
// starts from: the moment at which a transaction is bound to code. From here on the batch loop looks nothing up but this table.
//
//   parent's state --ActivePrograms--> record --ProgramLoader--> code --TryBind--> message
//                                         ^------- the programs that the code names, and so on
//
// Invariants
//   B1  a message runs the code that is active at the start of its block, whatever its block deploys; so does what it calls
//   B2  what a block's transactions can call, all programs together, is at most MaxCodeBytes of containers, a program and a name
//       that nobody has counting at least one chunk: what a node may have to read and verify for one block is bounded
//   B3  a program is in the table together with everything that it names, or not at all
//
// Threading: ChainService's lock, or one thread, until the batch runs; then nothing changes and workers read.
// Cost: a lookup per transaction; per program of the block a record read, and a load where the loader has forgotten it.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>The programs of one block.</summary>
public sealed class BlockPrograms : IProgramSource
{
    /// <summary>Most container bytes of all programs that one block may call: 4 MiB, some 40 ms of verifying.</summary>
    public const int MaxCodeBytes = 4 << 20;

    private readonly ChainRules _rules;
    private readonly ActivePrograms _active;
    private readonly IStateView _state;
    private readonly Dictionary<ProgramId, VerifiedProgram?> _loaded = [];      // null: no such program
    private readonly HashSet<ProgramId> _refused = [];                          // _bytes only grows, so they stay refused
    private readonly List<(ProgramId Id, VerifiedProgram? Program)> _found = []; // of one TryLoad
    private readonly HashSet<ProgramId> _foundIds = [];
    private readonly long _maxCodeBytes;
    private long _bytes;

    /// <summary>For those who have a state and no chain service.</summary>
    /// <param name="state">What the block starts from.</param>
    public BlockPrograms(ChainRules rules, IStateView state)
        : this(rules, new ActivePrograms((rules ?? throw new ArgumentNullException(nameof(rules))).Hashing), state)
    {
    }

    internal BlockPrograms(ChainRules rules, ActivePrograms active, IStateView state, long maxCodeBytes = MaxCodeBytes)
    {
        _maxCodeBytes = maxCodeBytes;
        _rules = rules;
        _active = active;
        _state = state;
    }

    /// <summary>Binds a transaction to the code that it runs in this block.</summary>
    /// <returns>False when it may not be in this block: no such program or entry at its start, or too much code beside the others'.</returns>
    public bool TryBind(PreparedTransaction prepared, [NotNullWhen(true)] out Message? message, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(prepared);
        Transaction transaction = prepared.Transaction;
        message = null;
        refusal = _rules.CheckCall(transaction, _active, _state, out int entry);
        if (refusal.IsRefused)
        {
            return false;
        }

        ProgramId called = transaction.Programs[0];
        if (called == ProgramId.System)
        {
            message = prepared.ToMessage(_rules.System.Face, entry, _rules.System);
            return true;
        }

        if (!TryLoad(called))
        {
            refusal = new Refusal(
                RefusalCode.BlockCodeExceeded, $"Program {called} and what it calls would bring the block to more than {_maxCodeBytes} bytes of code.");
            return false;
        }

        message = prepared.ToMessage(_loaded[called]!, entry, null);
        return true;
    }

    /// <inheritdoc/>
    public bool TryFind(ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program) => _loaded.TryGetValue(id, out program) && program is not null;

    // B3: breadth first over names. What does not fit leaves no trace in B2: whoever is left out costs the others nothing.
    private bool TryLoad(in ProgramId called)
    {
        if (_loaded.ContainsKey(called))
        {
            return true;
        }

        if (_refused.Contains(called))
        {
            return false;
        }

        _found.Clear();
        _foundIds.Clear();
        long bytes = _bytes;
        bool fits = TryFound(called, ref bytes);
        for (int next = 0; fits && next < _found.Count; next++)
        {
            foreach (ProgramId id in _found[next].Program?.Named ?? [])
            {
                fits = fits && TryFound(id, ref bytes);
            }
        }

        if (!fits)
        {
            _refused.Add(called);
            return false;
        }

        _bytes = bytes;
        foreach ((ProgramId id, VerifiedProgram? program) in _found)
        {
            _loaded.Add(id, program);
        }

        return true;
    }

    private bool TryFound(in ProgramId id, ref long bytes)
    {
        if (_loaded.ContainsKey(id) || !_foundIds.Add(id))
        {
            return true;
        }

        bool exists = _active.TryFind(_state, id, out ProgramRecord? record);
        bytes += exists ? Math.Max(record!.CodeLength, ProgramRecord.ChunkBytes) : ProgramRecord.ChunkBytes;
        if (bytes > _maxCodeBytes)
        {
            return false;
        }

        _found.Add((id, exists ? _rules.Loader.Load(record!, _state, _rules.Hashing) : null));
        return true;
    }
}
