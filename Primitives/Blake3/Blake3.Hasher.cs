// BLAKE3 of an input that arrives in parts, and output that is read from any place.
//
//   parts -> the open chunk          bytes wait in a block until more follow, because the last block has a flag of its own
//         -> subtrees in lanes       whole chunks of a long part, as many as the tree allows at this place
//         -> left sides              unjoined chaining values, one per set bit of the number of chunks closed
//
// Invariants
//   H1  a chunk or subtree is closed only when a byte follows it, so it is never the root
//   H2  after n closed chunks there are popcount(n) left sides, the largest first
//
// Cost: as Blake3 for long parts; one copy for parts under a block. Nothing allocates: the state is 1.9 KiB inside the value.
// Threading: one owner. A copy is a hasher of its own from there on.   Source: the BLAKE3 specification, sections 2.1, 2.6, 5.1.2.

using System;
using System.Numerics;
using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives;

public static partial class Blake3
{
    /// <summary>An incremental hash in any of the three modes.</summary>
    public struct Hasher
    {
        private Words8 _key;
        private Words8 _cv;
        private Block64 _block;
        private Sides _sides;
        private ulong _chunks;
        private uint _mode;
        private int _blockLength;
        private int _blocksDone;
        private int _lanes;

        /// <summary>A hasher without a key.</summary>
        public static Hasher Create() => new(Iv, 0, WidestLanes);

        /// <summary>A hasher under a key.</summary>
        public static Hasher CreateKeyed(in Bytes32 key) => CreateKeyed(key, WidestLanes);

        /// <summary>A hasher of key material.</summary>
        /// <param name="context">A literal that names application, date, purpose; never data of a user.</param>
        public static Hasher CreateDeriveKey(string context)
        {
            Span<uint> words = stackalloc uint[8];
            WordsOf(ContextKey(context), words);
            return new Hasher(words, FlagMaterial, WidestLanes);
        }

        /// <summary>As the public one, with at most so many lanes.</summary>
        internal static Hasher CreateKeyed(in Bytes32 key, int lanes)
        {
            Span<uint> words = stackalloc uint[8];
            WordsOf(key, words);
            return new Hasher(words, FlagKeyed, lanes);
        }

        private Hasher(ReadOnlySpan<uint> key, uint mode, int lanes)
        {
            key.CopyTo(_key);
            key.CopyTo(_cv);
            _mode = mode;
            _lanes = lanes;
        }

        /// <summary>Takes the next part of the input, of any length.</summary>
        public void Append(ReadOnlySpan<byte> part)
        {
            while (!part.IsEmpty)
            {
                int open = (_blocksDone * BlockBytes) + _blockLength;
                if (open == ChunkBytes)
                {
                    CloseChunk(); // H1: a byte follows
                    continue;
                }

                if (open == 0 && part.Length > ChunkBytes)
                {
                    part = part[CloseSubtree(part)..];
                    continue;
                }

                int take = Math.Min(ChunkBytes - open, part.Length);
                AppendToChunk(part[..take]);
                part = part[take..];
            }
        }

        /// <summary>The hash of what was taken so far. More may follow.</summary>
        [SkipLocalsInit]
        public readonly Bytes32 Hash()
        {
            Span<byte> output = stackalloc byte[Bytes32.Size];
            Read(0, output);
            return Bytes32.From(output);
        }

        /// <summary>Extended output of what was taken so far. More may follow.</summary>
        /// <param name="offset">First byte of the output that is wanted, any.</param>
        /// <param name="output">Filled.</param>
        [SkipLocalsInit]
        public readonly void Read(ulong offset, Span<byte> output)
        {
            // the open chunk, then the left sides from the top down; what remains is the root, not compressed yet
            Span<uint> cv = stackalloc uint[8];
            Span<uint> block = stackalloc uint[16];
            ReadOnlySpan<uint> openCv = _cv;
            ReadOnlySpan<uint> sides = _sides;
            ReadOnlySpan<uint> key = _key;
            openCv.CopyTo(cv);
            ReadOnlySpan<byte> openBlock = _block;
            LoadBlock(openBlock[.._blockLength], block);
            ulong counter = _chunks;
            uint length = (uint)_blockLength;
            uint flags = _mode | StartFlag | FlagChunkEnd;
            for (int height = BitOperations.PopCount(_chunks); height > 0; height--)
            {
                Compress(cv, block, counter, length, flags, cv);
                sides.Slice((height - 1) * 8, 8).CopyTo(block);
                cv.CopyTo(block[8..]);
                key.CopyTo(cv);
                (counter, length, flags) = (0, BlockBytes, _mode | FlagParent);
            }

            Output(cv, block, length, flags | FlagRoot, offset, output);
        }

