// The stack dialect: programs written for a stack machine. Who deploys one lowers it first (StackLowering); what is published, verified,
// stored, metered and executed is the register form alone, and no node knows this format.
//
//   magic "PVS1" | format version u16 = 1 | fork u16 | data length u16 | data | entry count u8 | entries, ascending by selector
//   entry: selector u32 | pages u16 | slots u8 | slots x mode u8 | code length u16 | code
//
// Code is bytes: an opcode and its immediate, little-endian. The machine is the register machine's: words of 64 bits, checked arithmetic,
// the same memory (DATA at 0x1000, heap at 0x1000000; an entry's pages are mapped when it begins), the same traps. Jumps name a
// distance in bytes from the instruction after them; there is no computed jump.
//
//   00 HALT                                   61..68 PUSH1..8 imm    push
//   01 ADD 02 SUB 03 MUL 04 DIV 05 MOD        50 POP                 80..8F DUP1..16, 90..9F SWAP1..16: as counted from the top
//   06 AND 07 OR 08 XOR 0A SHL 0B SHR         30 JUMP rel16          31 JUMPI rel16: pop, jump unless 0
//   10 EQ 11 LT 12 GT         x y -> x op y   20 LOAD                address -> the 8 bytes there
//   09 NOT                    x -> not x      21 STORE               value address ->
//   44 ABORT                  code ->         22 HASH                length address -> the four words of Keccak-256, the last on top
//   43 RETURN                 length address -> return data           40 SLOAD slot u8 off u16 / 41 SSTORE slot u8 off u16 / 42 ARG off u16
//
// Decoding checks shape and limits; never throws on bytes.   Threading: immutable.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Stack;

#pragma warning disable CS1591 // the header says what they do
/// <summary>Opcodes of the stack dialect; PUSH, DUP and SWAP count up from the first of their kind.</summary>
public enum StackOpcode : byte
{
    Halt = 0x00, Add = 0x01, Sub = 0x02, Mul = 0x03, Div = 0x04, Mod = 0x05, And = 0x06, Or = 0x07, Xor = 0x08, Not = 0x09, Shl = 0x0A, Shr = 0x0B,
    Eq = 0x10, Lt = 0x11, Gt = 0x12, Load = 0x20, Store = 0x21, Hash = 0x22, Jump = 0x30, Jumpi = 0x31,
    Sload = 0x40, Sstore = 0x41, Arg = 0x42, Return = 0x43, Abort = 0x44, Pop = 0x50, Push1 = 0x61, Push8 = 0x68,
    Dup1 = 0x80, Dup16 = 0x8F, Swap1 = 0x90, Swap16 = 0x9F,
}
#pragma warning restore CS1591

/// <summary>An entry of a stack program.</summary>
/// <param name="Selector">What a transaction names.</param>
/// <param name="Pages">Memory pages that are mapped when it begins.</param>
/// <param name="SlotModes">Mode that each slot needs.</param>
/// <param name="Code">Its instructions.</param>
public sealed record StackEntry(uint Selector, ushort Pages, AccessMode[] SlotModes, byte[] Code);

/// <summary>A stack program.</summary>
public sealed class StackCode
{
    /// <summary>"PVS1" read as a little-endian number.</summary>
    public const uint Magic = 0x31535650;

    /// <summary>Fork whose rules the code was written for.</summary>
    public ushort Fork { get; init; }

    /// <summary>Read-only bytes.</summary>
    public byte[] Data { get; init; } = [];

    /// <summary>Entries, ascending by selector.</summary>
    public StackEntry[] Entries { get; init; } = [];

    /// <summary>Do the bytes begin like a stack program?</summary>
    public static bool IsStack(ReadOnlySpan<byte> bytes) => bytes.Length >= 4 && bytes[..4].SequenceEqual("PVS1"u8);

