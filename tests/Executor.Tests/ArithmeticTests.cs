// Every arithmetic opcode against the law of its row, stated over unbounded integers.

using System;
using System.Collections.Generic;
using System.Numerics;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor.Tests;

public sealed class ArithmeticTests
{
    private static readonly BigInteger Two64 = BigInteger.One << 64;
    private static readonly BigInteger Two128 = BigInteger.One << 128;

    private static readonly ulong[] Specials =
    [
        0, 1, 2, 3, 7, 10, 63, 64, 65, 99, 100, 127, 128, 255, 256, 65535, 65536, 10_000, 1_000_000, 1_000_000_000,
        0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x100000000, 0x100000001, 0xFFFFFFFE00000001, 0xFFFFFFFF00000000,
        0x7FFFFFFFFFFFFFFF, 0x8000000000000000, 0x8000000000000001, 0xFFFFFFFFFFFFFFFE, 0xFFFFFFFFFFFFFFFF, 0xFFFFFFFF00000001,
    ];

    private static readonly UInt128[] WideSpecials =
    [
        0, 1, 2, 3, 10, ulong.MaxValue, (UInt128)ulong.MaxValue + 1, UInt128.MaxValue, UInt128.MaxValue - 1, UInt128.One << 127,
        (UInt128.One << 127) - 1, (UInt128.One << 126) + 5, UInt128.MaxValue << 64, new UInt128(1, ulong.MaxValue), new UInt128(0x123456789, 0xABCDEF),
    ];

    // null = the law says it traps with the code
    private delegate (BigInteger? Value, TrapCode Trap) Law(BigInteger b, BigInteger c);

    private static BigInteger Signed(BigInteger x) => x >= Two64 / 2 ? x - Two64 : x;

    private static BigInteger Unsigned(BigInteger x) => ((x % Two64) + Two64) % Two64;

    private static (BigInteger?, TrapCode) Checked(BigInteger x) => x >= 0 && x < Two64 ? (x, TrapCode.None) : (null, TrapCode.Overflow);

    private static (BigInteger?, TrapCode) CheckedSigned(BigInteger x) =>
        x >= -(Two64 / 2) && x < Two64 / 2 ? (Unsigned(x), TrapCode.None) : (null, TrapCode.Overflow);

    private static (BigInteger?, TrapCode) Plain(BigInteger x) => (x, TrapCode.None);

    private static (BigInteger?, TrapCode) Bool(bool x) => (x ? 1 : 0, TrapCode.None);

    private static (BigInteger?, TrapCode) ByZero => (null, TrapCode.DivideByZero);

    private static readonly Dictionary<Opcode, Law> Laws = new()
    {
        [Opcode.Add] = (b, c) => Checked(b + c),
        [Opcode.Sub] = (b, c) => Checked(b - c),
        [Opcode.Mul] = (b, c) => Checked(b * c),
        [Opcode.Div] = (b, c) => c == 0 ? ByZero : Plain(b / c),
        [Opcode.Mod] = (b, c) => c == 0 ? ByZero : Plain(b % c),
        [Opcode.Wadd] = (b, c) => Plain(Unsigned(b + c)),
        [Opcode.Wsub] = (b, c) => Plain(Unsigned(b - c)),
        [Opcode.Wmul] = (b, c) => Plain(Unsigned(b * c)),
        [Opcode.Mulhi] = (b, c) => Plain(b * c / Two64),
        [Opcode.Min] = (b, c) => Plain(BigInteger.Min(b, c)),
        [Opcode.Max] = (b, c) => Plain(BigInteger.Max(b, c)),
        [Opcode.Sadd] = (b, c) => CheckedSigned(Signed(b) + Signed(c)),
        [Opcode.Ssub] = (b, c) => CheckedSigned(Signed(b) - Signed(c)),
        [Opcode.Smul] = (b, c) => CheckedSigned(Signed(b) * Signed(c)),
        [Opcode.Sdiv] = (b, c) => c == 0 ? ByZero : CheckedSigned(BigInteger.Divide(Signed(b), Signed(c))),
        [Opcode.Smod] = (b, c) => c == 0 ? ByZero : Signed(b) == -(Two64 / 2) && Signed(c) == -1
            ? (null, TrapCode.Overflow)
            : CheckedSigned(BigInteger.Remainder(Signed(b), Signed(c))),
        [Opcode.Slt] = (b, c) => Bool(Signed(b) < Signed(c)),
        [Opcode.Sar] = (b, c) => Plain(Unsigned(Signed(b) >> (int)BigInteger.Min(c, 200))),
        [Opcode.And] = (b, c) => Plain(b & c),
        [Opcode.Or] = (b, c) => Plain(b | c),
        [Opcode.Xor] = (b, c) => Plain(b ^ c),
        [Opcode.Shl] = (b, c) => Plain(Unsigned(b << (int)BigInteger.Min(c, 200))),
        [Opcode.Shr] = (b, c) => Plain(b >> (int)BigInteger.Min(c, 200)),
        [Opcode.Eq] = (b, c) => Bool(b == c),
        [Opcode.Ne] = (b, c) => Bool(b != c),
        [Opcode.Lt] = (b, c) => Bool(b < c),
        [Opcode.Gt] = (b, c) => Bool(b > c),
        [Opcode.Le] = (b, c) => Bool(b <= c),
        [Opcode.Ge] = (b, c) => Bool(b >= c),
        [Opcode.Absd] = (b, c) => Plain(BigInteger.Abs(b - c)),
    };

