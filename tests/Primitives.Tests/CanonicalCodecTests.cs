// Laws of the canonical codec, over random sequences of fields: what is written reads back, every cut is refused where it
// is, the first refusal stays, and no input makes the reader throw.

using System;
using System.Collections.Generic;

namespace ParallelVm.Primitives.Tests;

public class CanonicalCodecTests
{
    private const int MaxCounted = 90;

    private enum Kind
    {
        U8,
        U16,
        U32,
        U64,
        Bytes32,
        Bytes,
        Counted,
    }

    private readonly record struct FieldValue(Kind Kind, ulong Number, byte[] Bytes)
    {
        public int EncodedLength => Kind switch
        {
            Kind.U8 => 1,
            Kind.U16 => 2,
            Kind.U32 => 4,
            Kind.U64 => 8,
            Kind.Counted => 4 + Bytes.Length,
            _ => Bytes.Length,
        };
    }

    [Fact]
    public void Integers_are_little_endian_and_a_count_is_four_bytes()
    {
        CanonicalWriter writer = new();
        writer.WriteU8(0x01);
        writer.WriteU16(0x0302);
        writer.WriteU32(0x07060504);
        writer.WriteU64(0x0F0E0D0C0B0A0908);
        writer.WriteCounted([0xAA, 0xBB]);
        Assert.Equal("0102030405060708090a0b0c0d0e0f02000000aabb", Convert.ToHexStringLower(writer.Written));
    }

    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void What_is_written_reads_back_field_by_field(ulong seed)
    {
        SeededRandom random = new(seed);
        CanonicalWriter writer = new(0);
        for (int round = 0; round < 300; round++)
        {
            FieldValue[] fields = Draw(random);
            writer.Clear();
            Write(writer, fields);
            CanonicalReader reader = new(writer.Written);
            int end = 0;
            for (int i = 0; i < fields.Length; i++)
            {
                end += fields[i].EncodedLength;
                string context = $"seed {seed} round {round} field {i} {fields[i].Kind}";
                Assert.True(Same(fields[i], Read(ref reader, fields[i])), context);
                Assert.True(reader.Position == end && reader.Remaining == writer.Length - end, context);
            }

            Assert.True(reader.TryEnd(out Refusal refusal), $"seed {seed} round {round}: {refusal}");
            Assert.Equal(Refusal.None, refusal);
        }
    }

