// What a client of /ws has asked for, and how far it has got.
//
// A cursor is (height, index). Within a block the receipts come first, each with its place in the block as index, and the block last,
// with the number of its transactions as index: whoever has a cursor has everything up to it, and nothing after it.

using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api.Ws;

/// <summary>A place in the order of all receipts and blocks.</summary>
/// <param name="Height">Of the block.</param>
/// <param name="Index">Place of the receipt, or the number of the block's transactions for the block itself.</param>
internal readonly record struct Cursor(ulong Height, int Index);

/// <summary>A subscription.</summary>
/// <param name="Blocks">Blocks are wanted.</param>
/// <param name="Receipts">Receipts are wanted.</param>
/// <param name="Payers">Only receipts of these payers; null is all.</param>
/// <param name="After">Everything up to here has been sent, or is not wanted.</param>
internal sealed record Subscription(bool Blocks, bool Receipts, HashSet<PublicKey>? Payers, Cursor After);