    // One program per opcode: arguments in, result out; the message is rebuilt only for its arguments.
    private static (byte[] Returned, Outcome Outcome) Run(Bench bench, VerifiedProgram program, params ulong[] arguments)
    {
        byte[] bytes = new byte[arguments.Length * 8];
        Buffer.BlockCopy(arguments, 0, bytes, 0, bytes.Length);
        Outcome outcome = bench.Run(bench.Message(program, arguments: bytes));
        return (bench.Returned(), outcome);
    }

    // cells 0.. hold the arguments; the result is in cell 40 (and 41); memory pointer in 50, length in 51
    private static VerifiedProgram Program(int arguments, ulong body, int resultWords = 1)
    {
        List<ulong> code = [];
        for (uint i = 0; i < arguments; i++)
        {
            code.Add(Code.Op(Opcode.Arg, i, 8 * i));
        }

        code.Add(body);
        code.Add(Code.Op(Opcode.Ldi, 49, 1));
        code.Add(Code.Op(Opcode.Mgrow, 50, 49));
        for (uint i = 0; i < resultWords; i++)
        {
            code.Add(Code.Op(Opcode.St8, 40 + i, 50, 8 * i));
        }

        code.Add(Code.Op(Opcode.Ldi, 51, (uint)(8 * resultWords)));
        code.Add(Code.Op(Opcode.Retd, 50, 51));
        code.Add(Code.Op(Opcode.Halt));
        return Code.Verify(Code.Single([.. code]));
    }

    private static void Judge((BigInteger? Value, TrapCode Trap) law, (byte[] Returned, Outcome Outcome) seen, string what)
    {
        Assert.True((ushort)law.Trap == seen.Outcome.Code, $"{what}: expected {law.Trap}, saw {(TrapCode)seen.Outcome.Code}");
        if (law.Value is BigInteger value)
        {
            Assert.True(value == new BigInteger(seen.Returned, isUnsigned: true), $"{what}: expected {value}, saw {new BigInteger(seen.Returned, true)}");
        }
    }

    [Fact]
    public void Two_operand_arithmetic_is_its_law_on_the_grid_of_special_values()
    {
        Bench bench = new();
        foreach ((Opcode opcode, Law law) in Laws)
        {
            VerifiedProgram program = Program(2, Code.Op(opcode, 40, 0, 1));
            foreach (ulong b in Specials)
            {
                foreach (ulong c in Specials)
                {
                    Judge(law(b, c), Run(bench, program, b, c), $"{opcode} {b} {c}");
                }
            }
        }
    }

