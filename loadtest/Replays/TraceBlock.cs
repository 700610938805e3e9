// One block of a write trace: for every transaction, which keys it wrote.
//
//   {"block":20615532,"kinds":"ssbbn","account":[0,0,1,2,2],"readOnlySlots":17,"writes":[[0,2],[1,3,4]]}
//
// kinds has one letter per key id of the block (s storage slot, b balance, n nonce), account the account index of
// each key id, writes the key ids of each transaction.
//
// Invariants of a parsed block
//   T1  account is as long as kinds
//   T2  every key id of a transaction is in [0, kinds), and strictly ascending within the transaction
//   T3  at most KeysPerTxMax keys in one transaction
//
// Parsing is total: any text gives a block or one sentence with the line that is wrong.
// Threading: immutable.   Cost: O(bytes of the line).

using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Text.Json;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Replays;

/// <summary>What a key of a trace stands for.</summary>
internal enum TraceKind : byte
{
    /// <summary>A storage slot.</summary>
    Slot,

    /// <summary>An account's balance.</summary>
    Balance,

    /// <summary>An account's nonce.</summary>
    Nonce,
}

/// <summary>A block of a trace.</summary>
/// <param name="Number">Its number on the chain that it comes from.</param>
/// <param name="Kinds">Kind of each key id.</param>
/// <param name="Accounts">Account index of each key id, not negative.</param>
/// <param name="Writes">Key ids of each transaction.</param>
internal sealed record TraceBlock(ulong Number, TraceKind[] Kinds, int[] Accounts, int[][] Writes)
{
    /// <summary>The most keys of one transaction.</summary>
    public const int KeysPerTxMax = 512;

    /// <summary>The longest line read.</summary>
    private const int LineCharsMax = 16 * 1024 * 1024;

    /// <summary>Reads a whole trace; empty lines are skipped.</summary>
    /// <exception cref="IOException">The file vanished or the disk failed while reading.</exception>
    public static bool TryReadFile(string path, out TraceBlock[] blocks, out Refusal refusal)
    {
        blocks = [];
        refusal = Refusal.None;
        if (!File.Exists(path))
        {
            refusal = new Refusal(RefusalCode.UnreadableFile, $"There is no file '{path}'.");
            return false;
        }

        List<TraceBlock> read = [];
        int lineNumber = 0;
        try
        {
            using StreamReader reader = new(path);
            StringBuilder buffer = new();
            while (ReadLine(reader, buffer) is string line)
            {
                lineNumber++;
                if (line.Length == 0)
                {
                    continue;
                }

                if (!TryParse(line, out TraceBlock? block, out string why))
                {
                    refusal = new Refusal(RefusalCode.MalformedReplay, $"Line {lineNumber} of '{path}' is not a block of a trace: {why}.");
                    return false;
                }

                read.Add(block!);
            }
        }
        catch (UnauthorizedAccessException)
        {
            refusal = new Refusal(RefusalCode.UnreadableFile, $"The file '{path}' may not be read.");
            return false;
        }

        if (read.Count == 0)
        {
            refusal = new Refusal(RefusalCode.MalformedReplay, $"The file '{path}' holds no block.");
            return false;
        }

        blocks = [.. read];
        return true;
    }

    // A line, or as much of it as shows that it is too long: a device without an end costs no more than one line.
    private static string? ReadLine(StreamReader reader, StringBuilder buffer)
    {
        buffer.Clear();
        int next = reader.Read();
        if (next < 0)
        {
            return null;
        }

        for (; next >= 0 && next != '\n' && buffer.Length <= LineCharsMax; next = reader.Read())
        {
            buffer.Append((char)next);
        }

        return buffer.ToString().TrimEnd('\r');
    }

    /// <summary>Parses one line.</summary>
    /// <param name="why">What is wrong, without a period; empty on success.</param>
    public static bool TryParse(string line, out TraceBlock? block, out string why)
    {
        block = null;
        if (line.Length > LineCharsMax)
        {
            why = $"it has more than {LineCharsMax} characters";
            return false;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(line, new JsonDocumentOptions { MaxDepth = 8 });
            return TryParse(document.RootElement, out block, out why);
        }
        catch (JsonException e)
        {
            why = $"it is not JSON at byte {e.BytePositionInLine ?? 0}";
            return false;
        }
        catch (InvalidOperationException)
        {
            why = "it holds text that is not Unicode";      // an escape of half a surrogate pair
            return false;
        }
    }

