// The reference engine: a switch loop over the words of a verified program. What it says is what the machine means; every other
// engine is judged by it.
//
//   bind     every slot must be covered by the access list, before the first instruction
//   charge   a charge word before each basic block takes the block's gas, or the run ends out of gas
//   run      gas, arithmetic, memory bounds and lengths are checked; everything else the verifier has excluded
//   end      success seals output and adds; anything else rolls the records back
//
// Invariants
//   N1  records change only through the journal, so a failure leaves no trace
//   N2  a record declared Add is never read or written
//   N3  gas used is at most the gas limit; out of gas uses all of it
//
// Threading: one interpreter per worker, reused.   Cost: no allocation per run once its buffers have grown.

using System;
using System.Runtime.CompilerServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>Runs one message at a time.</summary>
public sealed unsafe partial class Interpreter
{
    private readonly Journal _journal = new();
    private readonly MachineMemory _memory = new();
    private readonly OutputBuffer _output = new();

    // SAFETY: pinned, so that pointers into them stay valid for the life of the interpreter; a frame is at most 4096 cells
    // (the verifier's bound), and the last window starts inside them.
    private readonly ulong[] _cells = GC.AllocateArray<ulong>(VerifierLimits.MaxFrameCells + Container.MaxCells, pinned: true);
    private readonly (int Return, int Frame)[] _calls = new (int, int)[VerifierLimits.MaxCallDepth];

    private Record[] _records = new Record[AccessList.MaxAccesses];
    private Message _message = null!;
    private BlockContext _context;
    private ulong _gas;

    /// <summary>After success: one entry per access declared Add that was added to. Valid until the next run.</summary>
    public ReadOnlySpan<PendingAdd> Adds => _journal.Adds;

    /// <summary>After success: events and return data in canonical form (see <see cref="OutputBuffer"/>), empty otherwise. Valid until the next run.</summary>
    public ReadOnlySpan<byte> Output => _output.Written;

