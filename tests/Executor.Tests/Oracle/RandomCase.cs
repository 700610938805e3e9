// A random program with a random world around it: records that exist or do not, arguments that are long enough or not, a
// limit that sometimes falls short. A case is named by (seed, number) alone, so one line replays it.

using System;
using System.Collections.Concurrent;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Oracle;

internal static class RandomCase
{
    // Callees are drawn from a fixed set, so that they are made, verified and compiled once.
    private const int CalleeCount = 512;
    private const ulong CalleeSeed = 77;

    private static readonly ConcurrentDictionary<int, (Container Container, VerifiedProgram Program)> Callees = [];

    /// <summary>More than any generated program uses.</summary>
    public const ulong Plenty = 100_000_000;

    // records 4 and 5 belong to the callee
    private const int Owned = 4;

    private static readonly AccessMode[] Modes =
        [AccessMode.Write, AccessMode.Write, AccessMode.Read, AccessMode.Add, AccessMode.Write, AccessMode.Add];
    private static readonly ushort[] Slots = [0, 1, 2, 3, 0, 4, 5];     // slots 0 and 4 are one record

    /// <summary>The generator of a case's draws.</summary>
    public static SeededRandom Draws(ulong seed, int number) => new SeededRandom(seed).Fork((ulong)number);

    /// <summary>Puts a world around a verified program of the generator or a mutant of one.</summary>
    /// <param name="draws">The case's generator; the world is a fork of it, the same however the program was drawn or shrunk.</param>
    /// <param name="isLimited">One in eight gets a gas limit that may fall short.</param>
    public static VmCase Around(SeededRandom draws, Container container, VerifiedProgram program, bool isLimited)
    {
        SeededRandom random = draws.Fork(1);
        byte[]?[] before = new byte[]?[Modes.Length];
        for (int i = 0; i < before.Length; i++)
        {
            int length = random.Next(4) switch { 0 => 0, 1 => random.Next(16), 2 => random.Next(100), _ => 48 };
            before[i] = random.Chance(1, 4) ? null : new byte[length];
            random.Fill(before[i]);
        }

        byte[] arguments = new byte[random.Chance(1, 8) ? random.Next(48) : 48];
        random.Fill(arguments);
        ulong limit = isLimited && random.Chance(1, 8) ? (ulong)random.Next(4_000) : Plenty;
        (Container callee, VerifiedProgram other) = Callees.GetOrAdd(random.Next(CalleeCount), MakeCallee);
        AccessMode[] modes = Modes;
        ushort[] slots = Slots;
        AccessMode[] needed = program.Entries[0].SlotModes;
        if (!needed.AsSpan().SequenceEqual(ProgramGenerator.SlotModes) && !random.Chance(1, 8))
        {
            modes = [.. Modes];
            Array.Fill(modes, AccessMode.Write);                        // a mutant's entry: records in every mode it may ask for
            slots = new ushort[needed.Length];
            for (int i = 0; i < slots.Length; i++)
            {
                slots[i] = (ushort)(i % Owned);
            }
        }

        return VmCase.Of(container, program, modes, slots, before, arguments, limit, Owned, (ProgramGenerator.CalleeId, callee, other));
    }

    private static (Container Container, VerifiedProgram Program) MakeCallee(int index)
    {
        SeededRandom random = Draws(CalleeSeed, index);
        Container callee = ProgramGenerator.MakeCallee(random, random.Chance(3, 4));
        return Verifier.TryVerify(callee.Encode(), VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal)
            ? (callee, program)
            : throw new InvalidOperationException($"A generated callee is refused: {refusal}");
    }
}
