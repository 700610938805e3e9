using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain.Tests;

// Transaction: one encoding per transaction, an id without signatures, and no input that throws.
public class TransactionTests
{
    private static readonly ChainId Chain = new(Blake3.Hash("a chain"u8));
    private static readonly SigningKey Payer = new(Blake3.Hash("payer"u8));
    private static readonly SigningKey Friend = new(Blake3.Hash("friend"u8));
    private static readonly ProgramId Token = new(Blake3.Hash("token"u8));
    private static readonly ProgramId Other = new(Blake3.Hash("other"u8));

    [Fact]
    public void What_the_builder_signs_decodes_to_the_same_fields()
    {
        Transaction built = Sample();
        Assert.True(Transaction.TryDecode(built.Bytes.Span, out Transaction? decoded, out Refusal refusal), refusal.ToString());
        Assert.Equal(built.Id, decoded.Id);
        Assert.Equal(Chain, decoded.Chain);
        Assert.Equal([Payer.PublicKey, Friend.PublicKey], decoded.Signers);
        Assert.Equal(Payer.PublicKey, decoded.Payer);
        Assert.Equal([Token, Other], decoded.Programs);
        Assert.Equal((70_000UL, 20_000UL, 9UL, 2UL, 7U), (decoded.ExpiryMs, decoded.GasLimit, decoded.MaxPrice, decoded.Tip, decoded.Selector));
        Assert.Equal(new byte[] { 1, 2, 3 }, decoded.Arguments.ToArray());
        Assert.True(decoded.VerifySignatures());
    }

    [Fact]
    public void Slots_that_name_one_record_share_an_access_whose_mode_covers_them()
    {
        Transaction transaction = new TransactionBuilder(Chain) { GasLimit = 1 }
            .Call(Token, 1, [])
            .Slot(Token, Key(9), AccessMode.Read)
            .Slot(Token, Key(3), AccessMode.Write)
            .Slot(Token, Key(9), AccessMode.Add)
            .Sign(Payer);
        Assert.Equal([new Access(0, Key(3), AccessMode.Write), new Access(0, Key(9), AccessMode.Write)], transaction.Accesses.Accesses.ToArray());
        Assert.Equal(new ushort[] { 1, 0, 1 }, transaction.SlotTable);
    }

    [Fact]
    public void Slots_of_the_called_program_may_be_given_at_once()
    {
        Access[] slots = [new Access(0, Key(9), AccessMode.Write), new Access(0, Key(3), AccessMode.Add)];
        Transaction atOnce = new TransactionBuilder(Chain).Call(Token, 1, []).Slots(slots).Sign(Payer);
        Transaction oneByOne = new TransactionBuilder(Chain).Call(Token, 1, [])
            .Slot(Token, Key(9), AccessMode.Write).Slot(Token, Key(3), AccessMode.Add).Sign(Payer);
        Assert.Equal(oneByOne.Id, atOnce.Id);
    }

    [Fact]
    public void A_re_signed_copy_is_the_same_transaction()
    {
        Transaction built = Sample();
        byte[] bytes = built.Bytes.ToArray();
        bytes[^1] ^= 1;
        Assert.True(Transaction.TryDecode(bytes, out Transaction? copy, out _));
        Assert.Equal(built.Id, copy.Id);
        Assert.False(copy.VerifySignatures());
    }

    [Fact]
    public void Truncated_is_refused_at_every_length_and_so_is_anything_appended()
    {
        byte[] bytes = Sample().Bytes.ToArray();
        for (int length = 0; length < bytes.Length; length++)
        {
            Assert.False(Transaction.TryDecode(bytes.AsSpan(0, length), out _, out Refusal refusal));
            Assert.True(refusal.Code == RefusalCode.Truncated || length == 0, $"length {length}: {refusal}");
        }

        for (int extra = 1; extra < 100; extra++)
        {
            Assert.False(Transaction.TryDecode([.. bytes, .. new byte[extra]], out _, out Refusal refusal));
            Assert.Equal(RefusalCode.TrailingBytes, refusal.Code);
        }

        Assert.False(Transaction.TryDecode(new byte[Transaction.MaxBytes + 1], out _, out Refusal tooLong));
        Assert.Equal(RefusalCode.TooLong, tooLong.Code);
    }

