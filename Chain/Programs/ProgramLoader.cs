// From code hash to a program that runs: verified once, kept while there is room. What is kept is never an answer to anything,
// only the time to find it again: any program comes back from the state's chunks with the same result.
//
// Invariants
//   L1  a kept program is what the verifier made of the container with that hash under that fork
//   L2  the containers of kept programs have at most MaxBytes together, or there is one program only
//
// Threading: any thread; one lock around the index, none while verifying, so two threads may verify the same code at once.
// Cost: a hit is a lookup; a miss reads the chunks and verifies, linear in the bytes (about a millisecond for 100 KiB).

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>A bounded memory of verified programs.</summary>
/// <param name="maxBytes">Most container bytes kept.</param>
internal sealed class ProgramLoader(long maxBytes = ProgramLoader.MaxBytes)
{
    /// <summary>Eight times what one block may call, so that no block throws out what it needs itself.</summary>
    public const long MaxBytes = 8L * BlockPrograms.MaxCodeBytes;

    private readonly Lock _gate = new();
    private readonly Dictionary<(Bytes32 CodeHash, uint Fork), LinkedListNode<Kept>> _index = [];
    private readonly LinkedList<Kept> _byUse = new();           // the newest use first
    private long _bytes;
    private long _verifications;

    /// <summary>How often a container went through the verifier.</summary>
    public long Verifications => Interlocked.Read(ref _verifications);

    /// <summary>Finds a program that is kept.</summary>
    public bool TryFind(in Bytes32 codeHash, uint fork, [NotNullWhen(true)] out VerifiedProgram? program)
    {
        lock (_gate)
        {
            if (!_index.TryGetValue((codeHash, fork), out LinkedListNode<Kept>? node))
            {
                program = null;
                return false;
            }

            _byUse.Remove(node);
            _byUse.AddFirst(node);
            program = node.Value.Program;
            return true;
        }
    }

    /// <summary>Verifies a container unless it is known.</summary>
    /// <param name="codeHash">Its BLAKE3.</param>
    public bool TryVerify(
        ReadOnlySpan<byte> container, in Bytes32 codeHash, uint fork, [NotNullWhen(true)] out VerifiedProgram? program, out Refusal refusal)
    {
        refusal = Refusal.None;
        if (TryFind(codeHash, fork, out program))
        {
            return true;
        }

        Interlocked.Increment(ref _verifications);
        if (!Verifier.TryVerify(container, VerifierLimits.Default, out program, out refusal))
        {
            return false;
        }

        Keep(new Kept(codeHash, fork, program, container.Length));
        return true;
    }

    /// <summary>The code of a program that the state holds.</summary>
    /// <param name="state">A state that holds the record.</param>
    public VerifiedProgram Load(ProgramRecord record, IStateView state, StateHashing hashing)
    {
        if (TryFind(record.CodeHash, record.Fork, out VerifiedProgram? program))
        {
            return program;
        }

        byte[] code = new byte[record.CodeLength];
        byte[] chunk = new byte[ProgramRecord.ChunkBytes];
        for (int i = 0; i < record.Chunks.Length; i++)
        {
            int length = state.Read(hashing.KeyOf(ProgramId.System, record.Chunks[i]), chunk);
            int offset = i * ProgramRecord.ChunkBytes;
            Invariant.Require(length == Math.Min(ProgramRecord.ChunkBytes, code.Length - offset));
            chunk.AsSpan(0, length).CopyTo(code.AsSpan(offset));
        }

        Invariant.Require(Blake3.Hash(code) == record.CodeHash);            // chunks are never deleted or changed
        bool isLegal = TryVerify(code, record.CodeHash, record.Fork, out program, out _);
        Invariant.Require(isLegal);                                         // it was when it came, and a fork's rules do not change
        return program!;
    }

    private void Keep(Kept kept)
    {
        lock (_gate)
        {
            if (_index.ContainsKey((kept.CodeHash, kept.Fork)))
            {
                return;                                                     // another thread was faster
            }

            _index.Add((kept.CodeHash, kept.Fork), _byUse.AddFirst(kept));
            _bytes += kept.Bytes;
            while (_bytes > maxBytes && _byUse.Count > 1)
            {
                Kept oldest = _byUse.Last!.Value;
                _byUse.RemoveLast();
                _index.Remove((oldest.CodeHash, oldest.Fork));
                _bytes -= oldest.Bytes;
            }
        }
    }

    private sealed record Kept(Bytes32 CodeHash, uint Fork, VerifiedProgram Program, int Bytes);
}
