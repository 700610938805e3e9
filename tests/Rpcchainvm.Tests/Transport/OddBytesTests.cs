// What a peer that is not our client may send, and what a header may hold.

using System;
using System.Net;
using System.Net.Http;
using System.Net.Http.Headers;
using System.Threading;
using System.Threading.Tasks;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Transport;

public sealed class OddBytesTests
{
    [Theory]
    [InlineData("", 13)]
    [InlineData("00", 13)]                                // ends inside the prefix
    [InlineData("0000000002", 13)]                        // ends inside the message
    [InlineData("00000000020801FF", 13)]                  // goes on after it
    [InlineData("00000000000000000000", 13)]              // two messages
    [InlineData("01000000020801", 13)]                    // compressed
    [InlineData("02000000020801", 13)]                    // no such flag
    [InlineData("00FFFFFFFF0801", 8)]
    [InlineData("000000000108", 13)]                      // framed well, but no message of its type
    [InlineData("000000000209FF", 13)]
    public async Task Odd_framing_is_a_status_and_the_server_goes_on(string hex, int expected)
    {
        await using RpcServer server = await EchoServer.StartAsync();
        Assert.Equal((RpcCode)expected, await Post(server, "/io.reader.Reader/Read", Convert.FromHexString(hex)));
        Assert.Equal(RpcCode.Ok, await Post(server, "/io.reader.Reader/Read", Convert.FromHexString("00000000020801")));
    }

    [Fact]
    public async Task Unknown_fields_are_dropped_and_not_refused()
    {
        await using RpcServer server = await EchoServer.StartAsync();
        Assert.Equal(RpcCode.Ok, await Post(server, "/io.reader.Reader/Read", Convert.FromHexString("00000000050801F80101")));
    }

    [Fact]
    public async Task Odd_requests_are_refused_by_status()
    {
        await using RpcServer server = await EchoServer.StartAsync();
        byte[] good = Convert.FromHexString("00000000020801");
        Assert.Equal(RpcCode.Unimplemented, await Post(server, "/io.reader.Reader/read", good));
        Assert.Equal(RpcCode.Unimplemented, await Post(server, "/", good));
        Assert.Equal(RpcCode.Unimplemented, await Post(server, "/io.reader.Reader/Read", good, message => message.Headers.TryAddWithoutValidation("grpc-encoding", "gzip")));
        Assert.Equal(RpcCode.Ok, await Post(server, "/io.reader.Reader/Read", good, message => message.Headers.TryAddWithoutValidation("grpc-encoding", "identity")));
        Assert.Equal(RpcCode.Internal, await Post(server, "/io.reader.Reader/Read", good, message => message.Headers.TryAddWithoutValidation("grpc-timeout", "soon")));
        Assert.Equal(RpcCode.Unimplemented, await Post(server, "/io.reader.Reader/Read", good, message => message.Method = HttpMethod.Put));
        Assert.Null(await Post(server, "/io.reader.Reader/Read", good, message => message.Content!.Headers.ContentType = new MediaTypeHeaderValue("application/grpc-web")));
        Assert.Equal(RpcCode.Ok, await Post(server, "/io.reader.Reader/Read", good, message => message.Content!.Headers.ContentType = new MediaTypeHeaderValue("application/grpc+proto")));
    }

    [Theory, InlineData(11), InlineData(12)]
    public void A_sentence_survives_its_header_and_a_header_of_anything_is_read(int seed)
    {
        SeededRandom random = new((ulong)seed);
        for (int round = 0; round < 2000; round++)
        {
            char[] text = new char[random.Next(40)];
            for (int i = 0; i < text.Length; i++)
            {
                text[i] = "aZ %09\nüß漢\u0001"[random.Next(11)];
            }

            string sentence = new(text);
            string header = RpcStatus.Escape(sentence);
            Assert.All(header, c => Assert.InRange(c, ' ', '~'));
            Assert.True(sentence == RpcStatus.Unescape(header), $"seed {seed} round {round}: '{sentence}'");
            RpcStatus.Unescape(sentence);                               // total
        }

        Assert.Equal("%G1%", RpcStatus.Unescape("%G1%"));
        string longest = RpcStatus.Unescape(RpcStatus.Escape(new string('ß', 5000)));
        Assert.Equal(new string('ß', RpcStatus.MessageMax / 2), longest);
        Assert.EndsWith("a", RpcStatus.Unescape(RpcStatus.Escape(new string('a', RpcStatus.MessageMax - 1) + "漢")), StringComparison.Ordinal);
    }

    [Fact]
    public void A_deadline_survives_its_header()
    {
        foreach (long ms in (long[])[1, 5000, 99_999, 100_000, 86_400_000, 90_000_000_000])
        {
            Assert.True(RpcStatus.TryParseTimeout(RpcStatus.FormatTimeout(TimeSpan.FromMilliseconds(ms)), out TimeSpan left));
            Assert.Equal(TimeSpan.FromMilliseconds(ms), left);
        }

        Assert.True(RpcStatus.TryParseTimeout("2H", out TimeSpan hours));
        Assert.Equal(TimeSpan.FromHours(2), hours);
        Assert.True(RpcStatus.TryParseTimeout("1500n", out TimeSpan nanos));
        Assert.Equal(15, nanos.Ticks);
        foreach (string odd in (string[])["", "5", "S", "-5S", "123456789S", "5s", "1.5S", " 5S"])
        {
            Assert.False(RpcStatus.TryParseTimeout(odd, out _), odd);
        }
    }

    [Fact]
    public void A_method_that_is_not_in_the_service_cannot_be_asked_for()
    {
        Google.Protobuf.Reflection.ServiceDescriptor reader = Protos.IoReader.ReaderReflection.Descriptor.Services[0];
        Assert.Throws<ArgumentException>(() => RpcMethod<Protos.IoReader.ReadRequest, Protos.IoReader.ReadResponse>.Of(reader, "Reed"));
        Assert.Throws<ArgumentException>(() => RpcMethod<Protos.IoReader.ReadResponse, Protos.IoReader.ReadResponse>.Of(reader, "Read"));
        Assert.Equal(["Read"], new RpcService(reader).Unhandled);
    }

    // The status of a raw call; null when the answer is not gRPC's.
    private static async Task<RpcCode?> Post(RpcServer server, string path, byte[] body, Action<HttpRequestMessage>? change = null)
    {
        using HttpMessageInvoker http = new(new SocketsHttpHandler { UseProxy = false });
        using HttpRequestMessage message = new(HttpMethod.Post, $"http://{server.Address}{path}")
        {
            Version = HttpVersion.Version20,
            VersionPolicy = HttpVersionPolicy.RequestVersionExact,
            Content = new ByteArrayContent(body),
        };
        message.Content.Headers.ContentType = new MediaTypeHeaderValue("application/grpc");
        change?.Invoke(message);
        using HttpResponseMessage response = await http.SendAsync(message, CancellationToken.None);
        if (response.StatusCode != HttpStatusCode.OK)
        {
            Assert.Equal(HttpStatusCode.UnsupportedMediaType, response.StatusCode);
            return null;
        }

        await response.Content.ReadAsByteArrayAsync();
        HttpResponseHeaders trailers = response.Headers.Contains("grpc-status") ? response.Headers : response.TrailingHeaders;
        return (RpcCode)int.Parse(Assert.Single(trailers.GetValues("grpc-status")), System.Globalization.CultureInfo.InvariantCulture);
    }
}
