// Prices that are not in an opcode's row: what a transaction pays before its first instruction, and the variable charges
// of instructions, taken before they do the work. One gas is one simple instruction of the interpreter, and 2.5 ns of its time (docs/gas.md).
//
// Declaring a key is paid whether it is used or not: it costs the others their parallelism and the node a read.
//
// The defaults are those of fork 0; a later fork says `with { ... }`.   Threading: immutable.

using System;
using ParallelVm.AccessLists;

namespace ParallelVm.Executor;

/// <summary>The prices of one fork beside those of the opcode rows.</summary>
public sealed record GasPrices
{
    /// <summary>The prices of fork 0.</summary>
    public static GasPrices Launch { get; } = new();

    /// <summary>Every transaction: signature of the payer, admission, receipt.</summary>
    public ulong Transaction { get; init; } = 20_000;

    /// <summary>Every signer after the payer.</summary>
    public ulong Signer { get; init; } = 18_000;

    /// <summary>Every byte of a transaction on the wire.</summary>
    public ulong TransactionByte { get; init; } = 4;

    /// <summary>Every key declared Read.</summary>
    public ulong ReadKey { get; init; } = 200;

    /// <summary>Every key declared Write: read, leaf and path hashed again.</summary>
    public ulong WriteKey { get; init; } = 800;

    /// <summary>Every key declared Add: folded once per batch, and the record of 16 bytes that the first add creates. It is paid whether
    /// the record is there or not: which of many adds comes first must not show.</summary>
    public ulong AddKey { get; init; } = 2_532;

    /// <summary>A record that comes into being.</summary>
    public ulong NewRecord { get; init; } = 2_000;

    /// <summary>Every byte by which a record grows.</summary>
    public ulong NewByte { get; init; } = 2;

    /// <summary>Every page mapped.</summary>
    public ulong Page { get; init; } = 60;

    /// <summary>Every 32 bytes copied, filled or compared.</summary>
    public ulong CopyWord { get; init; } = 2;

    /// <summary>Every 32 bytes of events and return data: copied like any others, hashed into the receipt and kept.</summary>
    public ulong OutputWord { get; init; } = 8;

    /// <summary>Every 32 bytes hashed by KECCAK.</summary>
    public ulong KeccakWord { get; init; } = 48;

    /// <summary>Every 32 bytes hashed by SHA256.</summary>
    public ulong Sha256Word { get; init; } = 16;

    /// <summary>Every 32 bytes hashed by BLAKE3.</summary>
    public ulong Blake3Word { get; init; } = 32;

    /// <summary>Every 8 frame cells of a called function.</summary>
    public ulong CallCells { get; init; } = 1;

    /// <summary>Every slot handed to a called program.</summary>
    public ulong CallSlot { get; init; } = 3;

    /// <summary>These prices without what is paid for keeping: records that come into being or grow, output beyond its copying. What is
    /// left pays for time, and is what calibration measures time against.</summary>
    public GasPrices ForTime => this with { NewRecord = 0, NewByte = 0, OutputWord = CopyWord };

    /// <summary>What a transaction pays before its first instruction.</summary>
    /// <param name="transactionBytes">Its length on the wire.</param>
    /// <param name="signers">Signers, the payer included; at least 1.</param>
    /// <param name="accesses">Its declared keys.</param>
    public ulong Intrinsic(int transactionBytes, int signers, ReadOnlySpan<Access> accesses)
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
