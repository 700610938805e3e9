// Every opcode that control runs past, over grids of special operands: all engines end like the third evaluator. The grids
// are made from the opcode table, so an opcode that is added is covered without a change here.
//
//   one source    64 values           two sources    64 x 64
//   more          16 values each for three, 6 for four
//
// times every immediate of the operand's kind. A program shows what it wrote: cells, records, the heap's hash.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;

namespace ParallelVm.Executor.Tests;

public sealed class GridTests
{
    private const uint FirstSource = 8;
    private const uint FirstResult = 40;
    private const uint HeapCell = 1;

    private static readonly AccessMode[] Modes = [AccessMode.Write, AccessMode.Write, AccessMode.Read, AccessMode.Add];
    private static readonly ushort[] Slots = [0, 1, 2, 3];
    private static readonly byte[]?[] Records = [new byte[80], [.. "a record to read and to write"u8], null, null];
    private static readonly byte[] Data = [.. "thirty-three read-only data bytes"u8];

    [Theory, InlineData(0), InlineData(1), InlineData(2), InlineData(3)]
    public void Every_opcode_agrees_with_its_law_on_a_grid_of_special_operands(int quarter)
    {
        Engines engines = new();
        int runs = 0;
        for (int row = quarter; row < OpcodeTable.All.Length; row += 4)
        {
            OpcodeInfo info = OpcodeTable.All[row];
            if (info.Flow is Flow.Next or Flow.Branch && info.Opcode is not (Opcode.Loop or Opcode.Xcall))
            {
                runs += CheckOpcode(engines, info);
            }
        }

        Assert.True(runs > 40_000, $"only {runs} runs");
    }

    [Fact]
    public void A_switch_goes_where_its_table_says_for_every_special_operand()
    {
        Engines engines = new();
        byte[] arguments = new byte[8];
        for (int length = 1; length <= 5; length++)
        {
            // arm k puts k into record 0
            List<ulong> code = [Words.Op(Opcode.Arg, 0, 0), Words.Op(Opcode.Switch, 0, 0)];
            ushort[] table = new ushort[length];
            for (uint arm = 0; arm < length; arm++)
            {
                table[arm] = (ushort)code.Count;
                code.AddRange([Words.Op(Opcode.Ldi, 1, arm), Words.Op(Opcode.Sst8, 0, 0, 1), Words.Op(Opcode.Halt)]);
            }

            Container container = new()
            {
                Code = [.. code],
                Tables = [table],
                Functions = [new FunctionHeader(2, 0, 0, (ushort)code.Count)],
                Entries = [new ContainerEntry(1, 0, 0, Modes)],
            };
            VmCase subject = VmCase.Of(container, Code.Verify(container.Encode()), Modes, Slots, Records, arguments, 1_000_000);
            foreach (ulong value in SpecialValues.Words)
            {
                BitConverter.TryWriteBytes(arguments, value);
                (Verdict verdict, string? difference) = engines.Judge(subject);
                Assert.True(difference is null, $"{length} arms on {value}: {difference}");
                Assert.Equal(Math.Min(value, (ulong)length - 1), BitConverter.ToUInt64(verdict.After[0]));
            }
        }
    }

    private static int CheckOpcode(Engines engines, OpcodeInfo info)
    {
        int runs = 0;
        foreach (uint[] operands in Immediates(info))
        {
            int words = 0;
            int sources = 0;
            foreach (Operand operand in info.Operands)
            {
                sources += Width(operand.Kind, isSource: true) > 0 ? 1 : 0;
                words += Width(operand.Kind, isSource: true);
            }

            byte[] arguments = new byte[words * 8];
            Container container = Program(info, operands);
            VmCase subject = VmCase.Of(container, Code.Verify(container.Encode()), Modes, Slots, Records, arguments, 1_000_000);
            int values = sources switch { <= 2 => 64, 3 => 16, _ => 6 };
            int points = 1;
            for (int i = 0; i < sources; i++)
            {
                points *= values;
            }

            for (int point = 0; point < points; point++)
            {
                Fill(info, arguments, point, values);
                string? difference = engines.Judge(subject).Difference;
                Assert.True(difference is null, $"{info.Mnemonic} {string.Join(' ', operands)} on {Convert.ToHexString(arguments)}: {difference}");
            }

            runs += points;
        }

        return runs;
    }

    // puts the words of a point's sources into the arguments
    private static void Fill(OpcodeInfo info, byte[] arguments, int point, int values)
    {
        int at = 0;
        foreach (Operand operand in info.Operands)
        {
            int width = Width(operand.Kind, isSource: true);
            if (width == 0)
            {
                continue;
            }

            int value = point % values;
            point /= values;
            (ulong low, ulong high) = width == 1 ? (SpecialValues.Words[value], 0) : SpecialValues.Pairs[value * (64 / values)];
            for (int i = 0; i < width; i++)
            {
                BitConverter.TryWriteBytes(arguments.AsSpan(at), i % 2 == 0 ? low : high);
                at += 8;
            }
        }
    }

