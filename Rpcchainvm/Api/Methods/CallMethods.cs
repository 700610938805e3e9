// Methods that run what is not submitted: what would become of a transaction, and which keys it needs.

using System;
using System.Collections.Generic;
using System.Text.Json;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Primitives;

namespace ParallelVm.Rpcchainvm.Api.Methods;

/// <summary>simulate, discoverKeys.</summary>
internal static class CallMethods
{
    private const ulong ExpiryAheadMs = 30_000;

    private static readonly RpcParam[] SlotFields =
    [
        new("program", "program id", "owner of the record (the called program, or whom the entry hands the slot to)", IsOptional: true),
        new("key", "local key", "the record (open)", IsOptional: true),
    ];

    /// <summary>The fields of a call.</summary>
    public static RpcParam[] CallFields { get; } =
    [
        new("payer", "public key", "who pays and signs first"),
        new("coSigners", "list of public keys", "up to seven more", IsOptional: true),
        new("program", "program id", "what is called"),
        new("selector", "integer", "its entry"),
        new("arguments", "bytes", "of the entry (none)", IsOptional: true),
        new("slots", "list of objects", "`program` and `key` of each slot; null, or a shorter list, leaves slots open", IsOptional: true),
        new("gasLimit", "integer", "(the most that the chain allows)", IsOptional: true),
        new("maxPrice", "integer", "(base fee and tip)", IsOptional: true),
        new("tip", "integer", "(0)", IsOptional: true),
        new("expiryMs", "integer", "(30 s from now)", IsOptional: true),
    ];

    private static readonly RpcParam[] WhatRuns =
    [
        new("transaction", "bytes", "a transaction, signed or with zeros for signatures", IsOptional: true),
        new("call", "object", "a call, in the place of a transaction", IsOptional: true),
        new("on", "\"accepted\" or \"preferred\"", "the state it runs on (accepted)", IsOptional: true),
    ];

    /// <summary>The rows.</summary>
    public static RpcMethod[] All { get; } =
    [
        new(
            "simulate",
            WhatRuns,
            "Runs a transaction as the only one of a block on the state now, and keeps nothing. Signatures and expiry are not looked at.",
            "`on` (`id`, `height`), the fields of `receipt` from `outcome` on, `writes` (`program`, `key`, `value`, null where it is deleted; with the fee at payer and treasury), after an undeclared access `corrected`. A call with open slots is first completed as by discoverKeys",
            IsHeavy: true,
            Simulate),
        new(
            "discoverKeys",
            WhatRuns,
            "Finds the access list of a call: simulates, puts in what the program wanted, and repeats until nothing is left to learn. Also when it fails in the end.",
            "`on`, `complete`, `slots` (`slot`, `program`, `key`, `mode`, `origin`: given, found, open; `uses`: what the last run did with it), `read`, `write`, `add` (`program`, `key`: what to declare), `runs`, `exhausted`, the fields of `receipt` from `outcome` on; when complete `transaction` (zeros for signatures), `id`, `signingPayload`, `writes`; `refused` when no block could hold it as it is",
            IsHeavy: true,
            DiscoverKeys),
    ];

    /// <summary>The access list that a transaction should have had.</summary>
    public static void WriteCorrection(Utf8JsonWriter json, ApiContext api, Transaction transaction)
    {
        if (!api.Discovery.TryDiscover(CallRequest.Of(transaction), false, out Discovery? found, out _, api.Cancel))
        {
            json.WriteNull("corrected");                    // the program is not there any more
            return;
        }

        json.WriteStartObject("corrected");
        json.WriteBoolean("complete", found.IsComplete);
        if (found.Transaction is { } corrected)
        {
            json.WriteAccesses("accesses", corrected);
        }

        WriteSlots(json, found);
        json.WriteEndObject();
    }

