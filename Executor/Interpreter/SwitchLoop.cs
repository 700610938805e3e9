// The reference engine: a switch loop over the words of a verified program. What it says is what the machine means; every other
// engine is judged by it.
//
//   charge   a charge word before each basic block takes the block's gas, or the run ends out of gas
//   run      simple instructions are arms of the switch; the others are calls through Operations.Table, so that this method
//            keeps its locals in registers. Gas, arithmetic, memory bounds and lengths are checked; everything else the verifier has excluded
//
// The memory arms do what lies in the mapped heap and is aligned, by one compare against the mapped length: an aligned start below a
// multiple of 4096 leaves room for the whole value. Anything else goes to the operation, which reads DATA or traps.
//
// Assumes a little-endian machine, as all that .NET runs on are.   Cost: about 2 ns for a simple instruction (docs: bench vm).

using System;
using System.Runtime.CompilerServices;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>Runs a function of the active program.</summary>
internal static unsafe class SwitchLoop
{
    /// <summary>Runs to RET of this function, HALT or a trap.</summary>
    /// <param name="machine">Its active program is run.</param>
    /// <param name="function">Function to begin with.</param>
    /// <param name="f">First cell of its frame.</param>
    /// <returns>0 for RET, <see cref="Machine.Halted"/>, or a trap or revert code with the place in <see cref="Machine.Place"/>.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization), SkipLocalsInit]
    public static int Run<TTrace, TChecks>(Machine machine, int function, ulong* f)
        where TTrace : struct, ITrace
        where TChecks : struct, IChecks
    {
        // SAFETY: the verifier bounds cells, targets and calls; frames are pinned.
        LoadedCode code = machine.Active.Code;
        int[] starts = code.Starts;
        int[][] tables = code.Tables;
        ulong[] constants = code.Constants;
        Record[] slots = machine.Active.Records;
        ulong* calls = stackalloc ulong[VerifierLimits.MaxCallDepth];       // return word << 8 | window
        byte* heap = machine.Heap;
        ulong mapped = machine.Mapped;
        ulong gas = machine.Gas;
        int depth = 0;
        int pc = starts[function];
        TrapCode trap;
        ulong* words = code.Words;
        while (true)
        {
            ulong w = words[pc];
            if (TTrace.IsOn)
            {
                machine.Gas = gas;
                machine.EndStep(0);
                if ((byte)w != LoadedCode.ChargeByte)
                {
                    machine.BeginStep(pc, gas, f);
                }
            }

            if (TChecks.AreOn)
            {
                machine.Active.Shadow.Step(machine, pc, f, gas);
            }

            pc++;
            int a = (byte)(w >> 8);
            int b = (byte)(w >> 16);
            int c = (byte)(w >> 24);
            uint imm = (uint)(w >> 32);
            switch ((byte)w)
            {
                case LoadedCode.ChargeByte:
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
                case (byte)Opcode.Switch:
                    int[] table = tables[(int)imm];
                    pc = f[a] < (ulong)table.Length ? table[(int)f[a]] : table[^1];
                    continue;
                case (byte)Opcode.Call:
                    calls[depth++] = ((ulong)(uint)pc << 8) | (uint)a;
                    f += a;
                    pc = starts[(int)imm];
                    continue;
                case (byte)Opcode.Ret:
                    if (depth == 0)
                    {
                        machine.Gas = gas;
                        return 0;
                    }

                    ulong call = calls[--depth];
                    f -= (byte)call;
                    pc = (int)(call >> 8);
                    continue;
                case (byte)Opcode.Halt:
                    machine.Gas = gas;
                    return Machine.Halted;
                case (byte)Opcode.Abort:
                    trap = (TrapCode)Math.Min(ushort.MaxValue, f[a] > ushort.MaxValue ? ushort.MaxValue : (ulong)TrapCode.UserBase + f[a]);
                    goto Trapped;

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
                    f[a] = constants[imm];
                    continue;
                case (byte)Opcode.Sel:
                    f[a] = f[(byte)imm] != 0 ? f[b] : f[c];
                    continue;
                case (byte)Opcode.Swp:
                    (f[a], f[b]) = (f[b], f[a]);
                    continue;
                case (byte)Opcode.Mov2:
                    Cells.SetPair(f + a, Cells.Pair(f + b));
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

                // fixed point: the rest is not simple, and two calls in arms of their own cost every other instruction its registers
                case (byte)Opcode.Absd:
                    f[a] = f[b] > f[c] ? f[b] - f[c] : f[c] - f[b];
                    continue;

                // 128-bit pairs
                case (byte)Opcode.Dadd:
                    {
                        UInt128 x = Cells.Pair(f + b);
                        UInt128 sum = unchecked(x + Cells.Pair(f + c));
                        if (sum < x)
                        {
                            goto Overflowed;
                        }

                        Cells.SetPair(f + a, sum);
                        continue;
                    }

                case (byte)Opcode.Dsub:
                    {
                        UInt128 x = Cells.Pair(f + b);
                        UInt128 y = Cells.Pair(f + c);
                        if (y > x)
                        {
                            goto Overflowed;
                        }

                        Cells.SetPair(f + a, x - y);
                        continue;
                    }

                case (byte)Opcode.Dmul:
                    {
                        ulong high = Math.BigMul(f[b], f[c], out ulong low);
                        f[a] = low;
                        f[a + 1] = high;
                        continue;
                    }

                case (byte)Opcode.Dlt:
                    f[a] = Cells.Pair(f + b) < Cells.Pair(f + c) ? 1UL : 0;
                    continue;
                case (byte)Opcode.Deq:
                    f[a] = Cells.Pair(f + b) == Cells.Pair(f + c) ? 1UL : 0;
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

                // Goldilocks field
                case (byte)Opcode.Fadd:
                    f[a] = Goldilocks.Add(f[b], f[c]);
                    continue;
                case (byte)Opcode.Fsub:
                    f[a] = Goldilocks.Subtract(f[b], f[c]);
                    continue;
                case (byte)Opcode.Fneg:
                    f[a] = Goldilocks.Negate(f[b]);
                    continue;
                case (byte)Opcode.Fred:
                    f[a] = Goldilocks.Reduce(f[b]);
                    continue;
                case (byte)Opcode.Feq:
                    f[a] = f[b] == f[c] ? 1UL : 0;
                    continue;

                // memory: what is mapped and aligned is done here, the rest is judged by the operation
                case (byte)Opcode.Ld1:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue)
                        {
                            f[a] = heap[at];
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.Ld2:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue && (at & 1) == 0)
                        {
                            f[a] = *(ushort*)(heap + at);
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.Ld4:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue && (at & 3) == 0)
                        {
                            f[a] = *(uint*)(heap + at);
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.Ld8:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue && (at & 7) == 0)
                        {
                            f[a] = *(ulong*)(heap + at);
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.St1:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue)
                        {
                            heap[at] = (byte)f[a];
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.St2:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue && (at & 1) == 0)
                        {
                            *(ushort*)(heap + at) = (ushort)f[a];
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.St4:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue && (at & 3) == 0)
                        {
                            *(uint*)(heap + at) = (uint)f[a];
                            continue;
                        }

                        goto default;
                    }

                case (byte)Opcode.St8:
                    {
                        ulong at = f[b] + imm - MachineMemory.HeapAddress;
                        if (at < mapped && f[b] <= uint.MaxValue && (at & 7) == 0)
                        {
                            *(ulong*)(heap + at) = f[a];
                            continue;
                        }

                        goto default;
                    }

                // state
                case (byte)Opcode.Sld8:
                    f[a] = Operations.ReadWord(slots[(ushort)imm], (int)(imm >> 16));
                    continue;
                case (byte)Opcode.Sexist:
                    f[a] = slots[(ushort)imm].Exists ? 1UL : 0;
                    continue;
                case (byte)Opcode.Slen:
                    f[a] = (ulong)slots[(ushort)imm].Length;
                    continue;

                case (byte)Opcode.Stale:
                    if (f[a] != f[b])
                    {
                        trap = TrapCode.Stale;
                        goto Trapped;
                    }

                    continue;

                // everything that is not simple
                default:
                    machine.Gas = gas;
                    trap = Operations.Table[(byte)w](machine, f, w);
                    gas = machine.Gas;
                    heap = machine.Heap;
                    mapped = machine.Mapped;
                    if (trap == TrapCode.None)
                    {
                        continue;
                    }

                    goto Trapped;
            }

        Overflowed:
            trap = TrapCode.Overflow;
            goto Trapped;

        DividedByZero:
            trap = TrapCode.DivideByZero;
            goto Trapped;
        }

    Trapped:
        machine.Gas = gas;
        machine.Place = pc - 1;
        return (int)trap;
    }
}
