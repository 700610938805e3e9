// The plugin's real process under the node's rules: environment, handshake, signals, the way it ends, and what it remembers when it is
// killed. Every process is killed when its test ends, however it ends.

using System;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost.Tests;

public sealed class ProcessTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);      // of a busy machine; what is judged is order, not speed

    [Theory, InlineData(null), InlineData(""), InlineData("127.0.0.1:1"), InlineData("nonsense")]
    public async Task Without_a_node_it_ends_with_one_clear_line(string? address)
    {
        await using PluginProcess plugin = PluginProcess.Start(Setup.Plugin, address);
        Assert.True(await plugin.WaitForExitAsync(Patience), "it still runs");
        Assert.NotEqual(0, plugin.ExitCode);
        Assert.Single(plugin.Log.Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public async Task Another_protocol_number_ends_in_a_mismatch_that_names_both()
    {
        HandshakeException refused = await Assert.ThrowsAsync<HandshakeException>(() => PluginProcess.StartAsync(Setup.Plugin, protocol: 44, Patience));
        Assert.Contains("node 44, plugin 45", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_plugin_that_does_not_call_back_is_not_found()
    {
        HandshakeException refused =
            await Assert.ThrowsAsync<HandshakeException>(() => PluginProcess.StartAsync("/bin/true", 45, Patience));
        Assert.StartsWith("handshake failed: vm process not found", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_registration_is_version_shutdown_and_an_end_with_0_and_signals_before_it_are_survived()
    {
        await using PluginProcess plugin = await PluginProcess.StartAsync(Setup.Plugin, 45, Patience);
        using RpcChannel channel = new(plugin.Address);
        VmClient vm = new(channel, new RpcMeter());
        Assert.NotEmpty((await vm.CallAsync<VersionResponse>("Version")).Version);

        plugin.Signal(PosixSignal.SIGINT);
        plugin.Signal(PosixSignal.SIGTERM);
        await Task.Delay(300);
        Assert.True(plugin.IsRunning, plugin.Log);
        Assert.NotEmpty((await vm.CallAsync<VersionResponse>("Version")).Version);

        await vm.CallAsync<Empty>("Shutdown");
        plugin.Signal(PosixSignal.SIGINT);
        await Task.Delay(200);
        Assert.True(plugin.IsRunning, "SIGINT ended it");
        plugin.Signal(PosixSignal.SIGTERM);
        Assert.True(await plugin.WaitForExitAsync(Patience), "SIGTERM did not end it");
        Assert.Equal(0, plugin.ExitCode);
    }

    // The same with a chain that is open and at work: Ctrl-C and service managers signal the whole group.
    [Fact]
    public async Task An_open_chain_survives_every_signal_before_shutdown_and_ends_with_0_in_time_after_it()
    {
        using TestFolder folder = new();
        HostNetwork network = new(1, 9);
        await using ChainHost host = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path));
        Task<Message> waiting = host.WaitForEventAsync();
        for (ulong round = 1; round <= 2; round++)
        {
            foreach (PosixSignal signal in (PosixSignal[])[PosixSignal.SIGINT, PosixSignal.SIGTERM, PosixSignal.SIGHUP, PosixSignal.SIGTERM])
            {
                host.Process.Signal(signal);
            }

            await StepAsync(host, round);
        }

        await waiting;                                                      // the call that stood through it was served
        Assert.True(host.Process.IsRunning, host.Process.Log);
        Assert.Contains("SIGTERM is ignored before Shutdown", host.Process.Log, StringComparison.Ordinal);
        Assert.Equal(2ul, host.LastAccepted.Height);
        Assert.Equal(0, await host.StopAsync());                            // Shutdown, SIGTERM, at most five seconds
    }

    // The node is killed: nothing is sent to the plugin, and the system gives it another parent. A shell stands in for the node, so that it can be killed alone.
    [Fact]
    public async Task A_plugin_whose_node_is_gone_closes_its_chain_and_ends()
    {
        using TestFolder folder = new();
        string parent = System.IO.Path.Combine(folder.Path, "parent");
        PluginProcess.WriteScript(parent, $"{PluginProcess.ShellCommand(Setup.Plugin)} & echo child $!; wait");
        HostNetwork network = new(1, 10);
        HostBlock last;
        await using (ChainHost host = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path) with { Plugin = parent }))
        {
            last = await StepAsync(host, 1);
            string line = Array.Find(host.Process.Log.Split('\n'), static line => line.StartsWith("child ", StringComparison.Ordinal))!;
            int child = int.Parse(line.AsSpan(6), System.Globalization.CultureInfo.InvariantCulture);
            Assert.True(IsAlive(child), host.Process.Log);
            Task killed = host.Process.KillAsync();                         // ends when both pipes are closed, which the child holds too
            await Task.WhenAny(killed, Task.Delay(Patience));
            Assert.False(IsAlive(child), $"{child} still runs\n{host.Process.Log}");
            Assert.Contains("chain is closed at block 1", host.Process.Log, StringComparison.Ordinal);
            Assert.Contains("stopped: the node is gone", host.Process.Log, StringComparison.Ordinal);
        }

        await using ChainHost again = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path));
        Assert.Equal((last.Id, 1ul), (again.LastAccepted.Id, again.LastAccepted.Height));
    }

    [Fact]
    public async Task Nodes_agree_and_a_restart_goes_on_where_they_stopped()
    {
        using TestFolder folder = new();
        HostBlock last;
        await using (Cluster cluster = await Setup.ClusterAsync(2, folder.Path))
        {
            for (ulong height = 1; height <= 4; height++)
            {
                await Cluster.SubmitAsync(cluster.Proposer, Setup.Transactions(20, height));
                HostBlock block = await cluster.StepAsync();
                Assert.Equal(height, block.Height);
                Assert.Equal(block.Id, await cluster.AgreeAsync(height));
            }

            last = cluster.Hosts[0].LastAccepted;
            Assert.True(await cluster.StopAsync(), cluster.Hosts[0].Process.Log);
            Assert.Empty(cluster.Network.AppErrors);
        }

        await using Cluster again = await Setup.ClusterAsync(2, folder.Path);
        Assert.All(again.Hosts, host => Assert.Equal((last.Id, last.Height), (host.LastAccepted.Id, host.LastAccepted.Height)));
        HostBlock? old = await again.Hosts[0].FindAsync(last.ParentId);
        Assert.Equal(3ul, old!.Height);
        Assert.Null(await again.Hosts[0].FindAsync(new Bytes32(1, 2, 3, 4)));
    }

    [Theory, InlineData(11ul), InlineData(12ul)]
    public async Task A_kill_loses_no_accepted_block_and_the_plugin_is_never_ahead_of_the_node(ulong seed)
    {
        using TestFolder folder = new();
        SeededRandom random = new(seed);
        HostNetwork network = new(1, seed);
        ulong accepted = 0;
        for (int round = 0; round < 3; round++)
        {
            await using ChainHost host = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path));       // refuses a plugin that is ahead
            Assert.InRange(host.LastAccepted.Height, accepted, accepted + 1);       // the one that was being accepted may be there or not
            accepted = host.LastAccepted.Height;
            ulong until = accepted + 1 + (ulong)random.Next(3);
            while (host.LastAccepted.Height < until)
            {
                await Cluster.SubmitAsync(host, Setup.Transactions(10, host.LastAccepted.Height + 1 + (100 * (ulong)round)));
                await host.WaitForEventAsync();
                HostBlock block = await host.BuildAsync();
                await host.VerifyAsync(block);
                await host.PreferAsync(block.Id);
                await host.AcceptAsync(block);
                accepted = block.Height;
            }

            // killed while a block is being accepted, a moment earlier or later
            await Cluster.SubmitAsync(host, Setup.Transactions(10, accepted + 50 + (100 * (ulong)round)));
            await host.WaitForEventAsync();
            HostBlock torn = await host.BuildAsync();
            await host.VerifyAsync(torn);
            Task accepting = host.AcceptAsync(torn);
            await Task.Delay(random.Next(12));
            await host.Process.KillAsync();
            Task ended = await Task.WhenAny(accepting, Task.Delay(Patience));
            if (ended == accepting && accepting.IsCompletedSuccessfully)
            {
                accepted = torn.Height;
            }
        }
    }

    [Fact]
    public async Task A_node_that_lost_its_tail_takes_the_plugin_back_with_it()
    {
        using TestFolder folder = new();
        HostNetwork network = new(1, 5);
        string database = System.IO.Path.Combine(folder.Path, "node.db");
        byte[] early;
        HostBlock second;
        await using (ChainHost host = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path)))
        {
            await StepAsync(host, 1);
            second = await StepAsync(host, 2);
            early = System.IO.File.ReadAllBytes(database);
            await StepAsync(host, 3);
            await StepAsync(host, 4);
            Assert.Equal(0, await host.StopAsync());
        }

        System.IO.File.WriteAllBytes(database, early);                     // a power cut took the node's last writes, not ours
        await using ChainHost back = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path));
        Assert.Equal((second.Id, 2ul), (back.LastAccepted.Id, back.LastAccepted.Height));
        Assert.Equal(3ul, (await StepAsync(back, 5)).Height);
    }

    [Fact]
    public async Task Hostile_peers_and_garbage_never_fail_an_app_call_and_a_waiting_call_ends_when_it_is_cancelled()
    {
        using TestFolder folder = new();
        HostNetwork network = new(1, 6);
        await using ChainHost host = await ChainHost.StartAsync(network.Identities[0], network, Setup.Options(folder.Path));

        using CancellationTokenSource cancel = new();
        Task<Message> waiting = host.WaitForEventAsync(cancel.Token);
        SeededRandom random = new(66);
        for (int i = 0; i < 300; i++)
        {
            byte[] bytes = new byte[random.Next(200)];
            random.Fill(bytes);
            if (bytes.Length > 0 && random.Chance(1, 2))
            {
                bytes[0] = (byte)(2 * random.Next(2));
            }

            ByteString payload = ByteString.CopyFrom(bytes);
            ByteString peer = ByteString.CopyFrom(new byte[random.Chance(1, 10) ? random.Next(40) : 20]);
            await host.Vm.CallAsync("AppGossip", new AppGossipMsg { NodeId = peer, Msg = payload });
            await host.Vm.CallAsync("AppRequest", new AppRequestMsg { NodeId = peer, RequestId = (uint)i, Request = payload });
            await host.Vm.CallAsync("AppResponse", new AppResponseMsg { NodeId = peer, RequestId = (uint)i, Response = payload });
            await host.Vm.CallAsync("AppRequestFailed", new AppRequestFailedMsg { NodeId = peer, RequestId = (uint)i, ErrorCode = -1, ErrorMessage = "?" });
            await Assert.ThrowsAsync<RpcException>(() => host.ParseAsync(payload));
        }

        Assert.False(waiting.IsCompleted);
        long start = Stopwatch.GetTimestamp();
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.True(Stopwatch.GetElapsedTime(start) < TimeSpan.FromSeconds(1));
        await StepAsync(host, 1);
        Assert.Equal(0, await host.StopAsync());
    }

    [Fact]
    public async Task Transactions_of_one_node_reach_the_other_by_pull()
    {
        using TestFolder folder = new();
        await using Cluster cluster = await Setup.ClusterAsync(2, folder.Path);
        ChainHost holder = cluster.Hosts[0];
        await Cluster.SubmitAsync(holder, Setup.Transactions(30, 1));
        using CancellationTokenSource late = new(Patience);
        Assert.Equal(Message.BuildBlock, await cluster.Hosts[1].WaitForEventAsync(late.Token));
        Assert.Empty(cluster.Network.AppErrors);
    }

    [Fact]
    public async Task Transactions_of_a_client_reach_the_other_node_by_push_and_junk_for_the_api_is_answered()
    {
        using TestFolder folder = new();
        await using Cluster cluster = await Setup.ClusterAsync(2, folder.Path);
        SubmitAnswer[] answers = await cluster.Hosts[0].Api!.SubmitAsync(Setup.Transactions(30, 1));
        Assert.Equal(30, Array.FindAll(answers, static answer => answer.IsTaken).Length);
        using CancellationTokenSource late = new(Patience);
        Assert.Equal(Message.BuildBlock, await cluster.Hosts[1].WaitForEventAsync(late.Token));
        using NodeWay way = new(cluster.Hosts[0].Handlers[ApiClient.Prefix]);
        (int status, ReadOnlyMemory<byte> answer) = await way.PostAsync("{"u8.ToArray());
        Assert.Equal(200, status);
        Assert.Contains("-32700", System.Text.Encoding.UTF8.GetString(answer.Span), StringComparison.Ordinal);
        Assert.Empty(cluster.Network.AppErrors);
    }

    // A process that has ended may stay in the table until its new parent asks for it.
    private static bool IsAlive(int process)
    {
        try
        {
            string stat = System.IO.File.ReadAllText($"/proc/{process}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (System.IO.IOException)
        {
            return false;
        }
    }

    private static async Task<HostBlock> StepAsync(ChainHost host, ulong salt)
    {
        await Cluster.SubmitAsync(host, Setup.Transactions(10, salt));
        await host.WaitForEventAsync();
        HostBlock block = await host.BuildAsync();
        await host.VerifyAsync(block);
        await host.PreferAsync(block.Id);
        await host.AcceptAsync(block);
        return block;
    }
}
