// How the chain's values look in JSON. 32 bytes and byte strings are hexadecimal without a prefix; amounts and prices are texts of
// decimal digits, because they outgrow what many clients' numbers can hold; heights, gas, counts and milliseconds are numbers.
//
// Threading: pure.

using System;
using System.Globalization;
using System.Text.Json;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>Writes values.</summary>
internal static class JsonForms
{
    /// <summary>The word of a mode.</summary>
    public static string WordOf(AccessMode mode) => mode switch
    {
        AccessMode.Read => "read",
        AccessMode.Write => "write",
        _ => "add",
    };

    /// <summary>An amount or a price.</summary>
    public static void WriteAmount(this Utf8JsonWriter json, string name, UInt128 amount) =>
        json.WriteString(name, amount.ToString(CultureInfo.InvariantCulture));

    /// <summary>A 32-byte value.</summary>
    public static void WriteBytes32(this Utf8JsonWriter json, string name, in Bytes32 value) => json.WriteString(name, value.ToString());

    /// <summary>A byte string.</summary>
    public static void WriteHex(this Utf8JsonWriter json, string name, ReadOnlySpan<byte> bytes) => json.WriteString(name, Convert.ToHexStringLower(bytes));

    /// <summary>A block's header with its ids, inside an object.</summary>
    public static void WriteHeader(this Utf8JsonWriter json, BlockId id, in BlockHeader header)
    {
        json.WriteBytes32("id", id.Value);
        json.WriteString("idCb58", Cb58.Encode(id.Value.ToArray()));
        json.WriteNumber("height", header.Height.Value);
        json.WriteBytes32("parentId", header.ParentId.Value);
        json.WriteNumber("timestampMs", header.TimestampMs);
        json.WriteNumber("gasUsed", header.GasUsed);
        json.WriteBytes32("stateRoot", header.StateRoot.Value);
        json.WriteBytes32("receiptsRoot", header.ReceiptsRoot);
    }

    /// <summary>Which block an answer is about.</summary>
    public static void WriteBlockPlace(this Utf8JsonWriter json, string name, Block block) => json.WriteBlockPlace(name, block.Id, block.Header.Height);

    /// <summary>The same of a block of which only that is known.</summary>
    public static void WriteBlockPlace(this Utf8JsonWriter json, string name, BlockId id, Height height)
    {
        json.WriteStartObject(name);
        json.WriteBytes32("id", id.Value);
        json.WriteNumber("height", height.Value);
        json.WriteEndObject();
    }

    /// <summary>A transaction, as an object.</summary>
    public static void WriteTransaction(this Utf8JsonWriter json, Transaction transaction)
    {
        json.WriteStartObject();
        json.WriteBytes32("id", transaction.Id.Value);
        json.WriteNumber("bytes", transaction.Bytes.Length);
        json.WriteNumber("expiryMs", transaction.ExpiryMs);
        json.WriteNumber("gasLimit", transaction.GasLimit);
        json.WriteAmount("maxPrice", transaction.MaxPrice);
        json.WriteAmount("tip", transaction.Tip);
        json.WriteStartArray("signers");
        foreach (PublicKey signer in transaction.Signers)
        {
            json.WriteStringValue(signer.ToString());
        }

        json.WriteEndArray();
        json.WriteBytes32("program", transaction.Programs[0].Value);
        json.WriteNumber("selector", transaction.Selector);
        json.WriteHex("arguments", transaction.Arguments.Span);
        json.WriteAccesses("accesses", transaction);
        json.WriteStartArray("slots");
        foreach (ushort slot in transaction.SlotTable)
        {
            json.WriteNumberValue(slot);
        }

        json.WriteEndArray();
        json.WriteEndObject();
    }

    /// <summary>A transaction's access list.</summary>
    public static void WriteAccesses(this Utf8JsonWriter json, string name, Transaction transaction)
    {
        json.WriteStartArray(name);
        foreach (ref readonly Access access in transaction.Accesses.Accesses)
        {
            json.WriteStartObject();
            json.WriteBytes32("program", transaction.Programs[access.ProgramIndex].Value);
            json.WriteBytes32("key", access.Key.Value);
            json.WriteString("mode", WordOf(access.Mode));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    /// <summary>What became of a transaction: fields inside an object.</summary>
    public static void WriteReceipt(this Utf8JsonWriter json, Transaction transaction, in Receipt receipt)
    {
        json.WriteOutcome(transaction, receipt.Outcome);
        json.WriteAmount("fee", receipt.Fee);
        ReceiptOutput output = ReceiptOutput.Read(receipt.Output.Span);
        json.WriteStartArray("events");
        foreach (ReceiptEvent one in output.Events)
        {
            json.WriteStartObject();
            json.WriteBytes32("program", (one.Emitter ?? transaction.Programs[0]).Value);
            json.WriteNumber("schema", one.Schema);
            json.WriteHex("data", one.Data);
            json.WriteEndObject();
        }

        json.WriteEndArray();
        json.WriteHex("returned", output.Returned);
    }

    /// <summary>How a run ended: fields inside an object.</summary>
    public static void WriteOutcome(this Utf8JsonWriter json, Transaction transaction, in Outcome outcome)
    {
        json.WriteString("outcome", outcome.Halt switch { Halt.Success => "success", Halt.Revert => "revert", _ => "trap" });
        json.WriteNumber("code", outcome.Code);
        json.WriteString("reason", ReasonOf(outcome));
        json.WriteNumber("gasUsed", outcome.GasUsed);
        if (outcome.Halt != Halt.Success)
        {
            json.WriteNumber("function", outcome.Function);
            json.WriteNumber("instruction", outcome.Instruction);
        }

        if (UndeclaredAccess.Of(transaction, outcome) is { } missing)
        {
            json.WriteStartObject("undeclared");
            json.WriteNumber("slot", missing.Slot);
            json.WriteBytes32("program", missing.Program.Value);
            json.WriteString("key", missing.Key?.ToString());
            json.WriteString("needed", WordOf(missing.Needed));
            json.WriteString("declared", missing.Declared is { } declared ? WordOf(declared) : null);
            json.WriteEndObject();
        }
    }

    /// <summary>What a run changed.</summary>
    public static void WriteDiff(this Utf8JsonWriter json, string name, StateDiff diff)
    {
        json.WriteStartArray(name);
        foreach (ref readonly DiffEntry entry in diff.Entries)
        {
            json.WriteStartObject();
            json.WriteBytes32("program", entry.Program.Value);
            json.WriteBytes32("key", entry.LocalKey.Value);
            json.WriteString("value", entry.IsTombstone ? null : Convert.ToHexStringLower(diff.ValueOf(entry)));
            json.WriteEndObject();
        }

        json.WriteEndArray();
    }

    private static string ReasonOf(in Outcome outcome) => outcome.Halt switch
    {
        Halt.Success => "",
        Halt.Revert => string.Create(CultureInfo.InvariantCulture, $"the program aborted with {outcome.Code - (int)TrapCode.UserBase}"),
        _ => ((TrapCode)outcome.Code).ToString(),
    };
}
