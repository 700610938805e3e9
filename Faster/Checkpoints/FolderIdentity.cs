// Whose data a folder holds. Written once, when the folder is new; every later opener compares the chain id before it
// touches anything else.
//
//   u32 magic | u16 format | chain id 32 | local salt 32 | checksum 32
//
// The salt keys the folder's checksums and hash buckets. It is secret only in that nobody outside knows it: a peer
// can then neither place bytes that pass for a log record nor aim at one hash bucket. It never reaches a root.

using System;
using System.IO;
using ParallelVm.Primitives;

namespace ParallelVm.Faster;

/// <summary>The identity file of a data folder.</summary>
/// <param name="Chain">The chain that the data belongs to.</param>
/// <param name="Salt">Local salt.</param>
internal readonly record struct FolderIdentity(ChainId Chain, Bytes32 Salt)
{
    public const string FileName = "identity";

    private const uint Magic = 0x44495650;   // "PVID"
    private const ushort Format = 1;

    /// <summary>Key of the checksums of log records, manifests and checkpoint files.</summary>
    public Bytes32 DeriveKey(string purpose)
    {
        Span<byte> material = stackalloc byte[2 * Bytes32.Size];
        Chain.Value.CopyTo(material);
        Salt.CopyTo(material[Bytes32.Size..]);
        return Blake3.DeriveKey("ParallelVm 2026-11 v1 store " + purpose, material);
    }

    /// <summary>Reads the identity, or writes one if the folder holds no data of ours.</summary>
    /// <exception cref="Primitives.State.StateStoreException">Another chain (702), damaged (703), unknown format (704).</exception>
    public static FolderIdentity Establish(IFileSystem files, string folder, ChainId chain, in Bytes32 salt, bool holdsData)
    {
        string path = Path.Combine(folder, FileName);
        if (!files.FileExists(path))
        {
            if (holdsData)
            {
                throw StoreFault.Of(RefusalCode.StoreIdentityDamaged, $"{folder} holds blocks or checkpoints, but no identity file that says of which chain.");
            }

            CanonicalWriter writer = new();
            writer.WriteU32(Magic);
            writer.WriteU16(Format);
            writer.WriteBytes32(chain.Value);
            writer.WriteBytes32(salt);
            SealedFile.Write(files, folder, FileName, SealKey(), writer.Written);
            files.SyncFolder(BlockLog.FolderAbove(folder));
            return new FolderIdentity(chain, salt);
        }

        if (!SealedFile.TryRead(files, path, SealKey(), out byte[] body))
        {
            throw StoreFault.Of(RefusalCode.StoreIdentityDamaged, $"The identity file {path} is damaged.");
        }

        CanonicalReader reader = new(body);
        uint magic = reader.ReadU32();
        ushort format = reader.ReadU16();
        if (magic != Magic || format != Format)
        {
            throw StoreFault.Of(RefusalCode.StoreFormatUnknown, $"The identity file {path} has format {format}; this program knows {Format}.");
        }

        FolderIdentity identity = new(new ChainId(reader.ReadBytes32()), reader.ReadBytes32());
        if (!reader.TryEnd(out Refusal refusal))
        {
            throw StoreFault.Of(RefusalCode.StoreIdentityDamaged, $"The identity file {path} is damaged: {refusal.Sentence}");
        }

        if (identity.Chain != chain)
        {
            throw StoreFault.Of(RefusalCode.StoreOfAnotherChain, $"{folder} holds data of chain {identity.Chain}, not of {chain}.");
        }

        return identity;
    }

    private static Bytes32 SealKey() => Blake3.DeriveKey("ParallelVm 2026-11 v1 store identity", []);
}
