using System;
using System.Collections.Generic;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

// Block: one encoding, an id over all bytes, and no input that throws. ReceiptsHashing: order, length and content all count.
public class BlockTests
{
    [Fact]
    public void A_block_decodes_to_its_parts()
    {
        Block built = Sample();
        Assert.True(Block.TryDecode(built.Bytes.Span, out Block? decoded, out Refusal refusal), refusal.ToString());
        Assert.Equal(built.Id, decoded.Id);
        Assert.Equal(built.Header, decoded.Header);
        Assert.Equal(built.Transactions.Length, decoded.Transactions.Length);
        Assert.Equal(built.Transactions[1].Id, decoded.Transactions[1].Id);
        Assert.Equal(new BlockId(Sha256.Hash(built.Bytes.Span)), built.Id);
    }

    [Fact]
    public void A_header_read_alone_is_that_of_the_block_and_cut_short_it_is_none()
    {
        Block built = Sample();
        Assert.True(Block.TryReadHeader(built.Bytes.Span, out BlockHeader header, out int transactions, out Refusal refusal), refusal.ToString());
        Assert.Equal((built.Header, built.Transactions.Length), (header, transactions));
        for (int length = 0; length < BlockFormat.HeaderBytes; length++)
        {
            Assert.False(Block.TryReadHeader(built.Bytes.Span[..length], out _, out transactions, out refusal), $"length {length}");
            Assert.Equal(0, transactions);
            Assert.True(refusal.IsRefused);
        }

        byte[] many = built.Bytes.ToArray();
        many.AsSpan(BlockFormat.HeaderBytes - 4, 4).Fill(0xff);
        Assert.False(Block.TryReadHeader(many, out _, out transactions, out refusal));
        Assert.Equal((0, RefusalCode.Truncated), (transactions, refusal.Code));
    }

    [Fact]
    public void Truncated_is_refused_at_every_length_and_so_is_anything_appended()
    {
        byte[] bytes = Sample().Bytes.ToArray();
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.False(Block.TryDecode(bytes.AsSpan(0, length), out _, out Refusal refusal), $"length {length}");
            Assert.True(refusal.IsRefused);
        }

