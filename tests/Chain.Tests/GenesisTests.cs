using System;
using System.Text;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain.Tests;

// Genesis: one chain id per meaning, and no text that means another chain by accident.
public class GenesisTests
{
    private const string Zeros = "0000000000000000000000000000000000000000000000000000000000000000";
    private const string Ones = "1111111111111111111111111111111111111111111111111111111111111111";
    private const string Twos = "2222222222222222222222222222222222222222222222222222222222222222";

    private static readonly string Sample = $$"""
        {
          "version": 1, "name": "sample", "timestampMs": 1000, "baseFee": 3, "treasury": "{{Twos}}",
          "limits": { "maxTransactionBytes": 65536, "maxAccesses": 64, "maxArgumentBytes": 2048,
                      "maxTransactionGas": 1000000, "maxBlockBytes": 1572864, "maxBlockGas": 5000000 },
          "programs": [ { "id": "{{Ones}}", "code": "0102" } ],
          "records": [ { "program": "{{Ones}}", "key": "{{Twos}}", "value": "aabb" } ],
          "balances": [ { "key": "{{Twos}}", "amount": "340282366920938463463374607431768211455" } ]
        }
        """;

    [Fact]
    public void A_sample_reads_and_writes_to_the_same_chain_id()
    {
        Genesis genesis = Parse(Sample);
        Assert.Equal(3UL, genesis.BaseFee);
        Assert.Equal(UInt128.MaxValue, genesis.Balances[0].Amount);
        Assert.Equal(genesis.ChainId, Parse(Encoding.UTF8.GetString(GenesisJson.Write(genesis))).ChainId);
    }

    [Fact]
    public void Many_keys_of_one_value_are_written_as_one_item_and_mean_the_same()
    {
        string single = Sample
            .Replace("\"value\": \"aabb\" }", $"\"value\": \"aabb\" }}, {{ \"program\": \"{Ones}\", \"key\": \"{Ones}\", \"value\": \"aabb\" }}", StringComparison.Ordinal);
        string grouped = Sample.Replace($"\"key\": \"{Twos}\", \"value\"", $"\"keys\": [ \"{Ones}\", \"{Twos}\" ], \"value\"", StringComparison.Ordinal);
        Genesis genesis = Parse(single);
        Assert.Equal(2, genesis.Records.Length);
        Assert.Equal(genesis.ChainId, Parse(grouped).ChainId);
        string written = Encoding.UTF8.GetString(GenesisJson.Write(genesis));
        Assert.Contains("\"keys\"", written, StringComparison.Ordinal);
        Assert.Equal(genesis.ChainId, Parse(written).ChainId);

        foreach ((string odd, RefusalCode code) in ((string, RefusalCode)[])
            [
                ("\"keys\": [], \"value\"", RefusalCode.JsonMissingField),
                ($"\"keys\": \"{Ones}\", \"value\"", RefusalCode.JsonWrongKind),
                ($"\"keys\": [ 1 ], \"value\"", RefusalCode.JsonWrongKind),
                ($"\"keys\": [ \"{Ones}\", \"{Ones}\" ], \"value\"", RefusalCode.GenesisDuplicateEntry),
                ($"\"keys\": [ \"{Ones}\" ], \"key\": \"{Twos}\", \"value\"", RefusalCode.JsonUnknownField),
                ("\"value\"", RefusalCode.JsonMissingField),
            ])
        {
            string text = Sample.Replace($"\"key\": \"{Twos}\", \"value\"", odd, StringComparison.Ordinal);
            Assert.False(Genesis.TryParse(Encoding.UTF8.GetBytes(text), out _, out Refusal refusal));
            Assert.True(refusal.Code == code, $"{odd}: {refusal}");
        }
    }

    [Fact]
    public void Order_and_white_space_do_not_change_the_chain_id_and_content_does()
    {
        string two = Sample.Replace("\"programs\": [", $"\"programs\": [ {{ \"id\": \"{Twos}\", \"code\": \"\" }},", StringComparison.Ordinal);
        string reordered = Sample.Replace(
            $"\"programs\": [ {{ \"id\": \"{Ones}\", \"code\": \"0102\" }} ]",
            $"\"programs\":[{{\"code\":\"0102\",\"id\":\"{Ones}\"}},{{ \"id\": \"{Twos}\", \"code\": \"\" }}]",
            StringComparison.Ordinal);
        Assert.NotEqual(Sample, reordered);
        Assert.Equal(Parse(two).ChainId, Parse(reordered).ChainId);
        Assert.NotEqual(Parse(two).ChainId, Parse(Sample).ChainId);
        Assert.NotEqual(Parse(Sample.Replace("sample", "simple", StringComparison.Ordinal)).ChainId, Parse(Sample).ChainId);
    }

