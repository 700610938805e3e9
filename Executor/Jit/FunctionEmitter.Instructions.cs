// Every opcode in IL. Where a law has a condition that is not a trap (minimum, shifts beyond 63, select), it is computed with masks:
// blocks are what the .NET compiler's time goes into.
//
// A destination may be one of the sources, so it is written last, except where the comment says why it may be first.

using System;
using System.Reflection;
using System.Reflection.Emit;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Jit;

internal sealed partial class FunctionEmitter
{
    private void Instruction(ulong word)
    {
        int a = (byte)(word >> 8);
        int b = (byte)(word >> 16);
        int c = (byte)(word >> 24);
        uint imm = (uint)(word >> 32);
        Opcode opcode = (Opcode)(byte)word;
        switch (opcode)
        {
            // control
            case Opcode.Trap:
                _il.Emit(OpCodes.Br, TrapStub(imm == 0 ? TrapCode.Unreachable : (TrapCode)imm));
                break;
            case Opcode.Loop:
            case Opcode.Nop:
                break;
            case Opcode.Jmp:
                _il.Emit(OpCodes.Br, LabelOf(word));
                break;
            case Opcode.Jnz:
                Get(a);
                _il.Emit(OpCodes.Brtrue, LabelOf(word));
                break;
            case Opcode.Jz:
                Get(a);
                _il.Emit(OpCodes.Brfalse, LabelOf(word));
                break;
            case Opcode.Jeq:
                Branch(OpCodes.Beq, a, b, word);
                break;
            case Opcode.Jne:
                Branch(OpCodes.Bne_Un, a, b, word);
                break;
            case Opcode.Jlt:
                Branch(OpCodes.Blt_Un, a, b, word);
                break;
            case Opcode.Jge:
                Branch(OpCodes.Bge_Un, a, b, word);
                break;
            case Opcode.Jslt:
                Branch(OpCodes.Blt, a, b, word);
                break;
            case Opcode.Jsge:
                Branch(OpCodes.Bge, a, b, word);
                break;
            case Opcode.Switch:
                Switch(a, _code.Tables[(int)imm]);
                break;
            case Opcode.Call:
                Call(a, (int)imm);
                break;
            case Opcode.Ret:
                Return();
                break;
            case Opcode.Halt:
                _il.Emit(OpCodes.Br, Stub(Machine.Halted));
                break;
            case Opcode.Abort:
                Get(a);
                _il.Emit(OpCodes.Call, MachineMembers.AbortCode);
                _il.Emit(OpCodes.Stloc, _answer);
                Stop(CodeInAnswer, _at);
                break;

            // moves
            case Opcode.Mov:
                Get(b);
                Set(a);
                break;
            case Opcode.Ldi:
                Constant(imm);
                Set(a);
                break;
            case Opcode.Ldis:
                Constant((ulong)(int)imm);
                Set(a);
                break;
            case Opcode.Ldc:
                Constant(_code.Constants[imm]);
                Set(a);
                break;
            case Opcode.Sel:
                Get((byte)imm);
                Constant(0);
                _il.Emit(OpCodes.Cgt_Un);
                Choose(b, c);
                Set(a);
                break;
            case Opcode.Swp:
                Get(a);
                Get(b);
                Set(a);
                Set(b);
                break;
            case Opcode.Mov2:
                Move(a, b, 2);
                break;
            case Opcode.Mov4:
                Move(a, b, 4);
                break;

            // unsigned arithmetic
            case Opcode.Add:
                Add(a, b, c);
                break;
            case Opcode.Sub:
                Get(b);
                Get(c);
                _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.Overflow));
                Binary(OpCodes.Sub, a, b, c);
                break;
            case Opcode.Mul:
                High(b, c);
                _il.Emit(OpCodes.Brtrue, TrapStub(TrapCode.Overflow));
                Binary(OpCodes.Mul, a, b, c);
                break;
            case Opcode.Div:
                Get(c);
                _il.Emit(OpCodes.Brfalse, TrapStub(TrapCode.DivideByZero));
                Binary(OpCodes.Div_Un, a, b, c);
                break;
            case Opcode.Mod:
                Get(c);
                _il.Emit(OpCodes.Brfalse, TrapStub(TrapCode.DivideByZero));
                Binary(OpCodes.Rem_Un, a, b, c);
                break;
            case Opcode.Addi:
                // written first: on a trap nobody sees the cell, and the sum is below imm iff it wrapped
                Get(b);
                Constant(imm);
                _il.Emit(OpCodes.Add);
                Set(a);
                Get(a);
                Constant(imm);
                _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.Overflow));
                break;
            case Opcode.Subi:
                Get(b);
                Constant(imm);
                _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.Overflow));
                Get(b);
                Constant(imm);
                _il.Emit(OpCodes.Sub);
                Set(a);
                break;
            case Opcode.Muli:
                if (imm > 1)
                {
                    Get(b);
                    Constant(ulong.MaxValue / imm);
                    _il.Emit(OpCodes.Bgt_Un, TrapStub(TrapCode.Overflow));
                }

                Get(b);
                Constant(imm);
                _il.Emit(OpCodes.Mul);
                Set(a);
                break;
            case Opcode.Wadd:
                Binary(OpCodes.Add, a, b, c);
                break;
            case Opcode.Wsub:
                Binary(OpCodes.Sub, a, b, c);
                break;
            case Opcode.Wmul:
                Binary(OpCodes.Mul, a, b, c);
                break;
            case Opcode.Mulhi:
                High(b, c);
                Set(a);
                break;
            case Opcode.Min:
                Compare(OpCodes.Clt_Un, b, c);
                Choose(b, c);
                Set(a);
                break;
            case Opcode.Max:
                Compare(OpCodes.Cgt_Un, b, c);
                Choose(b, c);
                Set(a);
                break;
            case Opcode.Clz:
                Get(b);
                _il.Emit(OpCodes.Call, MachineMembers.LeadingZeroCount);
                _il.Emit(OpCodes.Conv_U8);
                Set(a);
                break;
            case Opcode.Popc:
                Get(b);
                _il.Emit(OpCodes.Call, MachineMembers.PopCount);
                _il.Emit(OpCodes.Conv_U8);
                Set(a);
                break;

            // two's complement arithmetic
            case Opcode.Sadd:
                SignedSum(a, b, c);
                break;
            case Opcode.Ssub:
                SignedDifference(a, b, c);
                break;
            case Opcode.Smul:
                SignedProduct(a, b, c);
                break;
            case Opcode.Sdiv:
                SignedQuotient(OpCodes.Div, a, b, c);
                break;
            case Opcode.Smod:
                SignedQuotient(OpCodes.Rem, a, b, c);
                break;
            case Opcode.Slt:
                Flag(OpCodes.Clt, a, b, c);
                break;
            case Opcode.Sar:
                // a count above 63 becomes 63: its low six bits or'ed with ones
                Get(b);
                Get(c);
                Get(c);
                Constant(63);
                _il.Emit(OpCodes.Cgt_Un);
                Mask();
                _il.Emit(OpCodes.Or);
                Count();
                _il.Emit(OpCodes.Shr);
                Set(a);
                break;
            case Opcode.Sext:
                Get(b);
                _il.Emit(imm == 8 ? OpCodes.Conv_I1 : imm == 16 ? OpCodes.Conv_I2 : OpCodes.Conv_I4);
                _il.Emit(OpCodes.Conv_I8);
                Set(a);
                break;

            // bits
            case Opcode.And:
                Binary(OpCodes.And, a, b, c);
                break;
            case Opcode.Or:
                Binary(OpCodes.Or, a, b, c);
                break;
            case Opcode.Xor:
                Binary(OpCodes.Xor, a, b, c);
                break;
            case Opcode.Not:
                Get(b);
                _il.Emit(OpCodes.Not);
                Set(a);
                break;
            case Opcode.Shl:
                Shift(OpCodes.Shl, a, b, c);
                break;
            case Opcode.Shr:
                Shift(OpCodes.Shr_Un, a, b, c);
                break;
            case Opcode.Shli:
                Get(b);
                _il.Emit(OpCodes.Ldc_I4, (int)imm);
                _il.Emit(OpCodes.Shl);
                Set(a);
                break;
            case Opcode.Shri:
                Get(b);
                _il.Emit(OpCodes.Ldc_I4, (int)imm);
                _il.Emit(OpCodes.Shr_Un);
                Set(a);
                break;

            // comparisons
            case Opcode.Eq:
                Flag(OpCodes.Ceq, a, b, c);
                break;
            case Opcode.Ne:
                FlagNot(OpCodes.Ceq, a, b, c);
                break;
            case Opcode.Lt:
                Flag(OpCodes.Clt_Un, a, b, c);
                break;
            case Opcode.Gt:
                Flag(OpCodes.Cgt_Un, a, b, c);
                break;
            case Opcode.Le:
                FlagNot(OpCodes.Cgt_Un, a, b, c);
                break;
            case Opcode.Ge:
                FlagNot(OpCodes.Clt_Un, a, b, c);
                break;
            case Opcode.Eqi:
                Get(b);
                Constant(imm);
                _il.Emit(OpCodes.Ceq);
                _il.Emit(OpCodes.Conv_U8);
                Set(a);
                break;
            case Opcode.Lti:
                Get(b);
                Constant(imm);
                _il.Emit(OpCodes.Clt_Un);
                _il.Emit(OpCodes.Conv_U8);
                Set(a);
                break;
            case Opcode.Absd:
                // the difference, negated (xor with ones, less minus one) when it was negative
                Binary(OpCodes.Sub, Scratch, b, c);
                Compare(OpCodes.Clt_Un, b, c);
                Mask();
                _il.Emit(OpCodes.Stloc, Scratch2);
                _il.Emit(OpCodes.Ldloc, Scratch);
                _il.Emit(OpCodes.Ldloc, Scratch2);
                _il.Emit(OpCodes.Xor);
                _il.Emit(OpCodes.Ldloc, Scratch2);
                _il.Emit(OpCodes.Sub);
                Set(a);
                break;

            // 128-bit pairs and quads
            case Opcode.Dadd:
                WideSum(a, b, c);
                break;
            case Opcode.Dsub:
                WideDifference(a, b, c);
                break;
            case Opcode.Dmul:
                High(b, c);
                Binary(OpCodes.Mul, Scratch, b, c);
                Set(a + 1);
                _il.Emit(OpCodes.Ldloc, Scratch);
                Set(a);
                break;
            case Opcode.Dlt:
                WideLess(b, c);
                _il.Emit(OpCodes.Conv_U8);
                Set(a);
                break;
            case Opcode.Deq:
                AllEqual(a, b, c, 2);
                break;
            case Opcode.Qeq:
                AllEqual(a, b, c, 4);
                break;
            case Opcode.Dnarrow:
                Get(b + 1);
                _il.Emit(OpCodes.Brtrue, TrapStub(TrapCode.Overflow));
                Get(b);
                Set(a);
                break;

            // Goldilocks field: sums and differences of numbers below p, brought back below it
            case Opcode.Fadd:
                Binary(OpCodes.Add, Scratch, b, c);
                _il.Emit(OpCodes.Ldloc, Scratch);
                Get(b);
                _il.Emit(OpCodes.Clt_Un);                   // it left 64 bits, or p or more is left
                _il.Emit(OpCodes.Ldloc, Scratch);
                Constant(Goldilocks.Modulus - 1);
                _il.Emit(OpCodes.Cgt_Un);
                _il.Emit(OpCodes.Or);
                LessModulus(a);
                break;
            case Opcode.Fsub:
                Get(b);
                Get(c);
                _il.Emit(OpCodes.Sub);
                Compare(OpCodes.Clt_Un, b, c);
                Mask();
                Constant(Goldilocks.Modulus);
                _il.Emit(OpCodes.And);
                _il.Emit(OpCodes.Add);
                Set(a);
                break;
            case Opcode.Fneg:
                Constant(Goldilocks.Modulus);
                Get(b);
                _il.Emit(OpCodes.Sub);
                Get(b);
                Constant(0);
                _il.Emit(OpCodes.Cgt_Un);
                Mask();
                _il.Emit(OpCodes.And);
                Set(a);
                break;
            case Opcode.Fred:
                Get(b);
                _il.Emit(OpCodes.Stloc, Scratch);
                Get(b);
                Constant(Goldilocks.Modulus - 1);
                _il.Emit(OpCodes.Cgt_Un);
                LessModulus(a);
                break;
            case Opcode.Feq:
                Flag(OpCodes.Ceq, a, b, c);
                break;

            // memory
            case Opcode.Ld1:
            case Opcode.Ld2:
            case Opcode.Ld4:
            case Opcode.Ld8:
                Load(word, opcode, a, b, imm);
                break;
            case Opcode.St1:
            case Opcode.St2:
            case Opcode.St4:
            case Opcode.St8:
                Store(word, opcode, a, b, imm);
                break;

            // state
            case Opcode.Sld8:
                Slot(MachineMembers.SlotWord, a, imm);
                break;
            case Opcode.Sexist:
                Slot(MachineMembers.SlotExists, a, imm);
                break;
            case Opcode.Slen:
                Slot(MachineMembers.SlotLength, a, imm);
                break;

            case Opcode.Stale:
                Get(a);
                Get(b);
                _il.Emit(OpCodes.Bne_Un, TrapStub(TrapCode.Stale));
                break;

            default:
                Operation(word);
                break;
        }
    }

    /// <summary>Is an instruction emitted, as against called?</summary>
    internal static bool IsSimple(Opcode opcode) => opcode is
        (>= Opcode.Trap and <= Opcode.Ret) or Opcode.Halt or (>= Opcode.Mov and <= Opcode.Abort)
        or (>= Opcode.Add and <= Opcode.Lti) or Opcode.Absd
        or Opcode.Dadd or Opcode.Dsub or Opcode.Dmul or Opcode.Dlt or Opcode.Deq or Opcode.Dnarrow or Opcode.Qeq
        or Opcode.Fadd or Opcode.Fsub or Opcode.Fneg or Opcode.Fred or Opcode.Feq
        or (>= Opcode.Ld1 and <= Opcode.St8) or Opcode.Sld8 or Opcode.Sexist or Opcode.Slen or Opcode.Stale or Opcode.Nop;

    // On the stack: 0 or 1. Scratch, less p when it is 1.
    private void LessModulus(int a)
    {
        Mask();
        Constant(Goldilocks.Modulus);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Stloc, Scratch2);
        _il.Emit(OpCodes.Ldloc, Scratch);
        _il.Emit(OpCodes.Ldloc, Scratch2);
        _il.Emit(OpCodes.Sub);
        Set(a);
    }

    private void Switch(int a, int[] table)
    {
        Get(a);
        Constant((ulong)table.Length);
        _il.Emit(OpCodes.Bge_Un, LabelAt(table[^1]));
        Get(a);
        _il.Emit(OpCodes.Conv_U4);
        _il.Emit(OpCodes.Switch, Array.ConvertAll(table, LabelAt));
        _il.Emit(OpCodes.Br, LabelAt(table[^1]));
    }

    private void Branch(OpCode branch, int a, int b, ulong word)
    {
        Get(a);
        Get(b);
        _il.Emit(branch, LabelOf(word));
    }

    private void Binary(OpCode operation, int a, int b, int c)
    {
        Get(b);
        Get(c);
        _il.Emit(operation);
        Set(a);
    }

    private void Binary(OpCode operation, LocalBuilder target, int b, int c)
    {
        Get(b);
        Get(c);
        _il.Emit(operation);
        _il.Emit(OpCodes.Stloc, target);
    }

    private void Compare(OpCode comparison, int b, int c)
    {
        Get(b);
        Get(c);
        _il.Emit(comparison);
    }

    private void Flag(OpCode comparison, int a, int b, int c)
    {
        Compare(comparison, b, c);
        _il.Emit(OpCodes.Conv_U8);
        Set(a);
    }

    private void FlagNot(OpCode comparison, int a, int b, int c)
    {
        Compare(comparison, b, c);
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Ceq);
        _il.Emit(OpCodes.Conv_U8);
        Set(a);
    }

    // On the stack: 0 or 1. Leaves no bits or all 64.
    private void Mask()
    {
        _il.Emit(OpCodes.Conv_U8);
        _il.Emit(OpCodes.Neg);
    }

    // On the stack: 0 or 1. Leaves c or b.
    private void Choose(int b, int c)
    {
        Mask();
        Get(b);
        Get(c);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.And);
        Get(c);
        _il.Emit(OpCodes.Xor);
    }

    private void Move(int a, int b, int cells)
    {
        for (int i = 0; i < cells; i++)
        {
            Get(b + i);                                     // aligned: the same cells or none in common
            Set(a + i);
        }
    }

    private void Add(int a, int b, int c)
    {
        if (a == b && a == c)
        {
            Get(a);
            _il.Emit(OpCodes.Ldc_I4_0);
            _il.Emit(OpCodes.Conv_I8);
            _il.Emit(OpCodes.Blt, TrapStub(TrapCode.Overflow));         // twice the cell: its top bit leaves
            Binary(OpCodes.Add, a, b, c);
            return;
        }

        // written first: on a trap nobody sees the cell, and the sum is below either summand iff it wrapped
        Binary(OpCodes.Add, a, b, c);
        Get(a);
        Get(a == b ? c : b);
        _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.Overflow));
    }

    // Leaves the high word of b * c. One instruction where the processor has it; the same bits everywhere.
    private void High(int b, int c)
    {
        Get(b);
        Get(c);
        _il.Emit(OpCodes.Call, MachineMembers.MultiplyHigh);
    }

    private void Shift(OpCode shift, int a, int b, int c)
    {
        Get(b);
        Get(c);
        Count();
        _il.Emit(shift);
        Get(c);
        Constant(64);
        _il.Emit(OpCodes.Clt_Un);
        Mask();
        _il.Emit(OpCodes.And);
        Set(a);
    }

    // On the stack: a 64-bit count. Leaves its low six bits as IL wants a count; larger ones are undefined there.
    private void Count()
    {
        _il.Emit(OpCodes.Conv_I4);
        _il.Emit(OpCodes.Ldc_I4, 63);
        _il.Emit(OpCodes.And);
    }

    private void SignedSum(int a, int b, int c)
    {
        Binary(OpCodes.Add, Scratch, b, c);
        _il.Emit(OpCodes.Ldloc, Scratch);
        Get(b);
        _il.Emit(OpCodes.Xor);
        _il.Emit(OpCodes.Ldloc, Scratch);
        Get(c);
        _il.Emit(OpCodes.Xor);
        SignedEnd(a);
    }

    private void SignedDifference(int a, int b, int c)
    {
        Binary(OpCodes.Sub, Scratch, b, c);
        Get(b);
        Get(c);
        _il.Emit(OpCodes.Xor);
        Get(b);
        _il.Emit(OpCodes.Ldloc, Scratch);
        _il.Emit(OpCodes.Xor);
        SignedEnd(a);
    }

    // On the stack: two words that are both negative iff the result in Scratch left its range.
    private void SignedEnd(int a)
    {
        _il.Emit(OpCodes.And);
        Constant(0);
        _il.Emit(OpCodes.Blt, TrapStub(TrapCode.Overflow));
        _il.Emit(OpCodes.Ldloc, Scratch);
        Set(a);
    }

    // The signed high word is the unsigned one less c where b is negative, less b where c is.
    private void SignedProduct(int a, int b, int c)
    {
        Binary(OpCodes.Mul, Scratch, b, c);
        High(b, c);
        Get(b);
        Sign();
        Get(c);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Sub);
        Get(c);
        Sign();
        Get(b);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Ldloc, Scratch);
        Sign();
        _il.Emit(OpCodes.Bne_Un, TrapStub(TrapCode.Overflow));
        _il.Emit(OpCodes.Ldloc, Scratch);
        Set(a);
    }

    private void Sign()
    {
        _il.Emit(OpCodes.Ldc_I4, 63);
        _il.Emit(OpCodes.Shr);
    }

    private void SignedQuotient(OpCode operation, int a, int b, int c)
    {
        Get(c);
        _il.Emit(OpCodes.Brfalse, TrapStub(TrapCode.DivideByZero));
        Get(b);
        Constant(1UL << 63);
        _il.Emit(OpCodes.Xor);
        Get(c);
        _il.Emit(OpCodes.Not);
        _il.Emit(OpCodes.Or);
        _il.Emit(OpCodes.Brfalse, TrapStub(TrapCode.Overflow));         // -2^63 by -1
        Binary(operation, a, b, c);
    }

    // Carry of the low words, then of the high words with it: at most one of the two high carries happens.
    private void WideSum(int a, int b, int c)
    {
        Binary(OpCodes.Add, Scratch2, b, c);
        Get(b + 1);
        Get(c + 1);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, Scratch);
        _il.Emit(OpCodes.Ldloc, Scratch);
        Get(b + 1);
        _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.Overflow));
        _il.Emit(OpCodes.Ldloc, Scratch2);
        Get(b);
        _il.Emit(OpCodes.Clt_Un);
        _il.Emit(OpCodes.Conv_U8);
        _il.Emit(OpCodes.Stloc, Scratch3);
        _il.Emit(OpCodes.Ldloc, Scratch);
        _il.Emit(OpCodes.Ldloc, Scratch3);
        _il.Emit(OpCodes.Add);
        _il.Emit(OpCodes.Stloc, Scratch);
        _il.Emit(OpCodes.Ldloc, Scratch);
        _il.Emit(OpCodes.Ldloc, Scratch3);
        _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.Overflow));
        SetPair(a);
    }

    private void WideDifference(int a, int b, int c)
    {
        WideLess(b, c);
        _il.Emit(OpCodes.Brtrue, TrapStub(TrapCode.Overflow));
        Binary(OpCodes.Sub, Scratch2, b, c);
        Get(b + 1);
        Get(c + 1);
        _il.Emit(OpCodes.Sub);
        Compare(OpCodes.Clt_Un, b, c);
        _il.Emit(OpCodes.Conv_U8);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, Scratch);
        SetPair(a);
    }

    // Scratch2 is the low word, Scratch the high one.
    private void SetPair(int a)
    {
        _il.Emit(OpCodes.Ldloc, Scratch2);
        Set(a);
        _il.Emit(OpCodes.Ldloc, Scratch);
        Set(a + 1);
    }

    // Leaves 1 iff pair b < pair c.
    private void WideLess(int b, int c)
    {
        Compare(OpCodes.Clt_Un, b + 1, c + 1);
        Compare(OpCodes.Ceq, b + 1, c + 1);
        Compare(OpCodes.Clt_Un, b, c);
        _il.Emit(OpCodes.And);
        _il.Emit(OpCodes.Or);
    }

    private void AllEqual(int a, int b, int c, int cells)
    {
        for (int i = 0; i < cells; i++)
        {
            Get(b + i);
            Get(c + i);
            _il.Emit(OpCodes.Xor);
            if (i > 0)
            {
                _il.Emit(OpCodes.Or);
            }
        }

        Constant(0);
        _il.Emit(OpCodes.Ceq);
        _il.Emit(OpCodes.Conv_U8);
        Set(a);
    }

    private void Slot(MethodInfo read, int a, uint imm)
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldc_I4, (int)imm);
        _il.Emit(OpCodes.Call, read);
        Set(a);
    }

    private void Load(ulong word, Opcode opcode, int a, int b, uint imm)
    {
        int size = 1 << (opcode - Opcode.Ld1);
        if (Inside(word, b, imm, size))
        {
            HeapAddress();
            _il.Emit(size switch { 1 => OpCodes.Ldind_U1, 2 => OpCodes.Ldind_U2, 4 => OpCodes.Ldind_U4, _ => OpCodes.Ldind_I8 });
            _il.Emit(OpCodes.Conv_U8);
            Set(a);
            _il.MarkLabel(_slow[^1].Back);
        }
    }

    private void Store(ulong word, Opcode opcode, int a, int b, uint imm)
    {
        int size = 1 << (opcode - Opcode.St1);
        if (Inside(word, b, imm, size))
        {
            HeapAddress();
            Get(a);
            _il.Emit(size switch { 1 => OpCodes.Stind_I1, 2 => OpCodes.Stind_I2, 4 => OpCodes.Stind_I4, _ => OpCodes.Stind_I8 });
            _il.MarkLabel(_slow[^1].Back);
        }
    }

    private void HeapAddress()
    {
        _il.Emit(OpCodes.Ldloc, _heap!);
        _il.Emit(OpCodes.Ldloc, Scratch);
        _il.Emit(OpCodes.Conv_U);
        _il.Emit(OpCodes.Add);
    }

    // Leaves the heap offset in Scratch when the access lies in the heap and is aligned; else goes behind the code to the helper, which
    // knows DATA and the traps. One compare bounds it: offset = cell - (HeapAddress - imm) modulo 2^64 is below the mapped bytes
    // only for a cell that is itself below 2^32, as long as imm is not beyond HeapAddress. Aligned and mapped in pages, it fits whole;
    // bits that break the alignment are or'ed in at the top, so the same compare sees them.
    private bool Inside(ulong word, int b, uint imm, int size)
    {
        if (imm > MachineMemory.HeapAddress)
        {
            Operation(word);
            return false;
        }

        Label slow = _il.DefineLabel();
        _slow.Add((slow, _il.DefineLabel(), word, _at));
        Get(b);
        Constant(MachineMemory.HeapAddress - imm);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, Scratch);
        _il.Emit(OpCodes.Ldloc, Scratch);
        if (size > 1)
        {
            _il.Emit(OpCodes.Ldloc, Scratch);
            _il.Emit(OpCodes.Ldc_I4, 64 - System.Numerics.BitOperations.Log2((uint)size));
            _il.Emit(OpCodes.Shl);
            _il.Emit(OpCodes.Or);
        }

        _il.Emit(OpCodes.Ldloc, _mapped!);
        _il.Emit(OpCodes.Bge_Un, slow);
        return true;
    }

    private void SlowPaths()
    {
        foreach ((Label slow, Label back, ulong word, int at) in _slow)
        {
            _at = at;
            _il.MarkLabel(slow);
            Operation(word);
            _il.Emit(OpCodes.Br, back);
        }
    }
}
