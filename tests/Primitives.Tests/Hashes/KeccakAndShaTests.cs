// Keccak-256 and SHA-256 at the edges of their blocks, and two answers that everyone knows.

using System;
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

    // FIPS 180-4, example of one block.
    [Fact]
    public void Sha_256_of_abc()
    {
        Assert.Equal("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", Sha256.Hash("abc"u8).ToString());
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
