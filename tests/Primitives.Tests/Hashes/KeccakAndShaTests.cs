// Keccak-256 and SHA-256 at the edges of their blocks, and two answers that everyone knows.

using System;
using System.Security.Cryptography;
using System.Text;

namespace ParallelVm.Primitives.Tests.Hashes;

public class KeccakAndShaTests
{
    [Fact]
    public void Known_answers_at_the_edges_of_blocks()
    {
        int cases = 0;
        foreach (string[] vector in Vectors.Read("keccak-sha.txt"))
        {
            byte[] input = new byte[int.Parse(vector[0])];
            for (int i = 0; i < input.Length; i++)
            {
                input[i] = (byte)(i % 251);
            }

            Assert.Equal(vector[1], Keccak256.Hash(input).ToString());
            Assert.Equal(vector[2], Sha256.Hash(input).ToString());
            cases++;
        }

        Assert.Equal(25, cases);
    }

    // The hash of nothing is in Ethereum's yellow paper; the selector of transfer(address,uint256) is a9059cbb.
    [Fact]
    public void Keccak_has_the_padding_of_Ethereum()
    {
        Assert.Equal("c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470", Keccak256.Hash([]).ToString());
        Assert.StartsWith("a9059cbb", Keccak256.Hash(Encoding.ASCII.GetBytes("transfer(address,uint256)")).ToString(), StringComparison.Ordinal);
    }

    // the definition is itself tied to FIPS 202: with the other padding it is SHA3-256 of nothing and of abc
    [Fact]
    public void Keccak_is_its_definition_at_every_length()
    {
        Assert.Equal(
            "a7ffc6f8bf1ed76651c14756a061d662f580ff4de43b49fa82d80a4b80f8434a", Convert.ToHexStringLower(KeccakDefinition.Hash([], 0x06)));
        Assert.Equal(
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            Convert.ToHexStringLower(KeccakDefinition.Hash("abc"u8, 0x06)));
        Assert.Equal("4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45", Keccak256.Hash("abc"u8).ToString());
        byte[] input = new byte[700];
        new SeededRandom(1600).Fill(input);
        for (int length = 0; length <= input.Length; length++)
        {
            ReadOnlySpan<byte> message = input.AsSpan(input.Length - length);
            Assert.True(Bytes32.From(KeccakDefinition.Hash(message)) == Keccak256.Hash(message), $"{length} bytes");
        }
    }

    // FIPS 180-4, example of one block.
    [Fact]
    public void Sha_256_of_abc()
    {
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Sha256.Hash("abc"u8).ToString());
    }

    // the framework's is a third implementation: every length to beyond the place where Hash hands over to it
    [Fact]
    public void Sha_256_is_the_frameworks_at_every_length_by_every_compression()
    {
        byte[] input = new byte[2300];
        new SeededRandom(256).Fill(input);
        for (int length = 0; length <= input.Length; length += length < 400 || length > 2000 ? 1 : 13)
        {
            ReadOnlySpan<byte> message = input.AsSpan(input.Length - length);
            Bytes32 expected = Bytes32.From(SHA256.HashData(message));
            Assert.True(expected == Sha256.Hash(message), $"{length} bytes");
            Assert.True(expected == Sha256.Hash(message, native: false), $"{length} bytes, our own compression");
            if (Sha256.Libcrypto.IsThere)
            {
                Assert.True(expected == Sha256.Hash(message, native: true), $"{length} bytes, libcrypto's compression");
            }
        }
    }

    // where .NET's cryptography is OpenSSL 3 or 1.1, its compression has to be found: otherwise the fast path is lost in silence
    [Fact]
    public void Libcrypto_is_found_on_linux()
    {
        bool mustBeThere = OperatingSystem.IsLinux() && SafeEvpPKeyHandle.OpenSslVersion >> 28 is 1 or 3;
        Assert.Equal(mustBeThere, Sha256.Libcrypto.IsThere);
    }

    // FIPS 180-4, example of two blocks; a million times 'a' is in the same set
    [Fact]
    public void Sha_256_of_the_published_long_messages()
    {
        Assert.Equal(
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
            Sha256.Hash("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"u8).ToString());
        byte[] million = new byte[1_000_000];
        Array.Fill(million, (byte)'a');
        string expected = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";
        Assert.Equal(expected, Sha256.Hash(million).ToString());
        Assert.Equal(expected, Sha256.Hash(million, native: false).ToString());
    }

    [Fact]
    public void Hashing_allocates_nothing()
    {
        byte[] input = new byte[500];
        Bytes32 sink = Keccak256.Hash(input);
        sink = Sha256.Hash(input);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 50; i++)
        {
            sink.CopyTo(input);
            sink = Keccak256.Hash(input);
            sink.CopyTo(input);
            sink = Sha256.Hash(input);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
