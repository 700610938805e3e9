// Methods about transactions on their way: submitting, asking what became of them, what waits, what it costs.

using System;
using System.Collections.Generic;
using System.Text.Json;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;

namespace ParallelVm.Rpcchainvm.Api.Methods;

/// <summary>submit, submitMany, status, receipt, mempool, estimateFee.</summary>
internal static class TransactionMethods
{
    private const int MaxMany = 512;
    private const int MaxShown = 256;

    /// <summary>The rows.</summary>
    public static RpcMethod[] All { get; } =
    [
        new(
            "submit",
            [new("transaction", "bytes", "a signed transaction")],
            "Takes a transaction into the mempool and passes it on to other nodes.",
            "`id`; a transaction that is refused is error -32000 with the refusal's code",
            IsHeavy: false,
            Submit),
        new(
            "submitMany",
            [new("transactions", "list of bytes", "signed transactions, at most 512")],
            "As submit, for many: their signatures are checked together, which costs a fifth.",
            "a list in the order of the request: `id`, or `refused` with `code`, `name`, `sentence`",
            IsHeavy: false,
            SubmitMany),
        new(
            "status",
            [new("id", "transaction id", "")],
            "Where a transaction stands.",
            "`status` (unknown, pending, processing, accepted), and where it is known `block` (`id`, `height`) and `index`. What is accepted longer ago than the replay window is unknown",
            IsHeavy: false,
            Status),
        new(
            "receipt",
            [new("id", "transaction id", ""), new("correct", "flag", "for an undeclared access: with the corrected access list (true)", IsOptional: true)],
            "What became of a transaction.",
            "`status` (processing, accepted), `block`, `index`, `outcome` (success, revert, trap), `code`, `reason`, `gasUsed`, `fee`, `events` (`program`, `schema`, `data`), `returned`; after a failure `function` and `instruction`; after an undeclared access `undeclared` (`slot`, `program`, `key`, `needed`, `declared`) and `corrected` (`complete`, `accesses`, `slots`, as discoverKeys finds them now; while too many simulations run that is -32003, and `correct` false is answered)",
            IsHeavy: false,
            Receipt),
        new(
            "mempool",
            [new("limit", "integer", "how many are shown, at most 256 (0)", IsOptional: true)],
            "What waits for a block.",
            "`count`, `bytes`, `maxCount`, `maxBytes`, `maxPerPayer`, `best` (`id`, `payer`, `effectiveTip`, `gasLimit`, `expiryMs`), in the order of tips",
            IsHeavy: false,
            Waiting),
        new(
            "estimateFee",
            [new("gas", "integer", "gas that the transaction will use", IsOptional: true)],
            "What a transaction should offer to be in the next block, by what waits now.",
            "`baseFee`, `tip`, `maxPrice` (their sum), and with gas `fee`",
            IsHeavy: false,
            EstimateFee),
    ];

    private static RpcError Submit(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        byte[] bytes = parameters.Bytes("transaction", Transaction.MaxBytes);
        if (parameters.Error.IsError)
        {
            return default;
        }

        Refusal refusal = api.Door.Submit(bytes, out TxId id);
        if (refusal.IsRefused)
        {
            return RpcError.Of(refusal);
        }

        api.Submitted?.Invoke([new GossipItem(id, bytes)]);
        json.WriteStartObject();
        json.WriteBytes32("id", id.Value);
        json.WriteEndObject();
        return default;
    }

    private static RpcError SubmitMany(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        byte[][] many = parameters.BytesList("transactions", MaxMany, Transaction.MaxBytes);
        if (parameters.Error.IsError)
        {
            return default;
        }

        TxId[] ids = new TxId[many.Length];
        Refusal[] refusals = api.Door.Submit(Array.ConvertAll(many, static bytes => new ReadOnlyMemory<byte>(bytes)), ids);
        List<GossipItem> taken = new(many.Length);
        json.WriteStartArray();
        for (int i = 0; i < many.Length; i++)
        {
            json.WriteStartObject();
            if (ids[i] != default)
            {
                json.WriteBytes32("id", ids[i].Value);
            }

            if (refusals[i].IsRefused)
            {
                json.WriteStartObject("refused");
                json.WriteNumber("code", (int)refusals[i].Code);
                json.WriteString("name", refusals[i].Code.ToString());
                json.WriteString("sentence", refusals[i].Sentence);
                json.WriteEndObject();
            }
            else
            {
                taken.Add(new GossipItem(ids[i], many[i]));
            }

            json.WriteEndObject();
        }

        json.WriteEndArray();
        if (taken.Count > 0)
        {
            api.Submitted?.Invoke(taken);
        }

        return default;
    }

