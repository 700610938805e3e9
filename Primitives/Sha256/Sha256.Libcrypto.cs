// The SHA-256 compression of OpenSSL's libcrypto, the library that .NET's own cryptography calls on Linux: no new dependency, only a
// lower door of it. SHA256_Transform takes eight state words at the start of its context, and one block.
//
// Consensus hangs on the answer, so the door is used only when it is there and passes a test against our own compression at the
// start; a build of libcrypto without it, another system, a wrong answer: our own compression runs, and all answers are equal.
//
// Threading: any; the function is found once.   Cost: a call without allocation, a few nanoseconds beside the compression.
// Source: OpenSSL, SHA256_Transform(3) and include/openssl/sha.h; docs/adr/0010.

using System;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace ParallelVm.Primitives;

public static partial class Sha256
{
    /// <summary>The native compression, if there is one.</summary>
    internal static unsafe class Libcrypto
    {
        /// <summary>Words that are set aside for libcrypto's context: it has 28.</summary>
        public const int ContextWords = 32;

        private static readonly delegate* unmanaged[Cdecl]<uint*, byte*, void> Transform = Find();

        /// <summary>Whether <see cref="Compress(Span{uint}, ReadOnlySpan{byte})"/> may be called.</summary>
        public static bool IsThere => Transform is not null;

        /// <summary>Compresses whole blocks into the first eight words.</summary>
        /// <param name="context"><see cref="ContextWords"/> words.</param>
        /// <param name="blocks">A multiple of 64 bytes.</param>
        public static void Compress(Span<uint> context, ReadOnlySpan<byte> blocks)
        {
            _ = context[ContextWords - 1];
            Compress(Transform, context, blocks);
        }

        // SAFETY: the context is as long as libcrypto's, both spans stay pinned, and a block is 64 readable bytes.
        private static void Compress(delegate* unmanaged[Cdecl]<uint*, byte*, void> transform, Span<uint> context, ReadOnlySpan<byte> blocks)
        {
            fixed (uint* state = context)
            fixed (byte* block = blocks)
            {
                for (int at = 0; at + BlockBytes <= blocks.Length; at += BlockBytes)
                {
                    transform(state, block + at);
                }
            }
        }

        private static delegate* unmanaged[Cdecl]<uint*, byte*, void> Find()
        {
            // the names that the framework tries, newest first
            if (!OperatingSystem.IsLinux()
                || !BitConverter.IsLittleEndian
                || !(NativeLibrary.TryLoad("libcrypto.so.3", out nint library) || NativeLibrary.TryLoad("libcrypto.so.1.1", out library))
                || !NativeLibrary.TryGetExport(library, "SHA256_Transform", out nint export))
            {
                return null;
            }

            delegate* unmanaged[Cdecl]<uint*, byte*, void> transform = (delegate* unmanaged[Cdecl]<uint*, byte*, void>)export;
            return Agrees(transform) ? transform : null;
        }

        /// <summary>Two hundred blocks, each chained to the last, by both.</summary>
        [SkipLocalsInit]
        private static bool Agrees(delegate* unmanaged[Cdecl]<uint*, byte*, void> transform)
        {
            Span<byte> blocks = stackalloc byte[200 * BlockBytes];
            new SeededRandom(256).Fill(blocks);
            Span<uint> native = stackalloc uint[ContextWords];
            Span<uint> ours = stackalloc uint[8];
            native.Clear();
            InitialState.CopyTo(native);
            InitialState.CopyTo(ours);
            Compress(transform, native, blocks);
            CompressManaged(ours, blocks);
            return native[..8].SequenceEqual(ours) && native[8..].IndexOfAnyExcept(0u) < 0;
        }
    }
}
