// What an instruction costs when the caches do not help: loads that chase a chain through all of memory, stores that walk it, slots whose
// records were last touched long ago, pages mapped for the first time in a run.
//
//   chase   every load gives the place of the next, in a random-looking order: 2^14 cache lines, 1 MiB, or as far as its width reaches
//   walk    64 accesses in 64 regions of 16 KiB, which move on every round
//   cold    32 full records, each of their lines once, in mixed order; what the caches hold is swept out before every run.
//           SLDX takes its next index from what it has just read
//   map     the pages of a run one by one; an earlier run has used them, so that they are cleared
//
// A measured value is the difference of two runs of one program that differ in nothing but how many of the instructions they run.
//
// Threading: one owner.   Cost: some milliseconds per run; sweeping takes the most of it.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>One opcode, far from the caches.</summary>
internal sealed class ReachProbe
{
    private const uint Selector = 1;
    private const uint Live = 120;
    private const int Slots = 32;
    private const int ColdInstructions = 2048;
    private const int Copies = 64;
    private const uint Heap = 0x100_0000;
    private const uint Rounds = 1 << 12;

    // cells of the frame
    private const uint Counter = 0;
    private const uint At = 1;
    private const uint Line = 2;
    private const uint Scratch = 3;
    private const uint Base = 4;
    private const uint Mask = 5;
    private const uint Step = 6;
    private const uint Quad = 8;

    private static readonly long[] Sweep = new long[1 << 23];

    private readonly Interpreter _interpreter = new();
    private readonly byte[] _arguments = new byte[8];
    private readonly Record[] _records = new Record[Slots];
    private readonly bool _isSwept;
    private readonly Message _most;
    private readonly Message _least;
    private readonly uint _mostRounds;
    private readonly BlockContext _block = new(new Height(1), 1, default, 0, 0) { Forks = ProbeProgram.Forks };

    private ReachProbe(Opcode opcode, string kind, List<ulong> most, List<ulong> least, uint rounds, int instructions, bool isSwept)
    {
        (Opcode, Kind, Instructions) = (opcode, kind, instructions);
        (_mostRounds, _isSwept) = (rounds, isSwept);
        (_most, _least) = (MessageOf(most), MessageOf(least));
        byte[] content = new byte[StateLimits.MaxRecordBytes];
        SeededRandom random = new(7);
        for (int word = 0; word < content.Length; word += 8)
        {
            content[word] = (byte)random.Next(Slots);
        }

        for (int slot = 0; slot < Slots; slot++)
        {
            _records[_most.SlotTable[slot]] = new Record();
            _records[_most.SlotTable[slot]].Set(content);
        }
    }

    /// <summary>What is probed.</summary>
    public Opcode Opcode { get; }

    /// <summary>chase, walk, cold or map.</summary>
    public string Kind { get; }

    /// <summary>Instructions by which the two runs differ.</summary>
    public int Instructions { get; }

    /// <summary>Gas by which the two runs differ.</summary>
    public ulong Gas => Run(_most, _mostRounds, out _) - Run(_least, 1, out _);

    /// <summary>Time by which the two runs differ, in nanoseconds; the least of some runs of each.</summary>
    public double Time(int runs)
    {
        double most = double.MaxValue;
        double least = double.MaxValue;
        for (int run = 0; run < runs; run++)
        {
            Run(_most, _mostRounds, out double took);
            most = Math.Min(most, took);
            Run(_least, 1, out took);
            least = Math.Min(least, took);
        }

        return most - least;
    }

    /// <summary>Every probe.</summary>
    public static List<ReachProbe> All()
    {
        List<ReachProbe> all = [Map()];
        foreach (Opcode opcode in new[] { Opcode.Ld1, Opcode.Ld2, Opcode.Ld4, Opcode.Ld8, Opcode.Ldq })
        {
            all.Add(Chase(opcode));
        }

        foreach (Opcode opcode in new[] { Opcode.Ld1, Opcode.Ld2, Opcode.St1, Opcode.St2, Opcode.St4, Opcode.St8, Opcode.Stq })
        {
            all.Add(Walk(opcode));
        }

        foreach (Opcode opcode in new[] { Opcode.Sld8, Opcode.Sldq, Opcode.Sldx, Opcode.Sst8, Opcode.Sstq, Opcode.Sstx, Opcode.Scpy })
        {
            all.Add(Cold(opcode));
        }

        return all;
    }

    private static ReachProbe Map()
    {
        List<ulong> most = [Word(Opcode.Ldi, Line, 1)];
        List<ulong> least = [.. most];
        for (int page = 0; page < VerifierLimits.MaxMemoryPages; page++)
        {
            most.Add(Word(Opcode.Mgrow, At, Line));
        }

        return new ReachProbe(Opcode.Mgrow, "map", most, least, 1, VerifierLimits.MaxMemoryPages, isSwept: false);
    }

    // every value is the distance of the next place from the heap's start; a byte reaches 2^8 of them, two bytes 2^15
    private static ReachProbe Chase(Opcode opcode)
    {
        (uint places, uint shift, Opcode store) = opcode switch
        {
            Opcode.Ld1 => (1U << 8, 0U, Opcode.St1),
            Opcode.Ld2 => (1U << 15, 1U, Opcode.St2),
            _ => (1U << 14, 6U, Opcode.St8),
        };
        uint cell = opcode == Opcode.Ldq ? Quad : At;
        List<ulong> code = Mapped();
        code.AddRange([Word(Opcode.Ldi, Line, 0), Word(Opcode.Ldi, Mask, places - 1), Word(Opcode.Ldi, Step, places)]);
        uint head = (uint)code.Count;
        code.AddRange([
            Word(Opcode.Loop, Live, 0, 0),
            Word(Opcode.Shli, At, Line, shift),
            Word(Opcode.Muli, Line, Line, 5),
            Word(Opcode.Addi, Line, Line, 7_919),                   // 5x + odd modulo a power of two passes every place once
            Word(Opcode.And, Line, Line, Mask),
            Word(Opcode.Shli, Scratch, Line, shift),
            Word(store, Scratch, At, Heap),
            Word(Opcode.Subi, Step, Step, 1),
            Word(Opcode.Jnz, Step, head),
            Word(Opcode.Ldi, cell, 0)]);
        return Looped(opcode, "chase", code, [], _ => Word(opcode, cell, cell, Heap));
    }

