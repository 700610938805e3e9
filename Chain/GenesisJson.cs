// Reads and writes genesis as JSON, strictly: every field is there exactly once, nothing else is, and every refusal names
// its place. A typo in a genesis must not silently make another chain.
//
//   {
//     "version": 1, "name": "example", "timestampMs": 1790000000000, "baseFee": 1, "treasury": "<64 hex digits>",
//     "limits": { "maxTransactionBytes": 65536, "maxAccesses": 64, "maxArgumentBytes": 2048,
//                 "maxTransactionGas": 30000000, "maxBlockBytes": 1572864, "maxBlockGas": 150000000 },
//     "programs": [ { "id": "<64 hex digits>", "code": "<hex>" } ],
//     "records":  [ { "program": "<64 hex digits>", "key": "<64 hex digits>", "value": "<hex>" } ],
//     "balances": [ { "key": "<64 hex digits>", "amount": "1000000000000" } ]
//   }
//
// Where many records of a program have one value, or many keys one balance, an item may have "keys": [ ... ] in the place of "key": a chain is
// created with at most a mebibyte of genesis. It means the items one by one; the chain id is a function of what is meant.
//
// Amounts are decimal texts, because readers elsewhere lose digits of a JSON number beyond 2^53; the other numbers are
// JSON integers. Order and white space do not matter.
//
// The first refusal latches, as in CanonicalReader.   Threading: one thread.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>The JSON form of genesis.</summary>
public static class GenesisJson
{
    /// <summary>The longest text that is read, in bytes.</summary>
    public const int MaxBytes = 256 * 1024 * 1024;

    private static readonly string[] RootFields =
        ["version", "name", "timestampMs", "baseFee", "treasury", "limits", "programs", "records", "balances"];

    private static readonly string[] LimitFields =
        ["maxTransactionBytes", "maxAccesses", "maxArgumentBytes", "maxTransactionGas", "maxBlockBytes", "maxBlockGas"];

    private static readonly string[] ProgramFields = ["id", "code"];
    private static readonly string[] RecordFields = ["key", "program", "value"];
    private static readonly string[] BalanceFields = ["key", "amount"];

    /// <summary>Reads the parts; <see cref="Genesis.TryCreate"/> checks what they mean together.</summary>
    public static bool TryRead(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out GenesisSpec? spec, out Refusal refusal)
    {
        spec = null;
        if (utf8.Length > MaxBytes)
        {
            refusal = new Refusal(RefusalCode.TooLong, $"The genesis text is {utf8.Length} bytes long; at most {MaxBytes} are read.");
            return false;
        }

        JsonDocument document;
        try
        {
            document = JsonDocument.Parse(utf8.ToArray(), new JsonDocumentOptions { MaxDepth = 8 });
        }
        catch (JsonException malformed)
        {
            refusal = new Refusal(
                RefusalCode.JsonMalformed,
                $"The genesis text is not JSON at line {malformed.LineNumber + 1}, byte {malformed.BytePositionInLine + 1}.");
            return false;
        }

        using (document)
        {
            Walker walker = new();
            GenesisSpec read = ReadRoot(walker, document.RootElement);
            refusal = walker.Refusal;
            spec = refusal.IsRefused ? null : read;
            return spec is not null;
        }
    }

