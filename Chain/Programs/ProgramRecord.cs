// A program as the state keeps it: one record that says everything about it but its code, and the code in chunks.
//
//   owner ProgramId.System
//     local key = program id        program record     version u8 = 1 | fork u32 | active from u64 | authority 32 | code hash 32
//                                                      | code length u32 | selector count u8 | selectors u32, ascending
//                                                      | chunk count u8 | chunk keys 32
//     local key = hash of chunk     chunk              4,096 bytes of code, the last one what is left
//
// A chunk's key is the hash of its bytes, so a chunk can be put there by anybody, once, and can never be another; equal chunks
// of several programs are one record. Program ids are hashes of another domain (or chosen by genesis), so the two never meet.
//
// The id of a deployed program is a hash of its deployer and a salt that it chose: nobody else can take it, and it is known
// before there is code.
//
// Threading: immutable.

using System;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>What the chain knows of a program without its code.</summary>
/// <param name="Fork">Fork under whose rules the code was verified.</param>
/// <param name="ActiveFrom">First height whose transactions run this code.</param>
/// <param name="Authority">Who may upgrade it; zero when nobody may any more.</param>
/// <param name="CodeHash">BLAKE3 of the container.</param>
/// <param name="CodeLength">Bytes of the container.</param>
/// <param name="Selectors">Selectors of its entries, in container order. Not to be changed.</param>
/// <param name="Chunks">Local keys of its chunks, in order. Not to be changed.</param>
public sealed record ProgramRecord(
    uint Fork, Height ActiveFrom, PublicKey Authority, Bytes32 CodeHash, int CodeLength, uint[] Selectors, LocalKey[] Chunks)
{
    /// <summary>Bytes of a chunk: the longest record there may be.</summary>
    public const int ChunkBytes = StateLimits.MaxRecordBytes;

    /// <summary>The most chunks whose keys fit the record beside the most selectors.</summary>
    public const int MaxChunks = (StateLimits.MaxRecordBytes - HeadBytes - (Container.MaxEntries * sizeof(uint))) / Bytes32.Size;

    private const byte Version = 1;
    private const int HeadBytes = 1 + 4 + 8 + Bytes32.Size + Bytes32.Size + 4 + 1 + 1;
    private const string ChunkContext = "ParallelVm 2026-11 v1 code chunk";
    private const string IdContext = "ParallelVm 2026-11 v1 program id";

    /// <summary>Whether nobody may change the program any more.</summary>
    public bool IsFrozen => Authority == default;

    /// <summary>Bytes of the encoded record.</summary>
    public int Length => HeadBytes + (Selectors.Length * sizeof(uint)) + (Chunks.Length * Bytes32.Size);

    /// <summary>The id of the program that this account deploys with this salt.</summary>
    public static ProgramId IdOf(in PublicKey deployer, in Bytes32 salt)
    {
        Span<byte> material = stackalloc byte[2 * Bytes32.Size];
        deployer.Value.CopyTo(material);
        salt.CopyTo(material[Bytes32.Size..]);
        return new ProgramId(Blake3.DeriveKey(IdContext, material));
    }

    /// <summary>Where a chunk of code lives.</summary>
    public static LocalKey ChunkKeyOf(ReadOnlySpan<byte> chunk) => new(Blake3.DeriveKey(ChunkContext, chunk));

    /// <summary>How many chunks a code of this length has.</summary>
    public static int ChunksOf(int codeLength) => (codeLength + ChunkBytes - 1) / ChunkBytes;

    /// <summary>A chunk of a code.</summary>
    public static ReadOnlySpan<byte> ChunkOf(ReadOnlySpan<byte> code, int index) =>
        code.Slice(index * ChunkBytes, Math.Min(ChunkBytes, code.Length - (index * ChunkBytes)));

    /// <summary>The keys of a code's chunks, in order.</summary>
    public static LocalKey[] ChunkKeysOf(ReadOnlySpan<byte> code)
    {
        LocalKey[] keys = new LocalKey[ChunksOf(code.Length)];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = ChunkKeyOf(ChunkOf(code, i));
        }

        return keys;
    }

    /// <summary>The place of a selector, or -1.</summary>
    public int FindEntry(uint selector) => Array.IndexOf(Selectors, selector);

    /// <summary>The record's bytes.</summary>
    public byte[] Encode()
    {
        CanonicalWriter writer = new(Length);
        writer.WriteU8(Version);
        writer.WriteU32(Fork);
        writer.WriteU64(ActiveFrom.Value);
        writer.WriteBytes32(Authority.Value);
        writer.WriteBytes32(CodeHash);
        writer.WriteU32((uint)CodeLength);
        writer.WriteU8((byte)Selectors.Length);
        foreach (uint selector in Selectors)
        {
            writer.WriteU32(selector);
        }

        writer.WriteU8((byte)Chunks.Length);
        foreach (LocalKey chunk in Chunks)
        {
            writer.WriteBytes32(chunk.Value);
        }

        return writer.ToArray();
    }

    /// <summary>Reads a record that the chain wrote.</summary>
    /// <exception cref="InvariantException">It is none: only the chain writes below the system program.</exception>
    public static ProgramRecord Decode(ReadOnlySpan<byte> bytes)
    {
        CanonicalReader reader = new(bytes);
        byte version = reader.ReadU8();
        uint fork = reader.ReadU32();
        Height activeFrom = new(reader.ReadU64());
        PublicKey authority = new(reader.ReadBytes32());
        Bytes32 codeHash = reader.ReadBytes32();
        int length = (int)reader.ReadU32();
        uint[] selectors = new uint[reader.ReadU8()];
        for (int i = 0; i < selectors.Length; i++)
        {
            selectors[i] = reader.ReadU32();
        }

        LocalKey[] chunks = new LocalKey[reader.ReadU8()];
        for (int i = 0; i < chunks.Length; i++)
        {
            chunks[i] = new LocalKey(reader.ReadBytes32());
        }

        bool isWhole = reader.TryEnd(out _) && version == Version && chunks.Length == ChunksOf(length);
        Invariant.Require(isWhole);
        return new ProgramRecord(fork, activeFrom, authority, codeHash, length, selectors, chunks);
    }
}
