// Reads the parameters of a call, by name or by place. After the first error every read gives an empty value, so a method reads all
// it needs and looks at Error once. Nothing that a client sends makes it throw.
//
// 32-byte values and bytes are hexadecimal without a prefix. An integer is a JSON integer or, because many clients' numbers end at 2^53,
// a text of decimal digits.
//
// Threading: one call.

using System;
using System.Buffers;
using System.Collections.Generic;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Ids;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>Parameters of one call, or the fields of an object among them.</summary>
internal sealed class ParamReader
{
    private readonly string _path;
    private readonly RpcParam[] _params;
    private readonly JsonElement[] _values;
    private readonly ParamReader? _parent;
    private RpcError _error;

    private ParamReader(string path, RpcParam[] parameters, ParamReader? parent)
    {
        _path = path;
        _params = parameters;
        _values = new JsonElement[parameters.Length];
        _parent = parent;
    }

    /// <summary>The first error, of this object or one inside it.</summary>
    public RpcError Error => _parent?.Error ?? _error;

    /// <summary>Sorts parameters by their names.</summary>
    /// <param name="given">An object, an array, or undefined: none.</param>
    public static ParamReader Of(RpcParam[] parameters, JsonElement given)
    {
        ParamReader reader = new("", parameters, null);
        if (given.ValueKind == JsonValueKind.Object)
        {
            reader.TakeFields(given);
        }
        else if (given.ValueKind == JsonValueKind.Array)
        {
            reader.TakePlaces(given);
        }

        reader.RequireAll();
        return reader;
    }

    /// <summary>Whether an optional parameter is there; null counts as not there.</summary>
    public bool Has(string name) => Value(name).ValueKind is not (JsonValueKind.Undefined or JsonValueKind.Null);

    /// <summary>A 32-byte value.</summary>
    public Bytes32 Bytes32(string name)
    {
        bool isHex = Primitives.Bytes32.TryParseHex(Text(name), out Bytes32 value);
        if (!Error.IsError && !isHex)
        {
            Fail(name, "is not 64 hexadecimal digits");
        }

        return value;
    }

    /// <summary>A 32-byte value, or null.</summary>
    public Bytes32? OptionalBytes32(string name) => Has(name) ? Bytes32(name) : null;

    /// <summary>A block's id: hexadecimal, or as the node prints it.</summary>
    public BlockId BlockId(string name)
    {
        string text = Text(name);
        if (text.Length == 2 * Primitives.Bytes32.Size && Primitives.Bytes32.TryParseHex(text, out Bytes32 value))
        {
            return new BlockId(value);
        }

        Span<byte> id = stackalloc byte[Primitives.Bytes32.Size];
        if (!Error.IsError && !Cb58.TryDecode(text, id, out _))
        {
            Fail(name, "is neither 64 hexadecimal digits nor CB58 of 32 bytes");
        }

        return Error.IsError ? default : new BlockId(Primitives.Bytes32.From(id));
    }

    /// <summary>Bytes in hexadecimal.</summary>
    /// <param name="max">Most bytes.</param>
    public byte[] Bytes(string name, int max) => Error.IsError ? [] : BytesOf(Value(name), name, max);

    /// <summary>A list of byte strings.</summary>
    /// <param name="maxCount">Most of them.</param>
    /// <param name="maxBytes">Most bytes of each.</param>
    public byte[][] BytesList(string name, int maxCount, int maxBytes)
    {
        List<byte[]> list = [];
        foreach (JsonElement item in Items(name, maxCount))
        {
            string place = string.Create(CultureInfo.InvariantCulture, $"{name}[{list.Count}]");
            list.Add(BytesOf(item, place, maxBytes));
        }

        return Error.IsError ? [] : [.. list];
    }

    /// <summary>A list of 32-byte values.</summary>
    public Bytes32[] Bytes32List(string name, int maxCount)
    {
        byte[][] list = BytesList(name, maxCount, Primitives.Bytes32.Size);
        if (Array.Exists(list, static item => item.Length != Primitives.Bytes32.Size))
        {
            Fail(name, "holds something that is not 64 hexadecimal digits");
            return [];
        }

        return Array.ConvertAll(list, static item => Primitives.Bytes32.From(item));
    }

    /// <summary>An integer in [0, <paramref name="max"/>].</summary>
    /// <param name="fallback">When the parameter is not there.</param>
    public ulong Integer(string name, ulong max, ulong fallback = 0)
    {
        JsonElement value = Value(name);
        if (Error.IsError || !Has(name))
        {
            return fallback;
        }

        ulong number = 0;
        bool isInteger = value.ValueKind switch
        {
            JsonValueKind.Number => value.TryGetUInt64(out number),
            JsonValueKind.String => TextOf(value, name) is { Length: > 0 and <= 20 } text
                && ulong.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number),
            _ => false,
        };
        if (!isInteger || number > max)
        {
            Fail(name, $"is not an integer in [0, {max}]");
            return fallback;
        }

