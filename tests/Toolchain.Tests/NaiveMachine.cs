// A second machine for the opcodes that the reference programs use, written from the laws in the opcode table with big
// integers and fresh arrays, without gas and without a thought for speed. It judges the interpreter, and is judged by it.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Numerics;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

/// <summary>A record as a slot sees it: key, owner, bytes (null when missing).</summary>
internal sealed record NaiveRecord(LocalKey Key, ProgramId Owner)
{
    public byte[]? Value { get; set; }

    /// <summary>The bytes, made to reach <paramref name="length"/>.</summary>
    public byte[] Grown(int length)
    {
        byte[] grown = new byte[Math.Max(length, Value?.Length ?? 0)];
        Value?.CopyTo(grown, 0);
        return Value = grown;
    }
}

internal sealed class NaiveMachine
{
    private const int HeapAddress = 0x100_0000;

    private readonly Container _program;
    private readonly ProgramId _self;
    private readonly PublicKey _caller;
    private readonly byte[] _arguments;
    private readonly NaiveRecord[] _slots;
    private readonly ulong[] _cells = new ulong[4096];
    private readonly List<byte> _heap = [];

    private NaiveMachine(Container program, ProgramId self, PublicKey caller, byte[] arguments, NaiveRecord[] slots)
    {
        _program = program;
        _self = self;
        _caller = caller;
        _arguments = arguments;
        _slots = slots;
    }

    private sealed class Halted(ushort code) : Exception
    {
        public ushort Code { get; } = code;
    }

    /// <summary>Runs an entry on its slots; a caller drops what happened to them unless the answer is 0.</summary>
    /// <returns>0 after success, else the receipt's code.</returns>
    public static ushort Run(Container program, uint selector, ProgramId self, PublicKey caller, byte[] arguments, NaiveRecord[] slots)
    {
        ContainerEntry entry = Array.Find(program.Entries, candidate => candidate.Selector == selector)!;
        try
        {
            new NaiveMachine(program, self, caller, arguments, slots).RunFunction(entry.Function, 0);
            return 0;
        }
        catch (Halted halted)
        {
            return halted.Code;
        }
    }

    private void RunFunction(int function, int frame)
    {
        int start = 0;
        for (int i = 0; i < function; i++)
        {
            start += _program.Functions[i].Length;
        }

        int at = 0;
        while (true)
        {
            ulong word = _program.Code[start + at];
            Opcode opcode = (Opcode)(byte)word;
            int a = frame + (byte)(word >> 8);
            int b = frame + (byte)(word >> 16);
            int c = frame + (byte)(word >> 24);
            int d = frame + (byte)(word >> 32);
            uint immediate = (uint)(word >> 32);
            if (opcode == Opcode.Ret)
            {
                return;
            }

            if (opcode == Opcode.Call)
            {
                RunFunction((int)immediate, a);
            }
            else if (TakesBranch(opcode, _cells[a], _cells[b]))
            {
                at = (int)immediate;
                continue;
            }
            else
            {
                RunOne(opcode, word, a, b, c, d, immediate);
            }

            at++;
        }
    }

    private static bool TakesBranch(Opcode opcode, ulong a, ulong b) => opcode switch
    {
        Opcode.Jmp => true,
        Opcode.Jnz => a != 0,
        Opcode.Jz => a == 0,
        Opcode.Jeq => a == b,
        Opcode.Jne => a != b,
        Opcode.Jlt => a < b,
        Opcode.Jge => a >= b,
        _ => false,
    };