    private static RpcError Simulate(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        bool onPreferred = OnPreferred(parameters);
        if (!TryReadWhat(api, parameters, out Transaction? transaction, out CallRequest? request, out RpcError error))
        {
            return error;
        }

        Refusal refusal;
        if (request is not null)
        {
            if (!api.Discovery.TryDiscover(request, onPreferred, out Discovery? found, out refusal, api.Cancel))
            {
                return RpcError.Of(refusal);
            }

            if (found.Transaction is null)
            {
                int slot = Array.FindIndex(found.Slots, static slot => slot.Key is null);
                return RpcError.Param($"Slot {slot} is open: nothing says which record it names. discoverKeys tells more.");
            }

            transaction = found.Transaction;
        }

        if (!api.Simulator.TrySimulate(transaction!, onPreferred, out Simulation? simulation, out refusal))
        {
            return RpcError.Of(refusal);
        }

        json.WriteStartObject();
        json.WriteBlockPlace("on", simulation.On);
        json.WriteReceipt(transaction!, simulation.Receipt);
        json.WriteDiff("writes", simulation.Diff);
        if (UndeclaredAccess.Of(transaction!, simulation.Receipt.Outcome) is not null)
        {
            WriteCorrection(json, api, transaction!);
        }

        json.WriteEndObject();
        return default;
    }

    private static RpcError DiscoverKeys(ApiContext api, ParamReader parameters, Utf8JsonWriter json)
    {
        bool onPreferred = OnPreferred(parameters);
        if (!TryReadWhat(api, parameters, out Transaction? transaction, out CallRequest? request, out RpcError error))
        {
            return error;
        }

        if (!api.Discovery.TryDiscover(request ?? CallRequest.Of(transaction!), onPreferred, out Discovery? found, out Refusal refusal, api.Cancel))
        {
            return RpcError.Of(refusal);
        }

        json.WriteStartObject();
        json.WriteBlockPlace("on", found.On);
        json.WriteBoolean("complete", found.IsComplete);
        WriteSlots(json, found);
        WriteDeclared(json, found, "read", AccessMode.Read);
        WriteDeclared(json, found, "write", AccessMode.Write);
        WriteDeclared(json, found, "add", AccessMode.Add);
        json.WriteNumber("runs", found.Runs);
        json.WriteBoolean("exhausted", found.IsExhausted);
        WriteEnd(json, found);
        json.WriteEndObject();
        return default;
    }

    private static void WriteEnd(Utf8JsonWriter json, Discovery found)
    {
        if (found.Transaction is not { } transaction)
        {
            json.WriteOutcome(found.LastTried, found.Outcome);
            return;
        }

        if (found.Simulation is { } simulation)
        {
            json.WriteReceipt(transaction, simulation.Receipt);
            json.WriteDiff("writes", simulation.Diff);
        }
        else
        {
            json.WriteOutcome(transaction, found.Outcome);
            json.WriteStartObject("refused");
            json.WriteNumber("code", (int)found.Refusal.Code);
            json.WriteString("name", found.Refusal.Code.ToString());
            json.WriteString("sentence", found.Refusal.Sentence);
            json.WriteEndObject();
        }

        Span<byte> payload = stackalloc byte[SigningPayload.Length];
        SigningPayload.Write(transaction.Chain, transaction.Id, payload);
        json.WriteHex("transaction", transaction.Bytes.Span);
        json.WriteBytes32("id", transaction.Id.Value);
        json.WriteHex("signingPayload", payload);
    }

