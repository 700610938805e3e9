// Looks for the operands on which an opcode costs most for its gas: drawn from values at which hardware and algorithms are
// slow (zero and full words, divisors with many quotient bits, lengths short and long), kept when the program does not trap.
// The worst few are measured again, longer; a chain in which each instruction waits for the one before it is tried too.
//
// Not probed: what ends a run (TRAP, HALT, ABORT, RET by itself), and LOOP, which every probe contains.
//
// Threading: the caller's thread.   Cost: about a tenth of a second per opcode on a quiet machine.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>An opcode's dearest program.</summary>
/// <param name="Opcode">What it is full of.</param>
/// <param name="Body">One instruction, or two for SNEW and SDEL, which need each other.</param>
internal sealed record WorstCase(Opcode Opcode, ProbeInstruction[] Body, ProbeProgram Program);

/// <summary>The search.</summary>
internal static class OpcodeSearch
{
    private const int WarmUps = 3;
    private const int WarmUpDraws = 12;
    private const int Draws = 96;
    private const int Finalists = 4;
    private const double DrawMicroseconds = 30;
    private const double FinalMicroseconds = 200;

    private static readonly TimeSpan Quiet = TimeSpan.FromMilliseconds(500);

    private static readonly ulong[] Numbers =
        [0, 1, 3, 2, 64, 1_000, uint.MaxValue, (1UL << 32) + 1, 1UL << 63, ulong.MaxValue, ulong.MaxValue - 1, 0xFFFF_FFFF_0000_0000, 0x0123_4567_89AB_CDEF];

    private static readonly ulong[] Places = [0x100_0000, 0x100_0008, 0x100_0000, 0x100_1000, 0, 1, 32, 1_000, 4_096];

    /// <summary>The worst case of every opcode that can be probed, by byte.</summary>
    public static List<WorstCase> All(ulong seed, Action<Opcode> progress)
    {
        WarmUp(seed);
        List<WorstCase> found = [];
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            if (info.Flow != Flow.End && info.Opcode != Opcode.Loop)
            {
                progress(info.Opcode);
                found.Add(Worst(info, new SeededRandom(seed).Fork((ulong)info.Opcode)));
            }
        }

        return found;
    }

    // .NET runs a method's first calls unoptimised and makes better code of it in the background, after a tenth of a second in which
    // nothing new was called: every operation is called often, and then nothing for a while, until the code that is measured is the last
    private static void WarmUp(ulong seed)
    {
        for (int round = 0; round < WarmUps; round++)
        {
            foreach (OpcodeInfo info in OpcodeTable.All)
            {
                SeededRandom random = new SeededRandom(seed).Fork((ulong)info.Opcode);
                for (int i = 0; i < WarmUpDraws && info.Flow != Flow.End && info.Opcode != Opcode.Loop; i++)
                {
                    if (ProbeProgram.TryMake(Draw(info, random), out ProbeProgram? program))
                    {
                        program.Fit(DrawMicroseconds);
                    }
                }
            }

            Thread.Sleep(Quiet);
        }
    }

    private static WorstCase Worst(OpcodeInfo info, SeededRandom random)
    {
        List<(double Cost, WorstCase Case)> cases = [];
        for (int i = 0; i < Draws; i++)
        {
            ProbeInstruction[] body = Draw(info, random);
            if (ProbeProgram.TryMake(body, out ProbeProgram? program))
            {
                program.Fit(DrawMicroseconds);
                cases.Add((program.Time(5) / program.Gas, new WorstCase(info.Opcode, body, program)));
            }
        }

        if (cases.Count == 0)
        {
            throw new InvariantException($"No operands were drawn on which {info.Mnemonic} runs.");
        }

        // operands on which the loop soon traps (a sum that grows) measure the program's beginning, not the opcode
        ulong most = 0;
        cases.ForEach(drawn => most = Math.Max(most, drawn.Case.Program.Rounds));
        cases.RemoveAll(drawn => drawn.Case.Program.Rounds < most / 64);
        cases.Sort(static (x, y) => y.Cost.CompareTo(x.Cost));
        (double Cost, WorstCase Case) worst = (0, cases[0].Case);
        foreach ((_, WorstCase candidate) in cases.GetRange(0, Math.Min(Finalists, cases.Count)))
        {
            candidate.Program.Fit(FinalMicroseconds);
            double cost = candidate.Program.Time(15) / candidate.Program.Gas;
            worst = cost > worst.Cost ? (cost, candidate) : worst;
        }

        return worst.Case;
    }

    private static ProbeInstruction[] Draw(OpcodeInfo info, SeededRandom random)
    {
        ulong[] pool = info.Traps.Contains("Memory", StringComparison.Ordinal) || info.Traps.Contains("Limit", StringComparison.Ordinal) ? Places : Numbers;
        ulong[] values = new ulong[info.Operands.Length];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = ProbeProgram.Shape(info.Operands[i].Kind).Cells > 0
                ? pool[random.Next(pool.Length)]
                : Immediate(info, info.Operands[i].Kind, random);
        }

        ProbeInstruction drawn = new(info.Opcode, values, IsDependent: random.Chance(1, 3));
        return info.Opcode switch
        {
            Opcode.Snew => [drawn, new ProbeInstruction(Opcode.Sdel, [1])],
            Opcode.Sdel => [new ProbeInstruction(Opcode.Snew, [1, StateLimits.MaxRecordBytes]), new ProbeInstruction(Opcode.Sdel, [1])],
            Opcode.Stale => [new ProbeInstruction(Opcode.Stale, [values[0], values[0]])],
            _ => [drawn],
        };
    }

    private static ulong Immediate(OpcodeInfo info, OperandKind kind, SeededRandom random) => kind switch
    {
        OperandKind.Unsigned or OperandKind.Signed => (ulong)random.Next(3) * 8,
        OperandKind.Shift => (ulong)random.Next(64),
        OperandKind.WideShift => (ulong)random.Next(65),
        OperandKind.Width => 8UL << random.Next(3),
        OperandKind.Rounding => (ulong)random.Next(4),
        OperandKind.RootRounding or OperandKind.Direction => (ulong)random.Next(2),
        OperandKind.Scale => (ulong)(random.Next(4) * 2) + 2,
        OperandKind.ReadSlot => 2UL * (ulong)random.Next(2),
        OperandKind.WriteSlot => info.Opcode is Opcode.Snew or Opcode.Sdel ? 1UL : 0,      // 1 is the record that is missing
        OperandKind.AddSlot => 3,
        OperandKind.CopySlot => 0,
        OperandKind.ReadArray or OperandKind.WriteArray => 4,
        OperandKind.ArrayLength => 2,
        OperandKind.WordOffset or OperandKind.QuadOffset => 8UL * (ulong)random.Next(500),
        OperandKind.RecordLength => StateLimits.MaxRecordBytes,       // filled with zeros
        OperandKind.Context => (ulong)random.Next((int)ContextId.SignerCount + 1),
        OperandKind.Function => 1,
        OperandKind.Window => 120,
        _ => 0,
    };
}