    /// <summary>Runs a message to its end.</summary>
    /// <param name="message">What runs; its intrinsic gas is at most its gas limit.</param>
    /// <param name="records">One record per access, in the order of the access list.</param>
    /// <param name="context">The block it runs in.</param>
    /// <returns>How it ended. On anything but success every record is as it was.</returns>
    public Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext context)
    {
        ArgumentNullException.ThrowIfNull(message);
        Invariant.Require(records.Length == message.Accesses.Count);
        Invariant.Require(message.IntrinsicGas <= message.GasLimit);
        ProgramEntry entry = message.Program.Entries[message.EntryIndex];
        _journal.Begin(records.Length);
        _output.Clear();
        if (!TryBind(message, entry, out Outcome refused))
        {
            return refused;
        }

        if (_records.Length < records.Length)
        {
            _records = new Record[records.Length];
        }

        records.CopyTo(_records);
        _message = message;
        _context = context;
        _gas = message.GasLimit - message.IntrinsicGas;
        _memory.Reset(message.Program.Data, entry.MaxPages);
        ushort code;
        int place;
        fixed (ulong* words = message.Program.Words)
        {
            code = RunWords(words, message.Program.Starts[entry.Function], out place);
        }

        if (code == 0)
        {
            _output.Seal();
            return new Outcome(Halt.Success, 0, 0, 0, message.GasLimit - _gas, -1, AccessMode.Read);
        }

        _journal.Rollback();
        _output.Clear();
        Halt halt = code >= (ushort)TrapCode.UserBase ? Halt.Revert : Halt.Trap;
        ulong used = code == (ushort)TrapCode.OutOfGas ? message.GasLimit : message.GasLimit - _gas;        // N3
        return new Outcome(
            halt, code, (ushort)message.Program.FunctionOf(place), message.Program.Origins[place], used, -1, AccessMode.Read);
    }

    // Before the first instruction, so that a run never meets a slot that it may not use.
    private static bool TryBind(Message message, ProgramEntry entry, out Outcome refused)
    {
        if (message.SlotTable.Length != entry.SlotModes.Length)
        {
            refused = new Outcome(Halt.Trap, (ushort)TrapCode.BadArgument, 0, 0, message.IntrinsicGas, -1, AccessMode.Read);
            return false;
        }

        Scope scope = new(message.Accesses.Accesses, message.SlotTable);
        for (int slot = 0; slot < entry.SlotModes.Length; slot++)
        {
            if (!scope.Allows(slot, entry.SlotModes[slot], 0))
            {
                refused = new Outcome(
                    Halt.Trap, (ushort)TrapCode.UndeclaredAccess, 0, 0, message.IntrinsicGas, slot, entry.SlotModes[slot]);
                return false;
            }
        }

        refused = default;
        return true;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    private ushort RunWords(ulong* words, int start, out int place)
    {
        // SAFETY: the verifier bounds cells, targets and calls; _cells is pinned.
        ulong* f = (ulong*)Unsafe.AsPointer(ref _cells[0]);
        int frame = 0;
        int depth = 0;
        int pc = start;
        ulong gas = _gas;
        TrapCode trap;
        while (true)
        {
            ulong w = words[pc++];
            int a = (byte)(w >> 8);
            int b = (byte)(w >> 16);
            int c = (byte)(w >> 24);
            uint imm = (uint)(w >> 32);
            switch ((byte)w)
            {
                case VerifiedProgram.ChargeByte:
                    if (gas < imm)
                    {
                        trap = TrapCode.OutOfGas;
                        goto Trapped;
                    }

                    gas -= imm;
                    continue;

                // control
                case (byte)Opcode.Trap:
                    trap = imm == 0 ? TrapCode.Unreachable : (TrapCode)imm;
                    goto Trapped;
                case (byte)Opcode.Loop:
                case (byte)Opcode.Nop:
                    continue;
                case (byte)Opcode.Jmp:
                    pc = (int)imm;
                    continue;
                case (byte)Opcode.Jnz:
                    pc = f[a] != 0 ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jz:
                    pc = f[a] == 0 ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jeq:
                    pc = f[a] == f[b] ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jne:
                    pc = f[a] != f[b] ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jlt:
                    pc = f[a] < f[b] ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jge:
                    pc = f[a] >= f[b] ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jslt:
                    pc = (long)f[a] < (long)f[b] ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Jsge:
                    pc = (long)f[a] >= (long)f[b] ? (int)imm : pc;
                    continue;
                case (byte)Opcode.Call:
                    _calls[depth++] = (pc, frame);
                    frame += a;
                    f += a;
                    pc = _message.Program.Starts[(int)imm];
                    continue;
                case (byte)Opcode.Ret:
                    if (depth == 0)
                    {
                        goto Succeeded;
                    }

                    (pc, int caller) = _calls[--depth];
                    f -= frame - caller;
                    frame = caller;
                    continue;
                case (byte)Opcode.Halt:
                    goto Succeeded;
                case (byte)Opcode.Abort:
                    _gas = gas;
                    place = pc - 1;
                    return (ushort)Math.Min(ushort.MaxValue, f[a] > ushort.MaxValue ? ushort.MaxValue : (ulong)TrapCode.UserBase + f[a]);

                // moves
                case (byte)Opcode.Mov:
                    f[a] = f[b];
                    continue;
                case (byte)Opcode.Ldi:
                    f[a] = imm;
                    continue;
                case (byte)Opcode.Ldis:
                    f[a] = (ulong)(int)imm;
                    continue;
                case (byte)Opcode.Ldc:
                    f[a] = _message.Program.Constants[imm];
                    continue;
                case (byte)Opcode.Sel:
                    f[a] = f[(byte)imm] != 0 ? f[b] : f[c];
                    continue;
                case (byte)Opcode.Swp:
                    (f[a], f[b]) = (f[b], f[a]);
                    continue;
                case (byte)Opcode.Mov2:
                    SetPair(f + a, Pair(f + b));
                    continue;
                case (byte)Opcode.Mov4:
                    (f[a], f[a + 1], f[a + 2], f[a + 3]) = (f[b], f[b + 1], f[b + 2], f[b + 3]);
                    continue;

                // unsigned arithmetic
                case (byte)Opcode.Add:
                    {
                        ulong x = f[b];
                        ulong sum = unchecked(x + f[c]);
                        if (sum < x)
                        {
                            goto Overflowed;
                        }

                        f[a] = sum;
                        continue;
                    }

                case (byte)Opcode.Sub:
                    {
                        ulong x = f[b];
                        ulong y = f[c];
                        if (y > x)
                        {
                            goto Overflowed;
                        }

                        f[a] = x - y;
                        continue;
                    }

                case (byte)Opcode.Mul:
                    {
                        if (Math.BigMul(f[b], f[c], out ulong low) != 0)
                        {
                            goto Overflowed;
                        }

                        f[a] = low;
                        continue;
                    }

                case (byte)Opcode.Div:
                    if (f[c] == 0)
                    {
                        goto DividedByZero;
                    }

                    f[a] = f[b] / f[c];
                    continue;
                case (byte)Opcode.Mod:
                    if (f[c] == 0)
                    {
                        goto DividedByZero;
                    }

                    f[a] = f[b] % f[c];
                    continue;
                case (byte)Opcode.Addi:
                    {
                        ulong x = f[b];
                        ulong sum = unchecked(x + imm);
                        if (sum < x)
                        {
                            goto Overflowed;
                        }

                        f[a] = sum;
                        continue;
                    }

                case (byte)Opcode.Subi:
                    if (imm > f[b])
                    {
                        goto Overflowed;
                    }

                    f[a] = f[b] - imm;
                    continue;
                case (byte)Opcode.Muli:
                    {
                        if (Math.BigMul(f[b], (ulong)imm, out ulong low) != 0)
                        {
                            goto Overflowed;
                        }

                        f[a] = low;
                        continue;
                    }

                case (byte)Opcode.Wadd:
                    f[a] = unchecked(f[b] + f[c]);
                    continue;
                case (byte)Opcode.Wsub:
                    f[a] = unchecked(f[b] - f[c]);
                    continue;
                case (byte)Opcode.Wmul:
                    f[a] = unchecked(f[b] * f[c]);
                    continue;
                case (byte)Opcode.Mulhi:
                    f[a] = Math.BigMul(f[b], f[c], out _);
                    continue;
                case (byte)Opcode.Min:
                    f[a] = Math.Min(f[b], f[c]);
                    continue;
                case (byte)Opcode.Max:
                    f[a] = Math.Max(f[b], f[c]);
                    continue;
                case (byte)Opcode.Clz:
                    f[a] = (ulong)System.Numerics.BitOperations.LeadingZeroCount(f[b]);
                    continue;
                case (byte)Opcode.Popc:
                    f[a] = (ulong)System.Numerics.BitOperations.PopCount(f[b]);
                    continue;

                // two's complement arithmetic
                case (byte)Opcode.Sadd:
                    {
                        long x = (long)f[b];
                        long y = (long)f[c];
                        long sum = unchecked(x + y);
                        if (((x ^ sum) & (y ^ sum)) < 0)
                        {
                            goto Overflowed;
                        }

                        f[a] = (ulong)sum;
                        continue;
                    }

                case (byte)Opcode.Ssub:
                    {
                        long x = (long)f[b];
                        long y = (long)f[c];
                        long difference = unchecked(x - y);
                        if (((x ^ y) & (x ^ difference)) < 0)
                        {
                            goto Overflowed;
                        }

                        f[a] = (ulong)difference;
                        continue;
                    }

                case (byte)Opcode.Smul:
                    {
                        long high = Math.BigMul((long)f[b], (long)f[c], out long low);
                        if (high != low >> 63)
                        {
                            goto Overflowed;
                        }

                        f[a] = (ulong)low;
                        continue;
                    }

                case (byte)Opcode.Sdiv:
                case (byte)Opcode.Smod:
                    {
                        long x = (long)f[b];
                        long y = (long)f[c];
                        if (y == 0)
                        {
                            goto DividedByZero;
                        }

                        if (x == long.MinValue && y == -1)
                        {
                            goto Overflowed;
                        }

                        f[a] = (ulong)((byte)w == (byte)Opcode.Sdiv ? x / y : x % y);
                        continue;
                    }

                case (byte)Opcode.Slt:
                    f[a] = (long)f[b] < (long)f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Sar:
                    f[a] = (ulong)((long)f[b] >> (int)Math.Min(f[c], 63));
                    continue;
                case (byte)Opcode.Sext:
                    f[a] = (ulong)((long)(f[b] << (64 - (int)imm)) >> (64 - (int)imm));
                    continue;

                // bits
                case (byte)Opcode.And:
                    f[a] = f[b] & f[c];
                    continue;
                case (byte)Opcode.Or:
                    f[a] = f[b] | f[c];
                    continue;
                case (byte)Opcode.Xor:
                    f[a] = f[b] ^ f[c];
                    continue;
                case (byte)Opcode.Not:
                    f[a] = ~f[b];
                    continue;
                case (byte)Opcode.Shl:
                    f[a] = f[c] < 64 ? f[b] << (int)f[c] : 0;
                    continue;
                case (byte)Opcode.Shr:
                    f[a] = f[c] < 64 ? f[b] >> (int)f[c] : 0;
                    continue;
                case (byte)Opcode.Shli:
                    f[a] = f[b] << (int)imm;
                    continue;
                case (byte)Opcode.Shri:
                    f[a] = f[b] >> (int)imm;
                    continue;

                // comparisons
                case (byte)Opcode.Eq:
                    f[a] = f[b] == f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Ne:
                    f[a] = f[b] != f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Lt:
                    f[a] = f[b] < f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Gt:
                    f[a] = f[b] > f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Le:
                    f[a] = f[b] <= f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Ge:
                    f[a] = f[b] >= f[c] ? 1UL : 0;
                    continue;
                case (byte)Opcode.Eqi:
                    f[a] = f[b] == imm ? 1UL : 0;
                    continue;
                case (byte)Opcode.Lti:
                    f[a] = f[b] < imm ? 1UL : 0;
                    continue;

                // fixed point
                case (byte)Opcode.MulDiv:
                    trap = Arithmetic.MulDiv(f[b], f[c], f[(byte)imm], (byte)(imm >> 8), out f[a]);
                    break;
                case (byte)Opcode.MulScale:
                    trap = Arithmetic.MulDiv(f[b], f[c], Arithmetic.PowerOfTen((byte)imm), (byte)(imm >> 8), out f[a]);
                    break;
                case (byte)Opcode.Sqrt:
                    f[a] = Arithmetic.Sqrt(f[b], (byte)(imm >> 8) == 1);
                    continue;
                case (byte)Opcode.Absd:
                    f[a] = f[b] > f[c] ? f[b] - f[c] : f[c] - f[b];
                    continue;

                // 128-bit pairs
                case (byte)Opcode.Dadd:
                    {
                        UInt128 x = Pair(f + b);
                        UInt128 sum = unchecked(x + Pair(f + c));
                        if (sum < x)
                        {
                            goto Overflowed;
                        }

                        SetPair(f + a, sum);
                        continue;
                    }

                case (byte)Opcode.Dsub:
                    {
                        UInt128 x = Pair(f + b);
                        UInt128 y = Pair(f + c);
                        if (y > x)
                        {
                            goto Overflowed;
                        }

                        SetPair(f + a, x - y);
                        continue;
                    }

                case (byte)Opcode.Dmul:
                    {
                        ulong high = Math.BigMul(f[b], f[c], out ulong low);
                        f[a] = low;
                        f[a + 1] = high;
                        continue;
                    }

                case (byte)Opcode.Dmuld:
                case (byte)Opcode.Ddiv:
                case (byte)Opcode.DmulDiv:
                    trap = Wide(w, f);
                    break;
                case (byte)Opcode.Dsqrt:
                    f[a] = Arithmetic.Sqrt(Pair(f + b));
                    continue;
                case (byte)Opcode.Dlt:
                    f[a] = Pair(f + b) < Pair(f + c) ? 1UL : 0;
                    continue;
                case (byte)Opcode.Deq:
                    f[a] = Pair(f + b) == Pair(f + c) ? 1UL : 0;
                    continue;
                case (byte)Opcode.Dnarrow:
                    if (f[b + 1] != 0)
                    {
                        goto Overflowed;
                    }

                    f[a] = f[b];
                    continue;
                case (byte)Opcode.Qeq:
                    f[a] = f[b] == f[c] && f[b + 1] == f[c + 1] && f[b + 2] == f[c + 2] && f[b + 3] == f[c + 3] ? 1UL : 0;
                    continue;

                // memory
                case (byte)Opcode.Ld1:
                case (byte)Opcode.Ld2:
                case (byte)Opcode.Ld4:
                case (byte)Opcode.Ld8:
                case (byte)Opcode.Ldq:
                    trap = Load(w, f);
                    break;
                case (byte)Opcode.St1:
                case (byte)Opcode.St2:
                case (byte)Opcode.St4:
                case (byte)Opcode.St8:
                case (byte)Opcode.Stq:
                    trap = Store(w, f);
                    break;

                // state
                case (byte)Opcode.Sld8:
                    f[a] = ReadWord(_records[_message.SlotTable[(ushort)imm]], (int)(imm >> 16));
                    continue;
                case (byte)Opcode.Sexist:
                    f[a] = _records[_message.SlotTable[(ushort)imm]].Exists ? 1UL : 0;
                    continue;
                case (byte)Opcode.Slen:
                    f[a] = (ulong)_records[_message.SlotTable[(ushort)imm]].Length;
                    continue;

                case (byte)Opcode.Stale:
                    if (f[a] != f[b])
                    {
                        trap = TrapCode.Stale;
                        goto Trapped;
                    }

                    continue;

                // state writes, copies, context, output, hashes: they charge for themselves or are rare
                default:
                    _gas = gas;
                    trap = Heavy(w, f);
                    gas = _gas;
                    break;
            }

            if (trap == TrapCode.None)
            {
                continue;
            }

            goto Trapped;

        Overflowed:
            trap = TrapCode.Overflow;
            goto Trapped;

        DividedByZero:
            trap = TrapCode.DivideByZero;
            goto Trapped;
        }

    Trapped:
        _gas = gas;
        place = pc - 1;
        return (ushort)trap;

    Succeeded:
        _gas = gas;
        place = pc - 1;
        return 0;
    }

    private static UInt128 Pair(ulong* cell) => new(cell[1], cell[0]);

    private static void SetPair(ulong* cell, UInt128 value)
    {
        cell[0] = (ulong)value;
        cell[1] = (ulong)(value >> 64);
    }
}
