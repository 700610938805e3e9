// The instructions that are calls of their own: memory, state writes, copies, context, output, hashes. Kept out of the loop so that
// its registers stay its own. Variable charges are taken from _gas before the work is done.

using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

public sealed unsafe partial class Interpreter
{
    // longer lengths trap, since no more memory can be mapped; charging them as this keeps the product in range
    private const ulong MaxLength = VerifierLimits.MaxMemoryPages * MachineMemory.PageBytes;

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static TrapCode Wide(ulong w, ulong* f)
    {
        int a = (byte)(w >> 8);
        UInt128 b = Pair(f + (byte)(w >> 16));
        UInt128 c = Pair(f + (byte)(w >> 24));
        UInt128 result;
        TrapCode trap = TrapCode.None;
        switch ((Opcode)(byte)w)
        {
            case Opcode.Dmuld:
                trap = Arithmetic.TryMul(b, c, out result) ? TrapCode.None : TrapCode.Overflow;
                break;
            case Opcode.Ddiv:
                if (c == 0)
                {
                    return TrapCode.DivideByZero;
                }

                result = b / c;
                break;
            default:
                trap = Arithmetic.MulDiv(b, c, Pair(f + (byte)(w >> 32)), (byte)(w >> 40), out result);
                break;
        }

        if (trap == TrapCode.None)
        {
            SetPair(f + a, result);
        }

        return trap;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TrapCode Load(ulong w, ulong* f)
    {
        int a = (byte)(w >> 8);
        ulong size = SizeOf((Opcode)(byte)w);
        if (!TryAddress(f[(byte)(w >> 16)], (uint)(w >> 32), out ulong address) || !_memory.TryRead(address, size, out ReadOnlySpan<byte> bytes))
        {
            return TrapCode.MemoryBound;
        }

        if ((address & (Math.Min(size, 8) - 1)) != 0)
        {
            return TrapCode.Align;
        }

        switch (size)
        {
            case 1:
                f[a] = bytes[0];
                break;
            case 2:
                f[a] = BinaryPrimitives.ReadUInt16LittleEndian(bytes);
                break;
            case 4:
                f[a] = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
                break;
            case 8:
                f[a] = BinaryPrimitives.ReadUInt64LittleEndian(bytes);
                break;
            default:
                SetQuad(f + a, bytes);
                break;
        }

        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TrapCode Store(ulong w, ulong* f)
    {
        int a = (byte)(w >> 8);
        ulong size = SizeOf((Opcode)(byte)w);
        if (!TryAddress(f[(byte)(w >> 16)], (uint)(w >> 32), out ulong address) || !_memory.TryWrite(address, size, out Span<byte> bytes))
        {
            return TrapCode.MemoryBound;
        }

        if ((address & (Math.Min(size, 8) - 1)) != 0)
        {
            return TrapCode.Align;
        }

        switch (size)
        {
            case 1:
                bytes[0] = (byte)f[a];
                break;
            case 2:
                BinaryPrimitives.WriteUInt16LittleEndian(bytes, (ushort)f[a]);
                break;
            case 4:
                BinaryPrimitives.WriteUInt32LittleEndian(bytes, (uint)f[a]);
                break;
            case 8:
                BinaryPrimitives.WriteUInt64LittleEndian(bytes, f[a]);
                break;
            default:
                GetQuad(f + a, bytes);
                break;
        }

        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private TrapCode Heavy(ulong w, ulong* f)
    {
        int a = (byte)(w >> 8);
        int b = (byte)(w >> 16);
        int c = (byte)(w >> 24);
        uint imm = (uint)(w >> 32);
        switch ((Opcode)(byte)w)
        {
            case Opcode.Sldq:
                return LoadQuad(f + a, RecordOf((ushort)imm), (int)(imm >> 16));
            case Opcode.Sst8:
                if (!TryOpen((ushort)imm, (int)(imm >> 16) + 8, out Span<byte> word))
                {
                    return TrapCode.OutOfGas;
                }

                BinaryPrimitives.WriteUInt64LittleEndian(word[(int)(imm >> 16)..], f[a]);
                return TrapCode.None;
            case Opcode.Sstq:
                if (!TryOpen((ushort)imm, (int)(imm >> 16) + 32, out Span<byte> quad))
                {
                    return TrapCode.OutOfGas;
                }

                GetQuad(f + a, quad[(int)(imm >> 16)..]);
                return TrapCode.None;
            case Opcode.Sacc:
                Accumulate((ushort)imm, Pair(f + b));
                return TrapCode.None;
            case Opcode.Snew:
                if (RecordOf((ushort)imm).Exists)
                {
                    return TrapCode.Schema;
                }

                return TryOpen((ushort)imm, (int)(imm >> 16), out _) ? TrapCode.None : TrapCode.OutOfGas;
            case Opcode.Sdel:
                return Delete((ushort)imm);
            case Opcode.Scpy:
                return CopyRecord(f[a], f[b], f[c], (ushort)imm, (imm >> 16) != 0);
            case Opcode.Skey:
                SetQuad(f + a, AccessOf((ushort)imm).Key.Value);
                return TrapCode.None;
            case Opcode.Sown:
                SetQuad(f + a, _message.Programs[AccessOf((ushort)imm).ProgramIndex].Value);
                return TrapCode.None;
            case Opcode.Mcpy:
            case Opcode.Mset:
            case Opcode.Mgrow:
                return Memory((Opcode)(byte)w, f, a, b, c);
            case Opcode.Emit:
            case Opcode.Retd:
                return Write((Opcode)(byte)w, imm, f, a, b);
            case Opcode.Keccak:
                return Hash(f, a, f[b], f[c], GasTable.KeccakWord, (Opcode)(byte)w);
            case Opcode.Sha256:
                return Hash(f, a, f[b], f[c], GasTable.Sha256Word, (Opcode)(byte)w);
            case Opcode.Blake3:
                return Hash(f, a, f[b], f[c], GasTable.Blake3Word, (Opcode)(byte)w);
            default:
                return Context((Opcode)(byte)w, imm, f, a, b, c);
        }
    }

    private TrapCode Context(Opcode opcode, uint imm, ulong* f, int a, int b, int c)
    {
        ReadOnlySpan<byte> arguments = _message.Arguments.Span;
        switch (opcode)
        {
            case Opcode.Ctx:
                f[a] = (ContextId)imm switch
                {
                    ContextId.Height => _context.Height.Value,
                    ContextId.TimestampMs => _context.TimestampMs,
                    ContextId.BaseFee => _context.BaseFee,
                    ContextId.Fork => _context.Fork,
                    ContextId.SlotCount => (ulong)_message.SlotTable.Length,
                    ContextId.ArgumentLength => (ulong)arguments.Length,
                    _ => (ulong)_message.Signers.Length,
                };
                return TrapCode.None;
            case Opcode.Caller:
                SetQuad(f + a, _message.Payer.Value);
                return TrapCode.None;
            case Opcode.Self:
                SetQuad(f + a, _message.Programs[0].Value);
                return TrapCode.None;
            case Opcode.Chain:
                SetQuad(f + a, _context.Chain.Value);
                return TrapCode.None;
            case Opcode.Signer:
                if (imm >= (uint)_message.Signers.Length)
                {
                    return TrapCode.BadArgument;
                }

                SetQuad(f + a, _message.Signers[imm].Value);
                return TrapCode.None;
            case Opcode.Arg:
                if (!TrySlice(arguments, imm, 8, out ReadOnlySpan<byte> word))
                {
                    return TrapCode.BadArgument;
                }

                f[a] = BinaryPrimitives.ReadUInt64LittleEndian(word);
                return TrapCode.None;
            case Opcode.Argq:
                if (!TrySlice(arguments, imm, 32, out ReadOnlySpan<byte> quad))
                {
                    return TrapCode.BadArgument;
                }

                SetQuad(f + a, quad);
                return TrapCode.None;
            case Opcode.Argcpy:
                if (!TryCharge(f[c], GasTable.CopyWord))
                {
                    return TrapCode.OutOfGas;
                }

                if (!TrySlice(arguments, f[b], f[c], out ReadOnlySpan<byte> source))
                {
                    return TrapCode.BadArgument;
                }

                if (!_memory.TryWrite(f[a], f[c], out Span<byte> target))
                {
                    return TrapCode.MemoryBound;
                }

                source.CopyTo(target);
                return TrapCode.None;
            default:
                throw new InvariantException($"Opcode {opcode} passed the verifier but has no law here.");
        }
    }

    private TrapCode Memory(Opcode opcode, ulong* f, int a, int b, int c)
    {
        if (opcode == Opcode.Mgrow)
        {
            if (!_memory.CanGrow(f[b]))
            {
                return TrapCode.Limit;
            }

            if (!TryTake(f[b] * GasTable.Page))
            {
                return TrapCode.OutOfGas;
            }

            f[a] = _memory.Grow((int)f[b]);
            return TrapCode.None;
        }

        if (!TryCharge(f[c], GasTable.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        if (!_memory.TryWrite(f[a], f[c], out Span<byte> target))
        {
            return TrapCode.MemoryBound;
        }

        if (opcode == Opcode.Mset)
        {
            target.Fill((byte)f[b]);
            return TrapCode.None;
        }

        if (!_memory.TryRead(f[b], f[c], out ReadOnlySpan<byte> source))
        {
            return TrapCode.MemoryBound;
        }

        source.CopyTo(target);
        return TrapCode.None;
    }

    private TrapCode Write(Opcode opcode, uint schema, ulong* f, int a, int b)
    {
        (ulong address, ulong length) = (f[a], f[b]);
        if (!TryCharge(length, GasTable.OutputWord))
        {
            return TrapCode.OutOfGas;
        }

        if (!_memory.TryRead(address, length, out ReadOnlySpan<byte> bytes))
        {
            return TrapCode.MemoryBound;
        }

        bool written = opcode == Opcode.Emit ? _output.TryEmit(schema, bytes) : _output.TryReturn(bytes);
        return written ? TrapCode.None : TrapCode.Limit;
    }

    private TrapCode Hash(ulong* f, int a, ulong address, ulong length, ulong price, Opcode opcode)
    {
        if (!TryCharge(length, price))
        {
            return TrapCode.OutOfGas;
        }

        if (!_memory.TryRead(address, length, out ReadOnlySpan<byte> bytes))
        {
            return TrapCode.MemoryBound;
        }

        SetQuad(f + a, opcode switch
        {
            Opcode.Keccak => Keccak256.Hash(bytes),
            Opcode.Sha256 => Sha256.Hash(bytes),
            _ => Blake3.Hash(bytes),
        });
        return TrapCode.None;
    }

    private void Accumulate(ushort slot, UInt128 amount)
    {
        int access = _message.SlotTable[slot];
        if (_message.Accesses[access].Mode == AccessMode.Add)
        {
            _journal.Add(access, amount);                                   // N2
            return;
        }

        _journal.Touch(access, _records[access]);
        _records[access].Accumulate(amount);
    }

    private TrapCode Delete(ushort slot)
    {
        int access = _message.SlotTable[slot];
        if (!_records[access].Exists)
        {
            return TrapCode.Schema;
        }

        _journal.Touch(access, _records[access]);
        _records[access].Remove();
        return TrapCode.None;
    }

    private TrapCode CopyRecord(ulong address, ulong offset, ulong length, ushort slot, bool toRecord)
    {
        if (!TryCharge(length, GasTable.CopyWord))
        {
            return TrapCode.OutOfGas;
        }

        if (offset > 4096 || length > 4096 - offset)
        {
            return TrapCode.SlotBound;
        }

        if (toRecord)
        {
            if (!_memory.TryRead(address, length, out ReadOnlySpan<byte> source))
            {
                return TrapCode.MemoryBound;
            }

            if (!TryOpen(slot, (int)(offset + length), out Span<byte> record))
            {
                return TrapCode.OutOfGas;
            }

            source.CopyTo(record[(int)offset..]);
            return TrapCode.None;
        }

        if (!_memory.TryWrite(address, length, out Span<byte> target))
        {
            return TrapCode.MemoryBound;
        }

        ReadOnlySpan<byte> value = RecordOf(slot).Value;
        value = value[Math.Min((int)offset, value.Length)..];
        value = value[..Math.Min(value.Length, (int)length)];
        value.CopyTo(target);
        target[value.Length..].Clear();
        return TrapCode.None;
    }

    // The record of a slot, writable, existing and at least that long; false when the gas does not cover what is new.
    private bool TryOpen(ushort slot, int length, out Span<byte> value)
    {
        int access = _message.SlotTable[slot];
        Record record = _records[access];
        ulong charge = (record.Exists ? 0 : GasTable.NewRecord) + ((ulong)Math.Max(0, length - record.Length) * GasTable.NewByte);
        if (!TryTake(charge))
        {
            value = default;
            return false;
        }

        _journal.Touch(access, record);                                     // N1
        value = record.Grow(length);
        return true;
    }

    private Record RecordOf(ushort slot) => _records[_message.SlotTable[slot]];

    private ref readonly Access AccessOf(ushort slot) => ref _message.Accesses[_message.SlotTable[slot]];

    private bool TryCharge(ulong length, ulong pricePerWord) => TryTake(GasTable.PerWord(Math.Min(length, MaxLength), pricePerWord));

    private bool TryTake(ulong charge)
    {
        if (charge > _gas)
        {
            return false;
        }

        _gas -= charge;
        return true;
    }

    private static ulong ReadWord(Record record, int offset)
    {
        ReadOnlySpan<byte> value = record.Value;
        if (offset + 8 <= value.Length)
        {
            return BinaryPrimitives.ReadUInt64LittleEndian(value[offset..]);
        }

        Span<byte> padded = stackalloc byte[8];
        padded.Clear();
        value[Math.Min(offset, value.Length)..].CopyTo(padded);
        return BinaryPrimitives.ReadUInt64LittleEndian(padded);
    }

    private static TrapCode LoadQuad(ulong* cell, Record record, int offset)
    {
        for (int i = 0; i < 4; i++)
        {
            cell[i] = ReadWord(record, offset + (8 * i));
        }

        return TrapCode.None;
    }

    // A quad is the memory image of 32 bytes: word k holds bytes 8k..8k+7 little-endian. Bytes32 holds them big-endian.
    private static void SetQuad(ulong* cell, in Bytes32 value)
    {
        cell[0] = BinaryPrimitives.ReverseEndianness(value.W0);
        cell[1] = BinaryPrimitives.ReverseEndianness(value.W1);
        cell[2] = BinaryPrimitives.ReverseEndianness(value.W2);
        cell[3] = BinaryPrimitives.ReverseEndianness(value.W3);
    }

    private static void SetQuad(ulong* cell, ReadOnlySpan<byte> bytes)
    {
        for (int i = 0; i < 4; i++)
        {
            cell[i] = BinaryPrimitives.ReadUInt64LittleEndian(bytes[(8 * i)..]);
        }
    }

    private static void GetQuad(ulong* cell, Span<byte> bytes)
    {
        for (int i = 0; i < 4; i++)
        {
            BinaryPrimitives.WriteUInt64LittleEndian(bytes[(8 * i)..], cell[i]);
        }
    }

    private static ulong SizeOf(Opcode opcode) => opcode switch
    {
        Opcode.Ld1 or Opcode.St1 => 1,
        Opcode.Ld2 or Opcode.St2 => 2,
        Opcode.Ld4 or Opcode.St4 => 4,
        Opcode.Ld8 or Opcode.St8 => 8,
        _ => 32,
    };

    private static bool TryAddress(ulong cell, uint offset, out ulong address)
    {
        address = cell + offset;
        return cell <= uint.MaxValue;
    }

    private static bool TrySlice(ReadOnlySpan<byte> bytes, ulong offset, ulong length, out ReadOnlySpan<byte> slice)
    {
        bool inside = offset <= (ulong)bytes.Length && length <= (ulong)bytes.Length - offset;
        slice = inside ? bytes.Slice((int)offset, (int)length) : default;
        return inside;
    }
}
