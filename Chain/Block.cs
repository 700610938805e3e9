// A block: a header that says what executing its transactions gives, and the transactions in serial order.
//
// Wire form (canonical, little-endian):
//
//   version u8 | parent id 32 | height u64 | timestamp ms u64 | gas used u64 | state root 32 | receipts root 32
//   | transaction count u32 | count x counted transaction
//
// The id is the SHA-256 of all of it, so it covers the signatures too. Genesis has height 0, a zero parent and no transactions.
//
// Invariants
//   B1  Encode of a decoded block is the input, byte for byte
//   B2  at most 1.5 MiB
//
// Decoding is structural: whether the parent is known, the time is right and the roots are true is ChainService's matter.
//
// Cost: O(bytes), one array per transaction part; transactions are views of the block's bytes.   Threading: immutable.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>The format's constants.</summary>
public static class BlockFormat
{
    /// <summary>The only format version of fork 0.</summary>
    public const byte Version = 1;

    /// <summary>The longest block in bytes.</summary>
    public const int MaxBytes = 3 * 512 * 1024;

    /// <summary>Bytes before the first transaction.</summary>
    public const int HeaderBytes = 1 + Bytes32.Size + 8 + 8 + 8 + Bytes32.Size + Bytes32.Size + 4;

    /// <summary>The highest gas limit that any chain may give its blocks.</summary>
    public const ulong MaxGas = 1UL << 48;

    /// <summary>Bytes of the shortest transaction: no arguments, no access, one signature.</summary>
    internal const int MinTransactionBytes = 1 + (4 * 8) + (3 * Bytes32.Size) + 1 + 1 + 4 + 4 + 1 + 1 + Signature.Size;
}

/// <summary>What a block says about itself.</summary>
/// <param name="ParentId">The block below; zero for genesis.</param>
/// <param name="Height">The parent's plus one.</param>
/// <param name="TimestampMs">Milliseconds since 1970, strictly after the parent's.</param>
/// <param name="GasUsed">Sum over its transactions.</param>
/// <param name="StateRoot">The state after it.</param>
/// <param name="ReceiptsRoot">Commitment to the receipts in order.</param>
public readonly record struct BlockHeader(
    BlockId ParentId, Height Height, ulong TimestampMs, ulong GasUsed, StateRoot StateRoot, Bytes32 ReceiptsRoot);

/// <summary>A decoded block (nothing executed).</summary>
public sealed class Block
{
    private Block(BlockHeader header, Transaction[] transactions, ReadOnlyMemory<byte> bytes)
    {
        Header = header;
        Transactions = transactions;
        Bytes = bytes;
        Id = new BlockId(Sha256.Hash(bytes.Span));
    }

    /// <summary>SHA-256 of <see cref="Bytes"/>.</summary>
    public BlockId Id { get; }

    /// <summary>The header.</summary>
    public BlockHeader Header { get; }

    /// <summary>In serial order. Not to be changed.</summary>
    public Transaction[] Transactions { get; }

    /// <summary>The wire form.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Makes a block from its parts.</summary>
    /// <exception cref="InvariantException">It is longer than a block may be: the builder counts bytes first.</exception>
    public static Block Create(in BlockHeader header, Transaction[] transactions)
    {
        ArgumentNullException.ThrowIfNull(transactions);
        int length = BlockFormat.HeaderBytes;
        foreach (Transaction transaction in transactions)
        {
            length += 4 + transaction.Bytes.Length;
        }

        Invariant.Require(length <= BlockFormat.MaxBytes);                  // B2
        CanonicalWriter writer = new(length);
        WriteHeader(writer, header, transactions.Length);
        foreach (Transaction transaction in transactions)
        {
            writer.WriteCounted(transaction.Bytes.Span);                    // canonical as they are
        }

        return new Block(header, transactions, writer.ToArray());
    }

