// The lowering of the stack dialect, judged by a machine that does what the bytes say: a list of words, a byte at a time. Random programs of
// every operation, with jumps ahead and counted loops, have to end alike: result, trap, record and return data.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Tests;
using ParallelVm.Primitives;
using ParallelVm.Toolchain.Stack;

namespace ParallelVm.Toolchain.Tests;

public sealed class StackDialectTests
{
    private const ulong Heap = 0x100_0000;
    private const int Pages = 1;
    private static readonly byte[] Data = [.. "bytes that a program may read and hash, thirty-two and more"u8];
    private static readonly byte[] Arguments = [.. "arguments: forty bytes of a stack call.."u8];

    private static StackCode Program(byte[] code) => new()
    {
        Data = Data,
        Entries = [new StackEntry(1, Pages, [AccessMode.Write], code)],
    };

    // what a deployer does, and then the chain
    private static bool TryDeploy(byte[] source, [NotNullWhen(true)] out VerifiedProgram? program, out Refusal refusal)
    {
        program = null;
        return StackLowering.TryLower(source, out byte[] lowered, out refusal)
            && Verifier.TryVerify(lowered, VerifierLimits.Default, out program, out refusal);
    }

    private static RefusalCode RefusalOf(byte[] source) => TryDeploy(source, out _, out Refusal refusal) ? default : refusal.Code;

    private static byte[] Push(ulong value)
    {
        int bytes = 1;
        for (; bytes < 8 && value >> (8 * bytes) != 0; bytes++)
        {
        }

        byte[] all = new byte[8];
        BinaryPrimitives.WriteUInt64LittleEndian(all, value);
        return [(byte)((byte)StackOpcode.Push1 + bytes - 1), .. all[..bytes]];
    }

    // what the bytes say
    private sealed class Naive(byte[] code)
    {
        public List<ulong> Stack { get; } = [];

        public byte[] Memory { get; } = new byte[Pages * 4096];

        public byte[] Record { get; private set; } = [];

        public byte[] Returned { get; private set; } = [];

