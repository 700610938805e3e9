// One function of a verified program as IL. The interpreter's switch is the law; every arm here says the same in another language.
//
//   cells      IL locals, so that the .NET compiler gives them registers. The frame holds what crosses a border: the arguments on
//              entry, the results at RET, operands and results of helpers, windows of calls. Nothing else is ever written back:
//              a frame is private to its activation, and an ended run shows no cells.
//   gas        a local; charge words become compare and subtract, exactly as the interpreter meets them. Machine.Gas holds it
//              where somebody else looks: calls, operations that charge, ends.
//   traps      no exception, no throwing opcode: overflow is a compare, division is guarded. A trap jumps to a stub behind the
//              code that loads (code, word index), then to the one shared tail.
//   operations what is not simple goes through Operations.Table like the interpreter's, by pointer: the .NET compiler inlines none.
//
// A compiled function answers as SwitchLoop.Run does: 0 for RET, Machine.Halted, or a trap or revert code with Machine.Place set.
//
// Assumes a verified program: operands in range, cells defined before use, natural loops.
// Threading: one emitter per function.   Cost: linear; the .NET compiler behind it costs a hundred times more.

using System;
using System.Collections.Generic;
using System.Reflection;
using System.Reflection.Emit;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Jit;

/// <summary>A function in machine code.</summary>
/// <param name="machine">Its active program is run.</param>
/// <param name="frame">First cell of the activation.</param>
internal unsafe delegate int CompiledFunction(Machine machine, ulong* frame);

internal sealed partial class FunctionEmitter
{
    private readonly LoadedCode _code;
    private readonly DynamicMethod?[] _methods;
    private readonly int _function;
    private readonly int _first;
    private readonly ILGenerator _il;
    private readonly LocalBuilder?[] _cells = new LocalBuilder?[Container.MaxCells];
    private readonly Label[] _labels;
    private readonly List<(Label Label, ulong Status)> _stubs = [];
    private readonly List<(Label Slow, Label Back, ulong Word, int At)> _slow = [];
    private readonly LocalBuilder _gas;
    private readonly LocalBuilder _status;
    private readonly LocalBuilder _answer;
    private readonly Label _tail;
    private readonly Label _exit;
    private LocalBuilder? _scratch;
    private LocalBuilder? _scratch2;
    private LocalBuilder? _mapped;
    private LocalBuilder? _heap;
    private int _at;

    private FunctionEmitter(LoadedCode code, int function, DynamicMethod?[] methods, DynamicMethod method)
    {
        _code = code;
        _methods = methods;
        _function = function;
        _first = code.Starts[function];
        method.InitLocals = false;                          // the verifier proves cells defined before use
        _il = method.GetILGenerator(64 * code.WordsOf(function).Length);
        _labels = new Label[code.WordsOf(function).Length];
        _gas = _il.DeclareLocal(typeof(ulong));
        _status = _il.DeclareLocal(typeof(ulong));
        _answer = _il.DeclareLocal(typeof(int));
        _tail = _il.DefineLabel();
        _exit = _il.DefineLabel();
    }

    /// <summary>Emits one function; its callees stand in <paramref name="methods"/> already.</summary>
    /// <param name="ilBytes">Length of the IL.</param>
    public static DynamicMethod Emit(LoadedCode code, int function, DynamicMethod?[] methods, out int ilBytes)
    {
        DynamicMethod method = new(
            $"f{function}", typeof(int), [typeof(Machine), typeof(ulong*)], typeof(Machine), skipVisibility: true);
        FunctionEmitter emitter = new(code, function, methods, method);
        emitter.Emit();
        ilBytes = emitter._il.ILOffset;
        return method;
    }

