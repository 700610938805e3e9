// Prices that are not in an opcode's row: what a transaction pays before its first instruction, and the variable charges
// of instructions, taken before they do the work. One gas is one simple instruction of the interpreter.
//
// Declaring a key is paid whether it is used or not: it costs the others their parallelism and the node a read.
//
// Threading: constants and pure functions.

using System;
using ParallelVm.AccessLists;

namespace ParallelVm.Executor;

/// <summary>The gas table of fork 0.</summary>
public static class GasTable
{
    /// <summary>Every transaction: signature of the payer, admission, receipt.</summary>
    public const ulong Transaction = 20_000;

    /// <summary>Every signer after the payer.</summary>
    public const ulong Signer = 18_000;

    /// <summary>Every byte of a transaction on the wire.</summary>
    public const ulong TransactionByte = 4;

    /// <summary>Every key declared Read.</summary>
    public const ulong ReadKey = 200;

    /// <summary>Every key declared Write: read, leaf and path hashed again.</summary>
    public const ulong WriteKey = 800;

    /// <summary>Every key declared Add: folded once per batch.</summary>
    public const ulong AddKey = 500;

    /// <summary>A record that comes into being.</summary>
    public const ulong NewRecord = 2_000;

    /// <summary>Every byte by which a record grows.</summary>
    public const ulong NewByte = 2;

    /// <summary>Every page mapped.</summary>
    public const ulong Page = 60;

    /// <summary>Every 32 bytes copied or filled.</summary>
    public const ulong CopyWord = 2;

    /// <summary>Every 32 bytes of events and return data.</summary>
    public const ulong OutputWord = 8;

    /// <summary>Every 32 bytes hashed by KECCAK.</summary>
    public const ulong KeccakWord = 80;

    /// <summary>Every 32 bytes hashed by SHA256.</summary>
    public const ulong Sha256Word = 60;

    /// <summary>Every 32 bytes hashed by BLAKE3.</summary>
    public const ulong Blake3Word = 24;

    /// <summary>What a transaction pays before its first instruction.</summary>
    /// <param name="transactionBytes">Its length on the wire.</param>
    /// <param name="signers">Signers, the payer included; at least 1.</param>
    /// <param name="accesses">Its declared keys.</param>
    public static ulong Intrinsic(int transactionBytes, int signers, ReadOnlySpan<Access> accesses)
    {
        ulong gas = Transaction + ((ulong)transactionBytes * TransactionByte) + ((ulong)(signers - 1) * Signer);
        foreach (ref readonly Access access in accesses)
        {
            gas += access.Mode switch { AccessMode.Read => ReadKey, AccessMode.Write => WriteKey, _ => AddKey };
        }

        return gas;
    }

    /// <summary>The charge for a length, per started 32 bytes.</summary>
    public static ulong PerWord(ulong length, ulong price) => (length + 31) / 32 * price;
}
