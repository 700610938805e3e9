// BLAKE3: the hash of everything that is ours to choose (keys, tree, ids). Three modes with separate domains:
//
//   Hash        no key
//   Keyed       a 32-byte key; the tree uses one key per purpose, so a leaf can never pass for a node
//   DeriveKey   a key from a context string that is a literal in our code, and key material
//
// Each mode has an extendable output: a span of any length, whose first 32 bytes are the short result.
//
// Shape of the hash: chunks of 1024 bytes are chains of 64-byte blocks; chunk results are joined in a binary tree whose left side is
// the largest power of two of chunks.
//
//   this file      the modes and the short ways        Compression   one compression, plain and with vectors
//   Tree           one long input in lanes             Kernel        many messages in lanes (Lanes: the widths)
//   Batch          many short messages                 Hasher        an input in parts, output from any place
//
// Cost: one compression per 64 bytes plus one per 1024, as many at once as there are lanes. Nothing allocates, except DeriveKey with
// a context over 256 bytes.
// Threading: pure.   Source: the BLAKE3 specification; vectors in the tests.

using System;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;

namespace ParallelVm.Primitives;

/// <summary>BLAKE3 in its three modes.</summary>
public static partial class Blake3
{
    private const int BlockBytes = 64;
    private const int ChunkBytes = 1024;

    private const uint FlagChunkStart = 1 << 0;
    private const uint FlagChunkEnd = 1 << 1;
    private const uint FlagParent = 1 << 2;
    private const uint FlagRoot = 1 << 3;
    private const uint FlagKeyed = 1 << 4;
    private const uint FlagContext = 1 << 5;
    private const uint FlagMaterial = 1 << 6;
    private const uint OneBlock = FlagChunkStart | FlagChunkEnd | FlagRoot;

    private static ReadOnlySpan<uint> Iv => [Iv0, Iv1, Iv2, Iv3, Iv4, Iv5, Iv6, Iv7];

    /// <summary>The 32-byte hash of <paramref name="input"/>.</summary>
    public static Bytes32 Hash(ReadOnlySpan<byte> input) => Short(Iv, input, 0);

    /// <summary>The hash of <paramref name="input"/>, as many bytes as <paramref name="output"/> is long.</summary>
    public static void Hash(ReadOnlySpan<byte> input, Span<byte> output) => Tree(Iv, input, 0, output, WidestLanes);

    /// <summary>The 32-byte hash of <paramref name="input"/> under a key.</summary>
    /// <remarks>At most 64 bytes of input are one compression.</remarks>
    public static Bytes32 Keyed(in Bytes32 key, ReadOnlySpan<byte> input)
    {
        Span<uint> words = stackalloc uint[8];
        WordsOf(key, words);
        return Short(words, input, FlagKeyed);
    }

    /// <summary>The hash of <paramref name="input"/> under a key, as many bytes as <paramref name="output"/> is long.</summary>
    public static void Keyed(in Bytes32 key, ReadOnlySpan<byte> input, Span<byte> output) =>
        Keyed(key, input, output, WidestLanes);

    /// <summary>As the public one, with at most so many lanes.</summary>
    /// <param name="lanes">1, 4, 8 or 16, and at most <see cref="WidestLanes"/>.</param>
    internal static void Keyed(in Bytes32 key, ReadOnlySpan<byte> input, Span<byte> output, int lanes)
    {
        Span<uint> words = stackalloc uint[8];
        WordsOf(key, words);
        Tree(words, input, FlagKeyed, output, lanes);
    }

    /// <summary>The keyed hash of 64 bytes, given as two halves: one compression, what a node of the tree costs.</summary>
    /// <remarks>Equal to <see cref="Keyed(in Bytes32, ReadOnlySpan{byte})"/> over the bytes of <paramref name="left"/>, then those of
    /// <paramref name="right"/>.</remarks>
    [SkipLocalsInit]
    public static Bytes32 KeyedPair(in Bytes32 key, in Bytes32 left, in Bytes32 right)
    {
        Span<uint> words = stackalloc uint[24];
        WordsOf(key, words);
        WordsOf(left, words[8..]);
        WordsOf(right, words[16..]);
        Compress(words[..8], words[8..], 0, BlockBytes, FlagKeyed | OneBlock, words[..8]);
        return FromWords(words);
    }

    /// <summary>A 32-byte key from a context and key material.</summary>
    /// <param name="context">A literal that names application, date, purpose; never data of a user.</param>
    /// <param name="keyMaterial">Any bytes.</param>
    public static Bytes32 DeriveKey(string context, ReadOnlySpan<byte> keyMaterial)
    {
        Span<uint> words = stackalloc uint[8];
        WordsOf(ContextKey(context), words);
        return Short(words, keyMaterial, FlagMaterial);
    }

    /// <summary>As <see cref="DeriveKey(string, ReadOnlySpan{byte})"/>, as many bytes as <paramref name="output"/> is long.</summary>
    public static void DeriveKey(string context, ReadOnlySpan<byte> keyMaterial, Span<byte> output)
    {
        Span<uint> words = stackalloc uint[8];
        WordsOf(ContextKey(context), words);
        Tree(words, keyMaterial, FlagMaterial, output, WidestLanes);
    }

    private static Bytes32 ContextKey(string context)
    {
        ArgumentNullException.ThrowIfNull(context);
        int length = Encoding.UTF8.GetByteCount(context);
        Span<byte> bytes = length <= 256 ? stackalloc byte[length] : new byte[length];
        Encoding.UTF8.GetBytes(context, bytes);
        return Short(Iv, bytes, FlagContext);
    }