    private static ReachProbe Walk(Opcode opcode)
    {
        List<ulong> code = Mapped();
        code.AddRange([Word(Opcode.Ldi, Step, 0), Word(Opcode.Ldi, Mask, 0x3FC0)]);
        ulong[] move = [Word(Opcode.Addi, Step, Step, 0x1240), Word(Opcode.And, Step, Step, Mask), Word(Opcode.Add, At, Base, Step)];
        uint cell = opcode == Opcode.Stq ? Quad : Scratch;
        return Looped(opcode, "walk", code, move, copy => Word(opcode, cell, At, (uint)(copy * 37 % Copies) << 14));
    }

    private static ReachProbe Cold(Opcode opcode)
    {
        List<ulong> code = Mapped();
        code.AddRange([Word(Opcode.Ldi, At, 3), Word(Opcode.Ldi, Step, 32)]);
        List<ulong> most = [.. code];
        for (uint i = 0; i < ColdInstructions; i++)
        {
            uint slot = i * 13 % Slots;
            uint offset = ((i / Slots) + (i * 29)) % 64 * 64;       // every line of every record once
            switch (opcode)
            {
                case Opcode.Sldx:
                    most.Add(Word(opcode, At, 0, Slots, At, offset));
                    break;
                case Opcode.Sstx:
                    most.AddRange([Word(Opcode.Ldi, At, slot), Word(opcode, 0, Slots, At, offset, Scratch)]);
                    break;
                case Opcode.Scpy:
                    most.AddRange([Word(Opcode.Ldi, At, offset), Word(opcode, Base, At, Step, slot, i & 1)]);
                    break;
                case Opcode.Sld8 or Opcode.Sldq:
                    most.Add(Word(opcode, Quad, slot, offset));
                    break;
                default:
                    most.Add(Word(opcode, slot, offset, Quad));
                    break;
            }
        }

        return new ReachProbe(opcode, "cold", most, code, 1, ColdInstructions, isSwept: true);
    }

    // all cells defined, all pages mapped, the counter from the arguments
    private static List<ulong> Mapped()
    {
        List<ulong> code = [];
        for (uint cell = 0; cell < Live; cell++)
        {
            code.Add(Word(Opcode.Ldi, cell, 0));
        }

        code.AddRange([
            Word(Opcode.Arg, Counter, 0), Word(Opcode.Ldi, Line, VerifierLimits.MaxMemoryPages), Word(Opcode.Mgrow, Base, Line)]);
        return code;
    }

    private static ReachProbe Looped(Opcode opcode, string kind, List<ulong> code, ReadOnlySpan<ulong> move, Func<int, ulong> body)
    {
        uint head = (uint)code.Count;
        code.Add(Word(Opcode.Loop, Live, 0, 0));
        code.AddRange(move);
        for (int copy = 0; copy < Copies; copy++)
        {
            code.Add(body(copy));
        }

        code.AddRange([Word(Opcode.Subi, Counter, Counter, 1), Word(Opcode.Jnz, Counter, head)]);
        return new ReachProbe(opcode, kind, code, code, Rounds, Copies * ((int)Rounds - 1), isSwept: false);
    }

    private ulong Run(Message message, uint rounds, out double took)
    {
        if (_isSwept)
        {
            for (int i = 0; i < Sweep.Length; i += 8)
            {
                Sweep[i]++;
            }
        }

        BitConverter.TryWriteBytes(_arguments, (ulong)rounds);
        TimeProvider time = TimeProvider.System;
        long start = time.GetTimestamp();
        Outcome outcome = _interpreter.Run(message, _records, in _block);
        took = time.GetElapsedTime(start).TotalNanoseconds;
        Invariant.Require(outcome.Halt == Halt.Success);
        return outcome.GasUsed - message.IntrinsicGas;
    }

    private Message MessageOf(List<ulong> code)
    {
        AccessMode[] modes = new AccessMode[Slots];
        (LocalKey, AccessMode)[] slots = new (LocalKey, AccessMode)[Slots];
        for (int slot = 0; slot < Slots; slot++)
        {
            modes[slot] = AccessMode.Write;
            slots[slot] = (new LocalKey(new Bytes32((ulong)slot, 0, 0, 0)), AccessMode.Write);
        }

        Container container = new()
        {
            Code = [.. code, Word(Opcode.Halt)],
            Functions = [new FunctionHeader(128, 0, 0, (ushort)(code.Count + 1))],
            Entries = [new ContainerEntry(Selector, 0, VerifierLimits.MaxMemoryPages, modes)],
        };
        if (!Verifier.TryVerify(container.Encode(), VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal))
        {
            throw new InvariantException($"The probe of {Opcode} is no program: {refusal}");
        }

        PublicKey payer = new(new Bytes32(1, 0, 0, 1));
        return Message.ForCall(
            new StateHashing(default), new TxId(Bytes32.Zero), new ProgramId(new Bytes32(0, 0, 0, 0x200)), program, Selector, _arguments, slots, payer, 1UL << 40);
    }

    private static ulong Word(Opcode opcode, params ReadOnlySpan<uint> values) => ProbeProgram.Word(opcode, values);
}
