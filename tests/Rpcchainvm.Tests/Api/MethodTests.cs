// Every method, asked as a client asks: with what is there, what is not, and what must not be believed without a proof.

using System;
using System.Collections.Generic;
using System.Text.Json.Nodes;
using ParallelVm.AccessLists;
using ParallelVm.Chain;
using ParallelVm.Faster;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Ids;
using ParallelVm.Toolchain;

namespace ParallelVm.Rpcchainvm.Tests.Api;

public sealed class MethodTests : IDisposable
{
    private readonly ApiKit _kit = new();

    public void Dispose() => _kit.Dispose();

    [Fact]
    public void ChainInfo_says_where_the_chain_stands()
    {
        Block block = _kit.Accept(_kit.Count(0, 1));
        Block next = _kit.Build(_kit.Count(1, 1));
        Refusal refusal = _kit.Chain.Submit(_kit.Count(2, 1).Bytes.Span);
        Assert.False(refusal.IsRefused);
        JsonNode info = _kit.Call("chainInfo");
        Assert.Equal(_kit.Genesis.ChainId.ToString(), (string)info["chainId"]!);
        Assert.Equal(("api", "2"), ((string)info["name"]!, (string)info["baseFee"]!));
        Assert.Equal((block.Id.ToString(), 1), ((string)info["lastAccepted"]!["id"]!, (int)info["lastAccepted"]!["height"]!));
        Assert.Equal((next.Id.ToString(), 2), ((string)info["preferred"]!["id"]!, (int)info["preferred"]!["height"]!));
        Assert.Equal(block.Header.StateRoot.ToString(), (string)info["stateRoot"]!);
        Assert.Equal((1, 1, 1), ((int)info["processing"]!, (int)info["waiting"]!, (int)info["oldestReceipts"]!));
        Assert.Equal(_kit.Genesis.Limits.MaxBlockGas, (ulong)info["limits"]!["maxBlockGas"]!);
        Assert.Equal(_kit.Clock.NowMs, (ulong)info["nowMs"]!);
    }

    // Its correction is a search like discoverKeys', and stands in the same line.
    [Fact]
    public void A_receipt_is_corrected_behind_the_gate_of_heavy_work_and_answered_without_it()
    {
        Transaction weak = _kit.Swap(0, 50, lastMode: AccessMode.Read);
        _kit.Accept(weak);
        RpcMethod receipt = Array.Find(MethodTable.All, static method => method.Name == "receipt")!;
        using HeavyGate gate = new();
        int Ask(string more)
        {
            using System.Text.Json.JsonDocument parameters = System.Text.Json.JsonDocument.Parse($$"""{ "id": "{{weak.Id}}"{{more}} }""");
            using System.Text.Json.Utf8JsonWriter json = new(new System.Buffers.ArrayBufferWriter<byte>());
            return receipt.Run(_kit.Api with { Heavy = gate }, ParamReader.Of(receipt.Params, parameters.RootElement), json).Code;
        }

        Assert.Equal(0, Ask(""));
        Assert.True(gate.TryEnter() && gate.TryEnter());
        Assert.Equal(RpcError.Busy, Ask(""));
        Assert.Equal(0, Ask(""", "correct": false"""));
        gate.Leave();
        Assert.Equal(0, Ask(""));
        Assert.True(gate.TryEnter());                                   // what was asked left the gate again
    }

    [Fact]
    public void A_program_shows_its_code_hash_its_status_and_its_entries()
    {
        JsonNode found = _kit.Call("program", new JsonObject { ["id"] = ApiKit.Token.ToString(), ["code"] = true });
        byte[] code = Convert.FromHexString((string)found["code"]!);
        Assert.Equal(ReferencePrograms.Token, code);
        Assert.Equal((Blake3.Hash(code).ToString(), code.Length), ((string)found["codeHash"]!, (int)found["codeBytes"]!));
        Assert.Equal((true, true, 1), ((bool)found["isActive"]!, (bool)found["isFrozen"]!, (int)found["activeFrom"]!));
        Assert.Null(found["authority"]);

        // what it says of an entry is what a call of it binds
        ProgramCall call = TokenCalls.Transfer(ApiKit.Accounts[0].PublicKey, ApiKit.Accounts[1].PublicKey, 1);
        JsonNode entry = Assert.Single(found["entries"]!.AsArray(), entry => (uint)entry!["selector"]! == call.Selector)!;
        Assert.Equal(Array.ConvertAll(call.Slots, static slot => slot.Mode.ToString().ToLowerInvariant()), Array.ConvertAll([.. entry["slots"]!.AsArray()], static slot => (string)slot!["mode"]!));
        Assert.Equal(0, (int)entry["args"]!);

        Assert.Null(_kit.Call("program", new JsonArray { ApiKit.Amm.ToString() })["code"]);
        Assert.Equal(RpcError.NotFound, _kit.Fail("program", new JsonArray { new string('9', 64) }));
        Assert.Equal(RpcError.NotFound, _kit.Fail("program", new JsonArray { ProgramId.Native.ToString() }));
    }