    private static RpcError Status(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        TransactionPlace place = api.Chain.Find(new TxId(parameters.Bytes32("id")));
        json.WriteStartObject();
        WritePlace(json, place);
        json.WriteEndObject();
        return default;
    }

    private static RpcError Receipt(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        TxId id = new(parameters.Bytes32("id"));
        bool isCorrected = !parameters.Has("correct") || parameters.Flag("correct");
        TransactionPlace place = api.Chain.Find(id);
        if (parameters.Error.IsError)
        {
            return default;
        }

        if (place.Receipt is not { } receipt)
        {
            return RpcError.Missing(place.Status switch
            {
                TransactionStatus.Pending => $"Transaction {id} waits for a block.",
                TransactionStatus.Accepted => $"Transaction {id} is accepted; its receipt is not kept any more.",
                _ => $"Transaction {id} is not known here.",
            });
        }

        json.WriteStartObject();
        WritePlace(json, place);
        json.WriteReceipt(place.Transaction!, receipt);
        if (isCorrected && UndeclaredAccess.Of(place.Transaction!, receipt.Outcome) is not null)
        {
            if (api.Heavy is { } gate && !gate.TryEnter())
            {
                return HeavyGate.Full;                      // with correct false there is an answer
            }

            try
            {
                CallMethods.WriteCorrection(json, api, place.Transaction!);
            }
            finally
            {
                api.Heavy?.Leave();
            }
        }

        json.WriteEndObject();
        return default;
    }

    private static RpcError Waiting(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        MempoolSummary summary = api.Chain.SummariseMempool((int)parameters.Integer("limit", MaxShown));
        json.WriteStartObject();
        json.WriteNumber("count", summary.Count);
        json.WriteNumber("bytes", summary.Bytes);
        json.WriteNumber("maxCount", summary.Options.MaxCount);
        json.WriteNumber("maxBytes", summary.Options.MaxBytes);
        json.WriteNumber("maxPerPayer", summary.Options.MaxPerPayer);
        json.WriteStartArray("best");
        foreach (PreparedTransaction waiting in summary.Best)
        {
            json.WriteStartObject();
            json.WriteBytes32("id", waiting.Transaction.Id.Value);
            json.WriteBytes32("payer", waiting.Transaction.Payer.Value);
            json.WriteAmount("effectiveTip", waiting.EffectiveTip);
            json.WriteNumber("gasLimit", waiting.Transaction.GasLimit);
            json.WriteNumber("expiryMs", waiting.Transaction.ExpiryMs);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteEndObject();
        return default;
    }

    private static RpcError EstimateFee(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        ChainRules rules = api.Chain.Rules;
        ulong? gas = parameters.OptionalInteger("gas", rules.Limits.MaxTransactionGas);
        ulong tip = api.Chain.TipToEnter(rules.Limits.MaxBlockGas);
        UInt128 price = (UInt128)rules.BaseFee + tip;
        json.WriteStartObject();
        json.WriteAmount("baseFee", rules.BaseFee);
        json.WriteAmount("tip", tip);
        json.WriteAmount("maxPrice", price);
        if (gas is { } used)
        {
            json.WriteAmount("fee", price * used);
        }

        json.WriteEndObject();
        return default;
    }

    private static void WritePlace(Utf8JsonWriter json, in TransactionPlace place)
    {
        json.WriteString("status", place.Status switch
        {
            TransactionStatus.Pending => "pending",
            TransactionStatus.Processing => "processing",
            TransactionStatus.Accepted => "accepted",
            _ => "unknown",
        });
        if (place.Block is { } block)
        {
            json.WriteBlockPlace("block", block.Id, block.Height);
            json.WriteNumber("index", place.Index);
        }
    }
}
