// A stack program becomes a register program, once, before it is deployed. Deterministic: from a source anyone makes the bytes that the
// chain holds, and so sees that they are its own.
//
//   1  instructions   every byte belongs to one; jumps go to the first byte of one
//   2  heights        one pass finds the stack's height at every instruction; two ways with different heights, an underflow, more than
//                     112 values, and code that nothing before it leads to, are refused
//   3  words          per block, values are followed instead of moved (StackBlock); at leaders the value at height h is in cell h.
//                     A target of a jump back begins with LOOP, live = height. An entry is a function; its pages are mapped first
//
// Nobody has to trust the result: it goes through the verifier like any register program, which also refuses loops that are not
// natural. A trap's place in a receipt is that of the register form.
//
// Cost: O(bytes x height), at most 112.   Threading: pure.   Source: ADR 0006.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Stack;

/// <summary>From the stack dialect to register form.</summary>
public static class StackLowering
{
    private const uint PageCell = StackBlock.HashCell - 1;

    /// <summary>Lowers a stack program; never throws on its bytes.</summary>
    /// <param name="source">Canonical bytes of a <see cref="StackCode"/>.</param>
    /// <param name="container">Canonical bytes of the register program.</param>
    public static bool TryLower(ReadOnlySpan<byte> source, out byte[] container, out Refusal refusal)
    {
        container = [];
        if (!StackCode.TryDecode(source, out StackCode code, out refusal))
        {
            return false;
        }

        List<ulong> words = [];
        List<ulong> constants = [];
        Dictionary<ulong, uint> known = [];
        FunctionHeader[] functions = new FunctionHeader[code.Entries.Length];
        ContainerEntry[] entries = new ContainerEntry[code.Entries.Length];
        for (int i = 0; i < functions.Length; i++)
        {
            StackEntry entry = code.Entries[i];
            List<ulong> body = [];
            refusal = Lower(entry, body, Constant, out int cells);
            if (!refusal.IsRefused && (body.Count > Container.MaxFunctionLength || constants.Count > Container.MaxConstants || words.Count + body.Count > Container.MaxInstructions))
            {
                refusal = new Refusal(RefusalCode.TooLong, $"Entry {entry.Selector:x8} becomes {body.Count} instructions, {constants.Count} constants so far: too many.");
            }

            if (refusal.IsRefused)
            {
                return false;
            }

            words.AddRange(body);
            functions[i] = new FunctionHeader((byte)cells, 0, 0, (ushort)body.Count);
            entries[i] = new ContainerEntry(entry.Selector, (ushort)i, entry.Pages, entry.SlotModes);
        }

        container = new Container
        {
            Fork = code.Fork,
            Constants = [.. constants],
            Data = code.Data,
            Functions = functions,
            Code = [.. words],
            Entries = entries,
        }.Encode();
        return true;

        uint Constant(ulong value)
        {
            if (!known.TryGetValue(value, out uint index))
            {
                index = (uint)constants.Count;
                known.Add(value, index);
                constants.Add(value);
            }

            return index;
        }
    }

    private static Refusal Lower(StackEntry entry, List<ulong> words, Func<ulong, uint> constant, out int cells)
    {
        cells = 0;
        ReadOnlySpan<byte> code = entry.Code;
        Refusal refusal = FindHeights(entry, out int[] heights, out bool[] isTarget, out bool[] isLoop);
        if (refusal.IsRefused)
        {
            return refusal;
        }

        StackBlock block = new(words, constant);
        if (entry.Pages > 0)
        {
            block.Emit(Opcode.Ldi, PageCell, entry.Pages);
            block.Emit(Opcode.Mgrow, PageCell, PageCell);
        }

        int[] placed = new int[code.Length];
        List<(int Word, int Target)> jumps = [];
        bool flows = true;                                                  // control comes from the instruction before
        block.Begin(0);
        for (int at = 0; at < code.Length; at += SizeAt(code, at))
        {
            if (isTarget[at])
            {
                if (flows)
                {
                    block.GoHome();
                }

                placed[at] = words.Count;
                block.Begin(heights[at]);
                if (isLoop[at])
                {
                    block.Emit(Opcode.Loop, (uint)heights[at]);
                }
            }
            else if (!flows)
            {
                block.Begin(heights[at]);
            }

            flows = Lower(code, at, block, words, jumps);
        }

        foreach ((int word, int target) in jumps)
        {
            words[word] |= (ulong)placed[target] << 32;
        }

        cells = block.Cells;
        return Refusal.None;
    }

