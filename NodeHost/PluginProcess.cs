// The plugin's process as the node has it: started with one environment variable and nothing else, heard on its pipes, stopped by
// signals.
//
//   listen -> start -> plugin calls Runtime.Initialize within 5 s, with our number -> dial what it says
//   Shutdown call (by the caller) -> SIGTERM -> 5 s -> SIGKILL
//
// A command that is a .dll is run by the dotnet host through a script that execs it, which is how such a plugin would be installed.
//
// Threading: any. Disposal kills what still runs, so a test that fails leaves nothing behind.
// Source: the fact sheet's section 2.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Rpcchainvm.Protos.VmRuntime;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.NodeHost;

/// <summary>The handshake failed: what the node would log.</summary>
internal sealed class HandshakeException(string message) : Exception(message);

/// <summary>A running plugin.</summary>
internal sealed partial class PluginProcess : IAsyncDisposable
{
    /// <summary>The node's limit for the handshake, and for the end after SIGTERM.</summary>
    public static readonly TimeSpan Limit = TimeSpan.FromSeconds(5);

    private const int MaxLines = 1_000;

    private readonly Process _process;
    private readonly Queue<string> _lines = new();
    private readonly string? _script;

    private PluginProcess(Process process, string? script)
    {
        _process = process;
        _script = script;
        process.OutputDataReceived += (_, line) => Keep(line.Data);
        process.ErrorDataReceived += (_, line) => Keep(line.Data);
    }

    /// <summary>Where it serves vm.VM.</summary>
    public string Address { get; private set; } = "";

    /// <summary>From its start to the handshake.</summary>
    public TimeSpan HandshakeTook { get; private set; }

    /// <summary>The process's number.</summary>
    public int Id => _process.Id;

    /// <summary>True while it runs.</summary>
    public bool IsRunning => !_process.HasExited;

    /// <summary>How it ended.</summary>
    public int ExitCode => _process.ExitCode;

    /// <summary>Its newest lines on both pipes.</summary>
    public string Log
    {
        get
        {
            lock (_lines)
            {
                return string.Join('\n', _lines);
            }
        }
    }

    /// <summary>The plugin that was built with this library.</summary>
    public static string BuiltPlugin => Path.Combine(AppContext.BaseDirectory, "ParallelVm.PluginHost.dll");

    /// <summary>Starts a plugin and shakes hands.</summary>
    /// <param name="command">An executable, or a .dll for the dotnet host.</param>
    /// <param name="protocol">The node's number.</param>
    /// <param name="limit">How long the handshake may take; null: the node's own limit.</param>
    /// <exception cref="HandshakeException">It did not come, or with another number. The process is gone.</exception>
    public static async Task<PluginProcess> StartAsync(string command, uint protocol = 45, TimeSpan? limit = null)
    {
        TaskCompletionSource<InitializeRequest> initialized = new(TaskCreationOptions.RunContinuationsAsynchronously);
        RpcService runtime = new RpcService(RuntimeReflection.Descriptor.Services[0]).On<InitializeRequest, Empty>("Initialize", (request, _) =>
        {
            initialized.TrySetResult(request);
            InitializeRequest first = initialized.Task.Result;              // a second call gets the first one's answer
            return first.ProtocolVersion == protocol
                ? Task.FromResult(new Empty())
                : throw new RpcException(RpcCode.Unknown, $"protocol version mismatch: node {protocol}, plugin {first.ProtocolVersion}");
        });
        RpcServer server = await RpcServer.StartAsync([runtime]).ConfigureAwait(false);
        await using (server.ConfigureAwait(false))
        {
            long start = Stopwatch.GetTimestamp();
            PluginProcess plugin = Start(command, server.Address);
            string? failure = null;
            try
            {
                using CancellationTokenSource late = new();
                Task delay = Task.Delay(limit ?? Limit, late.Token);
                Task first = await Task.WhenAny(initialized.Task, delay, plugin._process.WaitForExitAsync(late.Token)).ConfigureAwait(false);
                await late.CancelAsync().ConfigureAwait(false);
                failure = first != initialized.Task ? "handshake failed: vm process not found"
                    : initialized.Task.Result.ProtocolVersion != protocol ? $"protocol version mismatch: node {protocol}, plugin {initialized.Task.Result.ProtocolVersion}"
                    : null;
            }
            finally
            {
                if (failure is not null || !initialized.Task.IsCompletedSuccessfully)
                {
                    await plugin.StopAsync().ConfigureAwait(false);
                }
            }

            if (failure is not null)
            {
                string log = plugin.Log;
                await plugin.DisposeAsync().ConfigureAwait(false);
                throw new HandshakeException($"{failure}\n{log}");
            }

            plugin.HandshakeTook = Stopwatch.GetElapsedTime(start);
            plugin.Address = initialized.Task.Result.Addr;
            return plugin;
        }
    }

