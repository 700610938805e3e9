// From a checked container to what the engines run: one array of words, in which a charge word stands before every
// leader and every target is an absolute index of a charge word.
//
//   charge word: byte 0 = 0xFE | imm = gas of the basic block that follows
//
// Metering stays one to one: a block's charge is the sum of its rows, taken before the block runs.
//
// Cost: O(instructions), once per program.   Threading: pure.

using System;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

public sealed partial class VerifiedProgram
{
    /// <summary>The byte of a charge word; no opcode has it.</summary>
    internal const byte ChargeByte = 0xFE;

    /// <summary>Words of all functions with charge words.</summary>
    internal ulong[] Words { get; private init; } = [];

    /// <summary>Per word: its instruction index in the canonical code of its function; a charge word has that of its leader.</summary>
    internal ushort[] Origins { get; private init; } = [];

    /// <summary>First word of each function.</summary>
    internal int[] Starts { get; private init; } = [];

    /// <summary>The constant pool.</summary>
    internal ulong[] Constants { get; private init; } = [];

    /// <summary>Read-only memory at <see cref="MachineMemory.DataAddress"/>.</summary>
    internal byte[] Data { get; private init; } = [];

    /// <summary>The function that a word belongs to.</summary>
    internal int FunctionOf(int word)
    {
        int found = Array.BinarySearch(Starts, word);
        return found >= 0 ? found : ~found - 1;
    }

    /// <summary>Builds the run form of a container that passed every check.</summary>
    internal static VerifiedProgram Load(Container container, in Bytes32 codeHash)
    {
        ulong[] words = new ulong[container.Code.Length * 2];
        ushort[] origins = new ushort[words.Length];
        int[] starts = new int[container.Functions.Length];
        int source = 0;
        int count = 0;
        for (int function = 0; function < starts.Length; function++)
        {
            starts[function] = count;
            ReadOnlySpan<ulong> code = container.Code.AsSpan(source, container.Functions[function].Length);
            count = LoadFunction(container, code, words, origins, count);
            source += code.Length;
        }

        return new VerifiedProgram
        {
            CodeHash = codeHash,
            Entries = Array.ConvertAll(container.Entries, static entry => new ProgramEntry(entry.Selector, entry.Function, entry.SlotModes, entry.MaxPages)),
            Words = words[..count],
            Origins = origins[..count],
            Starts = starts,
            Constants = container.Constants,
            Data = container.Data,
        };
    }

    private static int LoadFunction(Container container, ReadOnlySpan<ulong> code, ulong[] words, ushort[] origins, int first)
    {
        bool[] leaders = ControlFlow.Leaders(code);
        int[] placed = new int[code.Length];                // canonical index -> charge word of a leader, or the word itself
        int count = first;
        int charge = -1;
        for (int at = 0; at < code.Length; at++)
        {
            placed[at] = count;
            if (leaders[at])
            {
                charge = count;
                origins[count] = (ushort)at;
                words[count++] = ChargeByte;
            }

            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)code[at]);
            ulong gas = info.Gas + (info.Flow == Flow.Call ? container.Functions[(int)(code[at] >> 32)].Cells / 8UL : 0);
            words[charge] += gas << 32;
            origins[count] = (ushort)at;
            words[count++] = code[at];
        }

        for (int at = first; at < count; at++)
        {
            byte op = (byte)words[at];
            if (op != ChargeByte && OpcodeTable.Get((Opcode)op).Flow is (Flow.Branch or Flow.Jump))
            {
                words[at] = (words[at] & uint.MaxValue) | ((ulong)placed[ControlFlow.TargetOf(words[at])] << 32);
            }
        }

        return count;
    }
}
