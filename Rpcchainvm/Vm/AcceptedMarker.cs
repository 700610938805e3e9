// What the node's database knows of our accepted blocks: one key, written after our own log has the block.
//
//   "parallelvm/accepted" -> version u8 (1) | height u64 | block id 32        (integers big-endian, as all keys and values beside AvalancheGo)
//
// Why it exists: the node writes its own index of blocks before it calls BlockAccept, and stops for good when a plugin reports a block ahead of that index. A
// power cut may take the tail of the node's database but not of our log. The marker lies in the node's database behind that index, so it is never ahead of it,
// and the lower of marker and log is safe to report. (design: state.md 3.5)
//
// Threading: under the chain's lock.

using System;
using System.Buffers.Binary;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Node;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>The newest block that the node's database has seen accepted.</summary>
internal readonly record struct MarkedBlock(Height Height, BlockId Id);

/// <summary>Reads and writes the marker.</summary>
internal sealed class AcceptedMarker(NodeDatabase database)
{
    private const byte Version = 1;
    private const int Bytes = 1 + 8 + Bytes32.Size;

    private static readonly byte[] Key = "parallelvm/accepted"u8.ToArray();

    /// <summary>The marker; null when there is none.</summary>
    /// <exception cref="NodeDatabaseException">The database failed, or holds something else under the key.</exception>
    public async Task<MarkedBlock?> ReadAsync(CancellationToken cancelled = default)
    {
        byte[]? value = await database.GetAsync(Key, cancelled).ConfigureAwait(false);
        if (value is null)
        {
            return null;
        }

        return value.Length == Bytes && value[0] == Version
            ? new MarkedBlock(new Height(BinaryPrimitives.ReadUInt64BigEndian(value.AsSpan(1))), new BlockId(Bytes32.From(value.AsSpan(9))))
            : throw new NodeDatabaseException($"The marker of accepted blocks in the node's database is {value.Length} bytes that this version does not know.");
    }

    /// <summary>Moves the marker. Never cancelled: half an acceptance is none.</summary>
    /// <exception cref="NodeDatabaseException">The database failed.</exception>
    public Task WriteAsync(MarkedBlock block)
    {
        byte[] value = new byte[Bytes];
        value[0] = Version;
        BinaryPrimitives.WriteUInt64BigEndian(value.AsSpan(1), block.Height.Value);
        block.Id.Value.CopyTo(value.AsSpan(9));
        return database.PutAsync(Key, value);
    }
}
