// What ties a program to a cache: its place in the cache's life, readable without a lock.
//
// Threading: Code and State are written under the cache's lock and read by anybody; Epoch and Uses are written by anybody, and a lost
// write only blurs which program was used last.

using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Jit;

/// <summary>Names compiled code.</summary>
internal readonly record struct CodeKey(Bytes32 CodeHash, ForkRules Rules, uint CompilerVersion);

internal enum CodeState
{
    /// <summary>Neither there nor wanted.</summary>
    Idle,

    /// <summary>Waits for the compiler, or is being compiled.</summary>
    Queued,

    /// <summary>There.</summary>
    Compiled,

    /// <summary>Stays with the interpreter.</summary>
    Refused,
}

internal sealed class CodeLink(CodeCache owner, CodeKey key)
{
    private CompiledProgram? _code;
    private int _state;

    public CodeCache Owner { get; } = owner;

    public CodeKey Key { get; } = key;

    public CompiledProgram? Code
    {
        get => Volatile.Read(ref _code);
        set => Volatile.Write(ref _code, value);
    }

    public CodeState State
    {
        get => (CodeState)Volatile.Read(ref _state);
        set => Volatile.Write(ref _state, (int)value);
    }

    /// <summary>The cache's epoch when it was used last.</summary>
    public int Epoch { get; set; }

    /// <summary>Breaks ties of <see cref="Epoch"/>: when it was compiled.</summary>
    public int Order { get; set; }

    /// <summary>What it counts in the cache.</summary>
    public long Bytes { get; set; }

    /// <summary>Uses since it became idle.</summary>
    public int Uses { get; set; }

    /// <summary>Uses that make it wanted.</summary>
    public int UsesNeeded { get; private set; } = 1;

    public bool IsOlderThan(CodeLink other) => (Epoch, Order).CompareTo((other.Epoch, other.Order)) < 0;

    public void Evict(int usesNeeded)
    {
        Code = null;
        Bytes = 0;
        Uses = 0;
        UsesNeeded = usesNeeded;
        State = CodeState.Idle;
    }
}
