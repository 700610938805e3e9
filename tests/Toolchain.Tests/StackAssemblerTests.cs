// Stack programs as text: what is written runs, and a fault names its line.

using System;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Toolchain.Stack;

namespace ParallelVm.Toolchain.Tests;

public sealed class StackAssemblerTests
{
    // the sum 1 + 2 + ... + n, n from the record, by a loop; the stack is (sum, n)
    private const string Sum = """
        .data text "read-only"
        .entry sum selector 5
        .slot number Write
            push 0
            sload number, 0
        again:
            dup 1           ; sum n n
            swap 2          ; n n sum
            add             ; n sum'
            swap 1          ; sum' n
            push 1
            sub
            dup 1
            jumpi again
            pop
            sstore number, 8
            halt
        .entry nothing selector 2
            halt
        """;

    [Fact]
    public void A_text_becomes_a_program_that_the_verifier_takes()
    {
        Assert.True(StackAssembler.TryAssemble(Sum, out byte[] bytes, out Refusal refusal), refusal.ToString());
        Assert.True(StackLowering.TryLower(bytes, out byte[] lowered, out refusal), refusal.ToString());
        Assert.True(Verifier.TryVerify(lowered, VerifierLimits.Default, out VerifiedProgram? program, out refusal), refusal.ToString());
        Assert.Equal([2U, 5U], Array.ConvertAll(program.Entries, entry => entry.Selector));
        string text = Disassembler.Disassemble(lowered);
        Assert.Contains("loop 2", text, StringComparison.Ordinal);
        Assert.Contains("sst8 0, 8, r0", text, StringComparison.Ordinal);
        Assert.True(StackCode.TryDecode(bytes, out StackCode code, out _));
        byte[] expected = [0x61, 0, 0x40, 0, 0, 0, 0x80, 0x91, 0x01, 0x90, 0x61, 1, 0x02, 0x80, 0x31, 0xF5, 0xFF, 0x50, 0x41, 0, 8, 0, 0];
        Assert.Equal(expected, code.Entries[1].Code);
    }

    [Theory]
    [InlineData("halt", RefusalCode.AssemblySyntax, "Line 1: an instruction stands before the first .entry.")]
    [InlineData(".entry e selector 1\npush", RefusalCode.AssemblyRange, "Line 2: a number up to 18446744073709551615 is needed, not the end of the line.")]
    [InlineData(".entry e selector 1\n\ndup 17\nhalt", RefusalCode.AssemblyRange, "Line 3: a number up to 16 is needed, not '17'.")]
    [InlineData(".entry e selector 1\njump away\nhalt", RefusalCode.AssemblyUnknownName, "Line 2: no label in reach is called 'away'.")]
    [InlineData(".entry e selector 1\npush9 1", RefusalCode.AssemblyUnknownName, "Line 2: no instruction is called 'push9'.")]
    [InlineData(".entry e selector 1\nsload x, 0", RefusalCode.AssemblyRange, "Line 2: a number up to 255 is needed, not 'x'.")]
    [InlineData(".entry e selector 1\nhalt 1", RefusalCode.AssemblySyntax, "Line 2: '1' is left over at the end of the line.")]
    [InlineData(".entry e selector 1\na:\na: halt", RefusalCode.AssemblyDuplicateName, "Line 3: the label 'a' is defined twice, or stands before the first .entry.")]
    [InlineData("", RefusalCode.AssemblySyntax, "Line 1: the source has no .entry.")]
    public void Bad_text_is_refused_by_line_and_sentence(string source, RefusalCode code, string sentence)
    {
        Assert.False(StackAssembler.TryAssemble(source, out byte[] bytes, out Refusal refusal));
        Assert.Empty(bytes);
        Assert.Equal((code, sentence), (refusal.Code, refusal.Sentence));
    }
}
