// From a checked container to what the engines run under one fork: one array of words, in which a charge word stands before
// every leader and every target is an absolute index of a charge word.
//
//   charge word: byte 0 = 0xFE | imm = gas of the basic block that follows, at the fork's prices
//
// Metering stays one to one: a block's charge is the sum of its rows, taken before the block runs.
//
// Cost: O(instructions), once per program and fork.   Threading: immutable.

using System;
using System.Runtime.CompilerServices;
using System.Threading;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Jit;

namespace ParallelVm.Executor;

/// <summary>A program's words at one fork's prices.</summary>
internal sealed unsafe class LoadedCode
{
    /// <summary>The byte of a charge word; no opcode has it.</summary>
    public const byte ChargeByte = 0xFE;

    private readonly ulong[] _words;                        // SAFETY: pinned, so that Words stays valid
    private CodeLink? _link;
    private readonly Callee?[] _callees;                    // per import: the callee that was seen last
    private readonly int[] _sources;                        // first canonical word of each function

    /// <summary>Builds the run form of a program that passed every check.</summary>
    public LoadedCode(VerifiedProgram program, ForkRules rules)
    {
        Program = program;
        Rules = rules;
        Container container = program.Container;
        _callees = new Callee?[container.Imports.Length];
        ulong[] words = new ulong[container.Code.Length * 2];
        ushort[] origins = new ushort[words.Length];
        Starts = new int[container.Functions.Length];
        Tables = new int[container.Tables.Length][];
        _sources = new int[Starts.Length];
        int source = 0;
        int count = 0;
        for (int function = 0; function < Starts.Length; function++)
        {
            Starts[function] = count;
            _sources[function] = source;
            ReadOnlySpan<ulong> code = container.Code.AsSpan(source, container.Functions[function].Length);
            count = LoadFunction(code, words, origins, count);
            source += code.Length;
        }

        WordCount = count;
        _words = GC.AllocateUninitializedArray<ulong>(count, pinned: true);
        words.AsSpan(0, count).CopyTo(_words);
        Origins = origins[..count];
    }

    /// <summary>Whose code this is.</summary>
    public VerifiedProgram Program { get; }

    /// <summary>At whose prices.</summary>
    public ForkRules Rules { get; }

    /// <summary>Words of all functions with charge words; valid as long as this object is referenced.</summary>
    public ulong* Words => (ulong*)Unsafe.AsPointer(ref _words[0]);

    /// <summary>How many words there are.</summary>
    public int WordCount { get; }

    /// <summary>Per word: its instruction index in the canonical code of its function; a charge word has that of its leader.</summary>
    public ushort[] Origins { get; }

    /// <summary>First word of each function.</summary>
    public int[] Starts { get; }

    /// <summary>The switch tables: word indexes, the default last.</summary>
    public int[][] Tables { get; }

    /// <summary>The constant pool.</summary>
    public ulong[] Constants => Program.Container.Constants;

    /// <summary>Read-only memory at <see cref="MachineMemory.DataAddress"/>.</summary>
    public byte[] Data => Program.Container.Data;

    /// <summary>The functions: cells, arguments, results.</summary>
    public FunctionHeader[] Functions => Program.Container.Functions;

    /// <summary>Where the cache that saw this code last keeps what it knows of it. Code that two caches see in turn is looked up anew each time.</summary>
    public CodeLink? Link
    {
        get => Volatile.Read(ref _link);
        set => Volatile.Write(ref _link, value);
    }

    /// <summary>The words of one function.</summary>
    public ReadOnlySpan<ulong> WordsOf(int function) =>
        _words.AsSpan(Starts[function]..(function + 1 < Starts.Length ? Starts[function + 1] : WordCount));

    /// <summary>The function that a word belongs to.</summary>
    public int FunctionOf(int word)
    {
        int found = Array.BinarySearch(Starts, word);
        return found >= 0 ? found : ~found - 1;
    }

    /// <summary>An instruction of a function as the container has it.</summary>
    public ulong CanonicalWord(int function, int instruction) => Program.Container.Code[_sources[function] + instruction];

    /// <summary>What an instruction adds to its block's charge under this fork.</summary>
    public ulong PriceOf(ulong word)
    {
        Opcode opcode = (Opcode)(byte)word;
        ulong gas = Rules.GasOf(opcode);
        Container container = Program.Container;
        return opcode switch
        {
            Opcode.Call => gas + (container.Functions[(int)(word >> 32)].Cells / 8UL * Rules.Prices.CallCells),
            Opcode.Xcall => gas + ((ulong)container.Sites[(int)(word >> 32)].Slots.Length * Rules.Prices.CallSlot),
            _ => gas,
        };
    }

    /// <summary>Finds the entry that an import means in the program that now has its id; false when there is none or its signature differs.</summary>
    public bool TryLink(int import, VerifiedProgram callee, out ProgramEntry entry)
    {
        Callee? link = _callees[import];
        if (link is null || link.Program != callee)
        {
            ContainerImport expected = Program.Container.Imports[import];
            int index = callee.FindEntry(expected.Selector);
            bool fits = index >= 0 && Fits(expected, callee.Entries[index]);
            link = new Callee(callee, fits ? callee.Entries[index] : null);
            _callees[import] = link; // a reference: another worker sees the old link or this one, both right
        }

        entry = link.Entry!;
        return link.Entry is not null;
    }

    // the signature: it returns what it says, cells in and out, view, and each slot's mode and owner
    private bool Fits(ContainerImport expected, ProgramEntry entry)
    {
        bool fits = entry.IsCallable && entry.Args == expected.Args && entry.Rets == expected.Rets && entry.IsView == expected.IsView
            && entry.SlotModes.AsSpan().SequenceEqual(expected.SlotModes) && (entry.SlotOwners.Length == 0) == (expected.SlotOwners.Length == 0);
        for (int slot = 0; fits && slot < expected.SlotOwners.Length; slot++)
        {
            byte owner = expected.SlotOwners[slot];
            fits = entry.SlotOwners[slot] == (owner == 0 ? null : Program.Container.Programs[owner - 1]);
        }

        return fits;
    }

    private sealed record Callee(VerifiedProgram Program, ProgramEntry? Entry);

    private int LoadFunction(ReadOnlySpan<ulong> code, ulong[] words, ushort[] origins, int first)
    {
        bool[] leaders = ControlFlow.Leaders(Program.Container, code);
        int[] placed = new int[code.Length];                // canonical index -> charge word of a leader, or the word itself
        int count = first;
        int charge = -1;
        for (int at = 0; at < code.Length; at++)
        {
            placed[at] = count;
            if (leaders[at] && Rules.IsMetered)
            {
                charge = count;
                origins[count] = (ushort)at;
                words[count++] = ChargeByte;
            }

            if (charge >= 0)
            {
                words[charge] += PriceOf(code[at]) << 32;
            }

            origins[count] = (ushort)at;
            words[count++] = code[at];
        }

        for (int at = first; at < count; at++)
        {
            byte op = (byte)words[at];
            Flow flow = op == ChargeByte ? Flow.Next : OpcodeTable.Get((Opcode)op).Flow;
            if (flow is Flow.Branch or Flow.Jump)
            {
                words[at] = (words[at] & uint.MaxValue) | ((ulong)placed[ControlFlow.TargetOf(words[at])] << 32);
            }
            else if (flow == Flow.Switch)
            {
                int table = ControlFlow.TargetOf(words[at]);
                Tables[table] = Array.ConvertAll(Program.Container.Tables[table], target => placed[target]);
            }
        }

        return count;
    }
}
