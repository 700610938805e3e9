// Reads what a receipt carries: events and return data, in the form that Executor's OutputBuffer writes.
//
// Threading: pure.   Cost: one copy.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>An event.</summary>
/// <param name="Schema">What the bytes mean, by the program's own numbering.</param>
/// <param name="Emitter">The program that emitted it, when it is not the one that was called.</param>
internal sealed record ReceiptEvent(uint Schema, ProgramId? Emitter, byte[] Data);

/// <summary>Events and return data.</summary>
internal sealed record ReceiptOutput(IReadOnlyList<ReceiptEvent> Events, byte[] Returned)
{
    private const int MaxBytes = 1 << 16;

    /// <summary>Reads the output of a receipt that this node made.</summary>
    /// <exception cref="InvariantException">It is none.</exception>
    public static ReceiptOutput Read(ReadOnlySpan<byte> output)
    {
        if (output.IsEmpty)
        {
            return new ReceiptOutput([], []);
        }

        CanonicalReader reader = new(output);
        ReceiptEvent[] events = new ReceiptEvent[reader.ReadU16()];
        for (int i = 0; i < events.Length; i++)
        {
            uint schema = reader.ReadU32();
            int length = reader.ReadU16();
            ProgramId? emitter = reader.ReadU16() == 0 ? null : new ProgramId(reader.ReadBytes32());
            events[i] = new ReceiptEvent(schema, emitter, reader.ReadBytes(length).ToArray());
        }

        byte[] returned = reader.ReadCounted(MaxBytes).ToArray();
        bool isWhole = reader.TryEnd(out _);
        Invariant.Require(isWhole);
        return new ReceiptOutput(events, returned);
    }
}
