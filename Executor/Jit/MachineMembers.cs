// What emitted code touches of the machine, looked up once: fields, helpers, the few operations that have an instruction.
//
// A name that does not resolve is a defect of this room and is thrown at the first compile, long before a program could notice.
//
// Threading: immutable after its static constructor.

using System;
using System.Numerics;
using System.Reflection;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Jit;

internal static class MachineMembers
{
    private const BindingFlags Any = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic;

    /// <summary>Gas that is left.</summary>
    public static FieldInfo Gas { get; } = Field(nameof(Machine.Gas));

    /// <summary>First byte of the heap; moves when the heap grows.</summary>
    public static FieldInfo Heap { get; } = Field(nameof(Machine.Heap));

    /// <summary>Mapped bytes of the heap.</summary>
    public static FieldInfo Mapped { get; } = Field(nameof(Machine.Mapped));

    /// <summary>The end of a run.</summary>
    public static MethodInfo Stop { get; } = Method(typeof(JitHelpers), nameof(JitHelpers.Stop));

    /// <summary>Code of an ABORT.</summary>
    public static MethodInfo AbortCode { get; } = Method(typeof(JitHelpers), nameof(JitHelpers.AbortCode));

    /// <summary>SLD8.</summary>
    public static MethodInfo SlotWord { get; } = Method(typeof(JitHelpers), nameof(JitHelpers.SlotWord));

    /// <summary>SEXIST.</summary>
    public static MethodInfo SlotExists { get; } = Method(typeof(JitHelpers), nameof(JitHelpers.SlotExists));

    /// <summary>SLEN.</summary>
    public static MethodInfo SlotLength { get; } = Method(typeof(JitHelpers), nameof(JitHelpers.SlotLength));

    /// <summary>CLZ: an instruction.</summary>
    public static MethodInfo LeadingZeroCount { get; } = Method(typeof(BitOperations), nameof(BitOperations.LeadingZeroCount), [typeof(ulong)]);

    /// <summary>POPC: an instruction.</summary>
    public static MethodInfo PopCount { get; } = Method(typeof(BitOperations), nameof(BitOperations.PopCount), [typeof(ulong)]);

    /// <summary>The high word of a product: an instruction where there is one, else a call.</summary>
    public static MethodInfo MultiplyHigh { get; } =
        Bmi2.X64.IsSupported ? Method(typeof(Bmi2.X64), nameof(Bmi2.X64.MultiplyNoFlags), [typeof(ulong), typeof(ulong)])
        : ArmBase.Arm64.IsSupported ? Method(typeof(ArmBase.Arm64), nameof(ArmBase.Arm64.MultiplyHigh), [typeof(ulong), typeof(ulong)])
        : Method(typeof(JitHelpers), nameof(JitHelpers.MultiplyHigh));

    private static FieldInfo Field(string name) =>
        typeof(Machine).GetField(name, Any) ?? throw new InvariantException($"The machine has no field {name} for compiled code.");

    private static MethodInfo Method(Type type, string name, Type[]? parameters = null) =>
        (parameters is null ? type.GetMethod(name, Any) : type.GetMethod(name, Any, parameters))
        ?? throw new InvariantException($"{type.Name} has no method {name} for compiled code.");
}