    [Fact]
    public void Immediate_forms_are_the_laws_of_their_two_operand_forms()
    {
        Bench bench = new();
        (Opcode Immediate, Opcode Law)[] pairs =
        [
            (Opcode.Addi, Opcode.Add), (Opcode.Subi, Opcode.Sub), (Opcode.Muli, Opcode.Mul), (Opcode.Eqi, Opcode.Eq), (Opcode.Lti, Opcode.Lt),
        ];
        foreach ((Opcode opcode, Opcode law) in pairs)
        {
            foreach (ulong c in Specials)
            {
                VerifiedProgram program = Program(1, Code.Op(opcode, 40, 0, (uint)c));
                foreach (ulong b in Specials)
                {
                    Judge(Laws[law](b, (uint)c), Run(bench, program, b), $"{opcode} {b} {(uint)c}");
                }
            }
        }

        for (uint count = 0; count < 64; count++)
        {
            foreach (ulong b in Specials)
            {
                Judge(Laws[Opcode.Shl](b, count), Run(bench, Program(1, Code.Op(Opcode.Shli, 40, 0, count)), b), $"Shli {b} {count}");
                Judge(Laws[Opcode.Shr](b, count), Run(bench, Program(1, Code.Op(Opcode.Shri, 40, 0, count)), b), $"Shri {b} {count}");
            }
        }
    }

    [Fact]
    public void One_operand_arithmetic_is_its_law()
    {
        Bench bench = new();
        foreach (ulong b in Specials)
        {
            Judge(Plain(Two64 - 1 - b), Run(bench, Program(1, Code.Op(Opcode.Not, 40, 0)), b), $"Not {b}");
            Judge(Plain(64 - (int)((BigInteger)b).GetBitLength()), Run(bench, Program(1, Code.Op(Opcode.Clz, 40, 0)), b), $"Clz {b}");
            int ones = 0;
            for (int i = 0; i < 64; i++)
            {
                ones += (int)((b >> i) & 1);
            }

            Judge(Plain(ones), Run(bench, Program(1, Code.Op(Opcode.Popc, 40, 0)), b), $"Popc {b}");
            foreach (uint width in (uint[])[8, 16, 32])
            {
                BigInteger low = b % (BigInteger.One << (int)width);
                BigInteger extended = low >= BigInteger.One << ((int)width - 1) ? low - (BigInteger.One << (int)width) : low;
                Judge(Plain(Unsigned(extended)), Run(bench, Program(1, Code.Op(Opcode.Sext, 40, 0, width)), b), $"Sext {b} {width}");
            }
        }
    }

    private static (BigInteger?, TrapCode) Rounded(BigInteger product, BigInteger divisor, uint mode, BigInteger bound)
    {
        if (divisor == 0)
        {
            return ByZero;
        }

        BigInteger quotient = BigInteger.DivRem(product, divisor, out BigInteger remainder);
        if (quotient >= bound)
        {
            return (null, TrapCode.Overflow);
        }

        if (mode == 3 && remainder != 0)
        {
            return (null, TrapCode.Range);
        }

        bool up = (mode == 1 && remainder != 0)
            || (mode == 2 && ((2 * remainder) > divisor || ((2 * remainder) == divisor && !quotient.IsEven)));
        quotient += up ? 1 : 0;
        return quotient < bound ? (quotient, TrapCode.None) : (null, TrapCode.Overflow);
    }

    [Fact]
    public void Multiply_divide_is_exact_over_the_128_bit_product_in_all_four_roundings()
    {
        Bench bench = new();
        for (uint mode = 0; mode < 4; mode++)
        {
            VerifiedProgram program = Program(3, Code.Op(Opcode.MulDiv, 40, 0, 1, 2, mode));
            foreach (ulong b in Specials)
            {
                foreach (ulong c in Specials)
                {
                    for (int i = 0; i < Specials.Length; i += 2)
                    {
                        ulong d = Specials[(i + (int)(b & 1)) % Specials.Length];
                        Judge(Rounded((BigInteger)b * c, d, mode, Two64), Run(bench, program, b, c, d), $"MulDiv {b} {c} {d} mode {mode}");
                    }
                }
            }

            foreach (uint k in (uint[])[2, 4, 6, 8, 9])
            {
                VerifiedProgram scale = Program(2, Code.Op(Opcode.MulScale, 40, 0, 1, k, mode));
                foreach (ulong b in Specials)
                {
                    foreach (ulong c in Specials)
                    {
                        Judge(Rounded((BigInteger)b * c, BigInteger.Pow(10, (int)k), mode, Two64), Run(bench, scale, b, c), $"MulScale {b} {c} {k} mode {mode}");
                    }
                }
            }
        }
    }

