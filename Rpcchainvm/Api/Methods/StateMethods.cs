// Methods about what the state holds.

using System;
using System.Text.Json;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api.Methods;

/// <summary>account, record, program.</summary>
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
        new(
            "program",
            [new("id", "program id", ""), new("code", "flag", "with its container (false)", IsOptional: true)],
            "A program of the accepted state: its code's hash, who may change it, and its entries.",
            "`block` (`id`, `height`), `id`, `codeHash`, `codeBytes`, `fork`, `activeFrom` (height), `isActive` (in the next block), `isFrozen`, `authority` (null: nobody), `entries` (`selector`, `slots` (`mode`, `owner`: whom a slot that is written belongs to; null: to the program), `isView`, `isCallable`, `args`, `rets`: cells of a program that calls it; a transaction may call what has no args), `calls` (programs that its code names), `code`",
            IsHeavy: true,
            Program),
    ];

    private static RpcError Program(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        ProgramId id = new(parameters.Bytes32("id"));
        bool withCode = parameters.Flag("code");
        if (parameters.Error.IsError)
        {
            return default;
        }

        if (!ProgramSummary.TryRead(api.Chain, id, out ProgramSummary? program))
        {
            return RpcError.Missing($"There is no program {id}.");
        }

        ProgramRecord record = program.Record;
        json.WriteStartObject();
        json.WriteBlockPlace("block", program.On);
        json.WriteBytes32("id", id.Value);
        json.WriteBytes32("codeHash", record.CodeHash);
        json.WriteNumber("codeBytes", record.CodeLength);
        json.WriteNumber("fork", record.Fork);
        json.WriteNumber("activeFrom", record.ActiveFrom.Value);
        json.WriteBoolean("isActive", record.ActiveFrom.Value <= program.On.Header.Height.Value + 1);
        json.WriteBoolean("isFrozen", record.IsFrozen);
        json.WriteString("authority", record.IsFrozen ? null : record.Authority.ToString());
        json.WriteStartArray("entries");
        foreach (ProgramEntry entry in program.Verified.Entries)
        {
            json.WriteStartObject();
            json.WriteNumber("selector", entry.Selector);
            json.WriteStartArray("slots");
            for (int i = 0; i < entry.SlotModes.Length; i++)
            {
                json.WriteStartObject();
                json.WriteString("mode", JsonForms.WordOf(entry.SlotModes[i]));
                json.WriteString("owner", entry.SlotOwners.Length == 0 ? null : entry.SlotOwners[i]?.ToString());
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteBoolean("isView", entry.IsView);
            json.WriteBoolean("isCallable", entry.IsCallable);
            json.WriteNumber("args", entry.Args);
            json.WriteNumber("rets", entry.Rets);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteStartArray("calls");
        foreach (ProgramId named in program.Verified.Named)
        {
            json.WriteStringValue(named.ToString());
        }

        json.WriteEndArray();
        if (withCode)
        {
            json.WriteHex("code", program.Code);
        }

        json.WriteEndObject();
        return default;
    }

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