    // A cut inside field i is refused as soon as field i is read; all fields before it are whole.
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Every_truncation_is_refused_in_the_field_it_cuts(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 12; round++)
        {
            FieldValue[] fields = Draw(random);
            byte[] encoded = Encode(fields);
            for (int length = 0; length < encoded.Length; length++)
            {
                string context = $"seed {seed} round {round}: {length} of {encoded.Length} bytes";
                CanonicalReader reader = new(encoded.AsSpan(0, length));
                int end = 0;
                for (int i = 0; i < fields.Length; i++)
                {
                    end += fields[i].EncodedLength;
                    FieldValue value = Read(ref reader, fields[i]);
                    Assert.True(reader.Ok == (end <= length), $"{context}, field {i}");
                    Assert.True(reader.Ok ? Same(fields[i], value) : IsNothing(value), $"{context}, field {i}");
                }

                Assert.False(reader.TryEnd(out Refusal refusal), context);
                Assert.True(refusal.Code == RefusalCode.Truncated, $"{context}: {refusal}");
            }
        }
    }

    [Theory, InlineData(1), InlineData(3), InlineData(100)]
    public void Trailing_bytes_are_refused_and_counted(int extra)
    {
        byte[] bytes = new byte[8 + extra];
        CanonicalReader reader = new(bytes);
        reader.ReadU64();
        Assert.True(reader.Ok);
        Assert.False(reader.TryEnd(out Refusal refusal));
        Assert.Equal(RefusalCode.TrailingBytes, refusal.Code);
        Assert.StartsWith($"{extra} bytes", refusal.Sentence, StringComparison.Ordinal);
        Assert.Equal(refusal, reader.Refusal);
    }

    [Fact]
    public void The_empty_input_ends_at_once()
    {
        CanonicalReader reader = new([]);
        Assert.True(reader.TryEnd(out Refusal refusal));
        Assert.False(refusal.IsRefused);
        Assert.Equal(0, reader.Position);
    }

    [Fact]
    public void A_counted_field_may_be_as_long_as_its_limit_and_not_longer()
    {
        foreach (int limit in new[] { 0, 1, 31, 4096 })
        {
            CanonicalWriter writer = new();
            writer.WriteCounted(new byte[limit]);
            CanonicalReader fits = new(writer.Written);
            Assert.Equal(limit, fits.ReadCounted(limit).Length);
            Assert.True(fits.TryEnd(out _));

            writer.Clear();
            writer.WriteCounted(new byte[limit + 1]);
            CanonicalReader longer = new(writer.Written);
            Assert.True(longer.ReadCounted(limit).IsEmpty);
            Assert.Equal(RefusalCode.TooLong, longer.Refusal.Code);
        }
    }

    // The limit is asked before the bytes, so a hostile count says what is wrong with it and is never a length.
    [Theory, InlineData(0x7FFFFFFFu), InlineData(0x80000000u), InlineData(0xFFFFFFFFu)]
    public void A_count_far_beyond_the_input_is_too_long_or_truncated(uint count)
    {
        CanonicalWriter writer = new();
        writer.WriteU32(count);
        CanonicalReader limited = new(writer.Written);
        Assert.True(limited.ReadCounted(100).IsEmpty);
        Assert.Equal(RefusalCode.TooLong, limited.Refusal.Code);
        CanonicalReader open = new(writer.Written);
        Assert.True(open.ReadCounted(int.MaxValue).IsEmpty);
        Assert.Equal(count > int.MaxValue ? RefusalCode.TooLong : RefusalCode.Truncated, open.Refusal.Code);
    }

    [Fact]
    public void The_first_refusal_stays_and_nothing_moves_after_it()
    {
        byte[] bytes = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];
        CanonicalReader reader = new(bytes);
        reader.ReadU32();
        Assert.False(reader.Refuse(RefusalCode.OutOfRange, "first"));
        Assert.False(reader.Refuse(RefusalCode.UnknownVersion, "second"));
        foreach (Kind kind in Enum.GetValues<Kind>())
        {
            Assert.True(IsNothing(Read(ref reader, new FieldValue(kind, 0, new byte[2]))), $"{kind}");
            Assert.Equal(4, reader.Position);
        }

        Assert.False(reader.TryEnd(out Refusal refusal));
        Assert.Equal(new Refusal(RefusalCode.OutOfRange, "first"), refusal);
    }

    // Half of the inputs are valid encodings with one byte changed, so that reading gets past the first count.
    [Theory, InlineData(1), InlineData(7), InlineData(20260)]
    public void Any_bytes_read_without_an_exception_and_what_is_accepted_is_canonical(ulong seed)
    {
        SeededRandom random = new(seed);
        int accepted = 0;
        for (int round = 0; round < 4000; round++)
        {
            FieldValue[] shape = Draw(random);
            byte[] input = Encode(shape);
            if (random.Chance(1, 2))
            {
                random.Fill(input);
            }
            else if (input.Length != 0)
            {
                input[random.Next(input.Length)] ^= (byte)(1 + random.Next(255));
            }

            CanonicalReader reader = new(input);
            FieldValue[] values = new FieldValue[shape.Length];
            for (int i = 0; i < shape.Length; i++)
            {
                values[i] = Read(ref reader, shape[i]);
                Assert.InRange(reader.Position, 0, input.Length);
            }

            bool isAccepted = reader.TryEnd(out Refusal refusal);
            Assert.True(isAccepted != refusal.IsRefused, $"seed {seed} round {round}: {refusal}");
            if (isAccepted)
            {
                accepted++;
                Assert.True(Encode(values).AsSpan().SequenceEqual(input), $"seed {seed} round {round}: encodes to other bytes");
            }
        }

        Assert.True(accepted > 100, $"seed {seed}: only {accepted} inputs were accepted");
    }

    [Fact]
    public void A_cleared_writer_writes_again_without_allocating()
    {
        CanonicalWriter writer = new(16);
        byte[] bytes = new byte[300];
        writer.WriteCounted(bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 100; i++)
        {
            writer.Clear();
            writer.WriteCounted(bytes);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.Equal(304, writer.Length);
    }

    [Fact]
    public void A_copy_does_not_follow_the_writer()
    {
        CanonicalWriter writer = new();
        writer.WriteU8(1);
        byte[] copy = writer.ToArray();
        writer.Clear();
        Assert.True(writer.Written.IsEmpty);
        writer.WriteU8(2);
        Assert.Equal([1], copy);
        Assert.Equal([2], writer.ToArray());
    }

    private static FieldValue[] Draw(SeededRandom random)
    {
        List<FieldValue> fields = [];
        int count = random.Next(13);
        for (int i = 0; i < count; i++)
        {
            Kind kind = (Kind)random.Next(7);
            int length = kind switch
            {
                Kind.Bytes32 => Bytes32.Size,
                Kind.Bytes or Kind.Counted => random.Chance(1, 4) ? 0 : random.Next(MaxCounted + 1),
                _ => 0,
            };
            byte[] bytes = new byte[length];
            random.Fill(bytes);
            ulong number = random.Chance(1, 4) ? ulong.MaxValue : random.NextU64();
            fields.Add(new FieldValue(kind, number, bytes));
        }

        return [.. fields];
    }

    private static byte[] Encode(FieldValue[] fields)
    {
        CanonicalWriter writer = new(1);
        Write(writer, fields);
        return writer.ToArray();
    }

    private static void Write(CanonicalWriter writer, FieldValue[] fields)
    {
        foreach (FieldValue field in fields)
        {
            switch (field.Kind)
            {
                case Kind.U8:
                    writer.WriteU8((byte)field.Number);
                    break;
                case Kind.U16:
                    writer.WriteU16((ushort)field.Number);
                    break;
                case Kind.U32:
                    writer.WriteU32((uint)field.Number);
                    break;
                case Kind.U64:
                    writer.WriteU64(field.Number);
                    break;
                case Kind.Bytes32:
                    writer.WriteBytes32(Bytes32.From(field.Bytes));
                    break;
                case Kind.Bytes:
                    writer.WriteBytes(field.Bytes);
                    break;
                default:
                    writer.WriteCounted(field.Bytes);
                    break;
            }
        }
    }

    /// <summary>Reads a field of the kind of <paramref name="shape"/>, and as long where it has no count.</summary>
    private static FieldValue Read(ref CanonicalReader reader, FieldValue shape) => shape.Kind switch
    {
        Kind.U8 => new FieldValue(shape.Kind, reader.ReadU8(), []),
        Kind.U16 => new FieldValue(shape.Kind, reader.ReadU16(), []),
        Kind.U32 => new FieldValue(shape.Kind, reader.ReadU32(), []),
        Kind.U64 => new FieldValue(shape.Kind, reader.ReadU64(), []),
        Kind.Bytes32 => new FieldValue(shape.Kind, 0, reader.ReadBytes32().ToArray()),
        Kind.Bytes => new FieldValue(shape.Kind, 0, reader.ReadBytes(shape.Bytes.Length).ToArray()),
        _ => new FieldValue(shape.Kind, 0, reader.ReadCounted(MaxCounted).ToArray()),
    };

    private static bool Same(FieldValue written, FieldValue read) => written.Kind switch
    {
        Kind.U8 => (byte)written.Number == read.Number,
        Kind.U16 => (ushort)written.Number == read.Number,
        Kind.U32 => (uint)written.Number == read.Number,
        Kind.U64 => written.Number == read.Number,
        _ => written.Bytes.AsSpan().SequenceEqual(read.Bytes),
    };

    private static bool IsNothing(FieldValue value) => value.Number == 0 && value.Bytes.AsSpan().IndexOfAnyExcept((byte)0) < 0;
}
