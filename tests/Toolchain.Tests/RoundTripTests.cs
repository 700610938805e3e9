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

    // calls of another program, switch tables, owners and views: the text that an author writes, and what random rows come to
    [Fact]
    public void Links_assemble_to_what_they_say_and_round_trip()
    {
        string id = new('b', 64);
        string text = $"""
            .program token hex "{id}"
            .import transfer program token selector 7 args 3 rets 1
            .slot from Write
            .slot to Add owner 0
            .import peek program token selector 8 rets 1 view
            .slot what Read
            .site pay transfer purse, target
            .site look peek pay_entry.purse
            .entry pay_entry func run selector 1 view
            .slot purse Write owner token
            .slot target Add owner token
            .func run cells 8
                ldi r0, 1
                loop 1
                loop 1, 0, 1
                switch r0, ways
            .table ways one, two, one
            one:
                halt
            two:
                xcall pay, r0
                sldx r1, purse, 2, r0, 8
                halt
            """;
        Assert.True(Assembler.TryAssemble(text, out byte[] container, out Refusal refusal), refusal.ToString());
        Assert.True(Container.TryDecode(container, out Container program, out _));
        Assert.Equal(new ushort[] { 4, 5, 4 }, program.Tables[0]);
        Assert.Equal(id, program.Programs[0].ToString());
        Assert.Equal([1, 1], program.Entries[0].SlotOwners);
        Assert.True(program.Entries[0].IsView && program.Imports[1].IsView && !program.Imports[0].IsView);
        Assert.Equal((3, 1, 7U), (program.Imports[0].Args, program.Imports[0].Rets, program.Imports[0].Selector));
        Assert.Equal(new ushort[] { 0, 1 }, program.Sites[0].Slots);
        Assert.Equal(new ushort[] { 0 }, program.Sites[1].Slots);
        AssertRoundTrip(container, "links");

        SeededRandom random = new(15);
        for (int round = 0; round < 200; round++)
        {
            AssertRoundTrip(RandomLinks(random), $"round {round}");
        }
    }

    private static byte[] RandomLinks(SeededRandom random)
    {
        ushort[] Shorts(int most) => Array.ConvertAll(new int[random.Next(most)], _ => (ushort)random.Next(1 << random.Next(17)));
        (AccessMode[] Modes, byte[] Owners) Slots()
        {
            AccessMode[] modes = Array.ConvertAll(new int[random.Next(5)], _ => (AccessMode)random.Next(3));
            byte[] owners = Array.ConvertAll(modes, mode => mode == AccessMode.Read ? (byte)0 : (byte)random.Next(4));
            return (modes, Array.TrueForAll(owners, owner => owner == 0) ? [] : owners);
        }

        ContainerImport Import()
        {
            (AccessMode[] modes, byte[] owners) = Slots();
            return new ContainerImport((byte)random.Next(256), (uint)random.NextU64(), (byte)random.Next(129), (byte)random.Next(129), random.Chance(1, 2), modes, owners);
        }

        byte[] id = new byte[32];
        (AccessMode[] entryModes, byte[] entryOwners) = Slots();
        ProgramId[] programs = new ProgramId[random.Next(4)];
        for (int i = 0; i < programs.Length; i++)
        {
            random.Fill(id);
            programs[i] = new ProgramId(Bytes32.From(id));
        }

        return new Container
        {
            Functions = [new FunctionHeader(1, 0, 0, 2)],
            Code = [(byte)Opcode.Switch | ((ulong)random.Next(3) << 32), (byte)Opcode.Xcall | ((ulong)random.Next(3) << 32)],
            Entries = [new ContainerEntry(1, 0, (ushort)random.Next(300), entryModes) { SlotOwners = entryOwners, IsView = random.Chance(1, 2) }],
            Tables = Array.ConvertAll(new int[random.Next(4)], _ => (ushort[])[0, .. Shorts(5)]),
            Programs = programs,
            Imports = Array.ConvertAll(new int[random.Next(4)], _ => Import()),
            Sites = Array.ConvertAll(new int[random.Next(4)], _ => new ContainerSite((ushort)random.Next(9), Shorts(5))),
        }.Encode();
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