    /// <summary>Decodes a copy of <paramref name="bytes"/>. Never throws for what the bytes hold.</summary>
    /// <param name="maxBytes">The chain's limit, at most the format's.</param>
    public static bool TryDecode(
        ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Block? block, out Refusal refusal, int maxBytes = BlockFormat.MaxBytes)
    {
        block = null;
        if (bytes.Length > maxBytes)
        {
            refusal = new Refusal(RefusalCode.BlockTooLarge, $"The block is {bytes.Length} bytes long; at most {maxBytes} are allowed.");
            return false;
        }

        ReadOnlyMemory<byte> owned = bytes.ToArray();
        CanonicalReader reader = new(owned.Span);
        BlockHeader header = ReadHeader(ref reader, out uint count);
        if (!reader.Ok)
        {
            refusal = reader.Refusal;
            return false;
        }

        Transaction[] transactions = new Transaction[count];
        for (int i = 0; i < transactions.Length; i++)
        {
            int length = reader.ReadCounted(Transaction.MaxBytes).Length;
            refusal = reader.Refusal;
            Transaction? transaction = null;
            if (refusal.IsRefused || !Transaction.TryDecodeInPlace(owned.Slice(reader.Position - length, length), out transaction, out refusal))
            {
                refusal = AtIndex(i, refusal);
                return false;
            }

            transactions[i] = transaction;
        }

        if (!reader.TryEnd(out refusal))
        {
            return false;
        }

        block = new Block(header, transactions, owned);
        return true;
    }

    /// <summary>Reads only what a block says about itself; of its transactions nothing but their number is looked at.</summary>
    /// <returns>False for what no block begins with.</returns>
    public static bool TryReadHeader(ReadOnlySpan<byte> bytes, out BlockHeader header, out int transactions, out Refusal refusal)
    {
        CanonicalReader reader = new(bytes);
        header = ReadHeader(ref reader, out uint count);
        refusal = reader.Refusal;
        transactions = refusal.IsRefused ? 0 : (int)count;
        return !refusal.IsRefused;
    }

    /// <summary>Writes the wire form from the parts; B1 says that it equals <see cref="Bytes"/>.</summary>
    public void Encode(CanonicalWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        WriteHeader(writer, Header, Transactions.Length);
        CanonicalWriter inner = new(1024);
        foreach (Transaction transaction in Transactions)
        {
            inner.Clear();
            transaction.Encode(inner);
            writer.WriteCounted(inner.Written);
        }
    }

    /// <summary>A transaction of a block, found in the block's bytes: O(index).</summary>
    /// <param name="bytes">Of a block that was decoded or created.</param>
    internal static Transaction TransactionOf(ReadOnlyMemory<byte> bytes, int index)
    {
        CanonicalReader reader = new(bytes.Span[BlockFormat.HeaderBytes..]);
        int length = reader.ReadCounted(Transaction.MaxBytes).Length;
        for (int i = 0; i < index; i++)
        {
            length = reader.ReadCounted(Transaction.MaxBytes).Length;
        }

        bool decodes = Transaction.TryDecodeInPlace(bytes.Slice(BlockFormat.HeaderBytes + reader.Position - length, length), out Transaction? transaction, out _);
        Invariant.Require(decodes);
        return transaction!;
    }

    /// <summary>A transaction's refusal as a block's: same code, and the place in the sentence.</summary>
    internal static Refusal AtIndex(int index, Refusal refusal) => refusal with { Sentence = $"Transaction {index}: {refusal.Sentence}" };

    private static BlockHeader ReadHeader(ref CanonicalReader reader, out uint count)
    {
        byte version = reader.ReadU8();
        if (version != BlockFormat.Version)
        {
            reader.Refuse(RefusalCode.UnknownVersion, $"Block version {version} is unknown; this node knows version {BlockFormat.Version}.");
        }

        BlockHeader header = new(
            new BlockId(reader.ReadBytes32()),
            new Height(reader.ReadU64()),
            reader.ReadU64(),
            reader.ReadU64(),
            new StateRoot(reader.ReadBytes32()),
            reader.ReadBytes32());
        count = reader.ReadU32();
        if (reader.Ok && count > (uint)(reader.Remaining / (4 + BlockFormat.MinTransactionBytes)))
        {
            reader.Refuse(RefusalCode.Truncated, $"The block says {count} transactions but only {reader.Remaining} bytes follow.");
        }

        return header;
    }

    private static void WriteHeader(CanonicalWriter writer, in BlockHeader header, int transactions)
    {
        writer.WriteU8(BlockFormat.Version);
        writer.WriteBytes32(header.ParentId.Value);
        writer.WriteU64(header.Height.Value);
        writer.WriteU64(header.TimestampMs);
        writer.WriteU64(header.GasUsed);
        writer.WriteBytes32(header.StateRoot.Value);
        writer.WriteBytes32(header.ReceiptsRoot);
        writer.WriteU32((uint)transactions);
    }
}
