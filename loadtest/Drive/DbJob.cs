// db check | info | rewind | export | import: what an operator does to a data folder while nobody else has it open.
//
// Exit codes: 0 done; 2 the command line, the folder or the file is not what it must be; 3 the folder is damaged, or the machine
// failed. Each failure is one line. A folder is opened with its blocks brought up, as a node does it.
//
// Threading: the caller's thread.

using System;
using System.Globalization;
using System.IO;
using System.Text.Json;
using ParallelVm.Faster;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Drive;

/// <summary>The commands <c>db</c>.</summary>
internal static class DbJob
{
    /// <summary>Reads everything again.</summary>
    public static int Check(string folder, Terminal terminal) => With(folder, isReader: true, terminal, session =>
    {
        CheckSummary found = session.Store.CheckAll();
        bool isWhole = true;
        foreach (string note in session.Store.Notes)
        {
            terminal.Output.WriteLine($"note {Terminal.OneLine(note)}");
            isWhole = false;
        }

        terminal.Output.WriteLine($"blocks {found.Blocks}");
        terminal.Output.WriteLine($"records {found.Records}");
        terminal.Output.WriteLine($"checkpoints {found.Checkpoints}");
        terminal.Output.WriteLine($"history {found.Undos}");
        terminal.Output.WriteLine($"root {session.Store.Accepted.Root}");
        return isWhole
            ? ExitCodes.Success
            : terminal.Fail(new Refusal(RefusalCode.LocalFailure, "The folder was usable, but not all of it was as it was left; see the notes."), ExitCodes.LocalFailure);
    });

    /// <summary>Prints what a folder holds.</summary>
    public static int Info(string folder, bool json, Terminal terminal) => With(folder, isReader: true, terminal, session =>
    {
        StateStore store = session.Store;
        (string Name, string Value, bool IsNumber)[] fields =
        [
            ("chain", session.World.Genesis.ChainId.ToString(), false),
            ("height", $"{store.LastAccepted!.Value.Height}", true),
            ("block", $"{store.LastAccepted.Value.BlockId}", false),
            ("root", $"{store.Accepted.Root}", false),
            ("records", Number(store.Records), true),
            ("firstBlock", $"{store.FirstBlock}", true),
            ("oldestState", $"{store.OldestState}", true),
            ("checkpoint", store.CheckpointHeight is { } height ? $"{height}" : "-1", true),
            ("bytes", Number(SoakJob.BytesOf(DataFolder.StoreOf(folder))), true),
            ("bytesBlocks", Number(SoakJob.BytesOf(Path.Combine(DataFolder.StoreOf(folder), "blocks"))), true),
            ("bytesTables", Number(SoakJob.BytesOf(Path.Combine(DataFolder.StoreOf(folder), "tables"))), true),
            ("bytesHistory", Number(SoakJob.BytesOf(Path.Combine(DataFolder.StoreOf(folder), "history"))), true),
        ];
        if (json)
        {
            using MemoryStream stream = new();
            using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Indented = true }))
            {
                writer.WriteStartObject();
                foreach ((string name, string value, bool isNumber) in fields)
                {
                    if (isNumber)
                    {
                        writer.WriteNumber(name, long.Parse(value, CultureInfo.InvariantCulture));
                    }
                    else
                    {
                        writer.WriteString(name, value);
                    }
                }

                writer.WriteEndObject();
            }

            terminal.Output.WriteLine(System.Text.Encoding.UTF8.GetString(stream.ToArray()));
        }
        else
        {
            foreach ((string name, string value, _) in fields)
            {
                terminal.Output.WriteLine($"{name} {value}");
            }
        }

        return ExitCodes.Success;
    });

    /// <summary>Takes the chain back to an older block, for good.</summary>
    public static int Rewind(string folder, ulong height, Terminal terminal) => With(folder, isReader: false, terminal, session =>
    {
        ulong tip = session.Store.LastAccepted!.Value.Height.Value;
        if (height > tip)
        {
            return terminal.Fail(new Refusal(RefusalCode.BadOption, $"--height takes a height up to {tip}, where the folder stands, not '{height}'."));
        }

        session.Store.StepBack(new Height(height));
        terminal.Output.WriteLine($"tip {session.Store.LastAccepted!.Value.Height} {session.Store.LastAccepted.Value.BlockId} {session.Store.Accepted.Root}");
        return ExitCodes.Success;
    });

    /// <summary>Writes the state and the newest blocks to a file, whole or not at all.</summary>
    public static int Export(string folder, string file, int blocks, Terminal terminal) => With(folder, isReader: true, terminal, session =>
    {
        string draft = file + ".draft";
        using (FileStream target = new(draft, FileMode.Create, FileAccess.Write, FileShare.None, 1 << 20))
        {
            session.Store.Export(target, blocks);
            target.Flush(flushToDisk: true);
        }

        File.Move(draft, file, overwrite: true);
        terminal.Output.WriteLine($"exported {session.Store.LastAccepted!.Value.Height} {session.Store.Records} {session.Store.Accepted.Root}");
        return ExitCodes.Success;
    });

    /// <summary>Makes a data folder of an exported file.</summary>
    public static int Import(string folder, string file, ulong seed, Terminal terminal)
    {
        if (!File.Exists(file))
        {
            return terminal.Fail(new Refusal(RefusalCode.UnreadableFile, $"There is no file '{file}'."));
        }

        DexWorld world = new(seed);
        Refusal refusal = DataFolder.Claim(folder, world);
        if (refusal.IsRefused)
        {
            return terminal.Fail(refusal);
        }

        using FileStream source = new(file, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 20);
        refusal = StateStore.Import(ChainSession.StoreOptions(world, folder, isReader: false), source);
        return refusal.IsRefused
            ? terminal.Fail(refusal)
            : With(folder, isReader: true, terminal, session =>
            {
                terminal.Output.WriteLine($"imported {session.Store.LastAccepted!.Value.Height} {session.Store.Records} {session.Store.Accepted.Root}");
                return ExitCodes.Success;
            });
    }

    private static int With(string folder, bool isReader, Terminal terminal, Func<ChainSession, int> act)
    {
        if (!DataFolder.TryRead(folder, out DexWorld? world, out Refusal refusal))
        {
            return terminal.Fail(refusal);
        }

        if (!ChainSession.TryOpen(world!, folder, workers: 1, isReader, out ChainSession? session, out refusal))
        {
            return terminal.Fail(refusal, refusal.Code == RefusalCode.GenesisMismatch ? ExitCodes.BadInput : ExitCodes.LocalFailure);
        }

        using (session)
        {
            return act(session);
        }
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
