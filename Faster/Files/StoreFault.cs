// Where a failed disk operation becomes a StateStoreException with a code. One place, so that every message
// names what was being done, to which file, and what the system said.

using System;
using System.IO;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Faster;

/// <summary>Makes the exceptions of this room.</summary>
internal static class StoreFault
{
    /// <summary>True for the exceptions by which the file seam reports failure.</summary>
    public static bool IsDisk(Exception error) => error is IOException or UnauthorizedAccessException;

    /// <summary>An exception with one sentence.</summary>
    public static StateStoreException Of(RefusalCode code, string sentence, Exception? inner = null) =>
        new(new Refusal(code, sentence), inner);

    /// <summary>An exception for a disk operation that failed.</summary>
    public static StateStoreException Disk(RefusalCode code, string doing, Exception error) =>
        Of(code, $"{doing} failed: {error.Message.ReplaceLineEndings(" ")}", error);
}
