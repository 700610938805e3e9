// The life of a plugin process, as the node expects it.
//
//   bind vm.VM on a loopback port and serve  ->  call the node's Runtime.Initialize{protocol, address} (5 s)  ->  serve
//   -> Shutdown RPC -> SIGTERM -> stop serving, exit 0
//
// Rules
//   P1  SIGINT, SIGTERM, SIGHUP before the Shutdown RPC are survived: Ctrl-C and service managers signal the whole group, and a plugin that dies leaves the
//       node waiting for ever. After it SIGTERM ends the process, SIGINT and SIGHUP still do not
//   P2  an orphan ends: a SIGKILLed node sends nothing, so the parent is looked at every second and at every SIGTERM. It closes the chain in good order first
//   P3  standard output and error are never closed, and a pipe that broke is no reason to fall
//   P4  a broken invariant or store ends the process at once and loudly: the node shows it, instead of waiting on a process that answers nothing
//   P5  nothing slow happens before the handshake: no disk, no configuration, no engine
//
// Exit codes: 0 stopped in order; 1 no handshake; 2 not started by a node.

using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.VmRuntime;
using ParallelVm.Rpcchainvm.Transport;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.PluginHost.Serving;

/// <summary>Serves one chain of one node.</summary>
internal static partial class PluginProcess
{
    /// <summary>The only variable that the node sets.</summary>
    public const string EngineVariable = "AVALANCHE_VM_RUNTIME_ENGINE_ADDR";

    /// <summary>The node's own limit, counted from the start of the process.</summary>
    private static readonly TimeSpan HandshakeLimit = TimeSpan.FromSeconds(5);

    /// <summary>Calls that run when the process is told to end get this long; the node kills after 5 s.</summary>
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(2);

    /// <summary>Runs until the node ends it.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(uint protocol)
    {
        int parent = ParentId();
        string? engine = Environment.GetEnvironmentVariable(EngineVariable);
        if (string.IsNullOrEmpty(engine))
        {
            Log($"{EngineVariable} is not set: this program is started by AvalancheGo; 'doctor' checks it, 'install --plugin-dir DIR' installs it");
            return 2;
        }

        TaskCompletionSource<string> ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        bool isShut = false;
        void OnSignal(PosixSignalContext context)
        {
            context.Cancel = true;                                          // P1
            if (context.Signal == PosixSignal.SIGTERM && Volatile.Read(ref isShut))
            {
                ended.TrySetResult("SIGTERM after Shutdown");
            }
            else if (ParentId() != parent)
            {
                ended.TrySetResult("the node is gone");                     // P2
            }
            else
            {
                Log($"{context.Signal} is ignored before Shutdown");
            }
        }

        using PosixSignalRegistration term = PosixSignalRegistration.Create(PosixSignal.SIGTERM, OnSignal);
        using PosixSignalRegistration interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, OnSignal);
        using PosixSignalRegistration hangup = PosixSignalRegistration.Create(PosixSignal.SIGHUP, OnSignal);
        using Timer orphan = new(_ =>
        {
            if (ParentId() != parent)
            {
                ended.TrySetResult("the node is gone");
            }
        });

        await using VmService vm = new(Parts.Of(protocol) with
        {
            OnBroken = failure => Environment.FailFast($"parallelvm: this process cannot go on: {failure.Message}", failure),       // P4
            OnShutdown = () => Volatile.Write(ref isShut, true),
            Log = Log,
        });
        RpcServer server = await RpcServer.StartAsync([vm.ToRpc()], vm.OnFailure, vm.Metrics.Observe).ConfigureAwait(false);
        try
        {
            await ShakeHandsAsync(engine, protocol, server.Address).ConfigureAwait(false);
        }
        catch (RpcException refused)
        {
            Log($"no handshake with the node at {engine}: {refused.Message}");
            return 1;
        }

        TimeSpan took = DateTime.UtcNow - Process.GetCurrentProcess().StartTime.ToUniversalTime();
        Log(string.Create(CultureInfo.InvariantCulture, $"{PluginFacts.VersionLine(protocol)} serves at {server.Address}, {took.TotalMilliseconds:F0} ms after its start"));
        orphan.Change(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1));

        string why = await ended.Task.ConfigureAwait(false);
        using CancellationTokenSource hurry = new(StopLimit);
        await server.StopAsync(hurry.Token).ConfigureAwait(false);
        await vm.DisposeAsync().ConfigureAwait(false);
        Log($"stopped: {why}");
        return 0;
    }

    /// <summary>Tells the node where this process serves.</summary>
    /// <exception cref="RpcException">Nobody is there, or the node wants another protocol.</exception>
    private static async Task ShakeHandsAsync(string engine, uint protocol, string address)
    {
        RpcMethod<InitializeRequest, Empty> initialize = RpcMethod<InitializeRequest, Empty>.Of(RuntimeReflection.Descriptor.Services[0], "Initialize");
        InitializeRequest request = new() { ProtocolVersion = protocol, Addr = address };
        try
        {
            using RpcChannel channel = new(engine);
            await channel.CallAsync(initialize, request, new RpcCallOptions(HandshakeLimit, FailsFast: true)).ConfigureAwait(false);      // the node listens before it starts us
        }
        catch (UriFormatException malformed)
        {
            throw new RpcException(RpcCode.InvalidArgument, malformed.Message, malformed);
        }
    }

    // P3
    private static void Log(string line)
    {
        try
        {
            Console.Error.WriteLine("parallelvm: " + line);
        }
        catch (IOException)
        {
            // the node's end of the pipe is gone; P2 sees to the rest
        }
    }

    [LibraryImport("libc", EntryPoint = "getppid")]
    private static partial int ParentId();
}