    [Fact]
    public void A_flipped_byte_is_refused_or_encodes_to_itself_and_never_keeps_both_id_and_signatures()
    {
        Transaction built = Sample();
        byte[] bytes = built.Bytes.ToArray();
        int messageLength = bytes.Length - (2 * Signature.Size);
        CanonicalWriter writer = new();
        for (int position = 0; position < bytes.Length; position++)
        {
            foreach (byte mask in new byte[] { 1, 2, 0x10, 0x80, 0xff })
            {
                byte[] flipped = [.. bytes];
                flipped[position] ^= mask;
                if (!Transaction.TryDecode(flipped, out Transaction? decoded, out Refusal refusal))
                {
                    Assert.True(refusal.IsRefused);
                    Assert.False(string.IsNullOrWhiteSpace(refusal.Sentence));
                    continue;
                }

                writer.Clear();
                decoded.Encode(writer);
                Assert.True(writer.Written.SequenceEqual(flipped), $"position {position} mask {mask}");
                Assert.Equal(position >= messageLength, decoded.Id == built.Id);
            }
        }
    }

    [Theory, InlineData(1), InlineData(20261121)]
    public void Random_and_mutated_inputs_never_throw_and_what_decodes_encodes_to_itself(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] sample = Sample().Bytes.ToArray();
        CanonicalWriter writer = new();
        for (int round = 0; round < 10_000; round++)
        {
            byte[] input;
            if (random.Chance(1, 4))
            {
                input = new byte[random.Next(600)];
                random.Fill(input);
                if (input.Length > 0 && random.Chance(3, 4))
                {
                    input[0] = Transaction.Version;
                }
            }
            else
            {
                input = sample.AsSpan(0, random.Chance(1, 4) ? random.Next(sample.Length) : sample.Length).ToArray();
                for (int i = random.Next(6); i > 0 && input.Length > 0; i--)
                {
                    input[random.Next(input.Length)] = (byte)random.Next(256);
                }
            }

            if (Transaction.TryDecode(input, out Transaction? decoded, out Refusal refusal))
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

    // Each row breaks one rule of the wire form; the bytes are written by hand because the builder makes only legal ones.
    public static TheoryData<RefusalCode, Parts> Broken => new()
    {
        { RefusalCode.UnknownVersion, new Parts { Version = 2 } },
        { RefusalCode.TooManySigners, new Parts { CoSigners = Keys(8) } },
        { RefusalCode.DuplicateSigner, new Parts { CoSigners = [Key(1).Value, Key(1).Value] } },
        { RefusalCode.DuplicateSigner, new Parts { CoSigners = [Parts.Payer] } },
        { RefusalCode.NoProgram, new Parts { Programs = [] } },
        { RefusalCode.TooManyPrograms, new Parts { Programs = Keys(17) } },
        { RefusalCode.DuplicateProgram, new Parts { Programs = [Key(4).Value, Key(4).Value] } },
        { RefusalCode.TooLong, new Parts { Arguments = new byte[Transaction.MaxArgumentBytes + 1] } },
        { RefusalCode.TooManyAccesses, new Parts { Accesses = Ascending(65) } },
        { RefusalCode.UnsortedAccesses, new Parts { Accesses = [(0, 2, 0), (0, 1, 0)] } },
        { RefusalCode.DuplicateAccess, new Parts { Accesses = [(0, 1, 0), (0, 1, 1)] } },
        { RefusalCode.UnknownAccessMode, new Parts { Accesses = [(0, 1, 3)] } },
        { RefusalCode.ProgramIndexOutOfRange, new Parts { Accesses = [(1, 1, 0)] } },
        { RefusalCode.SlotOutOfRange, new Parts { Accesses = [(0, 1, 0)], Slots = [0, 1] } },
        { RefusalCode.SlotTableTooLong, new Parts { Accesses = [(0, 1, 0)], Slots = new byte[65] } },
        { RefusalCode.Truncated, new Parts { Signatures = 0 } },
        { RefusalCode.TrailingBytes, new Parts { Signatures = 2 } },
    };

    [Theory, MemberData(nameof(Broken))]
    public void Each_rule_of_the_wire_form_has_its_own_code(RefusalCode expected, Parts parts)
    {
        Assert.False(Transaction.TryDecode(parts.Encode(), out _, out Refusal refusal));
        Assert.Equal(expected, refusal.Code);
    }

    [Fact]
    public void The_builder_refuses_what_the_decoder_would()
    {
        static RefusalCode Refused(Action<TransactionBuilder> change, int coSigners = 0)
        {
            TransactionBuilder builder = new(Chain);
            change(builder);
            ISigner[] signers = new ISigner[coSigners];
            Array.Fill(signers, Friend);
            Assert.False(builder.TrySign(Payer, signers, out _, out Refusal refusal));
            return refusal.Code;
        }

        Assert.Equal(RefusalCode.NoProgram, Refused(_ => { }));
        Assert.Equal(RefusalCode.TooLong, Refused(b => b.Call(Token, 1, new byte[Transaction.MaxArgumentBytes + 1])));
        Assert.Equal(RefusalCode.DuplicateSigner, Refused(b => b.Call(Token, 1, []), coSigners: 2));
        Assert.Equal(RefusalCode.TooManySigners, Refused(b => b.Call(Token, 1, []), coSigners: 300));
        Assert.Equal(RefusalCode.SlotTableTooLong, Refused(b => Repeat(300, _ => b.Slot(Token, Key(1), AccessMode.Read))));
        Assert.Equal(RefusalCode.TooManyAccesses, Refused(b => Repeat(65, i => b.Declare(Token, Key((byte)i), AccessMode.Read))));
        Assert.Equal(RefusalCode.TooManyPrograms, Refused(b => Repeat(17, i => b.Declare(new ProgramId(new Bytes32(0, 0, 9, (ulong)i)), Key(1), AccessMode.Read))));
        Assert.Throws<ArgumentException>(() => new TransactionBuilder(Chain).Sign(Payer));
        Assert.Throws<InvalidOperationException>(() => new TransactionBuilder(Chain).Call(Token, 1, []).Call(Token, 1, []));
    }

    [Fact]
    public void The_largest_legal_counts_decode()
    {
        Parts parts = new() { CoSigners = Keys(7), Programs = Keys(16), Accesses = Ascending(64), Slots = new byte[64], Arguments = new byte[2048], Signatures = 8 };
        Assert.True(Transaction.TryDecode(parts.Encode(), out Transaction? decoded, out Refusal refusal), refusal.ToString());
        Assert.Equal(8, decoded.Signatures.Length);
    }

    internal static LocalKey Key(byte last) => new(new Bytes32(0, 0, 0, last));

    private static Bytes32[] Keys(int count)
    {
        Bytes32[] keys = new Bytes32[count];
        for (int i = 0; i < count; i++)
        {
            keys[i] = new Bytes32(7, 0, 0, (ulong)i);
        }

        return keys;
    }

    private static void Repeat(int count, Action<int> step)
    {
        for (int i = 0; i < count; i++)
        {
            step(i);
        }
    }

    private static (byte, byte, byte)[] Ascending(int count)
    {
        (byte, byte, byte)[] accesses = new (byte, byte, byte)[count];
        for (int i = 0; i < count; i++)
        {
            accesses[i] = (0, (byte)i, 0);
        }

        return accesses;
    }

    private static Transaction Sample() =>
        new TransactionBuilder(Chain) { ExpiryMs = 70_000, GasLimit = 20_000, MaxPrice = 9, Tip = 2 }
            .Call(Token, 7, [1, 2, 3])
            .Slot(Token, Key(2), AccessMode.Write)
            .Slot(Other, Key(1), AccessMode.Read)
            .Slot(Token, Key(1), AccessMode.Add)
            .Sign(Payer, Friend);

    /// <summary>A transaction written field by field, legal by default.</summary>
    public sealed class Parts
    {
        public static readonly Bytes32 Payer = new(1, 2, 3, 4);

        public byte Version { get; init; } = 1;

        public IReadOnlyList<Bytes32> CoSigners { get; init; } = [];

        public IReadOnlyList<Bytes32> Programs { get; init; } = [new Bytes32(5, 5, 5, 5)];

        public byte[] Arguments { get; init; } = [];

        public IReadOnlyList<(byte Program, byte Key, byte Mode)> Accesses { get; init; } = [];

        public byte[] Slots { get; init; } = [];

        public int Signatures { get; init; } = 1;

        public byte[] Encode()
        {
            CanonicalWriter writer = new();
            writer.WriteU8(Version);
            writer.WriteBytes32(Bytes32.Zero);
            writer.WriteBytes(new byte[4 * 8]);
            writer.WriteBytes32(Payer);
            writer.WriteU8((byte)CoSigners.Count);
            foreach (Bytes32 signer in CoSigners)
            {
                writer.WriteBytes32(signer);
            }

            writer.WriteU8((byte)Programs.Count);
            foreach (Bytes32 program in Programs)
            {
                writer.WriteBytes32(program);
            }

            writer.WriteU32(0);
            writer.WriteCounted(Arguments);
            writer.WriteU8((byte)Accesses.Count);
            foreach ((byte program, byte key, byte mode) in Accesses)
            {
                writer.WriteU8(program);
                writer.WriteBytes32(Key(key).Value);
                writer.WriteU8(mode);
            }

            writer.WriteU8((byte)Slots.Length);
            writer.WriteBytes(Slots);
            writer.WriteBytes(new byte[Signatures * Signature.Size]);
            return writer.ToArray();
        }
    }
}