    // Steps 1 and 2.
    private static Refusal FindHeights(StackEntry entry, out int[] heights, out bool[] isTarget, out bool[] isLoop)
    {
        ReadOnlySpan<byte> code = entry.Code;
        heights = new int[code.Length + 1];
        isTarget = new bool[code.Length];
        isLoop = new bool[code.Length];
        Array.Fill(heights, -1);
        bool[] starts = new bool[code.Length];
        for (int at = 0; at < code.Length; at += SizeAt(code, at))
        {
            if (SizeAt(code, at) == 0 || at + SizeAt(code, at) > code.Length)
            {
                return Refuse(RefusalCode.UnknownOpcode, entry, at, $"is no instruction of the stack dialect ({code[at]:x2}), or is cut off");
            }

            starts[at] = true;
        }

        heights[0] = 0;
        for (int at = 0; at < code.Length; at += SizeAt(code, at))
        {
            int height = heights[at];
            _ = StackCode.TryShape(code[at], out int pops, out int pushes, out _);
            if (height < 0)
            {
                return Refuse(RefusalCode.UnreachableCode, entry, at, "is reached by nothing before it");
            }

            int after = height - pops + pushes;
            if (height < pops || after > StackBlock.MaxHeight)
            {
                return Refuse(RefusalCode.StackHeight, entry, at, $"finds {height} values and needs {pops}, or leaves {after} of at most {StackBlock.MaxHeight}");
            }

            StackOpcode opcode = (StackOpcode)code[at];
            int next = at + SizeAt(code, at);
            if (opcode is StackOpcode.Jump or StackOpcode.Jumpi)
            {
                int target = next + BinaryPrimitives.ReadInt16LittleEndian(code[(at + 1)..]);
                if (target < 0 || target >= code.Length || !starts[target])
                {
                    return Refuse(RefusalCode.BadTarget, entry, at, $"jumps to byte {target}, where no instruction begins");
                }

                isTarget[target] = true;
                isLoop[target] |= target <= at;
                if (!TryMeet(ref heights[target], after))
                {
                    return Refuse(RefusalCode.StackHeight, entry, at, $"brings {after} values to byte {target}, where there are {heights[target]}");
                }
            }

            if (opcode is StackOpcode.Jump or StackOpcode.Halt or StackOpcode.Abort)
            {
                continue;
            }

            if (next == code.Length)
            {
                return Refuse(RefusalCode.FallsOff, entry, at, "is the last and control can run past it");
            }

            if (!TryMeet(ref heights[next], after))
            {
                return Refuse(RefusalCode.StackHeight, entry, at, $"brings {after} values to byte {next}, where there are {heights[next]}");
            }
        }

        return Refusal.None;
    }

