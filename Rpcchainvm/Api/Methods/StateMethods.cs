// Methods about what the state holds.

using System;
using System.Text.Json;
using ParallelVm.Chain;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api.Methods;

/// <summary>account, record.</summary>
internal static class StateMethods
{
    /// <summary>How far back a record may be asked for: a proof there undoes every block since.</summary>
    private const ulong MaxBack = 32;

    /// <summary>The rows.</summary>
    public static RpcMethod[] All { get; } =
    [
        new(
            "account",
            [new("key", "public key", "")],
            "An account's native balance, and what of it waits.",
            "`balance` (accepted state), `preferred` (preferred state), `waiting` (transactions), `reserved` (what they may cost at most)",
            IsHeavy: false,
            Account),
        new(
            "record",
            [
                new("program", "program id", "the owner"),
                new("key", "local key", ""),
                new("height", "integer", $"of an accepted block, at most {MaxBack} below the last (the last)", IsOptional: true),
            ],
            "A record of the accepted state, with a proof under the block's state root that it is so, or that there is none.",
            "`block` (`id`, `height`), `stateRoot`, `path`, `value` (null: there is none), `proof` (see MerkleProof; null when the store makes none)",
            IsHeavy: true,
            Record),
    ];

    private static RpcError Account(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        AccountSummary account = api.Chain.Summarise(new PublicKey(parameters.Bytes32("key")));
        json.WriteStartObject();
        json.WriteAmount("balance", account.Balance);
        json.WriteAmount("preferred", account.Preferred);
        json.WriteNumber("waiting", account.Waiting);
        json.WriteAmount("reserved", account.Reserved);
        json.WriteEndObject();
        return default;
    }

    private static RpcError Record(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        ProgramId program = new(parameters.Bytes32("program"));
        LocalKey key = new(parameters.Bytes32("key"));
        ulong? height = parameters.OptionalInteger("height", ulong.MaxValue);
        if (parameters.Error.IsError)
        {
            return default;
        }

        ulong last = api.Chain.LastAccepted.Header.Height.Value;
        if (height is { } asked && (asked > last || last - asked > MaxBack))
        {
            return RpcError.Missing($"Records are answered for heights {last - Math.Min(last, MaxBack)} to {last}.");
        }

        if (!api.Chain.TryProve(height is { } at ? new Height(at) : null, program, key, out ProvenRecord? record))
        {
            return RpcError.Missing($"The state after block {height} is not kept.");
        }

        json.WriteStartObject();
        json.WriteBlockPlace("block", record.Block);
        json.WriteBytes32("stateRoot", record.Block.Header.StateRoot.Value);
        json.WriteBytes32("path", record.Path.Value);
        json.WriteString("value", record.Value is { } value ? Convert.ToHexStringLower(value) : null);
        json.WriteString("proof", record.Proof is { } proof ? Convert.ToHexStringLower(proof) : null);
        json.WriteEndObject();
        return default;
    }
}