        private readonly uint StartFlag => _blocksDone == 0 ? FlagChunkStart : 0;

        private void AppendToChunk(ReadOnlySpan<byte> part)
        {
            Span<byte> block = _block;
            Span<uint> words = stackalloc uint[16];
            while (!part.IsEmpty)
            {
                if (_blockLength == BlockBytes)
                {
                    LoadFull(block, words);
                    Compress(_cv, words, _chunks, BlockBytes, _mode | StartFlag, _cv);
                    _blocksDone++;
                    _blockLength = 0;
                }

                int take = Math.Min(BlockBytes - _blockLength, part.Length);
                part[..take].CopyTo(block[_blockLength..]);
                _blockLength += take;
                part = part[take..];
            }
        }

        private void CloseChunk()
        {
            Span<uint> words = stackalloc uint[16];
            LoadFull(_block, words);
            Compress(_cv, words, _chunks, BlockBytes, _mode | StartFlag | FlagChunkEnd, _cv);
            AddSide(_cv, 1);
            ReadOnlySpan<uint> key = _key;
            key.CopyTo(_cv);
            _blocksDone = 0;
            _blockLength = 0;
        }

        /// <summary>Closes the largest subtree that may stand here and leaves at least a byte of the part.</summary>
        /// <param name="part">More than a chunk.</param>
        /// <returns>Bytes taken.</returns>
        [SkipLocalsInit]
        private int CloseSubtree(ReadOnlySpan<byte> part)
        {
            // a power of two of chunks, and the chunks before it a multiple of it
            int chunks = 1 << BitOperations.Log2((uint)((part.Length - 1) / ChunkBytes));
            if (_chunks != 0)
            {
                chunks = (int)Math.Min((ulong)chunks, _chunks & (0 - _chunks));
            }

            Span<byte> values = stackalloc byte[MaxSubtreeBytes];
            int count = Subtree(_key, part[..(chunks * ChunkBytes)], _chunks, _mode, _lanes, values);
            Join(_key, values, count, 1, _mode, _lanes);
            Span<uint> cv = stackalloc uint[8];
            LoadWords(values, cv);
            AddSide(cv, (ulong)chunks);
            return chunks * ChunkBytes;
        }

        /// <summary>Adds a closed subtree: joins it with the left sides that it completes (H2).</summary>
        /// <param name="chunks">Its size: a power of two that divides the chunks before it.</param>
        [SkipLocalsInit]
        private void AddSide(ReadOnlySpan<uint> value, ulong chunks)
        {
            Span<uint> sides = _sides;
            Span<uint> block = stackalloc uint[16];
            Span<uint> cv = stackalloc uint[8];
            value.CopyTo(cv);
            int height = BitOperations.PopCount(_chunks);
            for (ulong size = chunks; (_chunks & size) != 0; size *= 2)
            {
                height--;
                sides.Slice(height * 8, 8).CopyTo(block);
                cv.CopyTo(block[8..]);
                Compress(_key, block, 0, BlockBytes, _mode | FlagParent, cv);
            }

            cv.CopyTo(sides[(height * 8)..]);
            _chunks += chunks;
        }

        [InlineArray(8)]
        private struct Words8
        {
            private uint _first;
        }

        [InlineArray(BlockBytes)]
        private struct Block64
        {
            private byte _first;
        }

        // 2^64 bytes have 2^54 chunks: never more than 54 unjoined left sides
        [InlineArray(54 * 8)]
        private struct Sides
        {
            private uint _first;
        }
    }
}