        return number;
    }

    /// <summary>An integer, or null.</summary>
    public ulong? OptionalInteger(string name, ulong max) => Has(name) ? Integer(name, max) : null;

    /// <summary>True or false; false when it is not there.</summary>
    public bool Flag(string name)
    {
        JsonElement value = Value(name);
        if (Has(name) && value.ValueKind is not (JsonValueKind.True or JsonValueKind.False))
        {
            Fail(name, "is neither true nor false");
        }

        return value.ValueKind == JsonValueKind.True;
    }

    /// <summary>One of a few words; the first when it is not there.</summary>
    public string Word(string name, params ReadOnlySpan<string> words)
    {
        if (!Has(name))
        {
            return words[0];
        }

        string text = Text(name);
        int index = words.IndexOf(text);
        if (index < 0)
        {
            Fail(name, $"is none of: {string.Join(", ", words)}");
        }

        return words[Math.Max(index, 0)];
    }

    /// <summary>The fields of an object.</summary>
    public ParamReader Object(string name, RpcParam[] fields) => ObjectOf(Value(name), name, fields);

    /// <summary>A list of objects; null items are objects without fields.</summary>
    public List<ParamReader> Objects(string name, int maxCount, RpcParam[] fields)
    {
        List<ParamReader> list = [];
        foreach (JsonElement item in Items(name, maxCount))
        {
            list.Add(ObjectOf(item, string.Create(CultureInfo.InvariantCulture, $"{name}[{list.Count}]"), fields));
        }

        return list;
    }

    /// <summary>Names the first error.</summary>
    public void Fail(string name, string what)
    {
        if (_parent is not null)
        {
            _parent.Fail(_path.Length == 0 ? name : $"{_path}.{name}", what);
        }
        else if (!_error.IsError)
        {
            _error = RpcError.Param($"Parameter {name} {what}.");
        }
    }

    private ParamReader ObjectOf(JsonElement value, string name, RpcParam[] fields)
    {
        ParamReader reader = new(name, fields, this);
        if (value.ValueKind == JsonValueKind.Object)
        {
            reader.TakeFields(value);
        }
        else if (value.ValueKind != JsonValueKind.Null)
        {
            Fail(name, "is not an object");
        }

        reader.RequireAll();
        return reader;
    }

    private List<JsonElement> Items(string name, int maxCount)
    {
        JsonElement value = Value(name);
        if (Error.IsError || !Has(name))
        {
            return [];
        }

        if (value.ValueKind != JsonValueKind.Array || value.GetArrayLength() > maxCount)
        {
            Fail(name, $"is not a list of at most {maxCount}");
            return [];
        }

        return [.. value.EnumerateArray()];
    }

    // From the JSON's own bytes, without a text between: a block's worth of transactions is a megabyte of digits.
    private byte[] BytesOf(JsonElement value, string name, int max)
    {
        ReadOnlySpan<byte> digits = [];
        if (value.ValueKind == JsonValueKind.String)
        {
            digits = JsonMarshal.GetRawUtf8Value(value)[1..^1];
        }
        else
        {
            Fail(name, "is not a text");
        }

        if (digits.Contains((byte)'\\'))
        {
            digits = Encoding.UTF8.GetBytes(TextOf(value, name));           // digits may be escaped, though nobody does it
        }

        byte[] bytes = new byte[Math.Min(digits.Length / 2, max)];
        bool isHex = digits.Length == 2 * bytes.Length && Convert.FromHexString(digits, bytes, out _, out int written) == OperationStatus.Done && written == bytes.Length;
        if (!Error.IsError && !isHex)
        {
            Fail(name, $"is not hexadecimal of at most {max} bytes");
        }

        return Error.IsError ? [] : bytes;
    }

    private string Text(string name) => Error.IsError ? "" : TextOf(Value(name), name);

    private string TextOf(JsonElement value, string name)
    {
        if (value.ValueKind == JsonValueKind.String && RpcText.TryRead(value, out string? text))
        {
            return text;
        }

        Fail(name, "is not a text");
        return "";
    }

    private JsonElement Value(string name)
    {
        int index = Array.FindIndex(_params, parameter => parameter.Name == name);
        Invariant.Require(index >= 0);
        return _values[index];
    }

    private void TakeFields(JsonElement given)
    {
        foreach (JsonProperty property in given.EnumerateObject())
        {
            int index = Array.FindIndex(_params, parameter => RpcText.IsNamed(property, parameter.Name));
            if (index < 0)
            {
                Fail(_params.Length == 0 ? "of any name" : "that is none of: " + string.Join(", ", Array.ConvertAll(_params, static parameter => parameter.Name)), "is not known");
                return;
            }

            if (_values[index].ValueKind != JsonValueKind.Undefined)
            {
                Fail(_params[index].Name, "is given twice");
                return;
            }

            _values[index] = property.Value;
        }
    }

    private void TakePlaces(JsonElement given)
    {
        if (given.GetArrayLength() > _params.Length)
        {
            Fail("list", $"is longer than {_params.Length}");
            return;
        }

        int place = 0;
        foreach (JsonElement value in given.EnumerateArray())
        {
            _values[place++] = value;
        }
    }

    private void RequireAll()
    {
        foreach (RpcParam parameter in _params)
        {
            if (!parameter.IsOptional && !Has(parameter.Name))
            {
                Fail(parameter.Name, "is missing");
            }
        }
    }
}

/// <summary>Texts of JSON that may be no Unicode.</summary>
internal static class RpcText
{
    /// <summary>The text of a string element; false when it holds half of a surrogate pair or bytes that are no UTF-8.</summary>
    public static bool TryRead(JsonElement element, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out string? text)
    {
        try
        {
            text = element.GetString() ?? "";
            return true;
        }
        catch (InvalidOperationException)
        {
            text = null;                                    // legal to the parser, but no text
            return false;
        }
    }

    /// <summary>Whether a field has this name; false for a name that is no text.</summary>
    public static bool IsNamed(JsonProperty property, string name)
    {
        try
        {
            return property.NameEquals(name);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }
}