    private static bool TryParse(JsonElement root, out TraceBlock? block, out string why)
    {
        block = null;
        if (root.ValueKind != JsonValueKind.Object)
        {
            why = "it is not an object";
            return false;
        }

        if (!root.TryGetProperty("block", out JsonElement number) || number.ValueKind != JsonValueKind.Number || !number.TryGetUInt64(out ulong blockNumber))
        {
            why = "'block' is not a block number";
            return false;
        }

        if (!TryKinds(root, out TraceKind[] kinds, out why)
            || !TryAccounts(root, kinds.Length, out int[] accounts, out why)
            || !TryWrites(root, kinds.Length, out int[][] writes, out why))
        {
            return false;
        }

        block = new TraceBlock(blockNumber, kinds, accounts, writes);
        return true;
    }

    private static bool TryKinds(JsonElement root, out TraceKind[] kinds, out string why)
    {
        kinds = [];
        why = "'kinds' is not a string of the letters s, b and n";
        if (!root.TryGetProperty("kinds", out JsonElement letters) || letters.ValueKind != JsonValueKind.String)
        {
            return false;
        }

        string text = letters.GetString()!;
        TraceKind[] read = new TraceKind[text.Length];
        for (int i = 0; i < text.Length; i++)
        {
            int kind = "sbn".IndexOf(text[i], StringComparison.Ordinal);
            if (kind < 0)
            {
                return false;
            }

            read[i] = (TraceKind)kind;
        }

        kinds = read;
        return true;
    }

    private static bool TryAccounts(JsonElement root, int keyCount, out int[] accounts, out string why)
    {
        accounts = [];
        why = $"'account' is not an array of {keyCount} account indexes, one per letter of 'kinds'";
        if (!root.TryGetProperty("account", out JsonElement array) || array.ValueKind != JsonValueKind.Array || array.GetArrayLength() != keyCount)
        {
            return false;                                                                           // T1
        }

        int[] read = new int[keyCount];
        int next = 0;
        foreach (JsonElement element in array.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out read[next]) || read[next] < 0)
            {
                return false;
            }

            next++;
        }

        accounts = read;
        return true;
    }

    private static bool TryWrites(JsonElement root, int keyCount, out int[][] writes, out string why)
    {
        writes = [];
        if (!root.TryGetProperty("writes", out JsonElement array) || array.ValueKind != JsonValueKind.Array)
        {
            why = "'writes' is not an array";
            return false;
        }

        int[][] read = new int[array.GetArrayLength()][];
        int tx = 0;
        foreach (JsonElement element in array.EnumerateArray())
        {
            if (!TryKeys(element, keyCount, out read[tx], out string reason))
            {
                why = $"transaction {tx} of 'writes' {reason}";
                return false;
            }

            tx++;
        }

        writes = read;
        why = "";
        return true;
    }

    private static bool TryKeys(JsonElement array, int keyCount, out int[] keys, out string reason)
    {
        keys = [];
        reason = "is not an array of key ids";
        if (array.ValueKind != JsonValueKind.Array)
        {
            return false;
        }

        if (array.GetArrayLength() > KeysPerTxMax)
        {
            reason = $"writes {array.GetArrayLength()} keys, at most {KeysPerTxMax} are replayed";          // T3
            return false;
        }

        int[] read = new int[array.GetArrayLength()];
        int next = 0;
        foreach (JsonElement element in array.EnumerateArray())
        {
            if (element.ValueKind != JsonValueKind.Number || !element.TryGetInt32(out int key))
            {
                return false;
            }

            if ((uint)key >= (uint)keyCount || (next > 0 && read[next - 1] >= key))
            {
                reason = $"names key {key}, which is not above the key before it and below {keyCount}";      // T2
                return false;
            }

            read[next++] = key;
        }

        keys = read;
        return true;
    }
}
