// WebAssembly's public facts about i64, where our operations coincide or compose to the same: an independent check of
// meaning, not only of agreement. Differences of meaning are undone here, in the open:
//
//   shift and rotate counts are modulo 64 there and unbounded here, so AND 63 comes first
//   rotl x n = x << n | x >> 64 - n     ctz x = 64 - clz(not x & x - 1)     le_s a b = 1 - (b < a), and so on
//   rem_s -2^63 -1 is 0 there and an Overflow here

using System;
using System.Collections.Generic;
using System.IO;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;

namespace ParallelVm.Executor.Tests;

public sealed class WasmFactTests
{
    // inputs in cells 8 and 9, result in 10, 64 in 11, 63 in 12, 1 in 13, scratch 14 and 15
    private const uint X = 8;
    private const uint Y = 9;
    private const uint Result = 10;
    private const uint SixtyFour = 11;
    private const uint SixtyThree = 12;
    private const uint One = 13;
    private const uint S = 14;
    private const uint T = 15;

    private static readonly Dictionary<string, ulong[]> Programs = new()
    {
        ["add"] = [Two(Opcode.Wadd)],
        ["sub"] = [Two(Opcode.Wsub)],
        ["mul"] = [Two(Opcode.Wmul)],
        ["div_s"] = [Two(Opcode.Sdiv)],
        ["div_u"] = [Two(Opcode.Div)],
        ["rem_s"] = [Two(Opcode.Smod)],
        ["rem_u"] = [Two(Opcode.Mod)],
        ["and"] = [Two(Opcode.And)],
        ["or"] = [Two(Opcode.Or)],
        ["xor"] = [Two(Opcode.Xor)],
        ["shl"] = [Words.Op(Opcode.And, Y, Y, SixtyThree), Two(Opcode.Shl)],
        ["shr_s"] = [Words.Op(Opcode.And, Y, Y, SixtyThree), Two(Opcode.Sar)],
        ["shr_u"] = [Words.Op(Opcode.And, Y, Y, SixtyThree), Two(Opcode.Shr)],
        ["rotl"] = Rotate(Opcode.Shl, Opcode.Shr),
        ["rotr"] = Rotate(Opcode.Shr, Opcode.Shl),
        ["clz"] = [Words.Op(Opcode.Clz, Result, X)],
        ["ctz"] =
        [
            Words.Op(Opcode.Not, S, X), Words.Op(Opcode.Wsub, T, X, One), Words.Op(Opcode.And, S, S, T), Words.Op(Opcode.Clz, S, S),
            Words.Op(Opcode.Sub, Result, SixtyFour, S),
        ],
        ["popcnt"] = [Words.Op(Opcode.Popc, Result, X)],
        ["extend8_s"] = [Words.Op(Opcode.Sext, Result, X, 8)],
        ["extend16_s"] = [Words.Op(Opcode.Sext, Result, X, 16)],
        ["extend32_s"] = [Words.Op(Opcode.Sext, Result, X, 32)],
        ["eqz"] = [Words.Op(Opcode.Eqi, Result, X, 0)],
        ["eq"] = [Two(Opcode.Eq)],
        ["ne"] = [Two(Opcode.Ne)],
        ["lt_s"] = [Two(Opcode.Slt)],
        ["lt_u"] = [Two(Opcode.Lt)],
        ["le_s"] = [Words.Op(Opcode.Slt, S, Y, X), Words.Op(Opcode.Sub, Result, One, S)],
        ["le_u"] = [Two(Opcode.Le)],
        ["gt_s"] = [Words.Op(Opcode.Slt, Result, Y, X)],
        ["gt_u"] = [Two(Opcode.Gt)],
        ["ge_s"] = [Words.Op(Opcode.Slt, S, X, Y), Words.Op(Opcode.Sub, Result, One, S)],
        ["ge_u"] = [Two(Opcode.Ge)],
    };

    private static ulong Two(Opcode opcode) => Words.Op(opcode, Result, X, Y);

    private static ulong[] Rotate(Opcode there, Opcode back) =>
    [
        Words.Op(Opcode.And, Y, Y, SixtyThree), Words.Op(there, S, X, Y), Words.Op(Opcode.Sub, Y, SixtyFour, Y), Words.Op(back, T, X, Y),
        Words.Op(Opcode.Or, Result, S, T),
    ];

    [Fact]
    public void All_facts_hold_in_every_engine()
    {
        Engines engines = new();
        int facts = 0;
        foreach (string line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "Vectors", "wasm-i64.txt")))
        {
            if (line.Length == 0 || line[0] == '#')
            {
                continue;
            }

            Check(engines, line);
            facts++;
        }

        Assert.Equal(384, facts);
    }

    private static void Check(Engines engines, string fact)
    {
        string[] parts = fact.Split(' ');
        List<ulong> code =
        [
            Words.Op(Opcode.Arg, X, 0), Words.Op(Opcode.Arg, Y, 8), Words.Op(Opcode.Ldi, SixtyFour, 64), Words.Op(Opcode.Ldi, SixtyThree, 63), Words.Op(Opcode.Ldi, One, 1),
            .. Programs[parts[0]], Words.Op(Opcode.Sst8, 0, 0, Result), Words.Op(Opcode.Halt),
        ];
        byte[] arguments = new byte[16];
        for (int i = 1; parts[i] != "="; i++)
        {
            BitConverter.TryWriteBytes(arguments.AsSpan(8 * (i - 1)), Convert.ToUInt64(parts[i], 16));
        }

        byte[] container = Code.Single([.. code], [AccessMode.Write]);
        Assert.True(Container.TryDecode(container, out Container decoded, out _));
        VmCase subject = VmCase.Of(decoded, Code.Verify(container), [AccessMode.Write], [0], [new byte[8]], arguments, 1_000_000);
        (Verdict verdict, string? difference) = engines.Judge(subject);
        Assert.True(difference is null, $"{fact}: {difference}");

        TrapCode trap = parts[^1] switch { "zero" => TrapCode.DivideByZero, "overflow" => TrapCode.Overflow, _ => TrapCode.None };
        if (parts[0] == "rem_s" && parts[1] == "0x8000000000000000" && parts[2] == "0xffffffffffffffff")
        {
            trap = TrapCode.Overflow;                       // 0 there; here the quotient's overflow counts
        }

        Assert.True((ushort)trap == verdict.Outcome.Code, $"{fact}: {verdict.Outcome}");
        if (trap == TrapCode.None)
        {
            ulong seen = BitConverter.ToUInt64(verdict.After[0]);
            Assert.True(seen == Convert.ToUInt64(parts[^1], 16), $"{fact}: 0x{seen:x}");
        }
    }
}