    /// <summary>What an opcode pops, pushes and has for an immediate; false for a byte that is none.</summary>
    public static bool TryShape(byte opcode, out int pops, out int pushes, out int immediate)
    {
        (pops, pushes, immediate) = (StackOpcode)opcode switch
        {
            StackOpcode.Halt => (0, 0, 0),
            StackOpcode.Not or StackOpcode.Load => (1, 1, 0),
            (>= StackOpcode.Add and <= StackOpcode.Shr) or (>= StackOpcode.Eq and <= StackOpcode.Gt) => (2, 1, 0),
            StackOpcode.Store or StackOpcode.Return => (2, 0, 0),
            StackOpcode.Hash => (2, 4, 0),
            StackOpcode.Jump => (0, 0, 2),
            StackOpcode.Jumpi => (1, 0, 2),
            StackOpcode.Sload => (0, 1, 3),
            StackOpcode.Sstore => (1, 0, 3),
            StackOpcode.Arg => (0, 1, 2),
            StackOpcode.Abort or StackOpcode.Pop => (1, 0, 0),
            >= StackOpcode.Push1 and <= StackOpcode.Push8 => (0, 1, opcode - (byte)StackOpcode.Push1 + 1),
            >= StackOpcode.Dup1 and <= StackOpcode.Dup16 => (opcode - (byte)StackOpcode.Dup1 + 1, opcode - (byte)StackOpcode.Dup1 + 2, 0),
            >= StackOpcode.Swap1 and <= StackOpcode.Swap16 => (opcode - (byte)StackOpcode.Swap1 + 2, opcode - (byte)StackOpcode.Swap1 + 2, 0),
            _ => (-1, 0, 0),
        };
        return pops >= 0;
    }

    /// <summary>The canonical bytes.</summary>
    public byte[] Encode()
    {
        CanonicalWriter writer = new();
        writer.WriteU32(Magic);
        writer.WriteU16(Container.FormatVersion);
        writer.WriteU16(Fork);
        writer.WriteU16((ushort)Data.Length);
        writer.WriteBytes(Data);
        writer.WriteU8((byte)Entries.Length);
        foreach (StackEntry entry in Entries)
        {
            writer.WriteU32(entry.Selector);
            writer.WriteU16(entry.Pages);
            writer.WriteU8((byte)entry.SlotModes.Length);
            foreach (AccessMode mode in entry.SlotModes)
            {
                writer.WriteU8((byte)mode);
            }

            writer.WriteU16((ushort)entry.Code.Length);
            writer.WriteBytes(entry.Code);
        }

        return writer.ToArray();
    }

    /// <summary>Reads canonical bytes.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out StackCode code, out Refusal refusal)
    {
        CanonicalReader reader = new(bytes);
        uint magic = reader.ReadU32();
        ushort version = reader.ReadU16();
        ushort fork = reader.ReadU16();
        if (reader.Ok && magic != Magic)
        {
            reader.Refuse(RefusalCode.NotAContainer, $"A stack program starts with \"PVS1\"; this starts with {magic:x8}.");
        }
        else if (reader.Ok && version != Container.FormatVersion)
        {
            reader.Refuse(RefusalCode.UnknownVersion, $"Stack format {version} is not known; this is {Container.FormatVersion}.");
        }

        byte[] data = reader.ReadBytes(reader.ReadU16()).ToArray();
        int count = reader.ReadU8();
        if (reader.Ok && count is 0 or > Container.MaxEntries)
        {
            reader.Refuse(RefusalCode.BadEntry, $"There are {count} entries; 1 to {Container.MaxEntries} are allowed.");
        }

        List<StackEntry> entries = [];
        while (reader.Ok && entries.Count < count)
        {
            uint selector = reader.ReadU32();
            ushort pages = reader.ReadU16();
            ReadOnlySpan<byte> modes = reader.ReadBytes(reader.ReadU8());
            ReadOnlySpan<byte> bytecode = reader.ReadBytes(reader.ReadU16());
            if (reader.Ok && (bytecode.Length == 0 || modes.ContainsAnyExceptInRange((byte)0, (byte)AccessMode.Add)
                || (entries.Count > 0 && entries[^1].Selector >= selector)))
            {
                reader.Refuse(RefusalCode.BadEntry, $"Entry {selector:x8} has no code, a mode that is none, or does not follow the one before.");
            }

            entries.Add(new StackEntry(selector, pages, Array.ConvertAll(modes.ToArray(), mode => (AccessMode)mode), bytecode.ToArray()));
        }

        code = new StackCode { Fork = fork, Data = data, Entries = [.. entries] };
        return reader.TryEnd(out refusal);
    }
}