    [Fact]
    public void The_first_state_commits_to_chain_code_records_and_balances()
    {
        Genesis genesis = Parse(Sample);
        MemoryState state = new MemoryState(genesis.Hashing).Apply(genesis.ToDiff());
        Assert.Equal(5, state.Count);
        Assert.Equal(genesis.ChainId.Value.ToArray(), Read(genesis, state, default, default));
        ProgramRecord program = ProgramRecord.Decode(Read(genesis, state, ProgramId.System, new LocalKey(Hex(Ones))));
        Assert.Equal((Blake3.Hash([1, 2]), 2, true), (program.CodeHash, program.CodeLength, program.IsFrozen));
        Assert.Equal([1, 2], Read(genesis, state, ProgramId.System, program.Chunks[0]));
        Assert.Equal([0xaa, 0xbb], Read(genesis, state, new ProgramId(Hex(Ones)), new LocalKey(Hex(Twos))));
        Assert.Equal(16, Read(genesis, state, ProgramId.Native, new LocalKey(Hex(Twos))).Length);
        Block block = genesis.ToBlock(state.Root);
        Assert.Equal((default, default, 1000UL, 0), (block.Header.ParentId, block.Header.Height, block.Header.TimestampMs, block.Transactions.Length));
    }

    public static TheoryData<RefusalCode, string, string> Malformed => new()
    {
        { RefusalCode.JsonMalformed, "{", "" },
        { RefusalCode.JsonMalformed, "} ]\n}", "} ]" },
        { RefusalCode.JsonMalformed, "\"baseFee\": 3", "\"baseFee\": 03" },
        { RefusalCode.JsonMalformed, "\"sample\"", "\"\\ud800\"" },
        { RefusalCode.UnknownVersion, "\"version\": 1", "\"version\": 2" },
        { RefusalCode.JsonUnknownField, "\"baseFee\"", "\"basefee\"" },
        { RefusalCode.JsonUnknownField, "\"maxAccesses\": 64", "\"maxAccesses\": 64, \"maxKeys\": 1" },
        { RefusalCode.JsonUnknownField, "\"code\": \"0102\"", "\"code\": \"0102\", \"owner\": 1" },
        { RefusalCode.JsonDuplicateField, "\"baseFee\": 3", "\"baseFee\": 3, \"baseFee\": 3" },
        { RefusalCode.JsonDuplicateField, "\"value\": \"aabb\"", "\"value\": \"aabb\", \"value\": \"aabb\"" },
        { RefusalCode.JsonMissingField, "\"baseFee\": 3,", "" },
        { RefusalCode.JsonMissingField, ", \"maxBlockGas\": 5000000", "" },
        { RefusalCode.JsonMissingField, ", \"amount\": \"340282366920938463463374607431768211455\"", "" },
        { RefusalCode.JsonWrongKind, "\"baseFee\": 3", "\"baseFee\": \"3\"" },
        { RefusalCode.JsonWrongKind, "\"baseFee\": 3", "\"baseFee\": null" },
        { RefusalCode.JsonWrongKind, "\"amount\": \"340282366920938463463374607431768211455\"", "\"amount\": 5" },
        { RefusalCode.JsonWrongKind, "\"version\": 1", "\"version\": {}" },
        { RefusalCode.JsonWrongKind, "\"programs\": [ ", "\"programs\": [ 1, " },
        { RefusalCode.JsonBadNumber, "\"baseFee\": 3", "\"baseFee\": -1" },
        { RefusalCode.JsonBadNumber, "\"baseFee\": 3", "\"baseFee\": 1.5" },
        { RefusalCode.JsonBadNumber, "\"baseFee\": 3", "\"baseFee\": 1e2" },
        { RefusalCode.JsonBadNumber, "\"baseFee\": 3", "\"baseFee\": 18446744073709551616" },
        { RefusalCode.JsonBadNumber, "\"3402823", "\"9402823" },
        { RefusalCode.JsonBadNumber, "\"3402823", "\"+402823" },
        { RefusalCode.JsonBadNumber, "\"3402823", "\"0402823" },
        { RefusalCode.JsonBadHex, "\"0102\"", "\"010\"" },
        { RefusalCode.JsonBadHex, "\"0102\"", "\"01zz\"" },
        { RefusalCode.JsonBadHex, $"\"treasury\": \"{Twos}\"", "\"treasury\": \"22\"" },
        { RefusalCode.GenesisBadName, "\"sample\"", "\"\"" },
        { RefusalCode.GenesisBadName, "\"sample\"", "\"\u00e9\"" },
        { RefusalCode.GenesisReservedProgram, $"\"id\": \"{Ones}\"", $"\"id\": \"{Zeros}\"" },
        { RefusalCode.GenesisReservedProgram, $"\"id\": \"{Ones}\"", $"\"id\": \"{ProgramId.System}\"" },
        { RefusalCode.GenesisProgramRefused, "\"0102\"", "\"" + new string('a', 2 * ((ProgramRecord.MaxChunks * ProgramRecord.ChunkBytes) + 1)) + "\"" },
        { RefusalCode.GenesisDuplicateEntry, "\"programs\": [ ", $"\"programs\": [ {{ \"id\": \"{Ones}\", \"code\": \"\" }}, " },
        { RefusalCode.GenesisDuplicateEntry, "\"records\": [ ", $"\"records\": [ {{ \"program\": \"{Ones}\", \"key\": \"{Twos}\", \"value\": \"\" }}, " },
        { RefusalCode.GenesisDuplicateEntry, "\"balances\": [ ", $"\"balances\": [ {{ \"key\": \"{Twos}\", \"amount\": \"0\" }}, " },
        { RefusalCode.JsonBadNumber, "\"balances\": [ ", $"\"balances\": [ {{ \"key\": \"{Ones}\", \"amount\": \"1\" }}, " },
        { RefusalCode.GenesisUnknownOwner, $"\"program\": \"{Ones}\"", $"\"program\": \"{Twos}\"" },
        { RefusalCode.GenesisRecordTooLong, "\"aabb\"", "\"" + new string('a', 8194) + "\"" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxTransactionBytes\": 65536", "\"maxTransactionBytes\": 65537" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxAccesses\": 64", "\"maxAccesses\": 65" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxArgumentBytes\": 2048", "\"maxArgumentBytes\": 2049" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxTransactionGas\": 1000000", "\"maxTransactionGas\": 0" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxBlockGas\": 5000000", "\"maxBlockGas\": 999999" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxBlockBytes\": 1572864", "\"maxBlockBytes\": 65536" },
        { RefusalCode.GenesisLimitOutOfRange, "\"maxBlockBytes\": 1572864", "\"maxBlockBytes\": 1572865" },
    };

