// Words for operands that are small codes: a rounding reads "floor", not 0. One table for assembler and disassembler.

using System;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Toolchain;

internal static class OperandWords
{
    private static readonly string[] Rounding = ["floor", "ceil", "half_even", "exact"];
    private static readonly string[] RootRounding = ["floor", "ceil"];
    private static readonly string[] Direction = ["to_memory", "to_record"];

    private static readonly string[] Context =
        ["height", "timestamp_ms", "base_fee", "fork", "slot_count", "argument_length", "signer_count"];

    /// <summary>Words of a kind; word k stands for the value k.</summary>
    public static ReadOnlySpan<string> Of(OperandKind kind) => kind switch
    {
        OperandKind.Rounding => Rounding,
        OperandKind.RootRounding => RootRounding,
        OperandKind.Direction => Direction,
        OperandKind.Context => Context,
        _ => default,
    };

    public static bool TryValue(OperandKind kind, string word, out long value)
    {
        value = Of(kind).IndexOf(word);
        return value >= 0;
    }
}