        public int Run()
        {
            int at = 0;
            for (int steps = 0; steps < 200_000; steps++)
            {
                StackOpcode opcode = (StackOpcode)code[at];
                Assert.True(StackCode.TryShape(code[at], out int pops, out _, out int size) && Stack.Count >= pops);
                ReadOnlySpan<byte> immediate = code.AsSpan(at + 1, size);
                at += 1 + size;
                ulong x;
                ulong y;
                switch (opcode)
                {
                    case StackOpcode.Halt:
                        return 0;
                    case StackOpcode.Abort:
                        x = Pop();
                        return x > ushort.MaxValue - 256 ? ushort.MaxValue : 256 + (int)x;
                    case StackOpcode.Pop:
                        Pop();
                        break;
                    case >= StackOpcode.Push1 and <= StackOpcode.Push8:
                        byte[] padded = new byte[8];
                        immediate.CopyTo(padded);
                        Stack.Add(BitConverter.ToUInt64(padded));
                        break;
                    case >= StackOpcode.Dup1 and <= StackOpcode.Dup16:
                        Stack.Add(Stack[^(opcode - StackOpcode.Dup1 + 1)]);
                        break;
                    case >= StackOpcode.Swap1 and <= StackOpcode.Swap16:
                        Index other = ^(opcode - StackOpcode.Swap1 + 2);
                        (Stack[^1], Stack[other]) = (Stack[other], Stack[^1]);
                        break;
                    case StackOpcode.Jump:
                        at += BinaryPrimitives.ReadInt16LittleEndian(immediate);
                        break;
                    case StackOpcode.Jumpi:
                        at += Pop() != 0 ? BinaryPrimitives.ReadInt16LittleEndian(immediate) : 0;
                        break;
                    case StackOpcode.Not:
                        Stack.Add(~Pop());
                        break;
                    case StackOpcode.Load:
                        if (!TryFind(Pop(), 8, false, true, out Span<byte> loaded, out int loadTrap))
                        {
                            return loadTrap;
                        }

                        Stack.Add(BinaryPrimitives.ReadUInt64LittleEndian(loaded));
                        break;
                    case StackOpcode.Store:
                        y = Pop();
                        x = Pop();
                        if (!TryFind(y, 8, true, true, out Span<byte> stored, out int storeTrap))
                        {
                            return storeTrap;
                        }

                        BinaryPrimitives.WriteUInt64LittleEndian(stored, x);
                        break;
                    case StackOpcode.Hash:
                    case StackOpcode.Return:
                        y = Pop();
                        x = Pop();
                        if (!TryFind(y, x, false, false, out Span<byte> read, out int readTrap))
                        {
                            return readTrap;
                        }

                        if (opcode == StackOpcode.Hash)
                        {
                            byte[] digest = new byte[32];
                            Keccak256.Hash(read).CopyTo(digest);
                            for (int i = 0; i < 4; i++)
                            {
                                Stack.Add(BitConverter.ToUInt64(digest, 8 * i));
                            }
                        }
                        else if (x > 1024)
                        {
                            return (int)TrapCode.Limit;
                        }
                        else
                        {
                            Returned = read.ToArray();
                        }

                        break;
                    case StackOpcode.Sload:
                        byte[] record = new byte[4096 + 8];
                        Record.CopyTo(record, 0);
                        Stack.Add(BitConverter.ToUInt64(record, BinaryPrimitives.ReadUInt16LittleEndian(immediate[1..])));
                        break;
                    case StackOpcode.Sstore:
                        int offset = BinaryPrimitives.ReadUInt16LittleEndian(immediate[1..]);
                        byte[] written = new byte[Math.Max(Record.Length, offset + 8)];
                        Record.CopyTo(written, 0);
                        BitConverter.TryWriteBytes(written.AsSpan(offset), Pop());
                        Record = written;
                        break;
                    case StackOpcode.Arg:
                        int from = BinaryPrimitives.ReadUInt16LittleEndian(immediate);
                        if (from + 8 > Arguments.Length)
                        {
                            return (int)TrapCode.BadArgument;
                        }

                        Stack.Add(BitConverter.ToUInt64(Arguments, from));
                        break;
                    default:
                        y = Pop();
                        x = Pop();
                        (UInt128 result, TrapCode trap) = Apply(opcode, x, y);
                        if (trap != TrapCode.None)
                        {
                            return (int)trap;
                        }

                        Stack.Add((ulong)result);
                        break;
                }
            }

            throw new InvalidOperationException("The program runs on.");
        }

        private static (UInt128 Result, TrapCode Trap) Apply(StackOpcode opcode, ulong x, ulong y)
        {
            UInt128 result = opcode switch
            {
                StackOpcode.Add => (UInt128)x + y,
                StackOpcode.Sub => x >= y ? x - y : UInt128.MaxValue,
                StackOpcode.Mul => (UInt128)x * y,
                StackOpcode.Div or StackOpcode.Mod when y == 0 => 0,
                StackOpcode.Div => x / y,
                StackOpcode.Mod => x % y,
                StackOpcode.And => x & y,
                StackOpcode.Or => x | y,
                StackOpcode.Xor => x ^ y,
                StackOpcode.Shl => y >= 64 ? 0 : (ulong)(x << (int)y),
                StackOpcode.Shr => y >= 64 ? 0 : x >> (int)y,
                StackOpcode.Eq => x == y ? 1U : 0,
                StackOpcode.Lt => x < y ? 1U : 0,
                _ => x > y ? 1U : 0,
            };
            bool isZero = opcode is StackOpcode.Div or StackOpcode.Mod && y == 0;
            return (result, isZero ? TrapCode.DivideByZero : result > ulong.MaxValue ? TrapCode.Overflow : TrapCode.None);
        }

        private bool TryFind(ulong address, ulong length, bool writes, bool aligned, out Span<byte> bytes, out int trap)
        {
            bytes = default;
            trap = (int)TrapCode.MemoryBound;
            if (address >= Heap && length <= (ulong)Memory.Length && address - Heap <= (ulong)Memory.Length - length)
            {
                bytes = Memory.AsSpan((int)(address - Heap), (int)length);
            }
            else if (!writes && address >= 0x1000 && length <= (ulong)Data.Length && address - 0x1000 <= (ulong)Data.Length - length)
            {
                bytes = Data.AsSpan((int)(address - 0x1000), (int)length);
            }
            else
            {
                return false;
            }

            trap = (int)TrapCode.Align;
            return !aligned || address % 8 == 0;
        }

