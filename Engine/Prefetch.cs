// Asking for memory before it is needed. A batch of thousands of transactions is larger than a core's own caches, and each touch of a cold
// line waits 80 ns and more; lines that were asked for a few transactions ago are there.
//
// A hint and nothing else: no value is read, a wrong address costs a little bandwidth. Without the instruction it does nothing.
//
// Threading: any; objects may be moved by the collector meanwhile, then the hint was for nothing.

using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace ParallelVm.Engine;

internal static unsafe class Prefetch
{
    private const int Line = 64;

    /// <summary>The line that a value begins in.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Value<T>(ref readonly T value)
    {
        if (Sse.IsSupported)
        {
            // SAFETY: the address is not dereferenced
            Sse.Prefetch0(Unsafe.AsPointer(ref Unsafe.AsRef(in value)));
        }
    }

    /// <summary>The first two lines of an object: itself, or itself and the small array that was made with it.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Object(object? target)
    {
        if (Sse.IsSupported && target is not null)
        {
            // SAFETY: the address of the first field, of whatever type it is; not dereferenced
            byte* address = (byte*)Unsafe.AsPointer(ref Unsafe.As<Shape>(target).First);
            Sse.Prefetch0(address);
            Sse.Prefetch0(address + Line);
        }
    }

    // Never made: it lends its layout.
    private sealed class Shape
    {
        public byte First = 1;
    }
}