    private void Emit()
    {
        ReadOnlySpan<ulong> words = _code.WordsOf(_function);
        bool[] isTarget = new bool[words.Length];
        foreach (ulong word in words)
        {
            if (JitAdmission.IsBranch(word))
            {
                int target = (int)(word >> 32) - _first;
                if (!isTarget[target])
                {
                    isTarget[target] = true;
                    _labels[target] = _il.DefineLabel();
                }
            }
        }

        LoadGas();
        if (UsesMemory(words))
        {
            _mapped = _il.DeclareLocal(typeof(ulong));
            _heap = _il.DeclareLocal(typeof(byte*));
            LoadMemory();
        }

        LoadCells(0, _code.Functions[_function].Args);
        for (int i = 0; i < words.Length; i++)
        {
            _at = _first + i;
            if (isTarget[i])
            {
                _il.MarkLabel(_labels[i]);
            }

            if ((byte)words[i] == LoadedCode.ChargeByte)
            {
                Charge((uint)(words[i] >> 32));
            }
            else
            {
                Instruction(words[i]);
            }
        }

        SlowPaths();
        foreach ((Label label, ulong status) in _stubs)
        {
            _il.MarkLabel(label);
            Constant(status);
            _il.Emit(OpCodes.Stloc, _status);
            _il.Emit(OpCodes.Br, _tail);
        }

        // the tail: status = code << 32 | place
        _il.MarkLabel(_tail);
        StoreGas();
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldloc, _status);
        _il.Emit(OpCodes.Conv_I4);
        _il.Emit(OpCodes.Stfld, MachineMembers.Place);
        _il.Emit(OpCodes.Ldloc, _status);
        _il.Emit(OpCodes.Ldc_I4, 32);
        _il.Emit(OpCodes.Shr_Un);
        _il.Emit(OpCodes.Conv_I4);
        _il.Emit(OpCodes.Stloc, _answer);
        _il.MarkLabel(_exit);                               // a callee's end comes here: it has set gas and place
        _il.Emit(OpCodes.Ldloc, _answer);
        _il.Emit(OpCodes.Ret);
    }

    private void Charge(uint gas)
    {
        if (gas == 0)
        {
            return;
        }

        _il.Emit(OpCodes.Ldloc, _gas);
        Constant(gas);
        _il.Emit(OpCodes.Blt_Un, TrapStub(TrapCode.OutOfGas));
        _il.Emit(OpCodes.Ldloc, _gas);
        Constant(gas);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _gas);
    }

    private void Call(int window, int function)
    {
        FunctionHeader callee = _code.Functions[function];
        StoreCells(window, callee.Args);
        StoreGas();
        _il.Emit(OpCodes.Ldarg_0);
        FrameAddress(window);
        _il.Emit(OpCodes.Call, _methods[function]!);
        _il.Emit(OpCodes.Stloc, _answer);
        _il.Emit(OpCodes.Ldloc, _answer);
        _il.Emit(OpCodes.Brtrue, _exit);                    // the callee ended the run
        LoadGas();
        LoadMemory();                                       // the callee may have grown it
        LoadCells(window, callee.Rets);
    }

    private void Return()
    {
        StoreCells(0, _code.Functions[_function].Rets);
        StoreGas();
        _il.Emit(OpCodes.Ldc_I4_0);
        _il.Emit(OpCodes.Ret);
    }

    // An instruction with the interpreter's own operation: operands in the frame, the answer is a trap or revert code. An operation
    // whose row has no variable charge touches neither gas nor memory map (Operations).
    private void Operation(ulong word)
    {
        OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
        bool charges = info.Variable.Length > 0;
        foreach (Operand operand in info.Operands)
        {
            if (operand.Kind is OperandKind.Source or OperandKind.SourcePair or OperandKind.SourceQuad or OperandKind.Update)
            {
                StoreCells((int)operand.Read(word), JitAdmission.WidthOf(operand.Kind));
            }
        }

        if (charges)
        {
            StoreGas();
        }

        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldarg_1);
        Constant(word);
        CallOperation(info.Opcode);
        TrapIfAny(charges);
        if (charges)
        {
            LoadMemory();
        }

        foreach (Operand operand in info.Operands)
        {
            if (operand.Kind is OperandKind.Dest or OperandKind.DestPair or OperandKind.DestQuad or OperandKind.Update)
            {
                LoadCells((int)operand.Read(word), JitAdmission.WidthOf(operand.Kind));
            }
        }
    }

    private unsafe void CallOperation(Opcode opcode)
    {
        Invariant.Require(Operations.Has(opcode));
        _il.Emit(OpCodes.Ldc_I8, (long)(nint)Operations.Table[(byte)opcode]);
        _il.Emit(OpCodes.Conv_I);
        _il.EmitCalli(OpCodes.Calli, CallingConventions.Standard, typeof(TrapCode), [typeof(Machine), typeof(ulong*), typeof(ulong)], null);
    }

    // On the stack: a trap code. Goes on when it is None.
    private void TrapIfAny(bool charged)
    {
        Label fine = _il.DefineLabel();
        _il.Emit(OpCodes.Conv_U8);
        _il.Emit(OpCodes.Stloc, _status);
        if (charged)
        {
            LoadGas();
        }

        _il.Emit(OpCodes.Ldloc, _status);
        _il.Emit(OpCodes.Brfalse, fine);
        _il.Emit(OpCodes.Ldloc, _status);
        _il.Emit(OpCodes.Ldc_I4, 32);
        _il.Emit(OpCodes.Shl);
        Constant((ulong)_at);
        _il.Emit(OpCodes.Or);
        _il.Emit(OpCodes.Stloc, _status);
        _il.Emit(OpCodes.Br, _tail);
        _il.MarkLabel(fine);
    }

    private Label TrapStub(TrapCode code) => Stub(((ulong)code << 32) | (uint)_at);

    private Label Stub(ulong status)
    {
        if (_stubs.Count > 0 && _stubs[^1].Status == status)
        {
            return _stubs[^1].Label;
        }

        Label label = _il.DefineLabel();
        _stubs.Add((label, status));
        return label;
    }

    private Label LabelOf(ulong word) => _labels[(int)(word >> 32) - _first];

    private void Get(int cell) => _il.Emit(OpCodes.Ldloc, Cell(cell));

    private void Set(int cell) => _il.Emit(OpCodes.Stloc, Cell(cell));

    private LocalBuilder Cell(int cell) => _cells[cell] ??= _il.DeclareLocal(typeof(ulong));

    private LocalBuilder Scratch => _scratch ??= _il.DeclareLocal(typeof(ulong));

    private LocalBuilder Scratch2 => _scratch2 ??= _il.DeclareLocal(typeof(ulong));

    private void Constant(ulong value)
    {
        if (value <= int.MaxValue)
        {
            _il.Emit(OpCodes.Ldc_I4, (int)value);
            _il.Emit(OpCodes.Conv_I8);
        }
        else
        {
            _il.Emit(OpCodes.Ldc_I8, (long)value);
        }
    }

    private void FrameAddress(int cell)
    {
        _il.Emit(OpCodes.Ldarg_1);
        if (cell > 0)
        {
            _il.Emit(OpCodes.Ldc_I4, cell * sizeof(ulong));
            _il.Emit(OpCodes.Add);
        }
    }

    private void StoreCells(int first, int count)
    {
        for (int cell = first; cell < first + count; cell++)
        {
            FrameAddress(cell);
            Get(cell);
            _il.Emit(OpCodes.Stind_I8);
        }
    }

    private void LoadCells(int first, int count)
    {
        for (int cell = first; cell < first + count; cell++)
        {
            FrameAddress(cell);
            _il.Emit(OpCodes.Ldind_I8);
            Set(cell);
        }
    }

    private void StoreGas()
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldloc, _gas);
        _il.Emit(OpCodes.Stfld, MachineMembers.Gas);
    }

    private void LoadGas()
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldfld, MachineMembers.Gas);
        _il.Emit(OpCodes.Stloc, _gas);
    }

    private static bool UsesMemory(ReadOnlySpan<ulong> words)
    {
        foreach (ulong word in words)
        {
            if ((Opcode)(byte)word is >= Opcode.Ld1 and <= Opcode.St8)
            {
                return true;
            }
        }

        return false;
    }

    private void LoadMemory()
    {
        if (_mapped is null)
        {
            return;
        }

        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldfld, MachineMembers.Mapped);
        _il.Emit(OpCodes.Stloc, _mapped);
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldfld, MachineMembers.Heap);
        _il.Emit(OpCodes.Stloc, _heap!);
    }
}