        private ulong Pop()
        {
            ulong top = Stack[^1];
            Stack.RemoveAt(Stack.Count - 1);
            return top;
        }
    }

    // valid by construction: heights are followed, jumps ahead meet at the height they left, loops count down in the deepest value
    private sealed class Generator(SeededRandom random)
    {
        private readonly List<byte> _code = [];
        private int _height;

        public byte[] Make()
        {
            Body(0, 0);
            for (int i = 0; i < 4 && _height > 0; i++)
            {
                Emit(StackOpcode.Sstore, 1, 0, (byte)(8 * i), 0);
            }

            Emit(StackOpcode.Halt, 0);
            return [.. _code];
        }

        private void Body(int depth, int floor)
        {
            for (int left = 2 + random.Next(14); left > 0; left--)
            {
                int kind = random.Next(24);
                if (kind == 0 && depth < 3)
                {
                    If(depth, floor);
                }
                else if (kind == 1 && depth < 3)
                {
                    Loop(depth);
                }
                else
                {
                    Straight(floor);
                }
            }
        }

        private void If(int depth, int floor)
        {
            Need(1, floor);
            Emit(StackOpcode.Jumpi, 1, 0, 0);
            int patch = _code.Count;
            int height = _height;
            Body(depth + 1, height);
            Level(height);
            Patch(patch, _code.Count);
        }

        private void Loop(int depth)
        {
            Literal((ulong)(1 + random.Next(5)));
            int floor = _height;
            int start = _code.Count;
            Body(depth + 1, floor);
            Level(floor);
            Literal(1);
            Emit(StackOpcode.Sub, 1);
            Emit(StackOpcode.Dup1, -1);
            Emit(StackOpcode.Jumpi, 1, 0, 0);
            Patch(_code.Count, start);
        }

        private void Straight(int floor)
        {
            StackOpcode[] plain = [StackOpcode.Add, StackOpcode.Sub, StackOpcode.Mul, StackOpcode.Div, StackOpcode.Mod, StackOpcode.And, StackOpcode.Or, StackOpcode.Xor, StackOpcode.Shl, StackOpcode.Shr, StackOpcode.Eq, StackOpcode.Lt, StackOpcode.Gt];
            int room = StackBlock.MaxHeight - 8 - _height;
            switch (random.Next(15))
            {
                case < 3 when room > 0:
                    Literal(random.Chance(1, 3) ? random.NextU64() >> random.Next(64) : (ulong)random.Next(70));
                    break;
                case < 6 when room > 0 && _height > 0:
                    int back = random.Next(Math.Min(16, _height));
                    _code.Add((byte)((byte)StackOpcode.Dup1 + back));
                    _height++;
                    break;
                case < 9 when _height - floor >= 2:
                    _code.Add((byte)((byte)StackOpcode.Swap1 + random.Next(Math.Min(16, _height - floor - 1))));
                    break;
                case 9 when _height > floor:
                    Emit(StackOpcode.Pop, 1);
                    break;
                case 10 when room > 0:
                    int kind = random.Next(8);
                    if (kind == 0)
                    {
                        Literal(0x1000 + (8 * (ulong)random.Next(6)));
                        Emit(StackOpcode.Load, 0);
                    }
                    else if (kind < 4)
                    {
                        Literal((ulong)random.Next(40));
                        Literal(random.Chance(1, 2) ? 0x1000 : Heap + (8 * (ulong)random.Next(9)));
                        Emit(random.Chance(1, 3) ? StackOpcode.Return : StackOpcode.Hash, 2);
                        if ((StackOpcode)_code[^1] == StackOpcode.Hash)
                        {
                            _height += 4;
                        }
                    }
                    else if (kind < 6)
                    {
                        Literal(random.NextU64());
                        Literal(Heap + (ulong)(random.Chance(1, 9) ? random.Next(5000) : 8 * random.Next(9)));
                        Emit(StackOpcode.Store, 2);
                    }
                    else if (kind == 6)
                    {
                        Emit(StackOpcode.Arg, -1, (byte)random.Next(33), 0);
                    }
                    else
                    {
                        Emit(StackOpcode.Sload, -1, 0, (byte)(8 * random.Next(8)), 0);
                    }

                    break;
                case 11 when _height > floor:
                    Emit(StackOpcode.Sstore, 1, 0, (byte)(8 * random.Next(8)), 0);
                    break;
                case 12 when _height > floor:
                    Emit(StackOpcode.Not, 0);
                    break;
                case 13 when _height > floor + 1 && random.Chance(1, 20):
                    Emit(StackOpcode.Jumpi, 1, 1, 0);
                    Emit(StackOpcode.Abort, 0);
                    Emit(StackOpcode.Pop, 1);
                    break;
                default:
                    Need(2, floor);
                    StackOpcode opcode = plain[random.Next(plain.Length)];
                    Emit(opcode is StackOpcode.Add or StackOpcode.Sub or StackOpcode.Mul or StackOpcode.Div or StackOpcode.Mod && random.Chance(3, 4) ? StackOpcode.Xor : opcode, 1);
                    break;
            }
        }

