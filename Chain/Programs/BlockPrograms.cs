// The programs that the transactions of one block call, found in the state that the block starts from: the moment at which a
// transaction is bound to code. From here on it carries its program, so the batch loop looks nothing up.
//
//   parent's state --ActivePrograms--> record --ProgramLoader--> code --TryBind--> message
//
// Invariants
//   B1  a message runs the code that is active at the start of its block, whatever its block deploys
//   B2  the containers of all programs that a block's transactions call have at most MaxCodeBytes together: what a node may have to
//       load and verify for one block is bounded, however many programs there are
//
// Threading: ChainService's lock, or one thread; the answers are then read by workers.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>The programs of one block.</summary>
public sealed class BlockPrograms
{
    /// <summary>Most container bytes of all programs that one block may call: 4 MiB, some 40 ms of verifying.</summary>
    public const int MaxCodeBytes = 4 << 20;

    private readonly ChainRules _rules;
    private readonly ActivePrograms _active;
    private readonly IStateView _state;
    private readonly Dictionary<ProgramId, VerifiedProgram> _loaded = [];
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

        if (!TryLoad(called, out VerifiedProgram? program, out refusal))
        {
            return false;
        }

        message = prepared.ToMessage(program, entry, null);
        return true;
    }

    // A program that does not fit leaves no trace in B2: whoever is left out costs the others nothing.
    private bool TryLoad(in ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program, out Refusal refusal)
    {
        refusal = Refusal.None;
        if (_loaded.TryGetValue(id, out program))
        {
            return true;
        }

        bool exists = _active.TryFind(_state, id, out ProgramRecord? record);
        Invariant.Require(exists);                              // CheckCall found it
        if (_bytes + record!.CodeLength > _maxCodeBytes)
        {
            refusal = new Refusal(
                RefusalCode.BlockCodeExceeded, $"The programs of the block have {_bytes + record.CodeLength} bytes of code with program {id}; at most {_maxCodeBytes} may be called.");
            return false;
        }

        _bytes += record.CodeLength;
        program = _rules.Loader.Load(record, _state, _rules.Hashing);
        _loaded.Add(id, program);
        return true;
    }
}
