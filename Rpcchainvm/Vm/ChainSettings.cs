// This node's settings of a chain: the content of AvalancheGo's config file for it, a JSON object. All fields may be missing; a field that is not known is
// refused by name, because a typo that changes nothing is found too late.
//
//   { "workers": 8, "jit": true, "historyBlocks": 1024, "keepBlocks": 0, "tableMemoryMb": 256, "mempoolTransactions": 65536, "mempoolMb": 64, "receiptMb": 64 }
//
// Nothing here changes a result: consensus is genesis' matter.
//
// Threading: immutable.

using System;
using System.Text.Json;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>What an operator may choose.</summary>
internal sealed record ChainSettings
{
    /// <summary>Workers per batch; the machine's cores unless said.</summary>
    public int Workers { get; init; } = Math.Clamp(Environment.ProcessorCount, 1, WorkersMax);

    /// <summary>Programs are compiled in the background.</summary>
    public bool Jit { get; init; } = true;

    /// <summary>How far back the state can be read, and the chain be taken when the node is behind; -1: all the way.</summary>
    public int HistoryBlocks { get; init; } = 1024;

    /// <summary>Newest blocks that are kept at least; 0: all.</summary>
    public long KeepBlocks { get; init; }

    /// <summary>Memory of the state table's log.</summary>
    public int TableMemoryMb { get; init; } = 256;

    /// <summary>Transactions that wait at most.</summary>
    public int MempoolTransactions { get; init; } = 65_536;

    /// <summary>Bytes that wait at most.</summary>
    public int MempoolMb { get; init; } = 64;

    /// <summary>Memory of the newest blocks and their receipts; 64 blocks are kept whatever they take.</summary>
    public int ReceiptMb { get; init; } = 64;

    private const int WorkersMax = 64;

    /// <summary>Reads settings; no bytes at all are the defaults.</summary>
    public static bool TryRead(ReadOnlySpan<byte> utf8, out ChainSettings settings, out Refusal refusal)
    {
        settings = new ChainSettings();
        refusal = Refusal.None;
        if (utf8.Length == 0)
        {
            return true;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(utf8.ToArray(), new JsonDocumentOptions { MaxDepth = 4 });
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                refusal = new Refusal(RefusalCode.JsonWrongKind, "The chain's config is not a JSON object.");
                return false;
            }

            foreach (JsonProperty property in document.RootElement.EnumerateObject())
            {
                settings = settings.With(property, ref refusal);
                if (refusal.IsRefused)
                {
                    return false;
                }
            }

            return true;
        }
        catch (JsonException malformed)
        {
            refusal = new Refusal(
                RefusalCode.JsonMalformed, $"The chain's config is not JSON at line {malformed.LineNumber + 1}, byte {malformed.BytePositionInLine + 1}.");
            return false;
        }
    }

    private ChainSettings With(JsonProperty property, ref Refusal refusal)
    {
        switch (property.Name)
        {
            case "workers": return this with { Workers = (int)Number(property, 1, WorkersMax, ref refusal) };
            case "historyBlocks": return this with { HistoryBlocks = (int)Number(property, -1, int.MaxValue, ref refusal) };
            case "keepBlocks": return this with { KeepBlocks = Number(property, 0, long.MaxValue, ref refusal) };
            case "tableMemoryMb": return this with { TableMemoryMb = (int)Number(property, 16, 1 << 20, ref refusal) };
            case "mempoolTransactions": return this with { MempoolTransactions = (int)Number(property, 1, 1 << 24, ref refusal) };
            case "mempoolMb": return this with { MempoolMb = (int)Number(property, 1, 1 << 20, ref refusal) };
            case "receiptMb": return this with { ReceiptMb = (int)Number(property, 0, 1 << 20, ref refusal) };
            case "jit":
                if (property.Value.ValueKind is JsonValueKind.True or JsonValueKind.False)
                {
                    return this with { Jit = property.Value.GetBoolean() };
                }

                refusal = new Refusal(RefusalCode.JsonWrongKind, "The chain's config: 'jit' is neither true nor false.");
                return this;
            default:
                string name = property.Name.Length <= 64 ? property.Name : property.Name[..64];
                refusal = new Refusal(RefusalCode.JsonUnknownField, $"The chain's config: there is no setting '{name}'.");
                return this;
        }
    }

    private static long Number(JsonProperty property, long least, long most, ref Refusal refusal)
    {
        if (property.Value.ValueKind == JsonValueKind.Number && property.Value.TryGetInt64(out long value) && value >= least && value <= most)
        {
            return value;
        }

        refusal = new Refusal(RefusalCode.JsonBadNumber, $"The chain's config: '{property.Name}' is not a whole number from {least} to {most}.");
        return least;
    }
}
