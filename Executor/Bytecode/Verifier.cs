// Refuses bad bytecode before it can run. After it the interpreter checks gas, arithmetic, memory and the bounds of
// dynamic offsets, and nothing else.
//
//   1  every word decodes at this fork, unused bits are zero, operands are in range
//   2  branches stay inside their function, go back to LOOP only, loops nest and are entered at their header
//   3  no cell is read that some path leaves undefined, or used as a felt that some path leaves a word; no instruction is unreachable
//   4  calls do not cycle; open frames and activations are bounded
//   5  every slot that an entry can reach exists, in a mode that the entry declares; what a call of another program hands over is
//      covered by what the caller has
//
// Linear: each step is one pass; the forward pass of 3 suffices because a LOOP says which cells live across it.
// No recursion, no exception on any input.   Threading: pure.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>The door through which bytecode enters.</summary>
public static class Verifier
{
    /// <summary>Decodes and verifies a container; never throws on its bytes.</summary>
    /// <param name="container">Canonical container bytes.</param>
    /// <param name="limits">What the network allows.</param>
    /// <param name="program">The program in the form that engines run.</param>
    public static bool TryVerify(
        ReadOnlySpan<byte> container, VerifierLimits limits, [NotNullWhen(true)] out VerifiedProgram? program, out Refusal refusal) =>
        TryVerify(container, limits, ForkRules.Launch, out program, out refusal);

    /// <summary>The same under the rules of a fork.</summary>
    /// <param name="container">Canonical container bytes.</param>
    /// <param name="limits">What the network allows.</param>
    /// <param name="rules">The fork that is active where the code is deployed. Code that is stored already is verified again under the
    /// fork it names, so that the answer stays what it was.</param>
    /// <param name="program">The program in the form that engines run.</param>
    public static bool TryVerify(
        ReadOnlySpan<byte> container, VerifierLimits limits, ForkRules rules, [NotNullWhen(true)] out VerifiedProgram? program, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(limits);
        ArgumentNullException.ThrowIfNull(rules);
        program = null;
        if (!Container.TryDecode(container, out Container decoded, out refusal))
        {
            return false;
        }

        if (decoded.Fork != rules.Number)
        {
            refusal = new Refusal(RefusalCode.UnknownFork, $"The code is for fork {decoded.Fork}; fork {rules.Number} is active.");
            return false;
        }

        refusal = CheckImports(decoded);
        if (refusal.IsRefused)
        {
            return false;
        }

        bool[] tables = new bool[decoded.Tables.Length];
        FunctionFacts[] facts = new FunctionFacts[decoded.Functions.Length];
        int start = 0;
        for (int i = 0; i < facts.Length; i++)
        {
            int length = decoded.Functions[i].Length;
            refusal = FunctionCheck.Run(decoded, rules, i, decoded.Code.AsSpan(start, length), tables, out facts[i]);
            if (refusal.IsRefused)
            {
                return false;
            }

            start += length;
        }

        int unused = Array.IndexOf(tables, false);
        refusal = unused >= 0 ? new Refusal(RefusalCode.BadTable, $"No SWITCH names table {unused}.") : CallGraph.Check(decoded, facts);
        if (!refusal.IsRefused)
        {
            refusal = CheckEntries(decoded, facts, limits);
        }

        if (refusal.IsRefused)
        {
            return false;
        }

        program = new VerifiedProgram(decoded, facts, Blake3.Hash(container));
        return true;
    }

    // Rows that name each other: programs, imports, sites. A view, here as at entries, only reads.
    private static Refusal CheckImports(Container container)
    {
        for (int i = 0; i < container.Imports.Length; i++)
        {
            ContainerImport import = container.Imports[i];
            if (import.Program >= container.Programs.Length
                || !OwnersExist(container, import.SlotOwners)
                || Array.IndexOf(import.SlotOwners, (byte)(import.Program + 1)) >= 0
                || (import.IsView && !OnlyReads(import.SlotModes)))
            {
                return new Refusal(
                    RefusalCode.BadImport, $"Import {i} names a program or owner that does not exist, itself as an owner by number, or is a view that writes.");
            }
        }

        for (int i = 0; i < container.Sites.Length; i++)
        {
            ContainerSite site = container.Sites[i];
            if (site.Import >= container.Imports.Length || site.Slots.Length != container.Imports[site.Import].SlotModes.Length)
            {
                return new Refusal(RefusalCode.BadImport, $"Site {i} names import {site.Import}, which does not exist or has another number of slots than {site.Slots.Length}.");
            }
        }

        return Refusal.None;
    }

    private static Refusal CheckEntries(Container container, FunctionFacts[] facts, VerifierLimits limits)
    {
        if (container.Entries.Length == 0)
        {
            return new Refusal(RefusalCode.BadEntry, "The program has no entry.");
        }

        foreach (ContainerEntry entry in container.Entries)
        {
            Refusal refusal = CheckEntry(container, entry, facts, limits);
            if (refusal.IsRefused)
            {
                return refusal;
            }
        }

        return Refusal.None;
    }

    private static Refusal CheckEntry(Container container, ContainerEntry entry, FunctionFacts[] facts, VerifierLimits limits)
    {
        if (entry.Function >= facts.Length)
        {
            return new Refusal(RefusalCode.BadEntry, $"Entry {entry.Selector:x8} names function {entry.Function}, which does not exist.");
        }

        if (!OwnersExist(container, entry.SlotOwners) || (entry.IsView && !OnlyReads(entry.SlotModes)))
        {
            return new Refusal(RefusalCode.BadEntry, $"Entry {entry.Selector:x8} names an owner that does not exist, or is a view that writes.");
        }

        if (entry.SlotModes.Length > limits.MaxSlots)
        {
            return new Refusal(
                RefusalCode.TooManySlots, $"Entry {entry.Selector:x8} has {entry.SlotModes.Length} slots; at most {limits.MaxSlots} are allowed.");
        }

        int maxPages = Math.Min(limits.MaxPages, VerifierLimits.MaxMemoryPages);
        return entry.MaxPages > maxPages
            ? new Refusal(RefusalCode.TooManyPages, $"Entry {entry.Selector:x8} asks for {entry.MaxPages} pages; at most {maxPages} are allowed.")
            : facts[entry.Function].Slots.CheckAgainst(container, entry);
    }

    private static bool OwnersExist(Container container, byte[] owners) =>
        owners.Length == 0 || Array.TrueForAll(owners, owner => owner <= container.Programs.Length);

    private static bool OnlyReads(AccessMode[] modes) => Array.TrueForAll(modes, mode => mode == AccessMode.Read);
}