        Assert.False(Block.TryDecode([.. bytes, 0], out _, out Refusal trailing));
        Assert.Equal(RefusalCode.TrailingBytes, trailing.Code);
        Assert.False(Block.TryDecode(new byte[BlockFormat.MaxBytes + 1], out _, out Refusal tooLarge));
        Assert.Equal(RefusalCode.BlockTooLarge, tooLarge.Code);
        Assert.False(Block.TryDecode(bytes, out _, out tooLarge, bytes.Length - 1));
        Assert.Equal(RefusalCode.BlockTooLarge, tooLarge.Code);
    }

    [Fact]
    public void A_flipped_byte_is_refused_or_encodes_to_itself_under_another_id()
    {
        Block built = Sample();
        byte[] bytes = built.Bytes.ToArray();
        CanonicalWriter writer = new();
        for (int position = 0; position < bytes.Length; position++)
        {
            foreach (byte mask in new byte[] { 1, 0x80, 0xff })
            {
                byte[] flipped = [.. bytes];
                flipped[position] ^= mask;
                if (Block.TryDecode(flipped, out Block? decoded, out Refusal refusal))
                {
                    writer.Clear();
                    decoded.Encode(writer);
                    Assert.True(writer.Written.SequenceEqual(flipped), $"position {position} mask {mask}");
                    Assert.NotEqual(built.Id, decoded.Id);
                }
                else
                {
                    Assert.True(refusal.IsRefused);
                }
            }
        }
    }

    [Theory, InlineData(3), InlineData(20261121)]
    public void Random_and_mutated_inputs_never_throw(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] sample = Sample().Bytes.ToArray();
        CanonicalWriter writer = new();
        for (int round = 0; round < 10_000; round++)
        {
            byte[] input = sample.AsSpan(0, random.Chance(1, 4) ? random.Next(sample.Length) : sample.Length).ToArray();
            for (int i = random.Next(8); i > 0 && input.Length > 0; i--)
            {
                input[random.Next(input.Length)] = (byte)random.Next(256);
            }

            if (Block.TryDecode(input, out Block? decoded, out Refusal refusal))
            {
                writer.Clear();
                decoded.Encode(writer);
                Assert.True(writer.Written.SequenceEqual(input), $"seed {seed} round {round}");
            }
            else
            {
                Assert.True(refusal.IsRefused, $"seed {seed} round {round}");
            }
        }
    }

    [Fact]
    public void A_count_that_the_bytes_cannot_hold_is_refused_before_anything_is_allocated()
    {
        byte[] bytes = Sample().Bytes.ToArray();
        bytes.AsSpan(BlockFormat.HeaderBytes - 4, 4).Fill(0xff);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.False(Block.TryDecode(bytes, out _, out Refusal refusal));
        Assert.Equal(RefusalCode.Truncated, refusal.Code);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 100_000);
    }

    [Fact]
    public void The_receipts_root_depends_on_content_order_and_number()
    {
        ReceiptsHashing hashing = new(new ChainId(Blake3.Hash("a"u8)));
        HashSet<Bytes32> roots = [hashing.Root([])];
        for (int count = 1; count <= 9; count++)
        {
            Receipt[] receipts = new Receipt[count];
            for (int i = 0; i < count; i++)
            {
                receipts[i] = Of((ulong)i);
            }

            Assert.True(roots.Add(hashing.Root(receipts)), $"{count} receipts");
            for (int i = 0; i < count; i++)
            {
                Receipt[] changed = [.. receipts];
                changed[i] = Of(100);
                Assert.True(roots.Add(hashing.Root(changed)), $"receipt {i} of {count}");
            }

            Receipt[] longer = [.. receipts, receipts[^1]];
            Assert.True(roots.Add(hashing.Root(longer)), $"{count} receipts and the last again");
            Array.Reverse(receipts);
            Assert.Equal(count == 1, !roots.Add(hashing.Root(receipts)));
        }

        Assert.NotEqual(hashing.Root([]), new ReceiptsHashing(new ChainId(Blake3.Hash("b"u8))).Root([]));
    }

    // Two leaves by the definition, so that the shape is pinned and not only its properties.
    [Fact]
    public void The_receipts_root_of_three_is_the_definition()
    {
        ChainId chain = new(Blake3.Hash("a"u8));
        byte[] material = chain.Value.ToArray();
        Bytes32 Keyed(string name, ReadOnlySpan<byte> bytes) => Blake3.Keyed(Blake3.DeriveKey("ParallelVm 2026-11 v1 receipts " + name, material), bytes);
        Bytes32 Leaf(ulong n)
        {
            CanonicalWriter writer = new();
            Of(n).Encode(writer);
            return Keyed("leaf", writer.Written);
        }

        Bytes32 pair = Keyed("node", [.. Leaf(0).ToArray(), .. Leaf(1).ToArray()]);
        Bytes32 top = Keyed("node", [.. pair.ToArray(), .. Leaf(2).ToArray()]);
        Bytes32 root = Keyed("root", [3, 0, 0, 0, 0, 0, 0, 0, .. top.ToArray()]);
        Assert.Equal(root, new ReceiptsHashing(chain).Root([Of(0), Of(1), Of(2)]));
    }

    private static Receipt Of(ulong gas) => new(new Outcome(Halt.Success, 0, 0, 0, gas, -1, default), gas, default);

    private static Block Sample()
    {
        ChainId chain = new(Blake3.Hash("a chain"u8));
        SigningKey payer = new(Blake3.Hash("payer"u8));
        Transaction[] transactions = new Transaction[3];
        for (int i = 0; i < transactions.Length; i++)
        {
            transactions[i] = new TransactionBuilder(chain) { ExpiryMs = (ulong)i, GasLimit = 5 }
                .Call(Kit.Counter, 1, [1])
                .Slot(Kit.Counter, Kit.Key(i), AccessLists.AccessMode.Write)
                .Sign(payer);
        }

        BlockHeader header = new(new BlockId(Blake3.Hash("parent"u8)), new Height(7), 99, 4_000, new StateRoot(Blake3.Hash("root"u8)), Blake3.Hash("receipts"u8));
        return Block.Create(header, transactions);
    }
}
