// A program as a state holds it, for whoever wants to call it: what the chain's record says, the code, and the entries that the verifier found in it.
//
// Threading: any thread; the chain's lock is taken for one record at a time.   Cost: a read for each chunk; verifying, unless the program is kept.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>A program of the accepted state.</summary>
/// <param name="On">The block of that state.</param>
/// <param name="Record">What the chain knows of it.</param>
/// <param name="Verified">Its entries.</param>
/// <param name="Code">Its container. Not to be changed.</param>
public sealed record ProgramSummary(Block On, ProgramRecord Record, VerifiedProgram Verified, byte[] Code)
{
    /// <summary>Finds a program. Those that the machine itself plays, native balances and the system, have no code and are not found.</summary>
    public static bool TryRead(ChainService chain, ProgramId id, [NotNullWhen(true)] out ProgramSummary? program)
    {
        ArgumentNullException.ThrowIfNull(chain);
        ProgramSummary? found = null;
        Simulator.WithSnapshot(chain, ofPreferred: false, snapshot => TryRead(chain.Rules, snapshot, id, out found));
        program = found;
        return program is not null;
    }

    private static bool TryRead(ChainRules rules, StateSnapshot snapshot, ProgramId id, out ProgramSummary? program)
    {
        program = null;
        if (!ActivePrograms.TryRead(snapshot, rules.Hashing, id, out ProgramRecord? record))
        {
            return false;
        }

        byte[] code = new byte[record.CodeLength];
        byte[] chunk = new byte[ProgramRecord.ChunkBytes];
        for (int i = 0; i < record.Chunks.Length; i++)
        {
            int length = snapshot.Read(rules.Hashing.KeyOf(ProgramId.System, record.Chunks[i]), chunk);
            Invariant.Require(length > 0);                              // chunks are never deleted
            chunk.AsSpan(0, length).CopyTo(code.AsSpan(i * ProgramRecord.ChunkBytes));
        }

        bool isLegal = rules.Loader.TryVerify(code, record.CodeHash, record.Fork, out VerifiedProgram? verified, out _);
        Invariant.Require(isLegal);                                     // it was when it came
        program = new ProgramSummary(snapshot.Block, record, verified!, code);
        return true;
    }
}
