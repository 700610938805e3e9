// What Health says: JSON for people, which the node embeds verbatim, and a fault when the node should be reported unhealthy.
//
//   { "state": "NormalOp", "height": 7, "id": "...", "ageMs": 1200, "lagMs": 1200, "processing": 1, "mempool": 12,
//     "checkpoint": { "height": 3, "blocksBehind": 4, "ageMs": 5200 }, "store": { "records": 1000, "waiting": 0, "treeMemoryBytes": 90000 },
//     "admission": { "peers": { "admitted": 900, "refused": 3 }, "clients": { "admitted": 20, "refused": 0 } }, "disk": { "freeBytes": 1000000000 } }
//
// ageMs is the time since the newest block's; lagMs is the same while something waits or is undecided, and 0 on a chain that has nothing to do. A checkpoint's
// age is its block's: what a restart would have to replay. Null before the first.
//
// Threading: under the node's lock, so the store's numbers stand still.

using System;
using System.Buffers;
using System.IO;
using System.Text.Json;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>The state of a chain in words.</summary>
internal static class Health
{
    /// <summary>Below this much free disk the chain is unhealthy: the log could not take many more blocks.</summary>
    public const long FreeBytesMin = 256L << 20;

    /// <summary>Describes a chain.</summary>
    /// <param name="fault">Null, or why it is unhealthy.</param>
    public static byte[] Describe(OpenChain open, State state, out string? fault)
    {
        Block last = open.Chain.LastAccepted;
        long free = new DriveInfo(open.Context.DataFolder).AvailableFreeSpace;
        ulong height = last.Header.Height.Value;
        ulong checkpoint = open.Store.CheckpointHeight?.Value ?? 0;
        ArrayBufferWriter<byte> target = new();
        using (Utf8JsonWriter json = new(target))
        {
            json.WriteStartObject();
            json.WriteString("state", state.ToString());
            json.WriteNumber("height", height);
            json.WriteString("id", last.Id.ToString());
            long ageMs = AgeMs(open, last);
            bool isIdle = open.Chain.ProcessingCount == 0 && open.Chain.MempoolCount == 0;
            json.WriteNumber("ageMs", ageMs);
            json.WriteNumber("lagMs", isIdle ? 0 : Math.Max(0, ageMs));
            json.WriteNumber("processing", open.Chain.ProcessingCount);
            json.WriteNumber("mempool", open.Chain.MempoolCount);
            json.WriteStartObject("checkpoint");
            json.WriteNumber("height", checkpoint);
            json.WriteNumber("blocksBehind", height - Math.Min(height, checkpoint));
            json.WritePropertyName("ageMs");
            if (open.Store.CheckpointHeight is { } at && open.Chain.TryGetBlock(at, out Block? covered))
            {
                json.WriteNumberValue(AgeMs(open, covered));
            }
            else
            {
                json.WriteNullValue();
            }

            json.WriteEndObject();
            json.WriteStartObject("store");
            json.WriteNumber("records", open.Store.Records);
            json.WriteNumber("waiting", open.Store.Waiting);
            json.WriteNumber("treeMemoryBytes", open.Store.TreeMemoryBytes);
            json.WriteEndObject();
            json.WriteStartObject("admission");
            WriteDoor(json, "peers", open.FromPeers);
            WriteDoor(json, "clients", open.FromClients);
            json.WriteEndObject();
            json.WriteStartObject("disk");
            json.WriteNumber("freeBytes", free);
            json.WriteEndObject();
            json.WriteEndObject();
        }

        fault = free < FreeBytesMin ? $"The disk of '{open.Context.DataFolder}' has {free >> 20} MiB left; at least {FreeBytesMin >> 20} are wanted." : null;
        return target.WrittenSpan.ToArray();
    }

    private static long AgeMs(OpenChain open, Block block) => open.Time.GetUtcNow().ToUnixTimeMilliseconds() - (long)block.Header.TimestampMs;

    private static void WriteDoor(Utf8JsonWriter json, string name, Admission door)
    {
        long refused = 0;
        foreach ((RefusalCode _, long count) in door.Refused)
        {
            refused += count;
        }

        json.WriteStartObject(name);
        json.WriteNumber("admitted", door.Admitted);
        json.WriteNumber("refused", refused);
        json.WriteEndObject();
    }
}
