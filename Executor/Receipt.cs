// What became of a transaction. Deterministic: the same bytes for any worker count, engine or machine.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>How a run ended.</summary>
public enum Halt : byte
{
    /// <summary>HALT: effects are kept.</summary>
    Success = 0,

    /// <summary>The program asked for it (ABORT): effects are dropped, the fee is kept.</summary>
    Revert = 1,

    /// <summary>The program faulted: effects are dropped, the fee is kept.</summary>
    Trap = 2,
}

/// <summary>Numbered faults. A code never changes its meaning.</summary>
public enum TrapCode : ushort
{
    /// <summary>No fault.</summary>
    None = 0,

    /// <summary>The gas limit does not cover the next basic block or variable charge; all gas is used.</summary>
    OutOfGas = 1,

    /// <summary>A checked operation left its range.</summary>
    Overflow = 2,

    /// <summary>Division by zero.</summary>
    DivideByZero = 3,

    /// <summary>Memory access outside mapped pages.</summary>
    MemoryBound = 4,

    /// <summary>Unaligned memory access.</summary>
    Align = 5,

    /// <summary>Slot or array index outside its declared range, or an offset outside the record.</summary>
    SlotBound = 6,

    /// <summary>A mode beyond the declared one (second-line defence; the verifier excludes it).</summary>
    SlotMode = 7,

    /// <summary>Record of another schema or state (create of an existing, delete of a missing record).</summary>
    Schema = 8,

    /// <summary>Re-entry of a program on the call chain.</summary>
    Reenter = 9,

    /// <summary>Call depth.</summary>
    Depth = 10,

    /// <summary>Arguments outside calldata.</summary>
    BadArgument = 11,

    /// <summary>An operand outside its range (shift, rounding mode, scale).</summary>
    Range = 12,

    /// <summary>A witnessed argument does not match the state.</summary>
    Stale = 13,

    /// <summary>A signature did not verify.</summary>
    Signature = 14,

    /// <summary>Too many events or too much return data.</summary>
    Limit = 15,

    /// <summary>Code that must not be reached.</summary>
    Unreachable = 16,

    /// <summary>A touch that the access list does not cover; the receipt names key and mode.</summary>
    UndeclaredAccess = 17,

    /// <summary>First code of user aborts: <c>256 + user value</c>, capped at 65535.</summary>
    UserBase = 256,
}

/// <summary>The interpreter's answer for one message.</summary>
/// <param name="Halt">How it ended.</param>
/// <param name="Code"><see cref="TrapCode"/>, or 256 + user value for a revert; 0 on success.</param>
/// <param name="Function">Function that was active.</param>
/// <param name="Instruction">Instruction index in the canonical code of that function.</param>
/// <param name="GasUsed">Intrinsic and execution gas, at most the gas limit.</param>
/// <param name="MissingSlot">For <see cref="TrapCode.UndeclaredAccess"/>: the entry's slot that is not covered; else -1.</param>
/// <param name="MissingMode">For <see cref="TrapCode.UndeclaredAccess"/>: the mode that was needed.</param>
public readonly record struct Outcome(
    Halt Halt, ushort Code, ushort Function, int Instruction, ulong GasUsed, int MissingSlot, AccessMode MissingMode);

/// <summary>A transaction's receipt.</summary>
/// <remarks>Canonical encoding, hashed into the receipts root: halt u8 | code u16 | function u16 | instruction u32 | gas used u64 |
/// fee u128 | missing slot u16 (65535 = none) | missing mode u8 | output counted.</remarks>
public readonly record struct Receipt(Outcome Outcome, UInt128 Fee, ReadOnlyMemory<byte> Output)
{
    /// <summary>True when the transaction's effects were kept.</summary>
    public bool Succeeded => Outcome.Halt == Halt.Success;

    /// <summary>Writes the canonical encoding.</summary>
    public void Encode(CanonicalWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteU8((byte)Outcome.Halt);
        writer.WriteU16(Outcome.Code);
        writer.WriteU16(Outcome.Function);
        writer.WriteU32((uint)Outcome.Instruction);
        writer.WriteU64(Outcome.GasUsed);
        writer.WriteU64((ulong)Fee);
        writer.WriteU64((ulong)(Fee >> 64));
        writer.WriteU16(Outcome.MissingSlot < 0 ? ushort.MaxValue : (ushort)Outcome.MissingSlot);
        writer.WriteU8((byte)Outcome.MissingMode);
        writer.WriteCounted(Output.Span);
    }
}
