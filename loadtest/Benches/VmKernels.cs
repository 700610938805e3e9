// Small programs and plain C# of the same: what an engine costs beside the compiler that everybody has. Program and twin do the same
// steps on 64-bit words; the program's are checked and metered, C#'s are not.
//
// A kernel is handed the right answer and traps on another one (STALE), so a measured run is a verified run.
//
// Threading: one owner; a message may be run again and again.

using System;
using System.Runtime.CompilerServices;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Benches;

/// <summary>One kernel: its program, its twin, how often it iterates.</summary>
/// <param name="Name">Name in rows.</param>
/// <param name="Iterations">Iterations of one run.</param>
/// <param name="Seed">First argument of both.</param>
/// <param name="Source">The program.</param>
/// <param name="Twin">Plain C#: (seed, iterations) to the answer.</param>
internal sealed record VmKernel(string Name, ulong Iterations, ulong Seed, string Source, Func<ulong, ulong, ulong> Twin)
{
    /// <summary>The verified program.</summary>
    public VerifiedProgram Verify() =>
        Assembler.TryAssemble(Source, out byte[] container, out Refusal refusal)
            && Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? program, out refusal)
            ? program
            : throw new InvariantException($"Kernel {Name} is refused: {refusal}");

    /// <summary>A call of the program.</summary>
    public Message Call(VerifiedProgram program)
    {
        byte[] arguments = new byte[24];
        BitConverter.TryWriteBytes(arguments, Seed);
        BitConverter.TryWriteBytes(arguments.AsSpan(8), Iterations);
        BitConverter.TryWriteBytes(arguments.AsSpan(16), Twin(Seed, Iterations));
        return Message.ForCall(
            new StateHashing(default), new TxId(Bytes32.Zero), new ProgramId(Bytes32.Zero), program, 1, arguments, [], default, 1UL << 40);
    }
}

/// <summary>The kernels.</summary>
internal static class VmKernels
{
    /// <summary>Nine simple instructions an iteration.</summary>
    public static VmKernel Xorshift64 { get; } = new("xorshift64", 300_000, 88172645463325252, Program("""
            shli t, x, 13
            xor x, x, t
            shri t, x, 7
            xor x, x, t
            shli t, x, 17
            xor x, x, t
        """), Shift);

    /// <summary>A checked product and a division by a number that is not known when the code is compiled.</summary>
    public static VmKernel MulMod { get; } = new("mulmod", 300_000, 1_000_003, Program("""
            mul x, x, a
            mod x, x, m
        """, "ldc a, MULTIPLIER\n    ldc m, MODULUS"), Multiply);

    /// <summary>Integer square roots by bits, one an iteration: nested loops and branches.</summary>
    public static VmKernel Isqrt { get; } = new("isqrt", 20_000, 12345, """
        .const BIT 0x4000000000000000
        .entry run selector 1
        .func run cells 10
        .cell x r0
        .cell n r1
        .cell sum r2
        .cell first r3
        .cell v r4
        .cell bit r5
        .cell root r6
        .cell t r7
            arg x, 0
            arg n, 8
            ldi sum, 0
            ldc first, BIT
        next:
            loop 4
            mov v, x
            mov bit, first
            ldi root, 0
        digit:
            loop 7
            wadd t, root, bit
            shri root, root, 1
            jlt v, t, small
            wsub v, v, t
            wadd root, root, bit
        small:
            shri bit, bit, 2
            jnz bit, digit
            wadd sum, sum, root
            wadd x, x, first
            wadd x, x, n
            subi n, n, 1
            jnz n, next
            arg t, 16
            stale sum, t
            halt
        """, Root);

    /// <summary>Fibonacci numbers modulo 2^64, one an iteration.</summary>
    public static VmKernel Fib { get; } = new("fib", 300_000, 1, Program("""
            wadd t, x, a
            mov a, x
            mov x, t
        """, "ldi a, 0"), Fibonacci);

    /// <summary>All of them.</summary>
    public static VmKernel[] All { get; } = [Xorshift64, MulMod, Isqrt, Fib];

    private const ulong Multiplier = 48_271;
    private const ulong Modulus = 2_147_483_647;

    // x, n in arguments 0 and 8; the body n times; x has to be argument 16
    private static string Program(string body, string before = "") => $"""
        .const MULTIPLIER {Multiplier}
        .const MODULUS {Modulus}
        .entry run selector 1
        .func run cells 8
        .cell x r0
        .cell n r1
        .cell a r2
        .cell m r3
        .cell t r4
            arg x, 0
            arg n, 8
            ldi a, 0
            ldi m, 0
            {before}
        again:
            loop 4
        {body}
            subi n, n, 1
            jnz n, again
            arg t, 16
            stale x, t
            halt
        """;

    // Plain C# as anybody would write it; kept out of line, so that each is compiled alone and once.
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Shift(ulong x, ulong n)
    {
        do
        {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
        }
        while (--n != 0);
        return x;
    }

    private static ulong Multiply(ulong x, ulong n) => Multiply(x, n, Multiplier, Modulus);

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Multiply(ulong x, ulong n, ulong a, ulong m)
    {
        do
        {
            x = x * a % m;
        }
        while (--n != 0);
        return x;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Root(ulong x, ulong n)
    {
        const ulong first = 1UL << 62;
        ulong sum = 0;
        do
        {
            ulong v = x;
            ulong root = 0;
            for (ulong bit = first; bit != 0; bit >>= 2)
            {
                ulong t = root + bit;
                root >>= 1;
                if (v >= t)
                {
                    v -= t;
                    root += bit;
                }
            }

            sum += root;
            x += first + n;
        }
        while (--n != 0);
        return sum;
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static ulong Fibonacci(ulong x, ulong n)
    {
        ulong a = 0;
        do
        {
            ulong t = x + a;
            a = x;
            x = t;
        }
        while (--n != 0);
        return x;
    }
}
