// Laws of single opcodes that a grid over all of them does not say by itself: field axioms against unbounded integers, published hash values,
// signatures, switch tables, arrays of slots, and the kinds that the verifier follows.

using System;
using System.Numerics;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class OpcodeLawTests
{
    private static readonly ulong Halt = Code.Op(Opcode.Halt);
    private static readonly BigInteger P = Goldilocks.Modulus;

    // arguments come in cells 0.., FRED makes felts of the first `felts`, the body leaves its result from cell 40 on
    private static (Outcome Outcome, ulong[] Result) Run(ulong[] arguments, ulong[] body, int results = 1, int felts = 0, byte[]? data = null)
    {
        ulong[] code = new ulong[arguments.Length + felts + body.Length + 2 + results + 3];
        int at = 0;
        for (uint i = 0; i < arguments.Length; i++)
        {
            code[at++] = Code.Op(Opcode.Arg, i, 8 * i);
        }

        for (uint i = 0; i < felts; i++)
        {
            code[at++] = Code.Op(Opcode.Fred, i, i);
        }

        body.CopyTo(code, at);
        at += body.Length;
        code[at++] = Code.Op(Opcode.Ldi, 60, 1);
        code[at++] = Code.Op(Opcode.Mgrow, 60, 60);
        for (uint i = 0; i < results; i++)
        {
            code[at++] = Code.Op(Opcode.St8, 40 + i, 60, 8 * i);
        }

        code[at++] = Code.Op(Opcode.Ldi, 61, 8 * (uint)results);
        code[at++] = Code.Op(Opcode.Retd, 60, 61);
        code[at] = Halt;
        byte[] bytes = new byte[8 * arguments.Length];
        Buffer.BlockCopy(arguments, 0, bytes, 0, bytes.Length);
        Bench bench = new();
        Outcome outcome = bench.Run(bench.Message(Code.Verify(Code.Single(code, data: data ?? [])), arguments: bytes));
        ulong[] result = new ulong[outcome.Code == 0 ? results : 0];
        Buffer.BlockCopy(bench.Returned(), 0, result, 0, outcome.Code == 0 ? 8 * results : 0);
        return (outcome, result);
    }

    [Fact]
    public void Field_instructions_are_the_integers_modulo_p()
    {
        ulong[] values = [0, 1, 2, 0xFFFF_FFFE, 0xFFFF_FFFF, 0x1_0000_0000, 0x1_0000_0001, 0x8000_0000_0000_0000, Goldilocks.Modulus - 2, Goldilocks.Modulus - 1, Goldilocks.Modulus, ulong.MaxValue];
        foreach (ulong x in values)
        {
            foreach (ulong y in values)
            {
                (BigInteger b, BigInteger c) = (x % P, y % P);
                (Opcode Opcode, BigInteger Expected)[] laws =
                [
                    (Opcode.Fadd, (b + c) % P),
                    (Opcode.Fsub, (b - c + P) % P),
                    (Opcode.Fmul, b * c % P),
                    (Opcode.Feq, b == c ? 1 : 0),
                ];
                foreach ((Opcode opcode, BigInteger expected) in laws)
                {
                    Assert.Equal((ulong)expected, Run([x, y], [Code.Op(opcode, 40, 0, 1)], felts: 2).Result[0]);
                }
            }

            Assert.Equal((ulong)(x % P), Run([x], [Code.Op(Opcode.Fred, 40, 0)]).Result[0]);
            Assert.Equal((ulong)((P - (x % P)) % P), Run([x], [Code.Op(Opcode.Fneg, 40, 0)], felts: 1).Result[0]);
            (Outcome outcome, ulong[] inverse) = Run([x], [Code.Op(Opcode.Finv, 40, 0)], felts: 1);
            Assert.Equal(x % P == 0 ? (ushort)TrapCode.DivideByZero : 0, outcome.Code);
            Assert.True(x % P == 0 || (inverse[0] * (BigInteger)x) % P == 1);
        }
    }

    // 0..7 permuted, from the Plonky3 repository's goldilocks test (vm.md section 5.6 names it)
    [Fact]
    public void The_permutation_has_its_published_value_and_compression_is_its_first_half()
    {
        ulong[] input = [0, 1, 2, 3, 4, 5, 6, 7];
        ulong[] move = [Code.Op(Opcode.Mov4, 40, 0), Code.Op(Opcode.Mov4, 44, 4)];
        ulong[] permuted = Run(input, [.. move, Code.Op(Opcode.Pos2p, 40)], 8, felts: 8).Result;
        Assert.Equal(0x020cf04a1b214d14UL, permuted[0]);
        Assert.Equal(permuted[..4], Run(input, [Code.Op(Opcode.Pos2, 40, 0, 4)], 4, felts: 8).Result);
        Assert.Equal(Run(input, [Code.Op(Opcode.Pos2, 40, 0, 0)], 4, felts: 8).Result, Run(input, [.. move, Code.Op(Opcode.Pos2, 40, 40, 40)], 4, felts: 8).Result);
    }

    [Fact]
    public void Products_and_quotients_by_powers_of_two_round_as_they_say()
    {
        ulong[] values = [0, 1, 2, 3, 5, 0xFFFF_FFFF, 0x8000_0000_0000_0000, ulong.MaxValue - 1, ulong.MaxValue];
        foreach (ulong b in values)
        {
            foreach (ulong c in values)
            {
                foreach (uint shift in new uint[] { 0, 1, 2, 31, 63, 64 })
                {
                    for (uint mode = 0; mode < 4; mode++)
                    {
                        AssertRounded((BigInteger)b * c, BigInteger.One << (int)shift, mode, Run([b, c], [Code.Op(Opcode.Mulsh, 40, 0, 1, shift, mode)]));
                        AssertRounded((BigInteger)b << (int)shift, c, mode, Run([b, c], [Code.Op(Opcode.Divsh, 40, 0, 1, shift, mode)]));
                    }
                }
            }
        }
    }

    private static void AssertRounded(BigInteger dividend, BigInteger divisor, uint mode, (Outcome Outcome, ulong[] Result) run)
    {
        TrapCode trap = TrapCode.None;
        BigInteger quotient = 0;
        if (divisor.IsZero)
        {
            trap = TrapCode.DivideByZero;
        }
        else
        {
            quotient = BigInteger.DivRem(dividend, divisor, out BigInteger rest);
            bool isHalf = 2 * rest == divisor;
            bool up = mode == 1 ? !rest.IsZero : mode == 2 && (2 * rest > divisor || (isHalf && !quotient.IsEven));
            trap = quotient > ulong.MaxValue ? TrapCode.Overflow
                : mode == 3 && !rest.IsZero ? TrapCode.Range
                : up && quotient == ulong.MaxValue ? TrapCode.Overflow : TrapCode.None;
            quotient += up ? 1 : 0;
        }

        Assert.Equal((ushort)trap, run.Outcome.Code);
        Assert.True(trap != TrapCode.None || run.Result[0] == (ulong)quotient, $"{dividend} / {divisor} mode {mode}");
    }

    // the division that machines without a 128 by 64 bit instruction use, against the one that this machine uses
    [Fact]
    public void Both_divisions_of_128_by_64_bits_are_one()
    {
        SeededRandom random = new(128);
        for (int i = 0; i < 20_000; i++)
        {
            ulong divisor = (random.NextU64() >> random.Next(64)) | 1;
            ulong high = random.NextU64() % divisor;
            ulong low = random.NextU64() >> random.Next(64);
            ulong quotient = Arithmetic.PlainDivide(high, low, divisor, out ulong rest);
            Assert.Equal(new UInt128(high, low), ((UInt128)quotient * divisor) + rest);
            if (high <= ulong.MaxValue / 2)
            {
                Assert.Equal(TrapCode.None, Arithmetic.DivShift(high, divisor, 64, 0, out ulong shifted));
                Assert.Equal((ulong)(((UInt128)high << 64) / divisor), shifted);
            }
        }
    }

    [Fact]
    public void Memory_is_compared_as_unsigned_bytes()
    {
        byte[] data = [1, 2, 0x80, 3, 1, 2, 0x7F, 4];
        foreach ((uint first, uint second, uint length, long expected) in new[] { (0u, 4u, 2u, 0L), (0u, 4u, 3u, 1L), (4u, 0u, 4u, -1L), (0u, 0u, 8u, 0L), (3u, 7u, 0u, 0L) })
        {
            ulong[] body = [Code.Op(Opcode.Ldi, 0, 0x1000 + first), Code.Op(Opcode.Ldi, 1, 0x1000 + second), Code.Op(Opcode.Ldi, 2, length), Code.Op(Opcode.Mcmp, 40, 0, 1, 2)];
            Assert.Equal((ulong)expected, Run([], body, data: data).Result[0]);
        }
    }

    [Fact]
    public void A_signature_is_valid_or_not_and_never_traps()
    {
        Bytes32 seed = Bench.Sequence(7);
        byte[] data = new byte[128];
        new SeededRandom(7).Fill(data.AsSpan(96));
        Ed25519.PublicKeyOf(in seed).Value.CopyTo(data);
        Ed25519.Sign(in seed, data.AsSpan(96)).CopyTo(data.AsSpan(32));
        ulong[] body = [Code.Op(Opcode.Ldi, 0, 0x1000), Code.Op(Opcode.Edver, 40, 0)];
        Assert.Equal([1], Run([], body, data: data).Result);
        for (int i = 0; i < data.Length; i += 5)
        {
            byte[] other = (byte[])data.Clone();
            other[i] ^= 0x10;
            Assert.Equal([0], Run([], body, data: other).Result);
        }

        Assert.Equal((ushort)TrapCode.MemoryBound, Run([], body, data: data[..127]).Outcome.Code);
    }

    // targets in any order ahead, one of them twice; beyond the table the last
    [Theory, InlineData(0, 30), InlineData(1, 10), InlineData(2, 10), InlineData(3, 20), InlineData(4, 20), InlineData(ulong.MaxValue, 20)]
    public void A_switch_goes_where_its_table_says(ulong index, ulong expected)
    {
        ulong[] code =
        [
            Code.Op(Opcode.Arg, 0, 0),
            Code.Op(Opcode.Switch, 0, 0),
            Code.Op(Opcode.Ldi, 1, 10),
            Code.Op(Opcode.Jmp, 7),
            Code.Op(Opcode.Ldi, 1, 20),
            Code.Op(Opcode.Jmp, 7),
            Code.Op(Opcode.Ldi, 1, 30),
            Code.Op(Opcode.Abort, 1),
        ];
        Container container = new()
        {
            Code = code,
            Tables = [[6, 2, 2, 4]],
            Functions = [new FunctionHeader(4, 0, 0, 8)],
            Entries = [new ContainerEntry(1, 0, 0, [])],
        };
        Bench bench = new();
        Outcome outcome = bench.Run(bench.Message(Code.Verify(container.Encode()), arguments: BitConverter.GetBytes(index)));
        Assert.Equal(256 + (int)expected, outcome.Code);
    }

    [Fact]
    public void A_bad_switch_is_refused()
    {
        byte[] Switch(ushort[][] tables, params ulong[] code) => new Container
        {
            Code = [Code.Op(Opcode.Ldi, 0, 0), .. code],
            Tables = tables,
            Functions = [new FunctionHeader(4, 0, 0, (ushort)(code.Length + 1))],
            Entries = [new ContainerEntry(1, 0, 0, [])],
        }.Encode();
        ulong go = Code.Op(Opcode.Switch, 0, 0);
        Code.Verify(Switch([[2]], go, Halt));
        Assert.Equal(RefusalCode.BadTarget, Code.RefusalOf(Switch([[1]], go, Halt)));
        Assert.Equal(RefusalCode.BadTarget, Code.RefusalOf(Switch([[3]], go, Halt)));
        Assert.Equal(RefusalCode.OperandOutOfRange, Code.RefusalOf(Switch([], go, Halt)));
        Assert.Equal(RefusalCode.BadTable, Code.RefusalOf(Switch([[2], [2]], go, Halt)));
        Assert.Equal(RefusalCode.BadTable, Code.RefusalOf(Switch([[2]], go, go, Halt)));
        Assert.Equal(RefusalCode.BadSection, Code.RefusalOf(Switch([[]], go, Halt)));
        Assert.Equal(RefusalCode.UnreachableCode, Code.RefusalOf(Switch([[3]], go, Halt, Halt)));
        Assert.Equal(RefusalCode.UndefinedCell, Code.RefusalOf(Switch([[2, 3]], go, Code.Op(Opcode.Ldi, 1, 0), Code.Op(Opcode.Mov, 2, 1), Halt)));
        Assert.Equal(
            RefusalCode.BadLoop,
            Code.RefusalOf(Switch([[3, 5]], go, Code.Op(Opcode.Loop, 1), Code.Op(Opcode.Nop), Code.Op(Opcode.Jnz, 0, 2), Halt)));
    }

    [Fact]
    public void An_array_of_slots_is_indexed_within_its_bounds_and_needs_every_slots_mode()
    {
        ulong[] code =
        [
            Code.Op(Opcode.Arg, 0, 0),
            Code.Op(Opcode.Sldx, 1, 1, 3, 0, 8),
            Code.Op(Opcode.Addi, 1, 1, 1),
            Code.Op(Opcode.Sstx, 1, 3, 0, 8, 1),
            Halt,
        ];
        AccessMode[] modes = [AccessMode.Read, AccessMode.Write, AccessMode.Write, AccessMode.Write];
        Bench bench = new();
        VerifiedProgram program = Code.Verify(Code.Single(code, modes));
        for (ulong index = 0; index < 5; index++)
        {
            Outcome outcome = bench.Run(bench.Message(program, modes, arguments: BitConverter.GetBytes(index)));
            Assert.Equal(index < 3 ? 0 : (ushort)TrapCode.SlotBound, outcome.Code);
            for (int i = 0; i < 4; i++)
            {
                Assert.Equal(index < 3 && i == (int)index + 1, bench.Records[i].Exists);
            }
        }

        Assert.Equal(RefusalCode.SlotNotAllowed, Code.RefusalOf(Code.Single(code, [AccessMode.Read, AccessMode.Write, AccessMode.Write, AccessMode.Read])));
        Assert.Equal(RefusalCode.SlotNotAllowed, Code.RefusalOf(Code.Single(code, modes[..3])));
        Assert.Equal(RefusalCode.OperandOutOfRange, Code.RefusalOf(Code.Single([Code.Op(Opcode.Ldi, 0, 0), Code.Op(Opcode.Sldx, 1, 0, 0, 0, 0), Halt], modes)));
        Assert.Equal(RefusalCode.OperandOutOfRange, Code.RefusalOf(Code.Single([Code.Op(Opcode.Ldi, 0, 0), Code.Op(Opcode.Sldx, 1, 0, 33, 0, 0), Halt], modes)));
    }

    // each rule with a way that brings a felt and one that does not
    [Fact]
    public void The_verifier_follows_felts_through_copies_joins_and_loops()
    {
        ulong felt = Code.Op(Opcode.Ldi, 0, 7);
        ulong word = Code.Op(Opcode.Arg, 0, 0);
        ulong use = Code.Op(Opcode.Fneg, 3, 1);
        (string Rule, Func<ulong, ulong[]> Code)[] rules =
        [
            ("MOV", first => [first, Code.Op(Opcode.Mov, 1, 0), use, Halt]),
            ("SWP", first => [first, Code.Op(Opcode.Arg, 1, 0), Code.Op(Opcode.Swp, 0, 1), use, Halt]),
            ("SEL", first => [first, Code.Op(Opcode.Ldi, 2, 1), Code.Op(Opcode.Sel, 1, 2, 0, 2), use, Halt]),
            ("MOV2", first => [first, Code.Op(Opcode.Arg, 1, 0), Code.Op(Opcode.Swp, 0, 1), Code.Op(Opcode.Mov2, 4, 0), Code.Op(Opcode.Mov, 1, 5), use, Halt]),
            ("join", first => [first, Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Jz, 1, 4), Code.Op(Opcode.Mov, 1, 0), use, Halt]),
            ("loop in", first => [first, Code.Op(Opcode.Mov, 1, 0), Code.Op(Opcode.Loop, 2, 1, 2), use, Code.Op(Opcode.Jnz, 1, 2), Halt]),
            ("loop back", first => [Code.Op(Opcode.Ldi, 1, 1), Code.Op(Opcode.Ldi, 0, 1), Code.Op(Opcode.Loop, 2, 1, 2), use, first, Code.Op(Opcode.Mov, 1, 0), Code.Op(Opcode.Jnz, 1, 2), Halt]),
        ];
        foreach ((string rule, Func<ulong, ulong[]> code) in rules)
        {
            Code.Verify(Code.Single(code(felt)));
            Assert.True(Code.RefusalOf(Code.Single(code(word))) == RefusalCode.WrongKind, rule);
        }

        Assert.Equal(RefusalCode.WrongKind, Code.RefusalOf(Code.Single([felt, Code.Op(Opcode.Addi, 1, 0, 0), use, Halt])));
        Assert.Equal(RefusalCode.WrongKind, Code.RefusalOf(Code.Single([Code.Op(Opcode.Ldc, 1, 0), use, Halt], constants: [Goldilocks.Modulus])));
        Code.Verify(Code.Single([Code.Op(Opcode.Ldc, 1, 0), use, Halt], constants: [Goldilocks.Modulus - 1]));
        Assert.Equal(RefusalCode.OperandOutOfRange, Code.RefusalOf(Code.Single([felt, Code.Op(Opcode.Loop, 1, 0, 2), Halt])));
        Assert.Equal(RefusalCode.OperandOutOfRange, Code.RefusalOf(Code.Single([felt, Code.Op(Opcode.Mov, 1, 0), Code.Op(Opcode.Loop, 2, 2, 2), Halt])));
    }
}