    /// <summary>Writes a genesis so that reading it gives the same chain id.</summary>
    public static byte[] Write(Genesis genesis)
    {
        ArgumentNullException.ThrowIfNull(genesis);
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter json = new(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteNumber("version", Genesis.Version);
            json.WriteString("name", genesis.Name);
            json.WriteNumber("timestampMs", genesis.TimestampMs);
            json.WriteNumber("baseFee", genesis.BaseFee);
            json.WriteString("treasury", genesis.Treasury.ToString());
            WriteLimits(json, genesis.Limits);
            json.WriteStartArray("programs");
            foreach (GenesisProgram program in genesis.Programs)
            {
                json.WriteStartObject();
                json.WriteString("id", program.Id.ToString());
                json.WriteString("code", Convert.ToHexStringLower(program.Code));
                json.WriteEndObject();
            }

            json.WriteEndArray();
            json.WriteStartArray("records");
            WriteGroups(
                json,
                genesis.Records,
                static (a, b) => a.Program == b.Program && a.Value.AsSpan().SequenceEqual(b.Value),
                static record => record.Key.ToString(),
                static (json, record) =>
                {
                    json.WriteString("program", record.Program.ToString());
                    json.WriteString("value", Convert.ToHexStringLower(record.Value));
                });
            json.WriteEndArray();
            json.WriteStartArray("balances");
            WriteGroups(
                json,
                genesis.Balances,
                static (a, b) => a.Amount == b.Amount,
                static balance => balance.Key.ToString(),
                static (json, balance) => json.WriteString("amount", balance.Amount.ToString(CultureInfo.InvariantCulture)));

            json.WriteEndArray();
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    // Neighbours that differ in their keys only are one item.
    private static void WriteGroups<T>(Utf8JsonWriter json, ReadOnlySpan<T> items, Func<T, T, bool> areAlike, Func<T, string> key, Action<Utf8JsonWriter, T> writeRest)
    {
        for (int start = 0; start < items.Length;)
        {
            int end = start + 1;
            while (end < items.Length && areAlike(items[start], items[end]))
            {
                end++;
            }

            json.WriteStartObject();
            writeRest(json, items[start]);
            if (end == start + 1)
            {
                json.WriteString("key", key(items[start]));
            }
            else
            {
                json.WriteStartArray("keys");
                for (int i = start; i < end; i++)
                {
                    json.WriteStringValue(key(items[i]));
                }

                json.WriteEndArray();
            }

            json.WriteEndObject();
            start = end;
        }
    }

    private static void WriteLimits(Utf8JsonWriter json, ChainLimits limits)
    {
        json.WriteStartObject("limits");
        json.WriteNumber("maxTransactionBytes", limits.MaxTransactionBytes);
        json.WriteNumber("maxAccesses", limits.MaxAccesses);
        json.WriteNumber("maxArgumentBytes", limits.MaxArgumentBytes);
        json.WriteNumber("maxTransactionGas", limits.MaxTransactionGas);
        json.WriteNumber("maxBlockBytes", limits.MaxBlockBytes);
        json.WriteNumber("maxBlockGas", limits.MaxBlockGas);
        json.WriteEndObject();
    }

    private static GenesisSpec ReadRoot(Walker walker, JsonElement root)
    {
        JsonElement[] fields = walker.Fields(root, "$", RootFields);
        ulong version = walker.Number(fields[0], "$.version", ulong.MaxValue);
        if (version != Genesis.Version)
        {
            walker.Refuse(RefusalCode.UnknownVersion, $"$.version is {version}; this node knows version {Genesis.Version}.");
        }

        return new GenesisSpec
        {
            Name = walker.Text(fields[1], "$.name"),
            TimestampMs = walker.Number(fields[2], "$.timestampMs", ulong.MaxValue),
            BaseFee = walker.Number(fields[3], "$.baseFee", ulong.MaxValue),
            Treasury = new PublicKey(walker.Hex32(fields[4], "$.treasury")),
            Limits = ReadLimits(walker, fields[5]),
            Programs = ReadList(walker, fields[6], "$.programs", ProgramFields, static (walker, fields, path) =>
                new GenesisProgram(new ProgramId(walker.Hex32(fields[0], path + ".id")), walker.Hex(fields[1], path + ".code"))),
            Records = ReadGroups(walker, fields[7], "$.records", RecordFields, static (walker, fields, key, path) =>
                new GenesisRecord(new ProgramId(walker.Hex32(fields[1], path + ".program")), new LocalKey(key), walker.Hex(fields[2], path + ".value"))),
            Balances = ReadGroups(walker, fields[8], "$.balances", BalanceFields, static (walker, fields, key, path) =>
                new GenesisBalance(new PublicKey(key), walker.Amount(fields[1], path + ".amount"))),
        };
    }

    private static ChainLimits ReadLimits(Walker walker, JsonElement element)
    {
        JsonElement[] fields = walker.Fields(element, "$.limits", LimitFields);
        return new ChainLimits(
            (int)walker.Number(fields[0], "$.limits.maxTransactionBytes", int.MaxValue),
            (int)walker.Number(fields[1], "$.limits.maxAccesses", int.MaxValue),
            (int)walker.Number(fields[2], "$.limits.maxArgumentBytes", int.MaxValue),
            walker.Number(fields[3], "$.limits.maxTransactionGas", ulong.MaxValue),
            (int)walker.Number(fields[4], "$.limits.maxBlockBytes", int.MaxValue),
            walker.Number(fields[5], "$.limits.maxBlockGas", ulong.MaxValue));
    }

    private static List<T> ReadList<T>(
        Walker walker, JsonElement element, string path, string[] names, Func<Walker, JsonElement[], string, T> read)
    {
        List<T> items = [];
        if (!walker.IsKind(element, JsonValueKind.Array, path))
        {
            return items;
        }

        foreach (JsonElement item in element.EnumerateArray())
        {
            string itemPath = string.Create(CultureInfo.InvariantCulture, $"{path}[{items.Count}]");
            items.Add(read(walker, walker.Fields(item, itemPath, names), itemPath));
            if (walker.Refusal.IsRefused)
            {
                break;
            }
        }

        return items;
    }

    /// <param name="names">The first one is "key", which may be "keys" as well.</param>
    private static List<T> ReadGroups<T>(
        Walker walker, JsonElement element, string path, string[] names, Func<Walker, JsonElement[], Bytes32, string, T> read)
    {
        List<T> items = [];
        string[] groupNames = ["keys", .. names.AsSpan(1)];
        int place = 0;
        if (!walker.IsKind(element, JsonValueKind.Array, path))
        {
            return items;
        }

        foreach (JsonElement item in element.EnumerateArray())
        {
            string itemPath = string.Create(CultureInfo.InvariantCulture, $"{path}[{place++}]");
            bool isGroup = item.ValueKind == JsonValueKind.Object && item.TryGetProperty("keys", out _);
            JsonElement[] fields = walker.Fields(item, itemPath, isGroup ? groupNames : names);
            if (!isGroup)
            {
                items.Add(read(walker, fields, walker.Hex32(fields[0], itemPath + ".key"), itemPath));
            }
            else if (walker.IsKind(fields[0], JsonValueKind.Array, itemPath + ".keys"))
            {
                if (fields[0].GetArrayLength() == 0)
                {
                    walker.Refuse(RefusalCode.JsonMissingField, $"{itemPath}.keys is empty.");
                }

                foreach (JsonElement key in fields[0].EnumerateArray())
                {
                    items.Add(read(walker, fields, walker.Hex32(key, itemPath + ".keys"), itemPath));
                    if (walker.Refusal.IsRefused)
                    {
                        break;
                    }
                }
            }

            if (walker.Refusal.IsRefused)
            {
                break;
            }
        }

        return items;
    }

    // Walks the tree; after the first refusal every read gives an empty value and changes nothing.
    private sealed class Walker
    {
        public Refusal Refusal { get; private set; }

        public void Refuse(RefusalCode code, string sentence)
        {
            if (!Refusal.IsRefused)
            {
                Refusal = new Refusal(code, sentence);
            }
        }

        public bool IsKind(JsonElement element, JsonValueKind kind, string path)
        {
            if (!Refusal.IsRefused && element.ValueKind != kind)
            {
                Refuse(RefusalCode.JsonWrongKind, $"{path} is of kind {element.ValueKind}; {kind} is wanted.");
            }

            return !Refusal.IsRefused;
        }

        /// <summary>The values of exactly these fields, in this order; undefined elements after a refusal.</summary>
        public JsonElement[] Fields(JsonElement element, string path, string[] names)
        {
            JsonElement[] values = new JsonElement[names.Length];
            if (!IsKind(element, JsonValueKind.Object, path))
            {
                return values;
            }

            foreach (JsonProperty property in element.EnumerateObject())
            {
                int index = Array.FindIndex(names, property.NameEquals);
                if (index < 0)
                {
                    Refuse(RefusalCode.JsonUnknownField, $"{path} has a field that is none of: {string.Join(", ", names)}.");
                    return values;
                }

                if (values[index].ValueKind != JsonValueKind.Undefined)
                {
                    Refuse(RefusalCode.JsonDuplicateField, $"{path}.{names[index]} stands twice.");
                    return values;
                }

                values[index] = property.Value;
            }

            int missing = Array.FindIndex(values, static value => value.ValueKind == JsonValueKind.Undefined);
            if (missing >= 0)
            {
                Refuse(RefusalCode.JsonMissingField, $"{path}.{names[missing]} is missing.");
            }

            return values;
        }

        public ulong Number(JsonElement element, string path, ulong max)
        {
            if (!IsKind(element, JsonValueKind.Number, path))
            {
                return 0;
            }

            if (!element.TryGetUInt64(out ulong value) || value > max)
            {
                Refuse(RefusalCode.JsonBadNumber, $"{path} is not an integer in [0, {max}].");
                return 0;
            }

            return value;
        }

        public string Text(JsonElement element, string path)
        {
            if (!IsKind(element, JsonValueKind.String, path))
            {
                return "";
            }

            try
            {
                return element.GetString() ?? "";
            }
            catch (InvalidOperationException)
            {
                // an escaped lone surrogate is legal JSON but no text
                Refuse(RefusalCode.JsonMalformed, $"{path} holds half of a surrogate pair.");
                return "";
            }
        }

        public UInt128 Amount(JsonElement element, string path)
        {
            string text = Text(element, path);
            if (Refusal.IsRefused)
            {
                return 0;
            }

            bool canonical = text.Length is > 0 and <= 39 && !text.AsSpan().ContainsAnyExceptInRange('0', '9') && (text.Length == 1 || text[0] != '0');
            if (!canonical || !UInt128.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out UInt128 amount))
            {
                Refuse(RefusalCode.JsonBadNumber, $"{path} is not a decimal text in [0, 2^128) without leading zeros.");
                return 0;
            }

            return amount;
        }

        public Bytes32 Hex32(JsonElement element, string path)
        {
            if (!Bytes32.TryParseHex(Text(element, path), out Bytes32 value))
            {
                Refuse(RefusalCode.JsonBadHex, $"{path} is not 64 hexadecimal digits.");
            }

            return value;
        }

        public byte[] Hex(JsonElement element, string path)
        {
            string text = Text(element, path);
            if (Refusal.IsRefused)
            {
                return [];
            }

            byte[] bytes = new byte[text.Length / 2];
            if ((text.Length & 1) != 0 || Convert.FromHexString(text, bytes, out _, out int written) != OperationStatus.Done || written != bytes.Length)
            {
                Refuse(RefusalCode.JsonBadHex, $"{path} is not an even number of hexadecimal digits.");
                return [];
            }

            return bytes;
        }
    }
}