    [Fact]
    public void A_block_is_found_by_both_its_ids_and_by_its_height()
    {
        Transaction transaction = _kit.Swap(0, 50);
        Block block = _kit.Accept(transaction);
        Block processing = _kit.Build(_kit.Count(1, 1));
        foreach (JsonNode parameters in new JsonNode[]
        {
            new JsonObject { ["id"] = block.Id.ToString() },
            new JsonObject { ["id"] = Cb58.Encode(block.Id.Value.ToArray()) },
            new JsonObject { ["height"] = 1 },
            new JsonObject { ["height"] = "1" },
            new JsonObject(),
            new JsonArray { block.Id.ToString() },
        })
        {
            JsonNode found = _kit.Call("block", parameters);
            Assert.Equal((block.Id.ToString(), "accepted"), ((string)found["id"]!, (string)found["status"]!));
            Assert.Equal(transaction.Id.ToString(), (string)found["transactions"]![0]!);
            Assert.Null(found["receipts"]);
        }

        JsonNode full = _kit.Call("block", new JsonObject { ["height"] = 1, ["transactions"] = "full", ["receipts"] = true, ["bytes"] = true });
        Assert.Equal(ApiKit.Hex(block.Bytes), (string)full["bytes"]!);
        Assert.Equal(ApiKit.Amm.ToString(), (string)full["transactions"]![0]!["program"]!);
        Assert.Equal("success", (string)full["receipts"]![0]!["outcome"]!);
        Assert.Equal("processing", (string)_kit.Call("block", new JsonObject { ["id"] = processing.Id.ToString() })["status"]!);
        Assert.Equal(0, (int)_kit.Call("block", new JsonObject { ["height"] = 0 })["gasUsed"]!);

        Assert.Equal(RpcError.NotFound, _kit.Fail("block", new JsonObject { ["height"] = 2 }));
        Assert.Equal(RpcError.NotFound, _kit.Fail("block", new JsonObject { ["id"] = Bytes32.Zero.ToString() }));
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("block", new JsonObject { ["id"] = "0OIl" }));
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("block", new JsonObject { ["id"] = block.Id.ToString(), ["height"] = 1 }));
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("block", new JsonObject { ["transactions"] = "none" }));
    }

    [Fact]
    public void A_transaction_is_followed_from_submission_to_acceptance()
    {
        Transaction transaction = _kit.Transfer(0, 1, 7);
        JsonNode Status() => _kit.Call("status", new JsonArray { transaction.Id.ToString() });
        Assert.Equal("unknown", (string)Status()["status"]!);
        Assert.Equal(RpcError.NotFound, _kit.Fail("receipt", new JsonArray { transaction.Id.ToString() }));

        Assert.Equal(transaction.Id.ToString(), (string)_kit.Call("submit", new JsonArray { ApiKit.Hex(transaction.Bytes) })["id"]!);
        Assert.Equal(1, _kit.SubmittedCount);
        Assert.Equal("pending", (string)Status()["status"]!);
        Assert.Equal(RpcError.NotFound, _kit.Fail("receipt", new JsonArray { transaction.Id.ToString() }));
        Assert.Equal(RpcError.Refused, _kit.Fail("submit", new JsonArray { ApiKit.Hex(transaction.Bytes) }));

        Block block = _kit.Build();
        Assert.Equal("processing", (string)Status()["status"]!);
        Assert.Equal("processing", (string)_kit.Call("receipt", new JsonArray { transaction.Id.ToString() })["status"]!);
        _kit.Chain.Accept(block.Id);
        JsonNode status = Status();
        Assert.Equal(("accepted", 1, 0), ((string)status["status"]!, (int)status["block"]!["height"]!, (int)status["index"]!));
        JsonNode receipt = _kit.Call("receipt", new JsonArray { transaction.Id.ToString() });
        Assert.Equal(("success", 0, block.Id.ToString()), ((string)receipt["outcome"]!, (int)receipt["code"]!, (string)receipt["block"]!["id"]!));
        Assert.Equal(block.Header.GasUsed, (ulong)receipt["gasUsed"]!);
        Assert.Equal((block.Header.GasUsed * 3).ToString(System.Globalization.CultureInfo.InvariantCulture), (string)receipt["fee"]!);
    }

    [Fact]
    public void A_refused_transaction_says_why()
    {
        JsonNode Answer(ReadOnlyMemory<byte> bytes) => _kit.Answer($$"""{"jsonrpc":"2.0","id":1,"method":"submit","params":["{{ApiKit.Hex(bytes)}}"]}""")!["error"]!;
        byte[] forged = _kit.Count(0, 1).Bytes.ToArray();
        forged[^1] ^= 1;
        Assert.Equal((int)RefusalCode.BadSignature, (int)Answer(forged)["data"]!["code"]!);
        Assert.Equal(nameof(RefusalCode.Truncated), (string)Answer(forged.AsMemory(0, 100))["data"]!["name"]!);
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("submit", new JsonArray { "zz" }));
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("submit", new JsonArray { new string('0', 2 * (Transaction.MaxBytes + 1)) }));
        Assert.Equal(0, _kit.SubmittedCount);
    }

    [Fact]
    public void Many_are_answered_one_by_one()
    {
        Transaction good = _kit.Count(0, 1);
        JsonArray many = [ApiKit.Hex(good.Bytes), ApiKit.Hex(good.Bytes), "00", ApiKit.Hex(_kit.Count(1, 1).Bytes)];
        JsonArray answer = _kit.Call("submitMany", new JsonArray { many }).AsArray();
        Assert.Equal(good.Id.ToString(), (string)answer[0]!["id"]!);
        Assert.Null(answer[0]!["refused"]);
        Assert.Equal((int)RefusalCode.DuplicateTransaction, (int)answer[1]!["refused"]!["code"]!);
        Assert.Equal((int)RefusalCode.UnknownVersion, (int)answer[2]!["refused"]!["code"]!);
        Assert.Null(answer[3]!["refused"]);
        Assert.Equal((2, 2), (_kit.SubmittedCount, _kit.Chain.MempoolCount));
        Assert.Equal(good.Id.ToString(), (string)answer[1]!["id"]!);                // refused, and a transaction all the same
        Assert.Null(answer[2]!["id"]);
    }

    // RFC 8259: any character of a string may be escaped, and the string is the same.
    [Fact]
    public void Digits_may_be_escaped_as_any_character_may_and_what_is_no_digit_is_refused()
    {
        Transaction good = _kit.Count(0, 1);
        string digits = ApiKit.Hex(good.Bytes);
        string escaped = $"\\u00{(int)digits[0]:x2}{digits[1..^1]}\\u00{(int)digits[^1]:x2}";
        JsonNode answer = _kit.Answer($$"""{"jsonrpc":"2.0","id":1,"method":"submit","params":["{{escaped}}"]}""")!;
        Assert.Equal(good.Id.ToString(), (string)answer["result"]!["id"]!);
        foreach (string other in new[] { "\\ud800", "é", "0", "0g", "\\n0", digits + "\\u0020", "" })
        {
            answer = _kit.Answer($$"""{"jsonrpc":"2.0","id":1,"method":"submitMany","params":[["{{other}}"]]}""")!;
            bool isEmpty = other.Length == 0;                                       // no bytes are bytes, and no transaction
            Assert.Equal(isEmpty ? null : RpcError.InvalidParams, (int?)answer["error"]?["code"]);
            Assert.Equal(isEmpty, answer["result"]?[0]?["refused"] is not null);
        }
    }

    [Fact]
    public void An_account_shows_what_it_has_and_what_waits()
    {
        Transaction transaction = _kit.Count(3, 1, tip: 4);
        Refusal refusal = _kit.Chain.Submit(transaction.Bytes.Span);
        Assert.False(refusal.IsRefused);
        JsonNode account = _kit.Call("account", new JsonArray { ApiKit.Accounts[3].PublicKey.ToString() });
        Assert.Equal(("1000000000000", "1000000000000", 1, "600000"), ((string)account["balance"]!, (string)account["preferred"]!, (int)account["waiting"]!, (string)account["reserved"]!));
        Block block = _kit.Build();
        JsonNode after = _kit.Call("account", new JsonArray { ApiKit.Accounts[3].PublicKey.ToString() });
        Assert.Equal("1000000000000", (string)after["balance"]!);
        Assert.Equal(1_000_000_000_000 - ((long)block.Header.GasUsed * 6), long.Parse((string)after["preferred"]!, System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal("0", (string)_kit.Call("account", new JsonArray { Bytes32.Zero.ToString() })["balance"]!);
    }

    [Fact]
    public void A_record_comes_with_a_proof_of_its_value_or_its_absence_at_any_kept_height()
    {
        LocalKey key = new(new Bytes32(9, 9, 9, 1));
        for (int i = 0; i < 5; i++)
        {
            _kit.Accept(_kit.Count(i, 1));
        }

        StateHashing hashing = _kit.Genesis.Hashing;
        for (int height = 0; height <= 5; height++)
        {
            JsonObject parameters = new() { ["program"] = ApiKit.Counter.ToString(), ["key"] = key.ToString() };
            if (height < 5)
            {
                parameters["height"] = height;
            }

            JsonNode record = _kit.Call("record", parameters);
            Assert.True(_kit.Chain.TryGetBlock(new Height((ulong)height), out Block? block));
            Assert.Equal(block.Header.StateRoot.ToString(), (string)record["stateRoot"]!);
            Assert.Equal(hashing.KeyOf(ApiKit.Counter, key).ToString(), (string)record["path"]!);
            byte[] proof = Convert.FromHexString((string)record["proof"]!);
            StateKey path = hashing.KeyOf(ApiKit.Counter, key);
            if (height == 0)
            {
                Assert.Null(record["value"]);
                Assert.True(MerkleProof.VerifyAbsent(hashing, block.Header.StateRoot, path, proof));
                Assert.False(MerkleProof.VerifyPresent(hashing, block.Header.StateRoot, path, BalanceRecord.Encode(1), proof));
                continue;
            }

            byte[] value = Convert.FromHexString((string)record["value"]!);
            Assert.Equal(BalanceRecord.Encode((UInt128)height), value);
            Assert.True(MerkleProof.VerifyPresent(hashing, block.Header.StateRoot, path, value, proof), $"height {height}");
            Assert.False(MerkleProof.VerifyPresent(hashing, block.Header.StateRoot, path, BalanceRecord.Encode((UInt128)height + 1), proof));
        }

        Assert.Equal(RpcError.NotFound, _kit.Fail("record", new JsonArray { ApiKit.Counter.ToString(), key.ToString(), 6 }));
    }

    [Fact]
    public void The_mempool_is_shown_in_the_order_of_tips()
    {
        foreach (ulong tip in new ulong[] { 2, 9, 5 })
        {
            Refusal refusal = _kit.Chain.Submit(_kit.Count(4, 1, tip).Bytes.Span);
            Assert.False(refusal.IsRefused);
        }

        JsonNode all = _kit.Call("mempool", new JsonArray { 2 });
        Assert.Equal((3, 65_536), ((int)all["count"]!, (int)all["maxCount"]!));
        Assert.Equal(["9", "5"], Array.ConvertAll([.. all["best"]!.AsArray()], static best => (string)best!["effectiveTip"]!));
        Assert.Empty(_kit.Call("mempool")["best"]!.AsArray());
    }

    [Fact]
    public void The_fee_estimate_is_the_base_fee_while_blocks_have_room()
    {
        JsonNode fee = _kit.Call("estimateFee", new JsonArray { 1_000 });
        Assert.Equal(("2", "0", "2", "2000"), ((string)fee["baseFee"]!, (string)fee["tip"]!, (string)fee["maxPrice"]!, (string)fee["fee"]!));

        // six transactions of the most gas are more than a block holds: whoever wants in offers more than the last that fits
        for (int i = 0; i < 6; i++)
        {
            Transaction large = _kit.Builder(_kit.Genesis.Limits.MaxTransactionGas, (ulong)i)
                .Call(ApiKit.Counter, CounterCalls.IncrementAddSelector, []).Slot(ApiKit.Counter, new LocalKey(new Bytes32(8, 8, 8, (ulong)i)), AccessMode.Add).Sign(ApiKit.Accounts[i]);
            Refusal refusal = _kit.Chain.Submit(large.Bytes.Span);
            Assert.False(refusal.IsRefused, refusal.ToString());
        }

        Assert.Equal("1", (string)_kit.Call("estimateFee")["tip"]!);
    }

    [Fact]
    public void Simulation_tells_writes_and_receipt_and_changes_nothing()
    {
        Transaction swap = _kit.Swap(0, 100);
        JsonNode tried = _kit.Call("simulate", new JsonObject { ["transaction"] = ApiKit.Hex(swap.Bytes) });
        Assert.Equal("success", (string)tried["outcome"]!);
        HashSet<string> written = [];
        foreach (JsonNode? write in tried["writes"]!.AsArray())
        {
            written.Add((string)write!["key"]!);
        }

        Assert.Contains(ApiKit.Pool.ToString(), written);
        Assert.Contains(AmmLayout.VolumeKey(ApiKit.Pool).ToString(), written);
        Assert.Contains(ApiKit.Accounts[0].PublicKey.ToString(), written);                         // the fee
        Assert.Equal(0, _kit.Chain.MempoolCount);

        Block block = _kit.Accept(swap);
        JsonNode receipt = _kit.Call("receipt", new JsonArray { swap.Id.ToString() });
        foreach (string field in new[] { "outcome", "code", "gasUsed", "fee", "returned" })
        {
            Assert.Equal(receipt[field]!.ToJsonString(), tried[field]!.ToJsonString());
        }

        foreach (JsonNode? write in tried["writes"]!.AsArray())
        {
            JsonNode record = _kit.Call("record", new JsonArray { (string)write!["program"]!, (string)write["key"]! });
            Assert.Equal((string?)write["value"], (string?)record["value"]);
        }

        Assert.Equal(block.Header.ParentId.ToString(), (string)tried["on"]!["id"]!);
    }

    [Fact]
    public void An_undeclared_access_names_key_and_mode_and_comes_with_the_right_list()
    {
        Transaction weak = _kit.Swap(0, 100, lastMode: AccessMode.Read);
        _kit.Accept(weak);
        foreach (JsonNode answer in new[]
        {
            _kit.Call("receipt", new JsonArray { weak.Id.ToString() }), _kit.Call("simulate", new JsonObject { ["transaction"] = ApiKit.Hex(weak.Bytes) }),
        })
        {
            Assert.Equal(("trap", "UndeclaredAccess"), ((string)answer["outcome"]!, (string)answer["reason"]!));
            JsonNode undeclared = answer["undeclared"]!;
            Assert.Equal(AmmLayout.VolumeKey(ApiKit.Pool).ToString(), (string)undeclared["key"]!);
            Assert.Equal((3, "add", "read"), ((int)undeclared["slot"]!, (string)undeclared["needed"]!, (string)undeclared["declared"]!));
            JsonArray corrected = answer["corrected"]!["accesses"]!.AsArray();
            Transaction right = _kit.Swap(0, 100);
            Assert.Equal(right.Accesses.Count, corrected.Count);
            for (int i = 0; i < corrected.Count; i++)
            {
                Assert.Equal((right.Accesses[i].Key.ToString(), JsonForms.WordOf(right.Accesses[i].Mode)), ((string)corrected[i]!["key"]!, (string)corrected[i]!["mode"]!));
            }
        }
    }

    [Fact]
    public void What_discovery_returns_needs_a_signature_and_nothing_else()
    {
        JsonNode found = _kit.Call("discoverKeys", new JsonObject { ["call"] = SwapCall(100, 1) });
        Assert.True((bool)found["complete"]!);
        Assert.Equal("success", (string)found["outcome"]!);
        Assert.Equal(["given", "found", "found", "found"], Array.ConvertAll([.. found["slots"]!.AsArray()], static slot => (string)slot!["origin"]!));
        Assert.Empty(found["read"]!.AsArray());
        Assert.Equal((2, 2), (found["write"]!.AsArray().Count, found["add"]!.AsArray().Count));

        byte[] bytes = Convert.FromHexString((string)found["transaction"]!);
        ApiKit.Accounts[0].Sign(Convert.FromHexString((string)found["signingPayload"]!)).CopyTo(bytes.AsSpan(bytes.Length - Signature.Size));
        string id = (string)_kit.Call("submit", new JsonArray { ApiKit.Hex(bytes) })["id"]!;
        Assert.Equal((string)found["id"]!, id);
        _kit.Accept();
        Assert.Equal(found["gasUsed"]!.ToJsonString(), _kit.Call("receipt", new JsonArray { id })["gasUsed"]!.ToJsonString());
    }

    [Fact]
    public void Discovery_tells_what_is_open_and_what_fails()
    {
        JsonNode failing = _kit.Call("discoverKeys", new JsonObject { ["call"] = SwapCall(100, 1_000_000) });
        Assert.True((bool)failing["complete"]!);
        Assert.Equal(("revert", 256 + (int)AmmAborts.Slippage), ((string)failing["outcome"]!, (int)failing["code"]!));
        Assert.Equal(2, failing["add"]!.AsArray().Count);

        JsonObject call = SwapCall(100, 1);
        call.Remove("slots");
        JsonNode open = _kit.Call("discoverKeys", new JsonObject { ["call"] = call });
        Assert.False((bool)open["complete"]!);
        Assert.Null(open["transaction"]);
        Assert.Null(open["slots"]![0]!["key"]);
        Assert.Empty(open["write"]!.AsArray());
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("simulate", new JsonObject { ["call"] = call.DeepClone() }));

        JsonObject poor = SwapCall(100, 1);
        poor["payer"] = Bytes32.Zero.ToString();
        JsonNode refused = _kit.Call("discoverKeys", new JsonObject { ["call"] = poor });
        Assert.Equal((int)RefusalCode.BatchPayerShort, (int)refused["refused"]!["code"]!);
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("discoverKeys"));
        Assert.Equal(RpcError.InvalidParams, _kit.Fail("discoverKeys", new JsonObject { ["call"] = new JsonObject { ["payer"] = 1 } }));
        Assert.Equal(RpcError.Refused, _kit.Fail("discoverKeys", new JsonObject { ["transaction"] = "00" }));
    }

    [Fact]
    public void The_conflicts_of_a_block_name_the_keys_of_its_critical_path()
    {
        List<Transaction> load = [];
        for (int i = 0; i < 6; i++)
        {
            load.Add(_kit.Swap(i, 10, tip: (ulong)(20 - i)));
        }

        for (int i = 6; i < 12; i++)
        {
            load.Add(_kit.Count(i, i));
        }

        Block block = _kit.Accept([.. load]);
        JsonNode conflicts = _kit.Call("conflicts", new JsonObject { ["height"] = 1 });
        Assert.Equal((12, "gasUsed"), ((int)conflicts["transactions"]!, (string)conflicts["costs"]!));
        Assert.Equal(block.Header.GasUsed, (ulong)conflicts["work"]!);
        JsonArray path = conflicts["criticalPath"]!.AsArray();
        Assert.Equal(6, path.Count);
        ulong span = 0;
        foreach (JsonNode? step in path)
        {
            span += (ulong)step!["cost"]!;
        }

        Assert.Equal(span, (ulong)conflicts["span"]!);
        Assert.Equal((ApiKit.Pool.ToString(), "write"), ((string)path[1]!["key"]!, (string)path[1]!["mode"]!));
        Assert.Equal(ApiKit.Pool.ToString(), (string)conflicts["hottestKeys"]![0]!["key"]!);
    }

    private static JsonObject SwapCall(ulong amount, ulong least) => new()
    {
        ["payer"] = ApiKit.Accounts[0].PublicKey.ToString(),
        ["program"] = ApiKit.Amm.ToString(),
        ["selector"] = AmmCalls.SwapSelector,
        ["arguments"] = Convert.ToHexStringLower(AmmCalls.Swap(ApiKit.Accounts[0].PublicKey, ApiKit.Pool, ApiKit.AssetA, ApiKit.AssetB, amount, least, SwapDirection.AToB).Arguments),
        ["slots"] = new JsonArray { new JsonObject { ["key"] = ApiKit.Pool.ToString() } },
        ["gasLimit"] = 90_000,
    };
}
