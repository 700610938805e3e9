// One function of a verified program as IL. The interpreter's switch is the law; every arm here says the same in another language.
//
//   cells      IL locals, so that the .NET compiler gives them registers. The frame holds what crosses a border: the arguments on
//              entry, the results at RET, operands and results of helpers, windows of calls. Nothing else is ever written back:
//              a frame is private to its activation, and an ended run shows no cells.
//   gas        a local; charge words become a subtraction and a branch, exactly where the interpreter meets them. Machine.Gas
//              holds it where somebody else looks: calls, operations that charge, ends.
//   traps      no exception, no throwing opcode: overflow is a compare, division is guarded. A trap jumps to a stub behind the
//              code, which leaves by a tail call of JitHelpers.Stop with gas, code and place. One shared tail instead would join as
//              many paths as there are traps, and takes the .NET compiler longer on functions near the caps.
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
    private const int CodeInAnswer = -1;

    private readonly LoadedCode _code;
    private readonly DynamicMethod?[] _methods;
    private readonly int _function;
    private readonly int _first;
    private readonly ILGenerator _il;
    private readonly LocalBuilder?[] _cells = new LocalBuilder?[Container.MaxCells];
    private readonly Label[] _labels;
    private readonly List<(Label Label, int Code, int Place)> _stubs = [];
    private readonly List<(Label Slow, Label Back, ulong Word, int At)> _slow = [];
    private readonly LocalBuilder _gas;
    private readonly LocalBuilder _answer;
    private readonly Label _exit;
    private LocalBuilder? _scratch;
    private LocalBuilder? _scratch2;
    private LocalBuilder? _scratch3;
    private LocalBuilder? _mapped;
    private LocalBuilder? _heap;
    private bool _calls;
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
        _answer = _il.DeclareLocal(typeof(int));
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
                Target((int)(word >> 32), isTarget);
            }

            if ((Opcode)(byte)word == Opcode.Switch)
            {
                Array.ForEach(_code.Tables[(int)(word >> 32)], target => Target(target, isTarget));
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
        foreach ((Label label, int code, int place) in _stubs)
        {
            _il.MarkLabel(label);
            Stop(code, place);
        }

        if (_calls)
        {
            _il.MarkLabel(_exit);                           // a callee ended the run: it has set gas and place
            _il.Emit(OpCodes.Ldloc, _answer);
            _il.Emit(OpCodes.Ret);
        }
    }

    private void Target(int word, bool[] isTarget)
    {
        if (!isTarget[word - _first])
        {
            isTarget[word - _first] = true;
            _labels[word - _first] = _il.DefineLabel();
        }
    }

    private void Charge(uint gas)
    {
        if (gas == 0)
        {
            return;
        }

        // One subtraction whose sign is the answer: gas is below 2^63 (Machine.Execute), and out of gas uses all of it, so that what is
        // left then is nobody's.
        _il.Emit(OpCodes.Ldloc, _gas);
        Constant(gas);
        _il.Emit(OpCodes.Sub);
        _il.Emit(OpCodes.Stloc, _gas);
        _il.Emit(OpCodes.Ldloc, _gas);
        Constant(0);
        _il.Emit(OpCodes.Blt, TrapStub(TrapCode.OutOfGas));
    }

    private void Call(int window, int function)
    {
        FunctionHeader callee = _code.Functions[function];
        _calls = true;
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
        (UInt128 reads, UInt128 writes) = JitAdmission.Uses(_code, _function, word);
        for (int cell = 0; cell < Container.MaxCells; cell++)
        {
            if (((reads >> cell) & 1) != 0)
            {
                StoreCells(cell, 1);
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

        for (int cell = 0; cell < Container.MaxCells; cell++)
        {
            if (((writes >> cell) & 1) != 0)
            {
                LoadCells(cell, 1);
            }
        }
    }

    /// <summary>Is it a load or a store with a fast way and a slow one?</summary>
    internal static bool IsMemory(Opcode opcode) => opcode is >= Opcode.Ld1 and <= Opcode.St8;

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
        _il.Emit(OpCodes.Stloc, _answer);
        if (charged)
        {
            LoadGas();
        }

        _il.Emit(OpCodes.Ldloc, _answer);
        _il.Emit(OpCodes.Brtrue, Stub(CodeInAnswer));
    }

    private Label TrapStub(TrapCode code) => Stub((int)code);

    // A label behind the code that ends the run at this instruction.
    private Label Stub(int code)
    {
        if (_stubs.Count > 0 && (_stubs[^1].Code, _stubs[^1].Place) == (code, _at))
        {
            return _stubs[^1].Label;
        }

        Label label = _il.DefineLabel();
        _stubs.Add((label, code, _at));
        return label;
    }

    private void Stop(int code, int place)
    {
        _il.Emit(OpCodes.Ldarg_0);
        _il.Emit(OpCodes.Ldloc, _gas);
        if (code == CodeInAnswer)
        {
            _il.Emit(OpCodes.Ldloc, _answer);
        }
        else
        {
            _il.Emit(OpCodes.Ldc_I4, code);
        }

        _il.Emit(OpCodes.Ldc_I4, place);
        _il.Emit(OpCodes.Tailcall);
        _il.Emit(OpCodes.Call, MachineMembers.Stop);
        _il.Emit(OpCodes.Ret);
    }

    private Label LabelOf(ulong word) => LabelAt((int)(word >> 32));

    private Label LabelAt(int word) => _labels[word - _first];

    private void Get(int cell) => _il.Emit(OpCodes.Ldloc, Cell(cell));

    private void Set(int cell) => _il.Emit(OpCodes.Stloc, Cell(cell));

    private LocalBuilder Cell(int cell) => _cells[cell] ??= _il.DeclareLocal(typeof(ulong));

    private LocalBuilder Scratch => _scratch ??= _il.DeclareLocal(typeof(ulong));

    private LocalBuilder Scratch2 => _scratch2 ??= _il.DeclareLocal(typeof(ulong));

    private LocalBuilder Scratch3 => _scratch3 ??= _il.DeclareLocal(typeof(ulong));

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
            if (IsMemory((Opcode)(byte)word))
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