    [Theory, MemberData(nameof(Malformed))]
    public void A_malformed_genesis_is_refused_by_name(RefusalCode expected, string find, string replace)
    {
        string text = ReplaceFirst(Sample, find, replace);
        Assert.False(Genesis.TryParse(Encoding.UTF8.GetBytes(text), out _, out Refusal refusal));
        Assert.True(expected == refusal.Code, $"{expected} expected, but {refusal}");
        Assert.DoesNotContain('\n', refusal.Sentence);
    }

    [Fact]
    public void A_text_cut_at_any_length_is_refused()
    {
        byte[] text = Encoding.UTF8.GetBytes(Sample);
        for (int length = 0; length < text.Length; length++)
        {
            Assert.False(Genesis.TryParse(text.AsSpan(0, length), out _, out Refusal refusal));
            Assert.Equal(RefusalCode.JsonMalformed, refusal.Code);
        }
    }

    [Theory, InlineData(5)]
    public void Mutated_texts_never_throw(ulong seed)
    {
        SeededRandom random = new(seed);
        byte[] sample = Encoding.UTF8.GetBytes(Sample);
        for (int round = 0; round < 5_000; round++)
        {
            byte[] text = [.. sample];
            for (int i = 1 + random.Next(3); i > 0; i--)
            {
                text[random.Next(text.Length)] = (byte)random.Next(256);
            }

            Assert.True(Genesis.TryParse(text, out _, out Refusal refusal) != refusal.IsRefused, $"seed {seed} round {round}");
        }
    }

    private static Genesis Parse(string text) =>
        Genesis.TryParse(Encoding.UTF8.GetBytes(text), out Genesis? genesis, out Refusal refusal) ? genesis : throw new InvalidOperationException(refusal.ToString());

    private static Bytes32 Hex(string text) => Bytes32.TryParseHex(text, out Bytes32 value) ? value : throw new ArgumentException(text);

    private static byte[] Read(Genesis genesis, MemoryState state, ProgramId program, LocalKey key)
    {
        byte[] buffer = new byte[StateLimits.MaxRecordBytes];
        int length = state.Read(genesis.Hashing.KeyOf(program, key), buffer);
        return length < 0 ? [] : buffer[..length];
    }

    private static string ReplaceFirst(string text, string find, string replace)
    {
        int at = text.IndexOf(find, StringComparison.Ordinal);
        Assert.True(at >= 0, $"the sample does not hold {find}");
        return string.Concat(text.AsSpan(0, at), replace, text.AsSpan(at + find.Length));
    }
}
