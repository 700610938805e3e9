// run --url and genesis new: against a chain in this process that is created with the genesis that the command wrote, behind the same
// API on the loopback that a node forwards to, and that makes a block whenever something waits.

using System;
using System.IO;
using System.Text.Json.Nodes;
using System.Threading;
using System.Threading.Tasks;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using ParallelVm.Chain;
using ParallelVm.Engine;
using ParallelVm.Faster;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Api;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Loadtest.Tests;

public sealed class RemoteTests
{
    [Fact]
    public async Task A_load_over_the_api_alone_ends_at_the_root_of_the_serial_twin()
    {
        using TemporaryFolder folder = new();
        string file = folder["genesis.json"];
        Invocation written = Invocation.Of("genesis", "new", "--seed", "7", "--json", file);
        Assert.True(written.ExitCode == ExitCodes.Success, written.Error);
        Assert.True(Genesis.TryParse(await File.ReadAllBytesAsync(file), out Genesis? genesis, out Refusal refusal), refusal.ToString());
        Assert.Contains(genesis.ChainId.ToString(), written.Output, StringComparison.Ordinal);
        Assert.True(new FileInfo(file).Length <= 1 << 20, $"{new FileInfo(file).Length} bytes: no chain can be created with it");
        Assert.Contains(genesis.Name, Invocation.Of("genesis", "new", "--seed", "7").Output, StringComparison.Ordinal);

        await using ServedChain served = await ServedChain.StartAsync(genesis, folder["store"]);
        string report = folder["report.json"];
        Invocation run = Invocation.Of("run", "--url", served.Url, "--seed", "7", "--blocks", "4", "--txs", "60", "--workers", "2", "--json", report);
        Assert.True(run.ExitCode == ExitCodes.Success, run.Error + run.Output);
        JsonNode json = JsonNode.Parse(await File.ReadAllTextAsync(report))!;
        Assert.Equal((240, 240), ((int)json["transactions"]!["offered"]!, (int)json["transactions"]!["included"]!));
        Assert.True((bool)json["rootsEqual"]!);
        Assert.Equal(served.Chain.LastAccepted.Header.StateRoot.ToString(), (string)json["stateRoot"]!);
        Assert.InRange((int)json["transactions"]!["failed"]!, 1, 120);
        Assert.True((double)json["latencyMs"]!["p50"]! > 0 && (long)json["rpc"]!["calls"]! > 4);

        // the chain goes on where it is
        Invocation again = Invocation.Of("run", "--url", served.Url + "/rpc", "--seed", "7", "--blocks", "1", "--txs", "20", "--no-verify");
        Assert.True(again.ExitCode == ExitCodes.Success, again.Error);
        Assert.Contains("20 included", again.Output, StringComparison.Ordinal);

        Invocation other = Invocation.Of("run", "--url", served.Url, "--seed", "8", "--blocks", "1", "--txs", "20");
        Assert.Equal(ExitCodes.BadInput, other.ExitCode);
        Assert.Contains("613 GenesisMismatch", Assert.Single(other.ErrorLines), StringComparison.Ordinal);
        Invocation elsewhere = Invocation.Of("run", "--url", served.Url + "/nowhere", "--seed", "7", "--blocks", "1");
        Assert.Equal(ExitCodes.LocalFailure, elsewhere.ExitCode);
        Assert.Contains("404", Assert.Single(elsewhere.ErrorLines), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run", "--url", "nowhere")]
    [InlineData("run", "--url", "ftp://127.0.0.1/x")]
    [InlineData("run", "--url", "http://127.0.0.1:1/x", "--plugin")]
    [InlineData("run", "--url", "http://127.0.0.1:1/x", "--warm-up", "1")]
    [InlineData("genesis", "new", "--seed", "x")]
    public void What_is_no_url_or_seed_is_one_line(params string[] args)
    {
        Invocation refused = Invocation.Of(args);
        Assert.Equal(ExitCodes.BadInput, refused.ExitCode);
        Assert.Single(refused.ErrorLines);
    }

    [Fact]
    public void Where_nobody_listens_is_one_line()
    {
        Invocation refused = Invocation.Of("run", "--url", "http://127.0.0.1:1/ext/bc/x", "--blocks", "1");
        Assert.Equal(ExitCodes.LocalFailure, refused.ExitCode);
        Assert.Single(refused.ErrorLines);
    }

    private sealed class ServedChain : IAsyncDisposable
    {
        private readonly CancellationTokenSource _ends = new();
        private readonly StateStore _store;
        private readonly ParallelEngine _engine;
        private readonly ApiHost _host;
        private readonly WebApplication _app;
        private readonly Task _producer;

        private ServedChain(Genesis genesis, string folder)
        {
            Directory.CreateDirectory(folder);
            _engine = new ParallelEngine(TimeProvider.System, 2, jit: JitMode.Off);
            _store = StateStore.Open(new StateStoreOptions { Folder = folder, Hashing = genesis.Hashing, TableMemoryBytes = 16L << 20, CheckpointOnDispose = false });
            ChainOptions options = new() { Genesis = genesis, Store = _store, Engine = _engine, Time = TimeProvider.System };
            Chain = ChainService.TryOpen(options, out ChainService? chain, out Refusal refusal) ? chain : throw new InvalidOperationException(refusal.ToString());
            _host = new ApiHost(Chain, TimeProvider.System);
            WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
            builder.Logging.ClearProviders();
            builder.WebHost.UseKestrel().UseUrls("http://127.0.0.1:0");
            _app = builder.Build();
            foreach (ApiRoute route in _host.Routes)
            {
                _app.Map("/ext/bc/x" + route.Prefix, route.Handle);
            }

            _producer = Task.Run(ProduceAsync);
        }

        public ChainService Chain { get; }

        public string Url { get; private set; } = "";

        public static async Task<ServedChain> StartAsync(Genesis genesis, string folder)
        {
            ServedChain served = new(genesis, folder);
            await served._app.StartAsync();
            foreach (string address in served._app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses)
            {
                served.Url = address + "/ext/bc/x";
            }

            return served;
        }

        public async ValueTask DisposeAsync()
        {
            await _ends.CancelAsync();
            await _producer;
            _host.Dispose();
            await _app.DisposeAsync();
            _engine.Dispose();
            _store.Dispose();
            _ends.Dispose();
        }

        private async Task ProduceAsync()
        {
            while (!_ends.IsCancellationRequested)
            {
                if (Chain.MempoolCount > 0 && Chain.TryBuild(out Block? block) && Chain.TryVerify(block, out _))
                {
                    Chain.SetPreference(block.Id);
                    Chain.Accept(block.Id);
                }

                await Task.Delay(5);
            }
        }
    }
}
