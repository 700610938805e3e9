// Fixed 32-byte names of the reference programs: ASCII padded with zeros, so that a dump of the state can be read.
// No one is known to hold a private key for such an address; the programs compare against the same bytes.

using System;
using System.Text;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

internal static class FixedKeys
{
    /// <summary>The name's bytes, then zeros; at most 32 characters of ASCII.</summary>
    public static Bytes32 Named(string name)
    {
        Span<byte> bytes = stackalloc byte[Bytes32.Size];
        bytes.Clear();
        int written = Encoding.ASCII.GetBytes(name, bytes);
        Invariant.Require(written == name.Length);
        return Bytes32.From(bytes);
    }
}
