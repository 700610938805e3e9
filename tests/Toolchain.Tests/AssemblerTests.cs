// What the assembler says to bad text: one sentence that names the line, a code of its group, and never an exception.

using System;
using System.Text;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class AssemblerTests
{
    [Theory]
    [InlineData("nop", RefusalCode.AssemblySyntax, "Line 1: an instruction stands before the first .func.")]
    [InlineData(".func f cells 1\nhop", RefusalCode.AssemblyUnknownName, "Line 2: no instruction is called 'hop'.")]
    [InlineData(".func f cells 1\n\n; only a comment", RefusalCode.AssemblySyntax, "Line 1: the function 'f' has no instructions.")]
    [InlineData(".func f cells 1\nadd r0, r0", RefusalCode.AssemblyOperand, "Line 2: 'add' takes 3 operands, not 2.")]
    [InlineData(".func f cells 1\nadd r0, r0, 1", RefusalCode.AssemblyOperand, "Line 2: operand 3 of 'add': a cell is needed, not the number 1.")]
    [InlineData(".func f cells 1\nadd r0, r0, x", RefusalCode.AssemblyUnknownName, "Line 2: operand 3 of 'add': no cell is called 'x'.")]
    [InlineData(".func f cells 1\nadd r0 r0, r0", RefusalCode.AssemblySyntax, "Line 2: ',' is missing before 'r0'.")]
    [InlineData(".func f cells 1\nadd r0,, r0", RefusalCode.AssemblySyntax, "Line 2: an operand is missing before ','.")]
    [InlineData(".func f cells 1\nldi r0, 4294967296", RefusalCode.AssemblyRange, "Line 2: the operand '4294967296' is outside -2147483648 to 4294967295.")]
    [InlineData(".func f cells 1\nldi r0, -1", RefusalCode.AssemblyRange, "Line 2: operand 2 of 'ldi': -1 is outside 0 to 4294967295.")]
    [InlineData(".func f cells 1\nldis r0, 2147483648", RefusalCode.AssemblyRange, "Line 2: operand 2 of 'ldis': 2147483648 is outside -2147483648 to 2147483647.")]
    [InlineData(".func f cells 1\njmp away", RefusalCode.AssemblyUnknownName, "Line 2: operand 1 of 'jmp': no label of the function 'f' is called 'away'.")]
    [InlineData(".func f cells 1\nx:\nx: nop", RefusalCode.AssemblyDuplicateName, "Line 3: the label 'x' is defined twice.")]
    [InlineData(".func f cells 1\nnop\n.func f cells 1\nnop", RefusalCode.AssemblyDuplicateName, "Line 3: the function 'f' is defined twice.")]
    [InlineData(".func f cells 129\nnop", RefusalCode.AssemblyRange, "Line 1: a function has at most 128 cells and no more arguments or results than cells, not 129, 0 and 0.")]
    [InlineData(".func f args 1\nnop", RefusalCode.AssemblySyntax, "Line 1: 'cells' and its number are missing.")]
    [InlineData(".func f cells 1 cells 2\nnop", RefusalCode.AssemblyDuplicateName, "Line 1: 'cells' is given twice.")]
    [InlineData(".func f cells 1 depth 2\nnop", RefusalCode.AssemblySyntax, "Line 1: 'depth' is no setting here.")]
    [InlineData(".function f", RefusalCode.AssemblySyntax, "Line 1: '.function' is no directive.")]
    [InlineData(".const 18446744073709551616", RefusalCode.AssemblyRange, "Line 1: the constant '18446744073709551616' does not fit 64 bits.")]
    [InlineData(".const -9223372036854775809", RefusalCode.AssemblyRange, "Line 1: the constant '-9223372036854775809' does not fit 64 bits.")]
    [InlineData(".const 12g", RefusalCode.AssemblySyntax, "Line 1: '12g' is not a number below 2^128.")]
    [InlineData(".data x hex \"abc\"", RefusalCode.AssemblySyntax, "Line 1: 'abc' is not an even number of hexadecimal digits.")]
    [InlineData(".data zeros 65536, zeros 1", RefusalCode.AssemblyTooLarge, "Line 1: the data are longer than 65536 bytes.")]
    [InlineData(".data text \"open", RefusalCode.AssemblySyntax, "Line 1: a text is not closed by a quote.")]
    [InlineData(".slot x Read", RefusalCode.AssemblySyntax, "Line 1: a slot belongs below an entry or an import.")]
    [InlineData(".entry e selector 1\n.slot x Readable", RefusalCode.AssemblySyntax, "Line 2: a slot's mode is Read, Write or Add, not 'Readable'.")]
    [InlineData(".entry e selector 1\n.func f cells 0\nhalt", RefusalCode.AssemblyUnknownName, "Line 1: no function is called 'e'.")]
    [InlineData(".entry e func f selector 1\n.entry g func f selector 1\n.func f cells 0\nhalt", RefusalCode.AssemblyDuplicateName, "Line 2: the selector 1 is used by two entries.")]
    [InlineData("$ 1", RefusalCode.AssemblySyntax, "Line 1: an instruction stands before the first .func.")]
    [InlineData("\u0001", RefusalCode.AssemblySyntax, "Line 1: the character '?' has no meaning here.")]
    [InlineData("", RefusalCode.AssemblySyntax, "Line 1: the source has no .func.")]
    public void Bad_text_is_refused_by_line_and_sentence(string source, RefusalCode code, string sentence)
    {
        Assert.False(Assembler.TryAssemble(source, out byte[] container, out Refusal refusal));
        Assert.Empty(container);
        Assert.Equal(sentence, refusal.Sentence);
        Assert.Equal(code, refusal.Code);
    }

    [Fact]
    public void Slot_name_that_means_two_slots_must_be_qualified()
    {
        const string Text = ".entry one selector 1\n.slot a Read\n.slot b Read\n.entry two func one selector 2\n.slot b Read\n.func one cells 1\nsld8 r0, {0}, 0\nhalt";
        Assert.False(Assembler.TryAssemble(Text.Replace("{0}", "b", StringComparison.Ordinal), out _, out Refusal refusal));
        Assert.Equal(RefusalCode.AssemblyDuplicateName, refusal.Code);
        Assert.StartsWith("Line 7: ", refusal.Sentence, StringComparison.Ordinal);
        Assert.Equal(1u, SlotOf(Text.Replace("{0}", "one.b", StringComparison.Ordinal)));
        Assert.Equal(0u, SlotOf(Text.Replace("{0}", "two.b", StringComparison.Ordinal)));
        Assert.Equal(0u, SlotOf(Text.Replace("{0}", "a", StringComparison.Ordinal)));
    }

    [Fact]
    public void Names_may_be_used_before_they_are_defined()
    {
        const string Text = ".func f cells 2\njmp end\nldi r0, LATER\nldc r0, POOL\ncall g, r1\nend: halt\n.func g cells 0\nret\n.equ LATER 5\n.const POOL 6\n.entry f selector 9";
        Container program = Decode(Text);
        Assert.Equal(4u, (uint)(program.Code[0] >> 32));
        Assert.Equal(5u, (uint)(program.Code[1] >> 32));
        Assert.Equal(6UL, program.Constants[0]);
        Assert.Equal(1u, (uint)(program.Code[3] >> 32));
    }

    [Fact]
    public void Entries_are_sorted_by_selector_whatever_their_order_in_the_text()
    {
        Container program = Decode(".entry b func f selector 7\n.slot x Add\n.entry a func f selector 3 pages 2\n.func f cells 0\nhalt");
        Assert.Equal([3u, 7u], new[] { program.Entries[0].Selector, program.Entries[1].Selector });
        Assert.Equal(2, program.Entries[0].MaxPages);
        Assert.Single(program.Entries[1].SlotModes);
    }

    [Fact]
    public void Data_parts_are_laid_out_in_order_and_names_are_their_addresses()
    {
        Container program = Decode(".data text \"ab\\n\\0\\\"\", align 8, u64 -2\n.data here hex \"FFee\", zeros 3\n.func f cells 1\nldi r0, here\nhalt\n.entry f selector 1");
        Assert.Equal("61620a0022000000feffffffffffffffffee000000", Convert.ToHexStringLower(program.Data));
        Assert.Equal(Assembler.DataAddress + 16, (uint)(program.Code[0] >> 32));
    }

    [Fact]
    public void Bracketed_address_is_the_same_as_two_operands()
    {
        Assert.Equal(Word("ld8 r1, [r2 + 16]"), Word("ld8 r1, r2, 16"));
        Assert.Equal(Word("ld8 r1, [r2]"), Word("ld8 r1, r2, 0"));
    }

    [Fact]
    public void Alias_stands_for_its_opcode_with_the_operand_fixed()
    {
        Assert.Equal(Word("mulbps r1, r2, r3, floor"), Word("mulscale r1, r2, r3, 4, 0"));
        Assert.Equal(Word("mulpercent r1, r2, r3, ceil"), Word("mulscale r1, r2, r3, 2, 1"));
    }

    [Fact]
    public void Source_beyond_its_limits_is_refused_and_not_read()
    {
        Assert.False(Assembler.TryAssemble(new string(' ', Assembler.MaxSourceChars + 1), out _, out Refusal refusal));
        Assert.Equal(RefusalCode.AssemblyTooLarge, refusal.Code);
        Assert.False(Assembler.TryAssemble(";" + new string('x', 5000), out _, out refusal));
        Assert.Equal(RefusalCode.AssemblyTooLarge, refusal.Code);
        Assert.False(Assembler.TryAssemble(null!, out _, out refusal));
        Assert.Equal(RefusalCode.AssemblyTooLarge, refusal.Code);

        StringBuilder many = new(".func f cells 0\n");
        for (int i = 0; i <= Container.MaxFunctionLength; i++)
        {
            many.Append("nop\n");
        }

        Assert.False(Assembler.TryAssemble(many.ToString(), out _, out refusal));
        Assert.Equal(RefusalCode.AssemblyTooLarge, refusal.Code);
    }

    // 20,000 texts that are almost programs: a reference program with a few characters, words or lines changed.
    [Theory, InlineData("token", 11UL), InlineData("counter", 12UL), InlineData("amm", 13UL)]
    public void Mutated_source_is_assembled_or_refused_with_a_line_and_never_throws(string name, ulong seed)
    {
        SeededRandom random = new(seed);
        string source = ReferencePrograms.Source(name);
        string[] lines = source.Split('\n');
        int refused = 0;
        int rounds = name == "amm" ? 4_000 : 8_000;
        for (int round = 0; round < rounds; round++)
        {
            string mutant = Mutate(random, source, lines);
            if (Assembler.TryAssemble(mutant, out byte[] container, out Refusal refusal))
            {
                Assert.True(Container.TryDecode(container, out _, out _), $"seed {seed} round {round}");
                continue;
            }

            refused++;
            Assert.Matches("^Line [0-9]+: [ -~]+\\.$", refusal.Sentence);
            Assert.InRange((int)refusal.Code, 550, 556);
        }

        Assert.InRange(refused, rounds / 4, rounds);
    }

    private static string Mutate(SeededRandom random, string source, string[] lines)
    {
        const string Alphabet = "r0123456789,:;=[]+-. \n\"\\.xXlLaAzé\t\u0000\u2028$@";
        StringBuilder mutant = new(source);
        for (int edits = 1 + random.Next(3); edits > 0; edits--)
        {
            int at = random.Next(mutant.Length);
            switch (random.Next(5))
            {
                case 0:
                    mutant[at] = Alphabet[random.Next(Alphabet.Length)];
                    break;
                case 1:
                    mutant.Insert(at, Alphabet[random.Next(Alphabet.Length)]);
                    break;
                case 2:
                    mutant.Remove(at, Math.Min(mutant.Length - at, 1 + random.Next(30)));
                    break;
                case 3:
                    mutant.Insert(at, lines[random.Next(lines.Length)] + (random.Chance(1, 2) ? "\n" : ""));
                    break;
                default:
                    mutant.Insert(at, (char)random.Next(65536));
                    break;
            }
        }

        return mutant.ToString();
    }

    private static uint SlotOf(string source) => (ushort)(Decode(source).Code[0] >> 32);

    private static ulong Word(string instruction) => Decode($".func f cells 8\n{instruction}\nhalt\n.entry f selector 1").Code[0];

    private static Container Decode(string source)
    {
        Assert.True(Assembler.TryAssemble(source, out byte[] container, out Refusal refusal), refusal.ToString());
        Assert.True(Container.TryDecode(container, out Container program, out refusal), refusal.ToString());
        return program;
    }
}