    /// <summary>32 bytes of output; at most one block of input takes the short way.</summary>
    [SkipLocalsInit]
    private static Bytes32 Short(ReadOnlySpan<uint> key, ReadOnlySpan<byte> input, uint mode)
    {
        if (input.Length > BlockBytes)
        {
            Span<byte> output = stackalloc byte[Bytes32.Size];
            Tree(key, input, mode, output, WidestLanes);
            return Bytes32.From(output);
        }

        Span<uint> words = stackalloc uint[16];
        LoadBlock(input, words);
        Compress(key, words, 0, (uint)input.Length, mode | OneBlock, words[..8]);
        return FromWords(words);
    }

    [SkipLocalsInit]
    private static void Tree(ReadOnlySpan<uint> key, ReadOnlySpan<byte> input, uint mode, Span<byte> output, int lanes)
    {
        Span<uint> cv = stackalloc uint[8];
        Span<uint> block = stackalloc uint[16];
        if (input.Length <= ChunkBytes)
        {
            uint flags = ChunkButLastBlock(key, input, 0, mode, cv, block, out uint length);
            Output(cv, block, length, flags | FlagRoot, 0, output);
            return;
        }

        Span<byte> values = stackalloc byte[MaxSubtreeBytes];
        int count = Subtree(key, input, 0, mode, lanes, values);
        Join(key, values, count, 2, mode, lanes);
        LoadFull(values[..BlockBytes], block);
        Output(key, block, BlockBytes, mode | FlagParent | FlagRoot, 0, output);
    }

    /// <summary>Runs a chunk up to its last block, which is left in <paramref name="block"/> to be compressed by the caller.</summary>
    /// <returns>The flags of that last block.</returns>
    private static uint ChunkButLastBlock(
        ReadOnlySpan<uint> key, ReadOnlySpan<byte> input, ulong chunk, uint mode, Span<uint> cv, Span<uint> block, out uint length)
    {
        key.CopyTo(cv);
        uint flags = mode | FlagChunkStart;
        for (; input.Length > BlockBytes; input = input[BlockBytes..])
        {
            LoadBlock(input[..BlockBytes], block);
            Compress(cv, block, chunk, BlockBytes, flags, cv);
            flags = mode;
        }

        LoadBlock(input, block);
        length = (uint)input.Length;
        return flags | FlagChunkEnd;
    }

    /// <summary>Root output from any place, of any length: the same compression with a rising counter.</summary>
    [SkipLocalsInit]
    private static void Output(ReadOnlySpan<uint> cv, ReadOnlySpan<uint> block, uint length, uint flags, ulong offset, Span<byte> output)
    {
        Span<uint> words = stackalloc uint[16];
        Span<byte> bytes = stackalloc byte[BlockBytes];
        int skip = (int)(offset % BlockBytes);
        for (ulong counter = offset / BlockBytes; !output.IsEmpty; counter++)
        {
            Compress(cv, block, counter, length, flags, words);
            StoreWords(words, bytes);
            int take = Math.Min(BlockBytes - skip, output.Length);
            bytes.Slice(skip, take).CopyTo(output);
            output = output[take..];
            skip = 0;
        }
    }

    /// <summary>At most 64 bytes into 16 little-endian words, zeros after the end.</summary>
    private static void LoadBlock(ReadOnlySpan<byte> input, Span<uint> words)
    {
        if (input.Length < BlockBytes)
        {
            Span<byte> padded = stackalloc byte[BlockBytes];
            padded.Clear();
            input.CopyTo(padded);
            LoadFull(padded, words);
            return;
        }

        LoadFull(input, words);
    }

    private static void LoadFull(ReadOnlySpan<byte> input, Span<uint> words) => LoadWords(input[..BlockBytes], words[..16]);

    /// <summary>Little-endian words out of bytes, as many as fit.</summary>
    private static void LoadWords(ReadOnlySpan<byte> input, Span<uint> words)
    {
        if (BitConverter.IsLittleEndian)
        {
            input[..(words.Length * sizeof(uint))].CopyTo(MemoryMarshal.AsBytes(words));
            return;
        }

        for (int i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt32LittleEndian(input[(4 * i)..]);
        }
    }

    /// <summary>Words into little-endian bytes.</summary>
    private static void StoreWords(ReadOnlySpan<uint> words, Span<byte> output)
    {
        if (BitConverter.IsLittleEndian)
        {
            MemoryMarshal.AsBytes(words).CopyTo(output);
            return;
        }

        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(output[(4 * i)..], words[i]);
        }
    }

    // Bytes32 keeps bytes 8k..8k+7 big-endian in word k; BLAKE3 wants them as two little-endian words.
    private static void WordsOf(in Bytes32 value, Span<uint> words)
    {
        _ = words[7];
        ulong w = BinaryPrimitives.ReverseEndianness(value.W0);
        words[0] = (uint)w;
        words[1] = (uint)(w >> 32);
        w = BinaryPrimitives.ReverseEndianness(value.W1);
        words[2] = (uint)w;
        words[3] = (uint)(w >> 32);
        w = BinaryPrimitives.ReverseEndianness(value.W2);
        words[4] = (uint)w;
        words[5] = (uint)(w >> 32);
        w = BinaryPrimitives.ReverseEndianness(value.W3);
        words[6] = (uint)w;
        words[7] = (uint)(w >> 32);
    }

    private static Bytes32 FromWords(ReadOnlySpan<uint> words) => new(
        Word(words[0], words[1]), Word(words[2], words[3]), Word(words[4], words[5]), Word(words[6], words[7]));

    private static ulong Word(uint first, uint second) =>
        BinaryPrimitives.ReverseEndianness(first | ((ulong)second << 32));
}
