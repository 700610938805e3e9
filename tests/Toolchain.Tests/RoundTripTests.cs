// The disassembler's one law: its text assembles to the same bytes, for the reference programs and for any container that
// decodes, whether or not a verifier would take it.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class RoundTripTests
{
    [Theory, InlineData("token"), InlineData("amm"), InlineData("counter")]
    public void Reference_program_disassembles_to_a_text_that_assembles_to_the_same_bytes(string name)
    {
        Assert.True(Assembler.TryAssemble(ReferencePrograms.Source(name), out byte[] container, out Refusal refusal), refusal.ToString());
        AssertRoundTrip(container, name);
    }

    [Fact]
    public void Every_opcode_of_the_table_assembles_and_disassembles_with_every_field_at_its_ends()
    {
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            foreach (uint value in new uint[] { 0, 1, 0x7F, 0xFFFF_FFFF, 0x8000_0000 })
            {
                ulong word = (byte)info.Opcode;
                foreach (Operand operand in info.Operands)
                {
                    word = operand.Write(word, value);
                }

                byte[] container = new Container { Functions = [new FunctionHeader(1, 0, 0, 1)], Code = [word] }.Encode();
                string text = Disassembler.Disassemble(container);
                Assert.DoesNotContain(".word", text, StringComparison.Ordinal);
                Assert.Contains(info.Mnemonic.ToLowerInvariant(), text, StringComparison.Ordinal);
                AssertRoundTrip(container, $"{info.Mnemonic} {value:x}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Random_container_round_trips(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 300; round++)
        {
            AssertRoundTrip(RandomContainer(random), $"seed {seed} round {round}");
        }
    }

    [Fact]
    public void Largest_function_and_most_slots_round_trip()
    {
        AssertRoundTrip(TouchProgram.Assemble(Container.MaxSlots, 0), "512 writes");
        ulong[] code = new ulong[Container.MaxFunctionLength];
        Array.Fill(code, 0xF0UL);
        AssertRoundTrip(new Container { Functions = [new FunctionHeader(0, 0, 0, Container.MaxFunctionLength)], Code = code }.Encode(), "8192 instructions");
    }

    [Fact]
    public void Bytes_that_are_no_container_are_refused_by_the_disassembler()
    {
        Assert.False(Disassembler.TryDisassemble([1, 2, 3], out string text, out Refusal refusal));
        Assert.Equal("", text);
        Assert.Equal(RefusalCode.NotDisassemblable, refusal.Code);
        Assert.Throws<ArgumentException>(() => Disassembler.Disassemble([1, 2, 3]));
    }

    private static void AssertRoundTrip(byte[] container, string what)
    {
        string text = Disassembler.Disassemble(container);
        Assert.True(Assembler.TryAssemble(text, out byte[] again, out Refusal refusal), $"{what}: {refusal}");
        Assert.True(container.AsSpan().SequenceEqual(again), $"{what}: the bytes differ");
    }

    // Anything the decoder takes: words are opcodes with random fields, opcodes with legal fields, or noise.
    private static byte[] RandomContainer(SeededRandom random)
    {
        FunctionHeader[] functions = new FunctionHeader[1 + random.Next(4)];
        int length = 0;
        for (int i = 0; i < functions.Length; i++)
        {
            byte cells = (byte)random.Next(Container.MaxCells + 1);
            functions[i] = new FunctionHeader(cells, (byte)random.Next(cells + 1), (byte)random.Next(cells + 1), (ushort)(1 + random.Next(40)));
            length += functions[i].Length;
        }

        ulong[] code = new ulong[length];
        for (int i = 0; i < code.Length; i++)
        {
            code[i] = RandomWord(random);
        }

        ulong[] constants = new ulong[random.Next(5)];
        for (int i = 0; i < constants.Length; i++)
        {
            constants[i] = random.NextU64();
        }

        byte[] data = new byte[random.Next(100)];
        random.Fill(data);
        ContainerEntry[] entries = new ContainerEntry[random.Next(4)];
        for (int i = 0; i < entries.Length; i++)
        {
            AccessMode[] modes = new AccessMode[random.Next(6)];
            for (int slot = 0; slot < modes.Length; slot++)
            {
                modes[slot] = (AccessMode)random.Next(3);
            }

            uint selector = ((uint)i << 30) | (uint)random.Next(1 << 30);
            entries[i] = new ContainerEntry(selector, (ushort)random.Next(65536), (ushort)random.Next(65536), modes);
        }

        return new Container
        {
            Fork = (ushort)random.Next(3),
            Constants = constants,
            Data = data,
            Functions = functions,
            Code = code,
            Entries = entries,
        }.Encode();
    }

    private static ulong RandomWord(SeededRandom random)
    {
        OpcodeInfo info = OpcodeTable.All[random.Next(OpcodeTable.All.Length)];
        switch (random.Next(8))
        {
            case 0:
                return random.NextU64();
            case 1:
                return (random.NextU64() & ~0xFFUL) | (byte)info.Opcode;
            default:
                ulong word = (byte)info.Opcode;
                foreach (Operand operand in info.Operands)
                {
                    word = operand.Write(word, random.Chance(1, 2) ? (uint)random.Next(12) : (uint)random.NextU64());
                }

                return word;
        }
    }
}