        private void Need(int values, int floor)
        {
            while (_height - floor < values)
            {
                Literal((ulong)random.Next(70));
            }
        }

        private void Level(int height)
        {
            while (_height > height)
            {
                Emit(StackOpcode.Pop, 1);
            }

            while (_height < height)
            {
                Literal((ulong)random.Next(9));
            }
        }

        private void Literal(ulong value)
        {
            _code.AddRange(Push(value));
            _height++;
        }

        private void Emit(StackOpcode opcode, int pops, params byte[] immediate)
        {
            _code.Add((byte)opcode);
            _code.AddRange(immediate);
            _height -= pops;
        }

        private void Patch(int after, int target)
        {
            short distance = (short)(target - after);
            _code[after - 2] = (byte)distance;
            _code[after - 1] = (byte)(distance >> 8);
        }
    }

    [Theory, InlineData(1), InlineData(2)]
    public void Lowered_code_does_what_the_bytes_say(int seed)
    {
        Bench bench = new();
        Bench paranoid = new(new Interpreter(isParanoid: true));
        Dictionary<int, int> endings = [];
        HashSet<byte> drawn = [];
        for (int round = 0; round < 1_500; round++)
        {
            string where = $"seed {seed} round {round}";
            byte[] code = new Generator(new SeededRandom((ulong)seed).Fork((ulong)round)).Make();
            Naive naive = new(code);
            int expected = naive.Run();
            byte[] source = Program(code).Encode();
            Assert.True(TryDeploy(source, out VerifiedProgram? program, out Refusal refusal), $"{where}: {refusal}");
            Assert.True(StackLowering.TryLower(source, out byte[] again, out _) && Blake3.Hash(again) == program.CodeHash, where);
            Outcome outcome = Run(bench, program);
            Assert.True(outcome.Code == expected, $"{where}: ends {outcome}, expected {expected}: {Convert.ToHexString(code)}");
            Assert.True(outcome == Run(paranoid, program), where);
            if (expected == 0)
            {
                Assert.True(bench.Records[0].Value.SequenceEqual(naive.Record), $"{where}: {Convert.ToHexString(code)}");
                Assert.True(bench.Returned().AsSpan().SequenceEqual(naive.Returned), where);
            }

            endings[Math.Min(expected, 256)] = endings.GetValueOrDefault(Math.Min(expected, 256)) + 1;
            for (int at = 0; at < code.Length;)
            {
                drawn.Add(code[at] >= 0x80 ? (byte)(code[at] & 0xF0) : code[at]);
                StackCode.TryShape(code[at], out _, out _, out int size);
                at += 1 + size;
            }
        }

        Assert.True(endings.GetValueOrDefault(0) > 300 && endings.Count >= 5, string.Join(", ", endings));
        Assert.True(drawn.Count >= 34, $"{drawn.Count} kinds of instruction");
    }

    private static Outcome Run(Bench bench, VerifiedProgram program) =>
        bench.Run(bench.Message(program, [AccessMode.Write], arguments: Arguments, gasLimit: 100_000_000));