    private void RunOne(Opcode opcode, ulong word, int a, int b, int c, int d, uint immediate)
    {
        switch (opcode)
        {
            case Opcode.Jmp or Opcode.Jnz or Opcode.Jz or Opcode.Jeq or Opcode.Jne or Opcode.Jlt or Opcode.Jge:
                break;
            case Opcode.Halt:
                throw new Halted(0);
            case Opcode.Abort:
                throw new Halted((ushort)BigInteger.Min(65535, 256 + (BigInteger)_cells[a]));
            case Opcode.Mov:
                _cells[a] = _cells[b];
                break;
            case Opcode.Ldi:
                _cells[a] = immediate;
                break;
            case Opcode.Ldc:
                _cells[a] = _program.Constants[immediate];
                break;
            case Opcode.Mov4:
                Put(a, 4, Get(b, 4));
                break;
            case Opcode.Add:
                Put(a, 1, Get(b, 1) + Get(c, 1));
                break;
            case Opcode.Sub:
                Put(a, 1, Get(b, 1) - Get(c, 1));
                break;
            case Opcode.Wadd:
                Put(a, 1, (Get(b, 1) + Get(c, 1)) % (BigInteger.One << 64));
                break;
            case Opcode.Min:
                Put(a, 1, BigInteger.Min(Get(b, 1), Get(c, 1)));
                break;
            case Opcode.Lti:
                _cells[a] = _cells[b] < immediate ? 1UL : 0;
                break;
            case Opcode.MulDiv:
                Put(a, 1, Divide(Get(b, 1) * Get(c, 1), Get(d, 1), (int)(word >> 40) & 0xFF));
                break;
            case Opcode.MulScale:
                Put(a, 1, Divide(Get(b, 1) * Get(c, 1), BigInteger.Pow(10, (int)(immediate & 0xFF)), (int)(word >> 40) & 0xFF));
                break;
            case Opcode.Dadd:
                Put(a, 2, Get(b, 2) + Get(c, 2));
                break;
            case Opcode.Dsub:
                Put(a, 2, Get(b, 2) - Get(c, 2));
                break;
            case Opcode.Dmul:
                Put(a, 2, Get(b, 1) * Get(c, 1));
                break;
            case Opcode.Dsqrt:
                Put(a, 1, Root(Get(b, 2)));
                break;
            case Opcode.Dlt:
                Put(a, 1, Get(b, 2) < Get(c, 2) ? 1 : 0);
                break;
            case Opcode.Qeq:
                Put(a, 1, Get(b, 4) == Get(c, 4) ? 1 : 0);
                break;
            case Opcode.Mgrow:
                int pages = (int)_cells[b];
                _cells[a] = (ulong)(HeapAddress + _heap.Count);
                _heap.AddRange(new byte[4096 * pages]);
                break;
            case Opcode.Ldq:
                PutBytes(a, Memory(_cells[b] + immediate, 32));
                break;
            case Opcode.Stq:
                for (int i = 0; i < 32; i++)
                {
                    _heap[(int)(_cells[b] + immediate) - HeapAddress + i] = (byte)(_cells[a + (i / 8)] >> (8 * (i % 8)));
                }

                break;
            case Opcode.Blake3:
                PutBytes(a, Blake3.Hash(Memory(_cells[b], (int)_cells[c])).ToArray());
                break;
            case Opcode.Caller:
                PutBytes(a, _caller.Value.ToArray());
                break;
            case Opcode.Self:
                PutBytes(a, _self.Value.ToArray());
                break;
            case Opcode.Arg:
                if (immediate + 8UL > (ulong)_arguments.Length)
                {
                    throw new Halted((ushort)TrapCode.BadArgument);
                }

                _cells[a] = BinaryPrimitives.ReadUInt64LittleEndian(_arguments.AsSpan((int)immediate));
                break;
            default:
                RunState(opcode, _slots[(ushort)(word >> 32)], (int)(word >> 48), a, b);
                break;
        }
    }

    private void RunState(Opcode opcode, NaiveRecord record, int offset, int a, int b)
    {
        switch (opcode)
        {
            case Opcode.Skey:
                PutBytes(a, record.Key.Value.ToArray());
                break;
            case Opcode.Sown:
                PutBytes(a, record.Owner.Value.ToArray());
                break;
            case Opcode.Sexist:
                _cells[a] = record.Value is null ? 0UL : 1;
                break;
            case Opcode.Sld8:
                PutBytes(a, Field(record, offset, 8));
                break;
            case Opcode.Sldq:
                PutBytes(a, Field(record, offset, 32));
                break;
            case Opcode.Sst8:
                BinaryPrimitives.WriteUInt64LittleEndian(record.Grown(offset + 8).AsSpan(offset), _cells[a]);
                break;
            case Opcode.Sacc:
                BigInteger sum = (new BigInteger(Field(record, 0, 16), isUnsigned: true) + Get(b, 2)) % (BigInteger.One << 128);
                byte[] value = record.Grown(16);
                value.AsSpan(0, 16).Clear();
                Assert.True(sum.TryWriteBytes(value.AsSpan(0, 16), out _, isUnsigned: true));
                break;
            default:
                Assert.Fail($"The naive machine does not know {opcode}.");
                break;
        }
    }

    private BigInteger Get(int cell, int words)
    {
        BigInteger value = 0;
        for (int i = words - 1; i >= 0; i--)
        {
            value = (value << 64) + _cells[cell + i];
        }

        return value;
    }

    private void Put(int cell, int words, BigInteger value)
    {
        if (value < 0 || value >= BigInteger.One << (64 * words))
        {
            throw new Halted((ushort)TrapCode.Overflow);
        }

        for (int i = 0; i < words; i++)
        {
            _cells[cell + i] = (ulong)((value >> (64 * i)) & ulong.MaxValue);
        }
    }

    private void PutBytes(int cell, byte[] bytes) => Put(cell, bytes.Length / 8, new BigInteger(bytes, isUnsigned: true));

    private static byte[] Field(NaiveRecord record, int offset, int length)
    {
        byte[] field = new byte[length];
        byte[] value = record.Value ?? [];
        for (int i = 0; i < length && offset + i < value.Length; i++)
        {
            field[i] = value[offset + i];
        }

        return field;
    }

    private byte[] Memory(ulong address, int length) => address >= HeapAddress
        ? [.. _heap.GetRange((int)address - HeapAddress, length)]
        : _program.Data.AsSpan((int)address - (int)Assembler.DataAddress, length).ToArray();

    private static BigInteger Divide(BigInteger numerator, BigInteger denominator, int rounding)
    {
        if (denominator == 0)
        {
            throw new Halted((ushort)TrapCode.DivideByZero);
        }

        Assert.InRange(rounding, 0, 1);
        return (numerator + (rounding == 1 ? denominator - 1 : 0)) / denominator;
    }

    private static BigInteger Root(BigInteger square)
    {
        BigInteger root = 0;
        for (BigInteger bit = BigInteger.One << 63; bit > 0; bit >>= 1)
        {
            root += (root + bit) * (root + bit) <= square ? bit : 0;
        }

        return root;
    }
}
