// What a network allows beyond the container's own limits.

namespace ParallelVm.Executor.Bytecode;

/// <summary>Limits that the verifier applies.</summary>
/// <param name="MaxSlots">Most slots of an entry; 64 on the wire, replays of foreign traces may allow up to 512.</param>
/// <param name="MaxPages">Most memory pages of an entry, 4 KiB each; more than <see cref="MaxMemoryPages"/> counts as that.</param>
public sealed record VerifierLimits(int MaxSlots, int MaxPages)
{
    /// <summary>Most activations that are open at once.</summary>
    public const int MaxCallDepth = 64;

    /// <summary>Most frame cells that are open at once.</summary>
    public const int MaxFrameCells = 4096;

    /// <summary>Most loops around one instruction.</summary>
    public const int MaxLoopDepth = 6;

    /// <summary>Most slots of an array that is indexed at run time.</summary>
    public const int MaxArraySlots = 32;

    /// <summary>Most memory pages of any entry in any network: 1 MiB, which is also the longest length that is charged.</summary>
    public const int MaxMemoryPages = 256;

    /// <summary>The limits of a chain.</summary>
    public static VerifierLimits Default { get; } = new(64, MaxMemoryPages);
}