    private static void WriteSlots(Utf8JsonWriter json, Discovery found)
    {
        json.WriteStartArray("slots");
        for (int i = 0; i < found.Slots.Length; i++)
        {
            DiscoveredSlot slot = found.Slots[i];
            json.WriteStartObject();
            json.WriteNumber("slot", i);
            json.WriteBytes32("program", slot.Owner.Value);
            json.WriteString("key", slot.Key?.ToString());
            json.WriteString("mode", JsonForms.WordOf(slot.Mode));
            json.WriteString("origin", slot.Origin switch { SlotOrigin.Given => "given", SlotOrigin.Found => "found", _ => "open" });
            json.WriteStartArray("uses");
            WriteUse(json, slot.Uses, RecordUses.Read, "read");
            WriteUse(json, slot.Uses, RecordUses.Write, "write");
            WriteUse(json, slot.Uses, RecordUses.Add, "add");
            json.WriteEndArray();
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static void WriteUse(Utf8JsonWriter json, RecordUses uses, RecordUses one, string word)
    {
        if ((uses & one) != 0)
        {
            json.WriteStringValue(word);
        }
    }

    // of what is known: an access list is more than the union of slots only where two slots are one record
    private static void WriteDeclared(Utf8JsonWriter json, Discovery found, string name, AccessMode mode)
    {
        HashSet<LocalKey> open = [];
        json.WriteStartArray(name);
        for (int i = 0; i < found.Slots.Length; i++)
        {
            if (found.Slots[i].Key is null)
            {
                Access tried = found.LastTried.Accesses[found.LastTried.SlotTable[i]];
                open.Add(tried.Key);
            }
        }

        foreach (ref readonly Access access in found.LastTried.Accesses.Accesses)
        {
            if (access.Mode == mode && !open.Contains(access.Key))
            {
                json.WriteStartObject();
                json.WriteBytes32("program", found.LastTried.Programs[access.ProgramIndex].Value);
                json.WriteBytes32("key", access.Key.Value);
                json.WriteEndObject();
            }
        }

        json.WriteEndArray();
    }

    private static bool OnPreferred(ParamReader parameters) => parameters.Word("on", "accepted", "preferred") == "preferred";

    private static bool TryReadWhat(ApiContext api, ParamReader parameters, out Transaction? transaction, out CallRequest? request, out RpcError error)
    {
        transaction = null;
        request = null;
        error = default;
        if (parameters.Has("transaction") == parameters.Has("call"))
        {
            parameters.Fail("call", "or transaction: exactly one of the two is wanted");
            return false;
        }

        if (parameters.Has("call"))
        {
            request = ReadCall(api, parameters.Object("call", CallFields));
            return !parameters.Error.IsError;
        }

        byte[] bytes = parameters.Bytes("transaction", Transaction.MaxBytes);
        if (parameters.Error.IsError)
        {
            return false;
        }

        bool decodes = Transaction.TryDecodeInPlace(bytes, out transaction, out Refusal refusal);
        error = decodes ? default : RpcError.Of(refusal);
        return decodes;
    }

    private static CallRequest ReadCall(ApiContext api, ParamReader call)
    {
        ChainRules rules = api.Chain.Rules;
        ulong tip = call.Integer("tip", ulong.MaxValue);
        ulong floor = tip > ulong.MaxValue - rules.BaseFee ? ulong.MaxValue : rules.BaseFee + tip;
        List<RequestedSlot> slots = [];
        foreach (ParamReader slot in call.Objects("slots", Transaction.MaxSlots, SlotFields))
        {
            ProgramId? owner = slot.OptionalBytes32("program") is { } program ? new ProgramId(program) : null;
            slots.Add(new RequestedSlot(owner, slot.OptionalBytes32("key") is { } key ? new LocalKey(key) : null));
        }

        Bytes32[] others = call.Bytes32List("coSigners", Transaction.MaxSigners - 1);
        return new CallRequest
        {
            Signers = [new PublicKey(call.Bytes32("payer")), .. Array.ConvertAll(others, static key => new PublicKey(key))],
            Program = new ProgramId(call.Bytes32("program")),
            Selector = (uint)call.Integer("selector", uint.MaxValue),
            Arguments = call.Has("arguments") ? call.Bytes("arguments", Transaction.MaxSystemArgumentBytes) : [],
            Slots = [.. slots],
            GasLimit = call.Integer("gasLimit", rules.Limits.MaxTransactionGas, rules.Limits.MaxTransactionGas),
            MaxPrice = call.Integer("maxPrice", ulong.MaxValue, floor),
            Tip = tip,
            ExpiryMs = call.Integer("expiryMs", ulong.MaxValue, (ulong)api.Time.GetUtcNow().ToUnixTimeMilliseconds() + ExpiryAheadMs),
        };
    }
}