    /// <summary>Starts a plugin without waiting for it, with its one variable.</summary>
    /// <param name="engineAddress">Value of the variable; null: not even that.</param>
    public static PluginProcess Start(string command, string? engineAddress)
    {
        string? script = null;
        if (command.EndsWith(".dll", StringComparison.Ordinal))
        {
            script = Path.Combine(Path.GetTempPath(), $"parallelvm-plugin-{Path.GetRandomFileName()}");
            WriteScript(script, $"exec {ShellCommand(command)}");
        }

        ProcessStartInfo info = new(script ?? command) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        info.Environment.Clear();
        if (engineAddress is not null)
        {
            info.Environment["AVALANCHE_VM_RUNTIME_ENGINE_ADDR"] = engineAddress;
        }

        PluginProcess plugin = new(new Process { StartInfo = info }, script);
        plugin._process.Start();
        plugin._process.BeginOutputReadLine();
        plugin._process.BeginErrorReadLine();
        return plugin;
    }

    /// <summary>Sends a signal; nothing happens when the process is gone.</summary>
    public void Signal(PosixSignal signal)
    {
        if (IsRunning)
        {
            _ = Kill(Id, signal switch { PosixSignal.SIGHUP => 1, PosixSignal.SIGINT => 2, _ => 15 });
        }
    }

    /// <summary>SIGKILL, and waits until it is gone.</summary>
    public async Task KillAsync()
    {
        if (IsRunning)
        {
            _process.Kill();
        }

        await _process.WaitForExitAsync().ConfigureAwait(false);
    }

    /// <summary>Waits for the end.</summary>
    /// <returns>False when it still runs after that long.</returns>
    public async Task<bool> WaitForExitAsync(TimeSpan limit)
    {
        using CancellationTokenSource late = new(limit);
        try
        {
            await _process.WaitForExitAsync(late.Token).ConfigureAwait(false);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>The node's way: SIGTERM, five seconds, SIGKILL.</summary>
    /// <returns>True when it ended by itself.</returns>
    public async Task<bool> StopAsync()
    {
        Signal(PosixSignal.SIGTERM);
        bool ended = await WaitForExitAsync(Limit).ConfigureAwait(false);
        await KillAsync().ConfigureAwait(false);
        return ended;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await KillAsync().ConfigureAwait(false);
        _process.Dispose();
        if (_script is not null)
        {
            File.Delete(_script);
        }
    }

    /// <summary>The words by which a shell starts a plugin.</summary>
    /// <param name="command">An executable, or a .dll for the dotnet host.</param>
    public static string ShellCommand(string command) => command.EndsWith(".dll", StringComparison.Ordinal) ? $"'{DotnetHost()}' '{command}'" : $"'{command}'";

    /// <summary>Writes a shell script that can be started as a plugin.</summary>
    public static void WriteScript(string file, string line)
    {
        File.WriteAllText(file, $"#!/bin/sh\n{line}\n");
        if (!OperatingSystem.IsWindows())
        {
            File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
    }

    private static string DotnetHost()
    {
        // the runtime's own folder is <root>/shared/Microsoft.NETCore.App/<version>/
        string? root = Path.GetDirectoryName(Path.GetDirectoryName(Path.GetDirectoryName(RuntimeEnvironment.GetRuntimeDirectory().TrimEnd('/'))));
        return Path.Combine(root ?? "/usr/share/dotnet", "dotnet");
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int Kill(int pid, int signal);

    private void Keep(string? line)
    {
        if (line is null)
        {
            return;
        }

        lock (_lines)
        {
            _lines.Enqueue(line);
            if (_lines.Count > MaxLines)
            {
                _lines.Dequeue();
            }
        }
    }
}
