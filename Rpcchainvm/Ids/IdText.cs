// The text of 32-byte ids as the network prints them (CB58), and the VM id that is made of a name.
//
//   VM id of a name = its ASCII characters, zero bytes behind them up to 32
//
// Inside the project ids are printed in hexadecimal (Bytes32.ToString); this text is for people and files of the node.
//
// Threading: pure.   Source: the fact sheet's sections 2.1 and 12.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Ids;

/// <summary>CB58 text of 32-byte ids.</summary>
public static class IdText
{
    /// <summary>The text of an id.</summary>
    public static string Of(Bytes32 id) => Cb58.Encode(id.ToArray());

    /// <summary>Reads the text of an id.</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Bytes32 id, out Refusal refusal)
    {
        Span<byte> bytes = stackalloc byte[Bytes32.Size];
        bool reads = Cb58.TryDecode(text, bytes, out refusal);
        id = reads ? Bytes32.From(bytes) : Bytes32.Zero;
        return reads;
    }

    /// <summary>The VM id that a name stands for.</summary>
    /// <param name="name">1 to 32 printable ASCII characters without a space.</param>
    public static bool TryVmId([NotNullWhen(true)] string? name, out Bytes32 id, out Refusal refusal)
    {
        id = Bytes32.Zero;
        refusal = Refusal.None;
        if (string.IsNullOrEmpty(name) || name.Length > Bytes32.Size || name.AsSpan().ContainsAnyExceptInRange('!', '~'))
        {
            refusal = new Refusal(RefusalCode.VmNameUnusable, $"A VM's name is 1 to {Bytes32.Size} printable ASCII characters without a space.");
            return false;
        }

        Span<byte> bytes = stackalloc byte[Bytes32.Size];
        bytes.Clear();
        Encoding.ASCII.GetBytes(name, bytes);
        id = Bytes32.From(bytes);
        return true;
    }
}
