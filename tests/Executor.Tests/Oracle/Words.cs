// Instruction words from operand values.

using System;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor.Oracle;

internal static class Words
{
    /// <summary>A word from operand values in text order; optional ones may be left out at the end.</summary>
    public static ulong Op(Opcode opcode, params ReadOnlySpan<uint> values)
    {
        OpcodeInfo info = OpcodeTable.Get(opcode);
        if (values.Length > info.Operands.Length || (values.Length < info.Operands.Length && !info.Operands[values.Length].IsOptional))
        {
            throw new ArgumentException($"{info.Mnemonic} has {info.Operands.Length} operands, not {values.Length}.", nameof(values));
        }

        ulong word = (byte)opcode;
        for (int i = 0; i < values.Length; i++)
        {
            word = info.Operands[i].Write(word, values[i]);
        }

        return word;
    }
}
