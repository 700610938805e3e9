// Starts this executable as the node would, with an environment of one variable, and reports each step.
//
//   ok    handshake     312 ms after the start, protocol 45, serving at 127.0.0.1:40123
//   ok    version       parallelvm/0.1.0 [rpcchainvm=45]
//   ...
//
// What is checked is what AvalancheGo does when it registers a plugin, and the signals that come on the way.   Exit code 0 when every step is ok.

using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.PluginHost.Serving;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Transport;
using Runtime = ParallelVm.Rpcchainvm.Protos.VmRuntime;

namespace ParallelVm.PluginHost.Commands;

/// <summary>The plugin, examined.</summary>
internal static partial class DoctorCommand
{
    private const int SigInt = 2;
    private const int SigTerm = 15;
    private const int HandshakeLimitMs = 5000;

    /// <summary>Examines this executable.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync()
    {
        string self = Environment.ProcessPath ?? "";
        string folder = Path.GetDirectoryName(self) ?? ".";
        bool isWell = Report(InstallCommand.IsSingleFile(self), "single file", self);
        if (Path.GetFileName(self) == PluginFacts.VmId)
        {
            foreach (string path in Directory.EnumerateFiles(folder))
            {
                isWell &= InstallCommand.IsHarmless(Path.GetFileName(path)) || Report(false, "plugin folder", $"'{Path.GetFileName(path)}' stops the node");
            }
        }

        TaskCompletionSource<Runtime.InitializeRequest> shaken = new(TaskCreationOptions.RunContinuationsAsynchronously);
        RpcService runtime = new RpcService(Runtime.RuntimeReflection.Descriptor.Services[0]).On<Runtime.InitializeRequest, Empty>("Initialize", (request, _) =>
        {
            shaken.TrySetResult(request);
            return Task.FromResult(new Empty());
        });
        await using RpcServer node = await RpcServer.StartAsync([runtime]).ConfigureAwait(false);

        ProcessStartInfo start = new(self) { UseShellExecute = false, RedirectStandardError = true };
        start.Environment.Clear();
        start.Environment[PluginProcess.EngineVariable] = node.Address;
        Stopwatch watch = Stopwatch.StartNew();
        using Process plugin = Process.Start(start)!;
        Task<string> log = plugin.StandardError.ReadToEndAsync();
        try
        {
            isWell &= await ExamineAsync(plugin, shaken.Task, watch).ConfigureAwait(false);
        }
        catch (Exception e) when (e is RpcException or TimeoutException)
        {
            isWell = Report(false, "stopped here", e.Message);
        }
        finally
        {
            if (!plugin.HasExited)
            {
                plugin.Kill();
            }
        }

        Console.WriteLine("its log:");
        Console.Write((await log.ConfigureAwait(false)).TrimEnd() + "\n");
        return isWell ? 0 : 1;
    }

    private static async Task<bool> ExamineAsync(Process plugin, Task<Runtime.InitializeRequest> shaken, Stopwatch watch)
    {
        await Task.WhenAny(shaken, plugin.WaitForExitAsync(), Task.Delay(HandshakeLimitMs * 2)).ConfigureAwait(false);
        long ms = watch.ElapsedMilliseconds;
        if (!shaken.IsCompleted)
        {
            return Report(false, "handshake", plugin.HasExited ? $"the process ended with code {plugin.ExitCode}" : $"none after {ms} ms; the node waits {HandshakeLimitMs} ms");
        }

        Runtime.InitializeRequest hands = await shaken.ConfigureAwait(false);
        bool isWell = Report(ms < HandshakeLimitMs, "handshake", $"{ms} ms after the start, protocol {hands.ProtocolVersion}, serving at {hands.Addr}");
        using RpcChannel channel = new(hands.Addr);
        isWell &= Report(true, "version", (await CallAsync<Empty, VersionResponse>(channel, "Version", new Empty()).ConfigureAwait(false)).Version);
        foreach ((int signal, string name) in new[] { (SigInt, "SIGINT"), (SigTerm, "SIGTERM") })
        {
            isWell &= Send(plugin.Id, signal) == 0;
            await Task.Delay(200).ConfigureAwait(false);
            await CallAsync<Empty, VersionResponse>(channel, "Version", new Empty()).ConfigureAwait(false);
            isWell &= Report(!plugin.HasExited, name + " early", "survived");
        }

        await CallAsync<Empty, Empty>(channel, "Shutdown", new Empty()).ConfigureAwait(false);
        isWell &= Report(true, "shutdown", "answered");
        watch.Restart();
        isWell &= Send(plugin.Id, SigTerm) == 0;
        using CancellationTokenSource limit = new(TimeSpan.FromSeconds(5));
        try
        {
            await plugin.WaitForExitAsync(limit.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            return Report(false, "SIGTERM", "the process does not end; the node would kill it");
        }

        return Report(plugin.ExitCode == 0, "SIGTERM", string.Create(CultureInfo.InvariantCulture, $"exit code {plugin.ExitCode} after {watch.ElapsedMilliseconds} ms")) && isWell;
    }

    private static Task<TResponse> CallAsync<TRequest, TResponse>(RpcChannel channel, string method, TRequest request)
        where TRequest : class, IMessage<TRequest>
        where TResponse : class, IMessage<TResponse>
    {
        ServiceDescriptor vm = VmReflection.Descriptor.Services[0];
        return channel.CallAsync(RpcMethod<TRequest, TResponse>.Of(vm, method), request, new RpcCallOptions(TimeSpan.FromSeconds(5)));
    }

    private static bool Report(bool isOk, string step, string detail)
    {
        Console.WriteLine($"{(isOk ? "ok   " : "FAILS")} {step,-14}{detail}");
        return isOk;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Send(int process, int signal);
}