    // Step 3 for one instruction; false when control does not run past it.
    private static bool Lower(ReadOnlySpan<byte> code, int at, StackBlock block, List<ulong> words, List<(int Word, int Target)> jumps)
    {
        StackOpcode opcode = (StackOpcode)code[at];
        ReadOnlySpan<byte> immediate = code[(at + 1)..];
        Span<uint> one = stackalloc uint[1];
        Span<uint> two = stackalloc uint[2];
        uint home;
        switch (opcode)
        {
            case StackOpcode.Halt:
                block.Emit(Opcode.Halt);
                return false;
            case StackOpcode.Abort:
                block.Operands(one);
                block.Emit(Opcode.Abort, one[0]);
                return false;
            case StackOpcode.Pop:
                block.Pop();
                return true;
            case >= StackOpcode.Push1 and <= StackOpcode.Push8:
                ulong constant = 0;
                for (int i = 0; i <= opcode - StackOpcode.Push1; i++)
                {
                    constant |= (ulong)immediate[i] << (8 * i);
                }

                block.Push(constant);
                return true;
            case >= StackOpcode.Dup1 and <= StackOpcode.Dup16:
                block.Dup(opcode - StackOpcode.Dup1 + 1);
                return true;
            case >= StackOpcode.Swap1 and <= StackOpcode.Swap16:
                block.Swap(opcode - StackOpcode.Swap1 + 1);
                return true;
            case StackOpcode.Jump:
                block.GoHome();
                jumps.Add((words.Count, Target(at, immediate)));
                block.Emit(Opcode.Jmp, 0);
                return false;
            case StackOpcode.Jumpi:
                block.GoHome();
                block.Pop();
                jumps.Add((words.Count, Target(at, immediate)));
                block.Emit(Opcode.Jnz, (uint)block.Height, 0);
                return true;
            case StackOpcode.Not:
                home = block.Result(one);
                block.Emit(Opcode.Not, home, one[0]);
                return true;
            case StackOpcode.Load:
                home = block.Result(one);
                block.Emit(Opcode.Ld8, home, one[0], 0);
                return true;
            case StackOpcode.Store:
                block.Operands(two);
                block.Emit(Opcode.St8, two[0], two[1], 0);
                block.Pop();
                block.Pop();
                return true;
            case StackOpcode.Return:
                block.Operands(two);
                block.Emit(Opcode.Retd, two[1], two[0]);
                block.Pop();
                block.Pop();
                return true;
            case StackOpcode.Hash:
                for (int i = 0; i < 4; i++)
                {
                    block.Free(StackBlock.HashCell + i, block.Height);
                }

                block.Operands(two);
                block.Emit(Opcode.Keccak, StackBlock.HashCell, two[1], two[0]);
                block.Pop();
                block.Pop();
                for (int i = 0; i < 4; i++)
                {
                    block.PushCell(StackBlock.HashCell + i);
                }

                return true;
            case StackOpcode.Sload:
                home = block.Result([]);
                block.Emit(Opcode.Sld8, home, immediate[0], BinaryPrimitives.ReadUInt16LittleEndian(immediate[1..]));
                return true;
            case StackOpcode.Sstore:
                block.Operands(one);
                block.Emit(Opcode.Sst8, immediate[0], BinaryPrimitives.ReadUInt16LittleEndian(immediate[1..]), one[0]);
                block.Pop();
                return true;
            case StackOpcode.Arg:
                home = block.Result([]);
                block.Emit(Opcode.Arg, home, BinaryPrimitives.ReadUInt16LittleEndian(immediate));
                return true;
            default:
                home = block.Result(two);
                block.Emit(Binary(opcode), home, two[0], two[1]);
                return true;
        }
    }

    private static Opcode Binary(StackOpcode opcode) => opcode switch
    {
        StackOpcode.Add => Opcode.Add,
        StackOpcode.Sub => Opcode.Sub,
        StackOpcode.Mul => Opcode.Mul,
        StackOpcode.Div => Opcode.Div,
        StackOpcode.Mod => Opcode.Mod,
        StackOpcode.And => Opcode.And,
        StackOpcode.Or => Opcode.Or,
        StackOpcode.Xor => Opcode.Xor,
        StackOpcode.Shl => Opcode.Shl,
        StackOpcode.Shr => Opcode.Shr,
        StackOpcode.Eq => Opcode.Eq,
        StackOpcode.Lt => Opcode.Lt,
        _ => Opcode.Gt,
    };

    private static int SizeAt(ReadOnlySpan<byte> code, int at) => StackCode.TryShape(code[at], out _, out _, out int immediate) ? 1 + immediate : 0;

    private static int Target(int at, ReadOnlySpan<byte> immediate) => at + 3 + BinaryPrimitives.ReadInt16LittleEndian(immediate);

    private static bool TryMeet(ref int height, int brought)
    {
        height = height < 0 ? brought : height;
        return height == brought;
    }

    private static Refusal Refuse(RefusalCode code, StackEntry entry, int at, string what) =>
        new(code, $"Byte {at} of stack entry {entry.Selector:x8} {what}.");
}
