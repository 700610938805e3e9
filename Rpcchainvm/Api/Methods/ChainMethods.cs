// Methods about the chain and its blocks.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Text.Json;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api.Methods;

/// <summary>chainInfo, block, conflicts.</summary>
internal static class ChainMethods
{
    private static readonly RpcParam[] WhichBlock =
    [
        new("id", "block id", "hexadecimal, or CB58 as the node prints it", IsOptional: true),
        new("height", "integer", "height of an accepted block; without id and height it is the last accepted one", IsOptional: true),
    ];

    /// <summary>The rows.</summary>
    public static RpcMethod[] All { get; } =
    [
        new(
            "chainInfo",
            [],
            "What the chain is, and where it stands.",
            "`chainId`, `name`, `baseFee`, `treasury`, `limits`, `genesisTimestampMs`, `lastAccepted` and `preferred` (`id`, `height`), `stateRoot`, `timestampMs`, `processing`, `waiting` (transactions that no block of the preferred branch holds), `oldestReceipts` (height, or null), `nowMs`",
            IsHeavy: false,
            ChainInfo),
        new(
            "block",
            [
                .. WhichBlock,
                new("transactions", "\"ids\" or \"full\"", "how its transactions are shown (ids)", IsOptional: true),
                new("receipts", "flag", "with receipts, as far as they are kept (false)", IsOptional: true),
                new("bytes", "flag", "with the block's bytes (false)", IsOptional: true),
            ],
            "A block by id or height.",
            "`id`, `idCb58`, `height`, `parentId`, `timestampMs`, `gasUsed`, `stateRoot`, `receiptsRoot`, `status` (accepted, processing), `transactions`, `receipts` (null when they are not kept), `bytes`",
            IsHeavy: false,
            BlockOf),
        new(
            "conflicts",
            WhichBlock,
            "What keeps a block's transactions from running side by side.",
            "`block`, `transactions`, `costs` (gasUsed, or gasLimit where receipts are not kept), `work`, `span`, `ceilingPermille`, `levels`, `width`, `criticalPath` (`index`, `id`, `start`, `cost`, and the `program`, `key`, `mode` it waits for), `hottestKeys` (`program`, `key`, `onPath`, `alone`, `saves`, `reads`, `writes`, `adds`)",
            IsHeavy: true,
            Conflicts),
    ];

    private static RpcError ChainInfo(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        ChainService chain = api.Chain;
        Genesis genesis = chain.Rules.Genesis;
        Block last = chain.LastAccepted;
        Block preferred = chain.TryGetBlock(chain.Preference, out Block? tip) ? tip : last;
        json.WriteStartObject();
        json.WriteBytes32("chainId", genesis.ChainId.Value);
        json.WriteString("name", genesis.Name);
        json.WriteAmount("baseFee", genesis.BaseFee);
        json.WriteBytes32("treasury", genesis.Treasury.Value);
        json.WriteStartObject("limits");
        json.WriteNumber("maxTransactionBytes", genesis.Limits.MaxTransactionBytes);
        json.WriteNumber("maxAccesses", genesis.Limits.MaxAccesses);
        json.WriteNumber("maxArgumentBytes", genesis.Limits.MaxArgumentBytes);
        json.WriteNumber("maxTransactionGas", genesis.Limits.MaxTransactionGas);
        json.WriteNumber("maxBlockBytes", genesis.Limits.MaxBlockBytes);
        json.WriteNumber("maxBlockGas", genesis.Limits.MaxBlockGas);
        json.WriteEndObject();
        json.WriteNumber("genesisTimestampMs", genesis.TimestampMs);
        json.WriteBlockPlace("lastAccepted", last);
        json.WriteBlockPlace("preferred", preferred);
        json.WriteBytes32("stateRoot", last.Header.StateRoot.Value);
        json.WriteNumber("timestampMs", last.Header.TimestampMs);
        json.WriteNumber("processing", chain.ProcessingCount);
        json.WriteNumber("waiting", chain.MempoolCount);
        if (chain.OldestReceipts is { } oldest)
        {
            json.WriteNumber("oldestReceipts", oldest.Value);
        }
        else
        {
            json.WriteNull("oldestReceipts");
        }

        json.WriteNumber("nowMs", api.Time.GetUtcNow().ToUnixTimeMilliseconds());
        json.WriteEndObject();
        return default;
    }

    private static RpcError BlockOf(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        bool isFull = parameters.Word("transactions", "ids", "full") == "full";
        bool withReceipts = parameters.Flag("receipts");
        bool withBytes = parameters.Flag("bytes");
        if (!TryFindBlock(api, parameters, out Block? block, out RpcError error))
        {
            return error;
        }

        json.WriteStartObject();
        WriteBlock(json, api.Chain, block, isFull, withReceipts);
        if (withBytes)
        {
            json.WriteHex("bytes", block.Bytes.Span);
        }

        json.WriteEndObject();
        return default;
    }

    /// <summary>A block as fields inside an object.</summary>
    public static void WriteBlock(Utf8JsonWriter json, ChainService chain, Block block, bool isFull, bool withReceipts)
    {
        bool isAccepted = chain.TryGetBlock(block.Header.Height, out Block? accepted) && accepted.Id == block.Id;
        json.WriteHeader(block.Id, block.Header);
        json.WriteString("status", isAccepted ? "accepted" : "processing");
        json.WriteStartArray("transactions");
        foreach (Transaction transaction in block.Transactions)
        {
            if (isFull)
            {
                json.WriteTransaction(transaction);
            }
            else
            {
                json.WriteStringValue(transaction.Id.ToString());
            }
        }

        json.WriteEndArray();
        if (!withReceipts)
        {
            return;
        }

        if (!chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts))
        {
            json.WriteNull("receipts");
            return;
        }

        json.WriteStartArray("receipts");
        for (int i = 0; i < receipts.Length; i++)
        {
            json.WriteStartObject();
            json.WriteReceipt(block.Transactions[i], receipts.Span[i]);
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static RpcError Conflicts(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        if (!TryFindBlock(api, parameters, out Block? block, out RpcError error))
        {
            return error;
        }

        api.Chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts);           // empty when they are not kept
        new BlockConflicts(block, receipts.Span).Write(json);
        return default;
    }

    private static bool TryFindBlock(ApiContext api, ParamReader parameters, [NotNullWhen(true)] out Block? block, out RpcError error)
    {
        block = null;
        error = default;
        bool hasId = parameters.Has("id");
        ulong? height = parameters.OptionalInteger("height", ulong.MaxValue);
        BlockId id = hasId ? parameters.BlockId("id") : default;
        if (hasId && height is not null)
        {
            parameters.Fail("height", "is given beside id; give one of them");
        }

        if (parameters.Error.IsError)
        {
            return false;
        }

        bool isFound = hasId ? api.Chain.TryGetBlock(id, out block) : height is { } value ? api.Chain.TryGetBlock(new Height(value), out block) : (block = api.Chain.LastAccepted) is not null;
        error = isFound ? default : RpcError.Missing(hasId ? $"There is no block {id} here." : $"There is no accepted block of height {height} here.");
        return isFound;
    }
}
