// BLAKE3 as its specification defines it, on the plain compression: recursive, allocating, one word at a time. The oracle of
// the stack of left sides, the vectors and the lanes.

using System;
using System.Buffers.Binary;
using System.Numerics;

namespace ParallelVm.Primitives.Tests.Hashes;

internal static class Blake3Definition
{
    private const uint ChunkStart = 1;
    private const uint ChunkEnd = 2;
    private const uint Parent = 4;
    private const uint Root = 8;

    public const uint KeyedMode = 16;

    public static uint[] Iv { get; } =
        [0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19];

    /// <summary>What is compressed last at a node; the root compresses it with another flag and a rising counter.</summary>
    private sealed record Node(uint[] Cv, uint[] Block, ulong Counter, uint Length, uint Flags)
    {
        public uint[] ChainingValue => Compress(this, Counter, Flags)[..8];
    }

    public static byte[] Hash(uint[] key, ReadOnlySpan<byte> input, uint mode, int outputLength)
    {
        Node root = NodeOf(key, input, 0, mode);
        byte[] output = new byte[(outputLength + 63) / 64 * 64];
        for (int block = 0; block < output.Length / 64; block++)
        {
            uint[] words = Compress(root, (ulong)block, root.Flags | Root);
            for (int i = 0; i < 16; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(output.AsSpan((64 * block) + (4 * i)), words[i]);
            }
        }

        return output[..outputLength];
    }

    public static uint[] WordsOf(ReadOnlySpan<byte> bytes)
    {
        uint[] words = new uint[bytes.Length / 4];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 * i)..]);
        }

        return words;
    }

    private static Node NodeOf(uint[] key, ReadOnlySpan<byte> input, ulong chunk, uint mode)
    {
        if (input.Length <= 1024)
        {
            return ChunkOf(key, input, chunk, mode);
        }

        int chunks = (input.Length + 1023) / 1024;
        int left = (int)BitOperations.RoundUpToPowerOf2((uint)chunks) / 2;
        uint[] leftCv = NodeOf(key, input[..(left * 1024)], chunk, mode).ChainingValue;
        uint[] rightCv = NodeOf(key, input[(left * 1024)..], chunk + (ulong)left, mode).ChainingValue;
        return new Node(key, [.. leftCv, .. rightCv], 0, 64, mode | Parent);
    }

    private static Node ChunkOf(uint[] key, ReadOnlySpan<byte> input, ulong chunk, uint mode)
    {
        uint[] cv = key;
        int blocks = Math.Max(1, (input.Length + 63) / 64);
        for (int i = 0; ; i++)
        {
            ReadOnlySpan<byte> bytes = input[(64 * i)..Math.Min(input.Length, 64 * (i + 1))];
            byte[] padded = new byte[64];
            bytes.CopyTo(padded);
            uint flags = mode | (i == 0 ? ChunkStart : 0) | (i == blocks - 1 ? ChunkEnd : 0);
            Node node = new(cv, WordsOf(padded), chunk, (uint)bytes.Length, flags);
            if (i == blocks - 1)
            {
                return node;
            }

            cv = node.ChainingValue;
        }
    }

    private static uint[] Compress(Node node, ulong counter, uint flags)
    {
        uint[] result = new uint[16];
        Blake3.CompressPlain(node.Cv, node.Block, counter, node.Length, flags, result);
        return result;
    }
}