    // sources from the arguments, the instruction, then everything it can have changed into record 0
    private static Container Program(OpcodeInfo info, uint[] operands)
    {
        List<ulong> code =
        [
            Words.Op(Opcode.Ldi, 0, 1), Words.Op(Opcode.Mgrow, HeapCell, 0), Words.Op(Opcode.Ldi, 2, 0x5A), Words.Op(Opcode.Ldi, 3, 90),
            Words.Op(Opcode.Mset, HeapCell, 2, 3), Words.Op(Opcode.Ldi, 3, 4096), Words.Op(Opcode.Ldi, FirstResult, 0),
        ];
        uint argument = 0;
        List<uint> shown = [];
        for (int i = 0; i < operands.Length; i++)
        {
            OperandKind kind = info.Operands[i].Kind;
            for (uint word = 0; word < Width(kind, isSource: true); word++, argument += 8)
            {
                code.Add(Words.Op(Opcode.Arg, operands[i] + word, argument));
                if (kind is OperandKind.SourceFelt or OperandKind.SourceFeltQuad or OperandKind.UpdateFelts)
                {
                    code.Add(Words.Op(Opcode.Fred, operands[i] + word, operands[i] + word));
                }
            }

            for (uint word = 0; word < Width(kind, isSource: false); word++)
            {
                shown.Add(operands[i] + word);
            }
        }

        if (info.Flow == Flow.Branch)
        {
            operands[^1] = (uint)code.Count + 3;
            shown.Add(FirstResult);
        }

        code.AddRange([Words.Op(info.Opcode, operands), Words.Op(Opcode.Ldi, 4, 1), Words.Op(Opcode.Jmp, (uint)code.Count + 4), Words.Op(Opcode.Ldi, 4, 2), Words.Op(Opcode.Nop)]);
        if (info.Flow != Flow.Branch)
        {
            code.RemoveRange(code.Count - 4, 4);
        }
        else
        {
            shown[^1] = 4;
        }

        for (int i = 0; i < shown.Count; i++)
        {
            code.Add(Words.Op(Opcode.Sst8, 0, 8 * (uint)i, shown[i]));
        }

        if (info.Traps.Contains("Memory", StringComparison.Ordinal))
        {
            code.AddRange([Words.Op(Opcode.Blake3, 4, HeapCell, 3), Words.Op(Opcode.Sstq, 0, 96, 4)]);
        }

        code.Add(Words.Op(Opcode.Halt));
        return new Container
        {
            Code = [.. code],
            Constants = SpecialValues.Words,
            Data = Data,
            Functions = [new FunctionHeader(48, 0, 0, (ushort)code.Count)],
            Entries = [new ContainerEntry(1, 0, 2, Modes)],
        };
    }

    // Operand words in text order, one array per combination of immediates; cells are laid out here too.
    private static List<uint[]> Immediates(OpcodeInfo info)
    {
        List<uint[]> rows = [new uint[info.Operands.Length]];
        for (int i = 0; i < info.Operands.Length; i++)
        {
            uint[] choices = Choices(info.Operands[i].Kind, (uint)i);
            List<uint[]> longer = [];
            foreach (uint[] row in rows)
            {
                foreach (uint choice in choices)
                {
                    uint[] next = (uint[])row.Clone();
                    next[i] = choice;
                    longer.Add(next);
                }
            }

            rows = longer;
        }

        return rows;
    }

    private static uint[] Choices(OperandKind kind, uint index) => kind switch
    {
        OperandKind.Dest or OperandKind.DestPair or OperandKind.DestQuad or OperandKind.DestFelt or OperandKind.DestFeltQuad => [FirstResult + (4 * index)],
        OperandKind.Source or OperandKind.SourcePair or OperandKind.SourceQuad or OperandKind.Update => [FirstSource + (4 * index)],
        OperandKind.SourceFelt or OperandKind.SourceFeltQuad or OperandKind.UpdateFelts => [FirstSource + (4 * index)],
        OperandKind.WideShift => [0, 1, 32, 63, 64],
        OperandKind.ReadArray or OperandKind.WriteArray => [0],
        OperandKind.ArrayLength => [1, 2],
        OperandKind.Target => [0],
        OperandKind.Unsigned or OperandKind.Signed => [0, 1, 8, 32, 40, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF],
        OperandKind.Shift => [0, 1, 31, 32, 62, 63],
        OperandKind.Width => [8, 16, 32],
        OperandKind.Constant => [0, 3, 63],
        OperandKind.Rounding => [0, 1, 2, 3],
        OperandKind.RootRounding or OperandKind.Direction => [0, 1],
        OperandKind.Scale => [2, 4, 6, 8, 9],
        OperandKind.ReadSlot => [1, 2],
        OperandKind.WriteSlot => [0, 1],
        OperandKind.AddSlot => [1, 3],
        OperandKind.AnySlot => [0, 2, 3],
        OperandKind.CopySlot => [0, 1],
        OperandKind.WordOffset => [0, 24, 4088],
        OperandKind.QuadOffset => [0, 24, 4064],
        OperandKind.AccumulatorOffset => [0],
        OperandKind.RecordLength => [0, 1, 4096],
        OperandKind.Context => [0, 1, 2, 3, 4, 5, 6],
        _ => throw new NotSupportedException($"The grid has no values for a {kind} operand."),
    };

    private static int Width(OperandKind kind, bool isSource) => kind switch
    {
        OperandKind.Update => 1,
        OperandKind.UpdateFelts => 8,
        OperandKind.SourceFelt => isSource ? 1 : 0,
        OperandKind.SourceFeltQuad => isSource ? 4 : 0,
        OperandKind.DestFelt => isSource ? 0 : 1,
        OperandKind.DestFeltQuad => isSource ? 0 : 4,
        OperandKind.Source => isSource ? 1 : 0,
        OperandKind.SourcePair => isSource ? 2 : 0,
        OperandKind.SourceQuad => isSource ? 4 : 0,
        OperandKind.Dest => isSource ? 0 : 1,
        OperandKind.DestPair => isSource ? 0 : 2,
        OperandKind.DestQuad => isSource ? 0 : 4,
        _ => 0,
    };
}
