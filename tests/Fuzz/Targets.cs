// What is fuzzed, and the law each target must keep: a decoder accepts or refuses, never throws; what it accepts
// re-encodes to the same bytes; what it refuses has a code and one sentence.

using System;
using System.Collections.Generic;
using System.Text;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Fuzz;

/// <summary>A decoder under fuzz.</summary>
/// <param name="Name">What the command line calls it.</param>
/// <param name="MaxLength">Longest input drawn.</param>
/// <param name="Samples">Valid inputs to damage.</param>
/// <param name="Accepts">Checks one input; true when it was accepted. Throws <see cref="LawBrokenException"/> when a law is broken.</param>
internal sealed record Target(string Name, int MaxLength, Func<byte[][]> Samples, Func<byte[], bool> Accepts);

/// <summary>A law of a target does not hold.</summary>
internal sealed class LawBrokenException(string message) : Exception(message);

internal static class Targets
{
    /// <summary>All targets, by name.</summary>
    public static readonly SortedDictionary<string, Target> All = new(StringComparer.Ordinal)
    {
        ["accesslist"] = new("accesslist", 4096, AccessListSamples, AcceptsAccessList),
        ["transaction"] = new("transaction", Transaction.MaxBytes + 64, () => Array.ConvertAll(Sample.Transactions, t => t.Bytes.ToArray()), AcceptsTransaction),
        ["block"] = new("block", 64 * 1024, () => [Sample.Block.Bytes.ToArray()], AcceptsBlock),
        ["genesis"] = new("genesis", 128 * 1024, () => [GenesisJson.Write(Sample.Genesis)], AcceptsGenesis),
        ["container"] = new("container", 16 * 1024, Containers, AcceptsContainer),
        ["verifier"] = new("verifier", 16 * 1024, Containers, AcceptsProgram),
        ["assembler"] = new("assembler", 32 * 1024, Sources, AcceptsSource),
        ["proof"] = new("proof", 16 * 1024, ProofTarget.Samples, ProofTarget.Accepts),
    };

    private static byte[][] Containers() => [ReferencePrograms.Token, ReferencePrograms.Amm, ReferencePrograms.Counter];

    private static byte[][] Sources() =>
    [
        Encoding.UTF8.GetBytes(ReferencePrograms.Source("token")),
        Encoding.UTF8.GetBytes(ReferencePrograms.Source("amm")),
        Encoding.UTF8.GetBytes(ReferencePrograms.Source("counter")),
    ];

    private static byte[][] AccessListSamples()
    {
        CanonicalWriter writer = new();
        byte[][] samples = new byte[Sample.Transactions.Length][];
        for (int i = 0; i < samples.Length; i++)
        {
            writer.Clear();
            Sample.Transactions[i].Accesses.Encode(writer);
            samples[i] = writer.ToArray();
        }

        return samples;
    }

    private static bool AcceptsAccessList(byte[] input)
    {
        CanonicalReader reader = new(input);
        bool decoded = AccessList.TryDecode(ref reader, 2, out AccessList list);
        bool accepted = reader.TryEnd(out Refusal refusal) && decoded;
        return Judge(accepted, refusal, input, writer => list.Encode(writer));
    }

    private static bool AcceptsTransaction(byte[] input)
    {
        bool accepted = Transaction.TryDecode(input, out Transaction? transaction, out Refusal refusal);
        return Judge(accepted, refusal, input, writer => transaction!.Encode(writer));
    }

    private static bool AcceptsBlock(byte[] input)
    {
        bool accepted = Block.TryDecode(input, out Block? block, out Refusal refusal);
        return Judge(accepted, refusal, input, writer => block!.Encode(writer));
    }

    private static bool AcceptsGenesis(byte[] input)
    {
        bool accepted = Genesis.TryParse(input, out Genesis? genesis, out Refusal refusal);
        Judge(accepted, refusal, input, encode: null);
        if (accepted)
        {
            // text has many forms, so the law is: writing and reading again gives the same chain
            Require(Genesis.TryParse(GenesisJson.Write(genesis!), out Genesis? again, out _), "a written genesis does not parse");
            Require(again!.ChainId == genesis!.ChainId, "a genesis changes its chain id when it is written and read");
        }

        return accepted;
    }

    private static bool AcceptsContainer(byte[] input)
    {
        bool accepted = Container.TryDecode(input, out Container container, out Refusal refusal);
        Judge(accepted, refusal, input, encode: null);
        if (accepted)
        {
            Require(container.Encode().AsSpan().SequenceEqual(input), "re-encoding gives other bytes");
            string text = Disassembler.Disassemble(input);
            Require(Assembler.TryAssemble(text, out byte[] again, out Refusal why), $"a disassembly does not assemble: {why}");
            Require(again.AsSpan().SequenceEqual(input), "assembling a disassembly gives other bytes");
        }

        return accepted;
    }

    private static bool AcceptsProgram(byte[] input) =>
        Judge(Verifier.TryVerify(input, VerifierLimits.Default, out _, out Refusal refusal), refusal, input, encode: null);

    private static bool AcceptsSource(byte[] input)
    {
        bool accepted = Assembler.TryAssemble(Encoding.UTF8.GetString(input), out byte[] container, out Refusal refusal);
        Judge(accepted, refusal, input, encode: null);
        if (accepted)
        {
            Require(Container.TryDecode(container, out _, out Refusal why), $"the assembler made a container that does not decode: {why}");
        }

        return accepted;
    }

    private static bool Judge(bool accepted, Refusal refusal, byte[] input, Action<CanonicalWriter>? encode)
    {
        Require(accepted != refusal.IsRefused, $"accepted = {accepted} but the refusal is '{refusal}'");
        if (!accepted)
        {
            Require(!string.IsNullOrWhiteSpace(refusal.Sentence), $"code {refusal.Code} comes without a sentence");
            Require(!refusal.Sentence.Contains('\n', StringComparison.Ordinal), "a refusal has more than one line");
        }
        else if (encode is not null)
        {
            CanonicalWriter writer = new();
            encode(writer);
            Require(writer.Written.SequenceEqual(input), "re-encoding gives other bytes");
        }

        return accepted;
    }

    internal static void Require(bool holds, string law)
    {
        if (!holds)
        {
            throw new LawBrokenException(law);
        }
    }
}
