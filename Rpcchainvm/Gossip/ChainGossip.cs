// The chain as peers see it: its waiting transactions as a gossip set, and what it accepted as a Warp outbox.
//
// A program emits a message by creating a record of its own:
//
//   address   the program's 32 bytes
//   key       SHA-256 of the encoded addressed call
//   record    "ParallelVm/warp:" (16 bytes) | SHA-256 of the payload (32 bytes)
//
// Only the owner's code writes below its id, so the record proves who says it, the accepted state proves that it was said, and a
// restart changes nothing. The record's 48 bytes are demanded, not only its being there: a program that lets a caller choose keys
// of its records, as a token does for balances, has not thereby emitted what the caller likes.
//
// Threading: any; the chain's own lock.

using System;
using System.Collections.Generic;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Rpcchainvm.Vm;
using ParallelVm.Rpcchainvm.Warp;

namespace ParallelVm.Rpcchainvm.Gossip;

/// <summary>A chain's mempool and outbox for peers.</summary>
internal sealed class ChainGossip(ChainService chain, Admission door) : IGossipSet, IWarpOutbox
{
    /// <summary>What the record of an emitted message begins with.</summary>
    public static ReadOnlySpan<byte> OutboxTag => "ParallelVm/warp:"u8;

    /// <inheritdoc/>
    public int Count => chain.MempoolCount;

    /// <summary>The record that emits a message, and its key below the program's id.</summary>
    public static (LocalKey Key, byte[] Record) OutboxRecord(AddressedCall call)
    {
        byte[] record = new byte[OutboxTag.Length + Bytes32.Size];
        OutboxTag.CopyTo(record);
        Sha256.Hash(call.Payload.Span).CopyTo(record.AsSpan(OutboxTag.Length));
        return (new LocalKey(Sha256.Hash(call.Encode())), record);
    }

    /// <inheritdoc/>
    public bool Contains(TxId id) => chain.IsWaiting(id);

    /// <inheritdoc/>
    public void List(List<GossipItem> target)
    {
        List<Transaction> waiting = new(chain.MempoolCount);
        chain.ListWaiting(waiting);
        foreach (Transaction transaction in waiting)
        {
            target.Add(new GossipItem(transaction.Id, transaction.Bytes));
        }
    }

    /// <inheritdoc/>
    public IReadOnlyList<Refusal> Add(IReadOnlyList<ReadOnlyMemory<byte>> elements, TxId[] ids)
    {
        // each in memory of its own: a transaction that waits must not hold the whole message that it came in
        ReadOnlyMemory<byte>[] copies = new ReadOnlyMemory<byte>[elements.Count];
        for (int i = 0; i < copies.Length; i++)
        {
            copies[i] = elements[i].Length > Transaction.MaxBytes ? default : elements[i].ToArray();
        }

        return door.Submit(copies, ids);
    }

    /// <inheritdoc/>
    public bool IsAccepted(BlockId block) =>
        chain.TryGetBlock(block, out Block? found) && chain.TryGetBlock(found.Header.Height, out Block? accepted) && accepted.Id == block;

    /// <inheritdoc/>
    public bool IsEmitted(AddressedCall call)
    {
        if (call.SourceAddress.Length != Bytes32.Size)
        {
            return false;
        }

        (LocalKey key, byte[] expected) = OutboxRecord(call);
        byte[] record = new byte[StateLimits.MaxRecordBytes];
        int length = chain.ReadRecord(new ProgramId(Bytes32.From(call.SourceAddress.Span)), key, record);
        return length == expected.Length && record.AsSpan(0, length).SequenceEqual(expected);
    }
}
