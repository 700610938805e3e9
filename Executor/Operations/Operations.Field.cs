// The Goldilocks field, the hash over it, and signatures. Operands of kind felt are below the modulus: the verifier follows them.

using System;
using System.Runtime.CompilerServices;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

internal static unsafe partial class Operations
{
    private const int SignedBytes = 128;

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Fmul(Machine machine, ulong* f, ulong w)
    {
        f[A(w)] = Goldilocks.Multiply(f[B(w)], f[C(w)]);
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Finv(Machine machine, ulong* f, ulong w)
    {
        if (f[B(w)] == 0)
        {
            return TrapCode.DivideByZero;
        }

        f[A(w)] = Goldilocks.Inverse(f[B(w)]);
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Pos2(Machine machine, ulong* f, ulong w)
    {
        const int Digest = Poseidon2.DigestElements;
        Poseidon2.Compress(
            new ReadOnlySpan<ulong>(f + B(w), Digest), new ReadOnlySpan<ulong>(f + C(w), Digest), new Span<ulong>(f + A(w), Digest));
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Pos2p(Machine machine, ulong* f, ulong w)
    {
        Poseidon2.Permute(new Span<ulong>(f + A(w), Poseidon2.Width));
        return TrapCode.None;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static TrapCode Edver(Machine machine, ulong* f, ulong w)
    {
        if (!machine.Active.Memory.TryRead(f[B(w)], SignedBytes, out ReadOnlySpan<byte> bytes))
        {
            return TrapCode.MemoryBound;
        }

        PublicKey key = new(Bytes32.From(bytes[..32]));
        Signature signature = Signature.From(bytes[32..96]);
        f[A(w)] = Ed25519.Verify(in key, bytes[96..], in signature) ? 1UL : 0;
        return TrapCode.None;
    }
}