    [Fact]
    public void A_root_squared_is_at_most_the_number_and_the_next_root_squared_is_above_it()
    {
        Bench bench = new();
        List<ulong> numbers = [.. Specials];
        for (ulong root = 1; root < 1UL << 32; root = (root * 3) + 1)
        {
            numbers.AddRange([root * root, (root * root) - 1, (root * root) + 1]);
        }

        VerifiedProgram floor = Program(1, Code.Op(Opcode.Sqrt, 40, 0, 0));
        VerifiedProgram ceiling = Program(1, Code.Op(Opcode.Sqrt, 40, 0, 1));
        foreach (ulong n in numbers)
        {
            BigInteger low = new(Run(bench, floor, n).Returned, true);
            Assert.True(low * low <= n && (low + 1) * (low + 1) > n, $"floor root of {n} is not {low}");
            Judge(Plain(low * low == n ? low : low + 1), Run(bench, ceiling, n), $"ceiling root of {n}");
        }

        VerifiedProgram wide = Program(2, Code.Op(Opcode.Dsqrt, 40, 0));
        foreach (UInt128 n in WideSpecials)
        {
            BigInteger low = new(Run(bench, wide, (ulong)n, (ulong)(n >> 64)).Returned, true);
            Assert.True(low * low <= (BigInteger)n && (low + 1) * (low + 1) > (BigInteger)n, $"floor root of {n} is not {low}");
        }
    }

    [Fact]
    public void Pair_arithmetic_is_its_law_on_the_grid_of_special_values()
    {
        Bench bench = new();
        (BigInteger?, TrapCode) Wide(BigInteger x) => x >= 0 && x < Two128 ? (x, TrapCode.None) : (null, TrapCode.Overflow);
        Dictionary<Opcode, (Law Law, int Words)> laws = new()
        {
            [Opcode.Dadd] = ((b, c) => Wide(b + c), 2),
            [Opcode.Dsub] = ((b, c) => Wide(b - c), 2),
            [Opcode.Dmuld] = ((b, c) => Wide(b * c), 2),
            [Opcode.Ddiv] = ((b, c) => c == 0 ? ByZero : Plain(b / c), 2),
            [Opcode.Dlt] = ((b, c) => Bool(b < c), 1),
            [Opcode.Deq] = ((b, c) => Bool(b == c), 1),
        };
        foreach ((Opcode opcode, (Law law, int words)) in laws)
        {
            VerifiedProgram program = Program(4, Code.Op(opcode, 40, 0, 2), words);
            foreach (UInt128 b in WideSpecials)
            {
                foreach (UInt128 c in WideSpecials)
                {
                    Judge(law(b, c), Run(bench, program, (ulong)b, (ulong)(b >> 64), (ulong)c, (ulong)(c >> 64)), $"{opcode} {b} {c}");
                }
            }
        }

        for (uint mode = 0; mode < 4; mode++)
        {
            VerifiedProgram program = Program(6, Code.Op(Opcode.DmulDiv, 40, 0, 2, 4, mode), 2);
            foreach (UInt128 b in WideSpecials)
            {
                foreach (UInt128 c in WideSpecials)
                {
                    foreach (UInt128 d in WideSpecials)
                    {
                        ulong[] arguments = [(ulong)b, (ulong)(b >> 64), (ulong)c, (ulong)(c >> 64), (ulong)d, (ulong)(d >> 64)];
                        Judge(Rounded((BigInteger)b * c, d, mode, Two128), Run(bench, program, arguments), $"DmulDiv {b} {c} {d} mode {mode}");
                    }
                }
            }
        }

        foreach (ulong b in Specials)
        {
            foreach (ulong c in Specials)
            {
                Judge(Plain((BigInteger)b * c), Run(bench, Program(2, Code.Op(Opcode.Dmul, 40, 0, 1), 2), b, c), $"Dmul {b} {c}");
            }

            Judge(Plain(b), Run(bench, Program(2, Code.Op(Opcode.Dnarrow, 40, 0)), b, 0), $"Dnarrow {b}");
            Judge((null, TrapCode.Overflow), Run(bench, Program(2, Code.Op(Opcode.Dnarrow, 40, 0)), b, 1), $"Dnarrow 2^64 + {b}");
        }
    }
}
