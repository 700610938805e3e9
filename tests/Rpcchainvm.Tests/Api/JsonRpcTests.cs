// JSON-RPC 2.0 as the specification has it, and everything that is no JSON-RPC.

using System;
using System.Buffers;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Api;

namespace ParallelVm.Rpcchainvm.Tests.Api;

public sealed class JsonRpcTests : IDisposable
{
    private readonly ApiKit _kit = new();

    public void Dispose() => _kit.Dispose();

    [Theory]
    [InlineData("", RpcError.ParseError)]
    [InlineData("{", RpcError.ParseError)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":[,]}", RpcError.ParseError)]
    [InlineData("[{\"jsonrpc\":\"2.0\",\"method\":\"status\"", RpcError.ParseError)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"id\":1} 2", RpcError.ParseError)]
    [InlineData("// comment\n1", RpcError.ParseError)]
    [InlineData("[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]", RpcError.ParseError)]
    [InlineData("1", RpcError.InvalidRequest)]
    [InlineData("null", RpcError.InvalidRequest)]
    [InlineData("[]", RpcError.InvalidRequest)]
    [InlineData("{}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":1,\"params\":\"bar\"}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"1.0\",\"method\":\"chainInfo\",\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":2.0,\"method\":\"chainInfo\",\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"method\":\"chainInfo\",\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"method\":\"chainInfo\",\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"id\":1,\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"id\":{}}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"id\":[1]}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"id\":true}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"id\":\"\\ud800\"}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"\\udc00\",\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"params\":1,\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"params\":null,\"id\":1}", RpcError.InvalidRequest)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"foobar\",\"id\":\"1\"}", RpcError.MethodNotFound)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"ChainInfo\",\"id\":\"1\"}", RpcError.MethodNotFound)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"params\":{\"x\":1},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"chainInfo\",\"params\":[1],\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":{\"id\":null},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"mempool\",\"params\":{\"limit\":1,\"limit\":2},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"mempool\",\"params\":{\"limit\":1.5},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"mempool\",\"params\":{\"limit\":-1},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"mempool\",\"params\":{\"limit\":257},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"mempool\",\"params\":{\"limit\":\"+1\"},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"mempool\",\"params\":{\"\\ud800\":1},\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":[\"00\"],\"id\":1}", RpcError.InvalidParams)]
    [InlineData("{\"jsonrpc\":\"2.0\",\"method\":\"status\",\"params\":[\"\\ud800\"],\"id\":1}", RpcError.InvalidParams)]
    public void A_body_that_is_no_call_has_its_code(string body, int code)
    {
        JsonNode answer = _kit.Answer(body)!;
        Assert.Equal(code, (int)answer["error"]!["code"]!);
        Assert.NotEqual("", (string)answer["error"]!["message"]!);
        Assert.Null(answer["result"]);
        Assert.True(answer.AsObject().ContainsKey("id"));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("-7")]
    [InlineData("1.50")]
    [InlineData("1e3")]
    [InlineData("18446744073709551616000")]
    [InlineData("\"a\\u0000\\\"b\"")]
    [InlineData("\"\"")]
    [InlineData("null")]
    public void An_id_comes_back_as_it_was(string id)
    {
        ArrayBufferWriter<byte> answer = new();
        Assert.True(_kit.Server.Handle(Encoding.UTF8.GetBytes($$"""{"jsonrpc":"2.0","method":"chainInfo","id":{{id}}}"""), answer));
        using JsonDocument document = JsonDocument.Parse(answer.WrittenMemory);
        using JsonDocument sent = JsonDocument.Parse(id);
        Assert.True(JsonElement.DeepEquals(sent.RootElement, document.RootElement.GetProperty("id")));
        if (sent.RootElement.ValueKind == JsonValueKind.Number)
        {
            Assert.Equal(id, document.RootElement.GetProperty("id").GetRawText());
        }
    }

    [Fact]
    public void An_invalid_request_with_an_id_is_answered_with_it_and_one_without_with_null()
    {
        Assert.Equal(5, (int)_kit.Answer("""{"method":"chainInfo","id":5}""")!["id"]!);
        Assert.Null(_kit.Answer("""{"method":"chainInfo"}""")!["id"]);
        Assert.Equal(RpcError.InvalidRequest, (int)_kit.Answer($$"""{"jsonrpc":"2.0","method":"chainInfo","id":"{{new string('x', 257)}}"}""")!["error"]!["code"]!);
    }

    [Fact]
    public void A_notification_is_never_answered()
    {
        Assert.Null(_kit.Answer("""{"jsonrpc":"2.0","method":"chainInfo"}"""));
        Assert.Null(_kit.Answer("""{"jsonrpc":"2.0","method":"no such method"}"""));
        Assert.Null(_kit.Answer("""{"jsonrpc":"2.0","method":"status","params":[1,2,3]}"""));
        Assert.Null(_kit.Answer("""[{"jsonrpc":"2.0","method":"chainInfo"},{"jsonrpc":"2.0","method":"chainInfo"}]"""));
    }

    [Fact]
    public void A_notification_is_carried_out()
    {
        Assert.Null(_kit.Answer($$"""{"jsonrpc":"2.0","method":"submit","params":["{{ApiKit.Hex(_kit.Count(0, 1).Bytes)}}"]}"""));
        Assert.Equal(1, _kit.Chain.MempoolCount);
    }

    // The batch of the specification's examples, with our methods.
    [Fact]
    public void A_batch_is_answered_in_order_without_its_notifications()
    {
        JsonArray answer = _kit.Answer(
            """
            [{"jsonrpc":"2.0","method":"mempool","params":[1],"id":"1"},{"jsonrpc":"2.0","method":"mempool","params":[7]},
             {"foo":"boo"},{"jsonrpc":"2.0","method":"foo.get","params":{"name":"myself"},"id":"5"},1,
             {"jsonrpc":"2.0","method":"mempool","params":{"limit":"2"},"id":"9"}]
            """)!.AsArray();
        Assert.Equal(5, answer.Count);
        Assert.Equal(0, (int)answer[0]!["result"]!["count"]!);
        Assert.Equal(RpcError.InvalidRequest, (int)answer[1]!["error"]!["code"]!);
        Assert.Equal(RpcError.MethodNotFound, (int)answer[2]!["error"]!["code"]!);
        Assert.Equal("5", (string)answer[2]!["id"]!);
        Assert.Equal(RpcError.InvalidRequest, (int)answer[3]!["error"]!["code"]!);
        Assert.Equal("9", (string)answer[4]!["id"]!);
    }

    [Fact]
    public void A_batch_beyond_the_limit_is_refused_whole()
    {
        string one = """{"jsonrpc":"2.0","method":"chainInfo","id":1}""";
        string[] many = new string[RpcServer.MaxBatch];
        Array.Fill(many, one);
        Assert.Equal(RpcServer.MaxBatch, _kit.Answer($"[{string.Join(',', many)}]")!.AsArray().Count);
        JsonNode refused = _kit.Answer($"[{string.Join(',', many)},{one}]")!;
        Assert.Equal(RpcError.InvalidRequest, (int)refused["error"]!["code"]!);
    }

    [Fact]
    public void An_answer_beyond_the_limit_is_replaced_by_an_error_and_the_rest_is_answered()
    {
        for (int i = 0; i < 300; i++)
        {
            Refusal refusal = _kit.Chain.Submit(_kit.Count(i % 16, i, tip: 1 + (ulong)(i / 16)).Bytes.Span);
            Assert.False(refusal.IsRefused, refusal.ToString());
        }

        _kit.Accept();
        string[] many = new string[RpcServer.MaxBatch];
        Array.Fill(many, """{"jsonrpc":"2.0","method":"block","params":{"transactions":"full","receipts":true,"bytes":true},"id":1}""");
        ArrayBufferWriter<byte> answer = new();
        Assert.True(_kit.Server.Handle(Encoding.UTF8.GetBytes($"[{string.Join(',', many)}]"), answer));
        Assert.InRange(answer.WrittenCount, 1 << 20, RpcServer.MaxAnswerBytes + (1 << 16));
        JsonArray answers = JsonNode.Parse(answer.WrittenSpan)!.AsArray();
        Assert.Equal(RpcServer.MaxBatch, answers.Count);
        Assert.NotNull(answers[0]!["result"]);
        Assert.Equal(RpcError.TooLarge, (int)answers[^1]!["error"]!["code"]!);
    }

    // 100,000 bodies: random bytes, random tokens, and mutations of good requests.
    [Theory, InlineData(1UL), InlineData(7UL)]
    public void No_body_makes_it_throw_or_answer_what_is_no_json(ulong seed)
    {
        SeededRandom random = new(seed);
        string[] tokens =
        [
            "{", "}", "[", "]", ",", ":", "\"jsonrpc\"", "\"2.0\"", "\"method\"", "\"params\"", "\"id\"", "1", "-0", "1e400", "null", "true", "\"\\ud83d\"", "\"block\"",
            "\"simulate\"", "\"call\"", "\"transaction\"", "\"height\"", "\"key\"", "\"ff\"", " ", "\u00e9", "18446744073709551616",
        ];
        byte[][] good =
        [
            Encoding.UTF8.GetBytes($$$"""{"jsonrpc":"2.0","id":1,"method":"submit","params":{"transaction":"{{{ApiKit.Hex(_kit.Count(0, 1).Bytes)}}}"}}"""),
            Encoding.UTF8.GetBytes($$$"""{"jsonrpc":"2.0","id":1,"method":"simulate","params":{"transaction":"{{{ApiKit.Hex(_kit.Swap(0, 5).Bytes)}}}"}}"""),
            Encoding.UTF8.GetBytes($$$"""{"jsonrpc":"2.0","id":"x","method":"discoverKeys","params":{"call":{"payer":"{{{ApiKit.Accounts[0].PublicKey}}}","program":"{{{ApiKit.Amm}}}","selector":1,"slots":[{"key":"{{{ApiKit.Pool}}}"}],"gasLimit":90000} } }"""),
            Encoding.UTF8.GetBytes($$"""[{"jsonrpc":"2.0","id":1,"method":"record","params":["{{ApiKit.Token}}","{{ApiKit.Accounts[0].PublicKey}}",0]}]"""),
            Encoding.UTF8.GetBytes("""{"jsonrpc":"2.0","id":1,"method":"block","params":{"height":0,"transactions":"full","receipts":true}}"""),
        ];
        StringBuilder text = new();
        ArrayBufferWriter<byte> answer = new();
        for (int round = 0; round < 50_000; round++)
        {
            byte[] body;
            switch (random.Next(3))
            {
                case 0:
                    body = new byte[random.Next(40)];
                    random.Fill(body);
                    break;
                case 1:
                    text.Clear();
                    for (int i = random.Next(24); i > 0; i--)
                    {
                        text.Append(tokens[random.Next(tokens.Length)]);
                    }

                    body = Encoding.UTF8.GetBytes(text.ToString());
                    break;
                default:
                    body = [.. good[random.Next(good.Length)]];
                    for (int i = 1 + random.Next(3); i > 0; i--)
                    {
                        body[random.Next(body.Length)] = (byte)random.Next(256);
                    }

                    break;
            }

            answer.ResetWrittenCount();
            if (_kit.Server.Handle(body, answer))
            {
                using JsonDocument document = JsonDocument.Parse(answer.WrittenMemory);
                Assert.True(document.RootElement.ValueKind is JsonValueKind.Object or JsonValueKind.Array, $"seed {seed} round {round}");
            }
        }
    }
}
