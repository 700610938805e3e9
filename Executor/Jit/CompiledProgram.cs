// A program in machine code: one function pointer's worth per entry, or a name why not. And the compiler that makes it.
//
// Callees are compiled before callers, so that a call is a direct call. Nothing is shared between programs, and the .NET runtime
// frees the code when nobody holds the program any more.
//
// Compile runs the whole .NET compiler before it returns: the first run of an entry pays nothing. It may take milliseconds, so it is
// called from JitThreads only (and by tests and benches).
//
// Threading: immutable once made; Compile is pure.

using System;
using System.Collections.Generic;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor.Jit;

internal sealed class CompiledProgram
{
    /// <summary>Changes whenever emitted code does.</summary>
    public const uint CompilerVersion = 1;

    // What a process grew by: 400 functions of one instruction took 0.5 MB, and 720 of JitShapes with 3.5 KB of IL each gave 15 MB back
    // when they were collected. That is machine code, the IL that the runtime keeps, and its tables.
    private const int BytesPerFunction = 1536;
    private const int BytesPerIlByte = 6;

    private readonly CompiledFunction?[] _functions;
    private readonly JitRefusal[] _refusals;

    private CompiledProgram(CompiledFunction?[] functions, JitRefusal[] refusals)
    {
        _functions = functions;
        _refusals = refusals;
    }

    /// <summary>Estimated bytes of machine code and of what the runtime keeps beside it.</summary>
    public long Bytes { get; private set; }

    /// <summary>Functions that were compiled.</summary>
    public int Count { get; private set; }

    /// <summary>The code of a function, or null when the interpreter has to run it.</summary>
    public CompiledFunction? Find(int function) => _functions[function];

    /// <summary>Why a function is not compiled; a caller of a refused function has its reason.</summary>
    public JitRefusal RefusalOf(int function) => _refusals[function];

    /// <summary>Some reason why a function is not compiled; None when all are.</summary>
    public JitRefusal FirstRefusal => Array.Find(_refusals, refusal => refusal != JitRefusal.None);

    /// <summary>Compiles every admitted function that an entry can reach.</summary>
    public static CompiledProgram Compile(LoadedCode code, JitCaps caps)
    {
        int count = code.Functions.Length;
        CompiledProgram compiled = new(new CompiledFunction?[count], new JitRefusal[count]);
        DynamicMethod?[] methods = new DynamicMethod?[count];
        int instructions = 0;
        foreach (int function in CalleesFirst(code))
        {
            ReadOnlySpan<ulong> words = code.WordsOf(function);
            JitRefusal refusal = JitAdmission.Check(code, function, caps);
            refusal = refusal == JitRefusal.None ? compiled.FirstOfCallees(words) : refusal;
            if (refusal == JitRefusal.None && (instructions += words.Length) > caps.MaxProgramInstructions)
            {
                refusal = JitRefusal.ProgramTooLarge;
            }

            compiled._refusals[function] = refusal;
            if (refusal == JitRefusal.None)
            {
                DynamicMethod method = FunctionEmitter.Emit(code, function, methods, out int ilBytes);
                CompiledFunction entry = method.CreateDelegate<CompiledFunction>();
                RuntimeHelpers.PrepareDelegate(entry);                  // the .NET compiler runs here and now, not at the first call
                methods[function] = method;
                compiled._functions[function] = entry;
                compiled.Bytes += BytesPerFunction + ((long)ilBytes * BytesPerIlByte);
                compiled.Count++;
            }
        }

        return compiled;
    }

    private JitRefusal FirstOfCallees(ReadOnlySpan<ulong> words)
    {
        foreach (ulong word in words)
        {
            if ((Opcode)(byte)word == Opcode.Call && _refusals[(int)(word >> 32)] is not JitRefusal.None and JitRefusal refusal)
            {
                return refusal;
            }
        }

        return JitRefusal.None;
    }

    // Every function that an entry can reach, after those that it calls: calls do not cycle (the verifier).
    private static List<int> CalleesFirst(LoadedCode code)
    {
        List<int> order = [];
        bool[] isOpen = new bool[code.Functions.Length];
        bool[] isPlaced = new bool[code.Functions.Length];
        Stack<int> stack = new();
        foreach (ProgramEntry entry in code.Program.Entries)
        {
            stack.Push(entry.Function);
            while (stack.TryPeek(out int function))
            {
                if (isOpen[function])
                {
                    stack.Pop();
                    if (!isPlaced[function])
                    {
                        isPlaced[function] = true;
                        order.Add(function);
                    }

                    continue;
                }

                isOpen[function] = true;
                foreach (ulong word in code.WordsOf(function))
                {
                    if ((Opcode)(byte)word == Opcode.Call && !isOpen[(int)(word >> 32)])
                    {
                        stack.Push((int)(word >> 32));
                    }
                }
            }
        }

        return order;
    }
}
