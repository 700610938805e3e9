// The reference programs as containers, assembled from the texts beside this file when they are first asked for.
// Selectors, arguments and records are in TokenCalls, AmmCalls, CounterCalls, OrderBookCalls and their layouts.
//
// Threading: immutable after the first use, which is safe from any thread.

using System;
using System.IO;
using System.Text;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Containers and sources of the reference programs. The arrays are shared: nobody writes to them.</summary>
public static class ReferencePrograms
{
    private static readonly Lazy<byte[]> LazyToken = new(() => Assemble("token"), LazyThreadSafetyMode.ExecutionAndPublication);
    private static readonly Lazy<byte[]> LazyAmm = new(() => Assemble("amm"), LazyThreadSafetyMode.ExecutionAndPublication);
    private static readonly Lazy<byte[]> LazyCounter = new(() => Assemble("counter"), LazyThreadSafetyMode.ExecutionAndPublication);
    private static readonly Lazy<byte[]> LazyOrderBook = new(() => Assemble("orderbook"), LazyThreadSafetyMode.ExecutionAndPublication);

    /// <summary>Balances with one minting authority; at <see cref="ProgramId.Native"/> it moves the native token.</summary>
    public static byte[] Token => LazyToken.Value;

    /// <summary>The constant-product pool.</summary>
    public static byte[] Amm => LazyAmm.Value;

    /// <summary>A counter by Write and by Add.</summary>
    public static byte[] Counter => LazyCounter.Value;

    /// <summary>Orders that meet at a price.</summary>
    public static byte[] OrderBook => LazyOrderBook.Value;

    /// <summary>Names of the programs: "token", "amm", "counter", "orderbook".</summary>
    public static ReadOnlySpan<string> Names => new[] { "token", "amm", "counter", "orderbook" };

    /// <summary>The commented source of a program.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">No program has that name.</exception>
    public static string Source(string name)
    {
        using Stream stream = typeof(ReferencePrograms).Assembly.GetManifestResourceStream(name + ".pvasm")
            ?? throw new ArgumentException($"No reference program is called '{name}'.", nameof(name));
        using StreamReader reader = new(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    private static byte[] Assemble(string name)
    {
        bool assembled = Assembler.TryAssemble(Source(name), out byte[] container, out Refusal refusal);
        return assembled ? container : throw new InvariantException($"{name}.pvasm does not assemble: {refusal}");
    }
}
