// Ed25519 against the vectors of RFC 8032 and the edge cases that tell verification rules apart, then its laws.

using System;

namespace ParallelVm.Primitives.Tests.Signatures;

public class Ed25519Tests
{
    [Fact]
    public void Keys_and_signatures_of_rfc_8032()
    {
        int cases = 0;
        foreach (string[] vector in Vectors.Read("ed25519-rfc8032.txt"))
        {
            Bytes32 seed = Bytes32.From(Convert.FromHexString(vector[0]));
            PublicKey key = new(Bytes32.From(Convert.FromHexString(vector[1])));
            byte[] message = vector[2] == "-" ? [] : Convert.FromHexString(vector[2]);
            Signature signature = Signature.From(Convert.FromHexString(vector[3]));
            Assert.Equal(key, Ed25519.PublicKeyOf(seed));
            Assert.Equal(signature, Ed25519.Sign(seed, message));
            Assert.True(Ed25519.Verify(key, message, signature));
            cases++;
        }

        Assert.Equal(5, cases);
    }

    [Fact]
    public void The_twelve_edge_cases_answer_as_zip_215_says()
    {
        int cases = 0;
        foreach (string[] vector in Vectors.Read("ed25519-speccheck.txt"))
        {
            PublicKey key = new(Bytes32.From(Convert.FromHexString(vector[1])));
            bool valid = Ed25519.Verify(key, Convert.FromHexString(vector[0]), Signature.From(Convert.FromHexString(vector[2])));
            Assert.True(valid == (vector[3] == "V"), $"case {cases}: {valid}");
            cases++;
        }

        Assert.Equal(12, cases);
    }

    // A flipped bit of S, of the message, of R or of the key changes the equation; none of these reaches a small-order coincidence.
    [Theory, InlineData(1), InlineData(20260)]
    public void A_flipped_bit_anywhere_is_refused(int seedNumber)
    {
        SeededRandom random = new((ulong)seedNumber);
        byte[] seedBytes = new byte[32];
        byte[] message = new byte[40];
        random.Fill(seedBytes);
        random.Fill(message);
        Bytes32 seed = Bytes32.From(seedBytes);
        PublicKey key = Ed25519.PublicKeyOf(seed);
        byte[] all = new byte[32 + 64 + message.Length];
        key.Value.CopyTo(all);
        Ed25519.Sign(seed, message).CopyTo(all.AsSpan(32));
        message.CopyTo(all.AsSpan(96));
        Assert.True(Check(all));
        for (int bit = 0; bit < all.Length * 8; bit++)
        {
            all[bit >> 3] ^= (byte)(1 << (bit & 7));
            Assert.False(Check(all), $"seed {seedNumber}: bit {bit} flipped and still valid");
            all[bit >> 3] ^= (byte)(1 << (bit & 7));
        }
    }

    [Fact]
    public void What_is_signed_verifies_at_every_length_around_the_buffers()
    {
        SeededRandom random = new(5);
        byte[] seedBytes = new byte[32];
        foreach (int length in new[] { 0, 1, 31, 32, 63, 64, 127, 128, 959, 960, 961, 991, 992, 993, 1024, 5000 })
        {
            byte[] message = new byte[length];
            random.Fill(message);
            random.Fill(seedBytes);
            Bytes32 seed = Bytes32.From(seedBytes);
            Signature signature = Ed25519.Sign(seed, message);
            Assert.True(Ed25519.Verify(Ed25519.PublicKeyOf(seed), message, signature), $"length {length}");
        }
    }

    // The longest message takes the rented buffer. The first call may make what stays.
    [Theory, InlineData(0), InlineData(200), InlineData(960), InlineData(5000)]
    public void Signing_and_verifying_allocate_nothing(int length)
    {
        byte[] message = new byte[length];
        Bytes32 seed = new(1, 2, 3, 4);
        PublicKey key = Ed25519.PublicKeyOf(seed);
        bool isValid = Work(seed, key, message);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
        {
            isValid &= Work(seed, key, message);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
        Assert.True(isValid);
    }

    private static bool Work(Bytes32 seed, PublicKey key, byte[] message)
    {
        Signature signature = Ed25519.Sign(seed, message);
        bool isRefused = !Ed25519.Verify(key, message, signature with { S = signature.R });
        return isRefused && Ed25519.Verify(key, message, signature) && key == Ed25519.PublicKeyOf(seed);
    }

    private static bool Check(byte[] all) =>
        Ed25519.Verify(new PublicKey(Bytes32.From(all)), all.AsSpan(96), Signature.From(all.AsSpan(32)));
}
