// The client of JSON-RPC against a way that a test holds: what it writes, how it cuts, how many requests it has under way, what it makes
// of answers that are none.

using System;
using System.Collections.Generic;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;

namespace ParallelVm.NodeHost.Tests;

public sealed class ApiClientTests
{
    [Theory, InlineData(1UL), InlineData(7UL), InlineData(20260UL)]
    public async Task Every_transaction_is_sent_once_in_requests_within_the_limits_and_answered_in_its_place(ulong seed)
    {
        SeededRandom random = new(seed);
        for (int round = 0; round < 8; round++)
        {
            ReadOnlyMemory<byte>[] transactions = new ReadOnlyMemory<byte>[random.Next(2_000)];
            for (int i = 0; i < transactions.Length; i++)
            {
                byte[] bytes = new byte[random.Chance(1, 50) ? random.Next(60_000) : 4 + random.Next(600)];
                random.Fill(bytes);
                transactions[i] = bytes;
            }

            int atOnce = 1 + random.Next(4);
            using HeldWay way = new(static (_, text) => AnswerMany(text));
            using ApiClient client = new(way, new RpcMeter());
            SubmitAnswer[] answers = await client.SubmitAsync(transactions, atOnce);
            Assert.Equal(transactions.Length, answers.Length);
            List<string> sent = [];
            foreach (string body in way.Bodies)
            {
                Assert.True(body.Length <= 1 << 20, $"seed {seed} round {round}: a body of {body.Length} bytes");
                using JsonDocument json = JsonDocument.Parse(body);
                JsonElement list = json.RootElement.GetProperty("params").GetProperty("transactions");
                Assert.InRange(list.GetArrayLength(), 1, ApiClient.MostTransactions);
                foreach (JsonElement one in list.EnumerateArray())
                {
                    sent.Add(one.GetString()!);
                }
            }

            List<string> expected = [];
            for (int i = 0; i < transactions.Length; i++)
            {
                expected.Add(Convert.ToHexStringLower(transactions[i].Span));
                Assert.True(answers[i].Id == new TxId(Sha256.Hash(transactions[i].Span)), $"seed {seed} round {round}: answer {i} is another's");
                Assert.Equal(IsTaken(transactions[i].Span), answers[i].IsTaken);
            }

            expected.Sort(StringComparer.Ordinal);
            sent.Sort(StringComparer.Ordinal);
            Assert.Equal(expected, sent);
            Assert.InRange(way.MostAtOnce, 0, atOnce);
            Assert.Equal(way.Bodies.Count, client.Meter.Calls);
        }
    }

    [Fact]
    public async Task As_many_requests_are_under_way_as_the_caller_says()
    {
        ReadOnlyMemory<byte>[] transactions = new ReadOnlyMemory<byte>[5 * ApiClient.MostTransactions];
        Array.Fill(transactions, new byte[8]);
        using SemaphoreSlim open = new(0);
        using HeldWay way = new(static (_, text) => AnswerMany(text)) { Gate = open };
        using ApiClient client = new(way, new RpcMeter());
        Task<SubmitAnswer[]> submitted = client.SubmitAsync(transactions, atOnce: 3);
        Assert.Equal(3, way.Bodies.Count);
        open.Release(5);
        Assert.Equal(transactions.Length, (await submitted).Length);
        Assert.Equal((5, 3), (way.Bodies.Count, way.MostAtOnce));
    }

    [Fact]
    public async Task A_busy_server_is_asked_again_and_a_result_of_any_kind_comes_back()
    {
        using HeldWay way = new(static (count, _) => count <= 2 ? (503, "") : (200, """{"jsonrpc":"2.0","id":1,"result":[1,{"a":"b"}]}"""));
        using ApiClient client = new(way, new RpcMeter());
        JsonNode result = await client.CallAsync("any", new JsonObject { ["x"] = 1 });
        Assert.Equal("b", (string)result[1]!["a"]!);
        Assert.Equal(3, client.Meter.Calls);
        Assert.Equal(way.Bodies[0], way.Bodies[2]);
        Assert.Equal(1, (int)JsonNode.Parse(way.Bodies[0])!["params"]!["x"]!);
    }

    [Theory]
    [InlineData(404, "", 404)]
    [InlineData(200, "", 0)]
    [InlineData(200, "{", 0)]
    [InlineData(200, "[]", 0)]
    [InlineData(200, "{\"result\":null}", 0)]
    [InlineData(200, "{\"error\":{\"code\":\"x\"}}", 0)]
    [InlineData(200, "{\"error\":{\"code\":-32001,\"message\":\"none\"}}", -32001)]
    public async Task What_is_no_result_is_one_exception_with_its_code(int status, string answer, int code)
    {
        using HeldWay way = new((_, _) => (status, answer));
        using ApiClient client = new(way, new RpcMeter());
        Assert.Equal(code, (await Assert.ThrowsAsync<ApiFailedException>(() => client.CallAsync("any", []))).Code);
        Assert.Equal(code, (await Assert.ThrowsAsync<ApiFailedException>(() => client.SubmitAsync([new byte[1]]))).Code);
    }

    [Fact]
    public async Task An_answer_of_another_length_is_none()
    {
        using HeldWay way = new(static (_, _) => (200, """{"result":[{}]}"""));
        using ApiClient client = new(way, new RpcMeter());
        Assert.Equal(default, Assert.Single(await client.SubmitAsync([new byte[1]])).Id);
        await Assert.ThrowsAsync<ApiFailedException>(() => client.SubmitAsync([new byte[1], new byte[1]]));
    }

    private static bool IsTaken(ReadOnlySpan<byte> transaction) => (Sha256.Hash(transaction).W0 & 1) == 0;

    // The answers of a server for which the id is the SHA-256 and every second id is refused.
    private static (int Status, string Answer) AnswerMany(string text)
    {
        StringBuilder answer = new("""{"jsonrpc":"2.0","result":[""");
        using JsonDocument json = JsonDocument.Parse(text);
        foreach (JsonElement one in json.RootElement.GetProperty("params").GetProperty("transactions").EnumerateArray())
        {
            byte[] bytes = Convert.FromHexString(one.GetString()!);
            answer.Append(answer[^1] == '}' ? "," : "").Append("{\"id\":\"").Append(Sha256.Hash(bytes)).Append('"');
            answer.Append(IsTaken(bytes) ? "}" : """, "refused":{"code":1}}""");
        }

        return (200, answer.Append("],\"id\":1}").ToString());
    }

    private sealed class HeldWay(Func<int, string, (int Status, string Answer)> answer) : IApiWay
    {
        private int _underWay;

        public string Target => "The test";

        public SemaphoreSlim? Gate { get; init; }

        public List<string> Bodies { get; } = [];

        public int MostAtOnce { get; private set; }

        public async Task<(int Status, ReadOnlyMemory<byte> Answer)> PostAsync(ReadOnlyMemory<byte> body)
        {
            string text = Encoding.UTF8.GetString(body.Span);
            int count;
            lock (Bodies)
            {
                Bodies.Add(text);
                count = Bodies.Count;
                MostAtOnce = Math.Max(MostAtOnce, ++_underWay);
            }

            await (Gate?.WaitAsync() ?? Task.Delay(1));
            lock (Bodies)
            {
                _underWay--;
            }

            (int status, string said) = answer(count, text);
            return (status, Encoding.UTF8.GetBytes(said));
        }

        public void Dispose()
        {
        }
    }
}
