// docs/opcodes.md is made from the table; this test fails when it is not current and prints what it should be.

using System;
using System.IO;
using System.Text;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor.Tests;

public sealed class OpcodeDocumentTests
{
    private static string Document()
    {
        StringBuilder text = new();
        text.Append("# Opcodes of fork 0\n\n");
        text.Append("Made from `Executor/Bytecode/OpcodeTable.cs`; a test keeps it current. Operands are in text order, `name:field`;\n");
        text.Append("fields are those of the 64-bit word `op a b c imm`, where d and m are the first bytes of imm, low and high its halves.\n\n");
        text.Append("Memory, for all rows: a length is charged before anything is looked at, per started 32 bytes and as at most 2^20; then bounds, then alignment.\n");
        text.Append("An empty run of bytes still has to lie in mapped memory, whose end counts as inside. An instruction that traps writes nothing.\n\n");
        text.Append("| byte | mnemonic | operands | law | gas | traps |\n|---|---|---|---|---|---|\n");
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            string[] operands = Array.ConvertAll(info.Operands, operand => $"{operand.Kind}:{operand.Field}".ToLowerInvariant());
            string gas = info.Variable.Length == 0 ? $"{info.Gas}" : $"{info.Gas} {info.Variable}";
            text.Append($"| {(byte)info.Opcode:x2} | {info.Mnemonic} | {string.Join(", ", operands)} | {info.Law} | {gas} | {info.Traps} |\n");
        }

        text.Append("\nSecond names: ");
        for (int i = 0; i < OpcodeTable.Aliases.Count; i++)
        {
            OpcodeAlias alias = OpcodeTable.Aliases[i];
            text.Append($"{(i == 0 ? "" : ", ")}{alias.Mnemonic} is {OpcodeTable.Get(alias.Opcode).Mnemonic} with 10^{alias.FixedValue}");
        }

        return text.Append(".\n").ToString();
    }

    [Fact]
    public void The_opcode_document_is_current()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "ParallelVm.sln")))
        {
            folder = folder.Parent;
        }

        Assert.NotNull(folder);
        string path = Path.Combine(folder.FullName, "docs", "opcodes.md");
        string expected = Document();
        Assert.True(File.Exists(path) && File.ReadAllText(path) == expected, $"docs/opcodes.md should be:\n{expected}");
    }

    [Fact]
    public void No_byte_and_no_mnemonic_comes_twice_and_no_operands_overlap()
    {
        byte previous = 0;
        for (int i = 0; i < OpcodeTable.All.Length; i++)
        {
            OpcodeInfo info = OpcodeTable.All[i];
            Assert.True(i == 0 || (byte)info.Opcode > previous);
            previous = (byte)info.Opcode;
            Assert.True(OpcodeTable.TryFind(info.Mnemonic, out OpcodeInfo? named) && ReferenceEquals(named, info));
            ulong seen = 0xFF;
            foreach (Operand operand in info.Operands)
            {
                Assert.True((seen & operand.Mask) == 0, info.Mnemonic);
                seen |= operand.Mask;
            }
        }
    }

    // Only an instruction that ends the run or the call may be free: any other may stand a thousand times in a loop's body.
    [Fact]
    public void Every_instruction_that_control_runs_past_has_a_price()
    {
        foreach (OpcodeInfo info in OpcodeTable.All)
        {
            Assert.True(info.Flow == Flow.End || info.Gas > 0, info.Mnemonic);
        }
    }
}