    [Fact]
    public void Copies_cost_nothing_inside_a_block()
    {
        // (a - b) * (a + b) by DUP and SWAP: three operations and what brings a and b, and the result stored
        byte[] code =
        [
            (byte)StackOpcode.Arg, 0, 0, (byte)StackOpcode.Arg, 8, 0,
            (byte)StackOpcode.Dup1 + 1, (byte)StackOpcode.Dup1 + 1, (byte)StackOpcode.Xor,
            (byte)StackOpcode.Swap1 + 1, (byte)StackOpcode.And, (byte)StackOpcode.Or,
            (byte)StackOpcode.Sstore, 0, 0, 0, (byte)StackOpcode.Halt,
        ];
        Assert.True(StackLowering.TryLower(new StackCode { Entries = [new StackEntry(1, 0, [AccessMode.Write], code)] }.Encode(), out byte[] lowered, out _));
        Assert.True(Container.TryDecode(lowered, out Container container, out _));
        Opcode[] expected = [Opcode.Arg, Opcode.Arg, Opcode.Xor, Opcode.And, Opcode.Or, Opcode.Sst8, Opcode.Halt];
        Assert.Equal(expected, Array.ConvertAll(container.Code, word => (Opcode)(byte)word));
    }

    [Fact]
    public void Each_broken_law_of_the_dialect_is_refused_with_its_own_code()
    {
        byte halt = (byte)StackOpcode.Halt;
        byte[] one = Push(1);
        byte[] tall = new byte[(2 * (StackBlock.MaxHeight + 1)) + 1];
        for (int i = 0; i <= StackBlock.MaxHeight; i++)
        {
            one.CopyTo(tall, 2 * i);
        }

        (RefusalCode Expected, byte[] Code)[] cases =
        [
            (RefusalCode.UnknownOpcode, [0xFF, halt]),
            (RefusalCode.UnknownOpcode, [(byte)StackOpcode.Push1]),
            (RefusalCode.StackHeight, [(byte)StackOpcode.Pop, halt]),
            (RefusalCode.StackHeight, [.. one, (byte)StackOpcode.Add, halt]),
            (RefusalCode.StackHeight, [.. one, (byte)StackOpcode.Dup1 + 1, halt]),
            (RefusalCode.StackHeight, tall),
            (RefusalCode.StackHeight, [.. one, .. one, (byte)StackOpcode.Jumpi, 1, 0, (byte)StackOpcode.Pop, halt]),
            (RefusalCode.StackHeight, [.. one, .. one, (byte)StackOpcode.Jumpi, 0xF9, 0xFF, halt]),
            (RefusalCode.BadTarget, [.. one, (byte)StackOpcode.Jumpi, 0xFC, 0xFF, halt]),
            (RefusalCode.BadTarget, [(byte)StackOpcode.Jump, 9, 0]),
            (RefusalCode.UnreachableCode, [halt, halt]),
            (RefusalCode.FallsOff, one),
            (RefusalCode.SlotNotAllowed, [(byte)StackOpcode.Sload, 1, 0, 0, halt]),
            (RefusalCode.OperandOutOfRange, [(byte)StackOpcode.Sload, 0, 4, 0, halt]),
        ];
        foreach ((RefusalCode expected, byte[] code) in cases)
        {
            Assert.Equal((expected, Convert.ToHexString(code)), (RefusalOf(Program(code).Encode()), Convert.ToHexString(code)));
        }
    }

    [Fact]
    public void Any_bytes_are_lowered_or_refused()
    {
        SeededRandom random = new(99);
        int accepted = 0;
        for (int round = 0; round < 20_000; round++)
        {
            byte[] code = new Generator(random.Fork((ulong)round)).Make();
            byte[] bytes = Program(code).Encode();
            for (int i = random.Next(4); i > 0; i--)
            {
                bytes[random.Next(bytes.Length)] = (byte)random.Next(256);
            }

            byte[] cut = random.Chance(1, 9) ? bytes[..random.Next(bytes.Length)] : bytes;
            bool isAccepted = TryDeploy(cut, out _, out Refusal refusal);
            Assert.True(isAccepted != refusal.IsRefused, $"round {round}");
            Assert.True(!isAccepted || (StackCode.TryDecode(cut, out StackCode again, out _) && again.Encode().AsSpan().SequenceEqual(cut)), $"round {round}");
            accepted += isAccepted ? 1 : 0;
        }

        Assert.True(accepted > 3_000, $"{accepted}");
    }
}
