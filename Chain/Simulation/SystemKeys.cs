// Which records a call of the system program touches: a function of payer and arguments, since that program takes its records by key
// and has no slots. What it would refuse anyway has none.
//
// Threading: pure.   Cost: publish hashes its bytes.

using System;
using System.Buffers.Binary;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Keys of calls of the system program.</summary>
internal static class SystemKeys
{
    private const int HeadBytes = (2 * Bytes32.Size) + sizeof(uint);

    /// <summary>What a call declares; empty when its arguments are not the entry's.</summary>
    public static BoundSlot[] Of(PublicKey payer, uint selector, ReadOnlySpan<byte> arguments)
    {
        switch ((SystemEntry)selector)
        {
            case SystemEntry.Publish when !arguments.IsEmpty && arguments.Length <= SystemProgram.MaxPublishBytes:
                return Array.ConvertAll(ProgramRecord.ChunkKeysOf(arguments), static key => Own(key, AccessMode.Write));
            case SystemEntry.Deploy or SystemEntry.Upgrade when arguments.Length >= HeadBytes:
                Bytes32 first = Bytes32.From(arguments);
                LocalKey program = new(selector == (uint)SystemEntry.Deploy ? ProgramRecord.IdOf(payer, first).Value : first);
                return WithChunks(program, arguments);
            case SystemEntry.SetAuthority or SystemEntry.Freeze when arguments.Length >= Bytes32.Size:
                return [Own(new LocalKey(Bytes32.From(arguments)), AccessMode.Write)];
            default:
                return [];
        }
    }

    private static BoundSlot[] WithChunks(LocalKey program, ReadOnlySpan<byte> arguments)
    {
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(arguments[(2 * Bytes32.Size)..]);
        ReadOnlySpan<byte> keys = arguments[HeadBytes..];
        if (length is 0 or > ProgramRecord.MaxChunks * ProgramRecord.ChunkBytes || keys.Length != ProgramRecord.ChunksOf((int)length) * Bytes32.Size)
        {
            return [];
        }

        BoundSlot[] all = new BoundSlot[1 + (keys.Length / Bytes32.Size)];
        all[0] = Own(program, AccessMode.Write);
        for (int i = 1; i < all.Length; i++)
        {
            all[i] = Own(new LocalKey(Bytes32.From(keys[((i - 1) * Bytes32.Size)..])), AccessMode.Read);
        }

        return all;
    }

    private static BoundSlot Own(LocalKey key, AccessMode mode) => new(ProgramId.System, key, mode);
}
