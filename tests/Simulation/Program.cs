// ./build.sh sim [seed] [--heights N] [--minutes M]
//
// Three nodes with 1, 2 and 5 workers over real stores, one seed. Each height: users submit (good, failing and hostile bytes),
// one node builds and at times another builds a sibling, all nodes verify both, one block is accepted everywhere and the other
// rejected; nodes crash and restart. After every height all nodes must agree on block id and state root with node 0, which runs
// one transaction after the other. `sim crash` and `sim schedules` are other
// campaigns, see CrashCampaign and ScheduleCampaign. Without a seed it runs seed after seed for M minutes (default 1).

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using ParallelVm.Chain;
using ParallelVm.Executor;
using ParallelVm.Fuzz;
using ParallelVm.Primitives;
using ParallelVm.Simulation;

if (args.Length > 0 && args[0] == "crash")
{
    return CrashCampaign.Run(args);
}

if (args.Length > 0 && args[0] == "schedules")
{
    return ScheduleCampaign.Run(args);
}

ulong? seed = null;
int heights = 40;
double minutes = 1;
for (int i = 0; i < args.Length; i++)
{
    bool last = i + 1 == args.Length;
    if (args[i] == "--heights" && !last && int.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out heights))
    {
        i++;
    }
    else if (args[i] == "--minutes" && !last && double.TryParse(args[i + 1], CultureInfo.InvariantCulture, out minutes))
    {
        i++;
    }
    else if (ulong.TryParse(args[i], NumberStyles.None, CultureInfo.InvariantCulture, out ulong parsed))
    {
        seed = parsed;
    }
    else
    {
        Console.WriteLine("usage: sim [seed] [--heights N] [--minutes M]");
        return 2;
    }
}

if (seed is ulong one)
{
    return Run(one, heights) ? 0 : 1;
}

Stopwatch watch = Stopwatch.StartNew();
for (ulong next = 1; watch.Elapsed.TotalMinutes < minutes; next++)
{
    if (!Run(next, heights))
    {
        return 1;
    }
}

return 0;

static bool Run(ulong seed, int heights)
{
    string folder = Directory.CreateTempSubdirectory("parallelvm-sim").FullName;
    try
    {
        Console.WriteLine(Simulate(seed, heights, folder));
        return true;
    }
    catch (Exception exception)
    {
        Console.WriteLine($"seed {seed} FAILED; replay: ./build.sh sim {seed} --heights {heights}\n{exception}");
        return false;
    }
    finally
    {
        Directory.Delete(folder, recursive: true);
    }
}

static string Simulate(ulong seed, int heights, string folder)
{
    SeededRandom random = new(seed);
    World world = new(seed);
    VirtualTime time = new(World.StartMs);
    Node[] nodes =
    [
        new(world.Genesis, time, Path.Combine(folder, "0"), 1),
        new(world.Genesis, time, Path.Combine(folder, "1"), 2),
        new(world.Genesis, time, Path.Combine(folder, "2"), 5),
    ];
    Mutator hostile = new([world.NextTransaction(new SeededRandom(seed), time.NowMs)], Transaction.MaxBytes + 8);
    (int transactions, int failed, int siblings, int refused, int changes, int calls) = (0, 0, 0, 0, 0, 0);
    try
    {
        for (int height = 1; height <= heights; height++)
        {
            time.NowMs += 1 + (ulong)random.Next(3_000);
            refused += Submit(nodes, world, hostile, random, time.NowMs);
            List<Block> candidates = Build(nodes, random);
            if (candidates.Count == 0)
            {
                continue;
            }

            Block accepted = candidates[random.Next(candidates.Count)];
            foreach (Node node in nodes)
            {
                Decide(node, candidates, accepted);
            }

            siblings += candidates.Count - 1;
            transactions += accepted.Transactions.Length;
            failed += CountFailed(nodes[0].Chain, accepted.Id);
            CountPrograms(nodes[0].Chain, accepted, ref changes, ref calls);
            Disturb(nodes, random);
            Agree(nodes, accepted);
        }

        int crashes = nodes[0].Crashes + nodes[1].Crashes + nodes[2].Crashes;
        Block tip = nodes[0].Chain.LastAccepted;
        return $"seed {seed}: height {tip.Header.Height}, {transactions} transactions, {failed} failed, {refused} refused, "
            + $"{changes} programs deployed or changed, {calls} calls of them, {siblings} siblings rejected, {crashes} crashes, root {tip.Header.StateRoot}";
    }
    finally
    {
        foreach (Node node in nodes)
        {
            node.Dispose();
        }
    }
}

static int Submit(Node[] nodes, World world, Mutator hostile, SeededRandom random, ulong nowMs)
{
    int refused = 0;
    int count = random.Next(60);
    for (int i = 0; i < count; i++)
    {
        byte[] bytes = random.Chance(1, 10) ? hostile.Next(random) : world.NextTransaction(random, nowMs);
        foreach (Node node in nodes)
        {
            if (random.Chance(4, 5))
            {
                refused += node.Chain.Submit(bytes).IsRefused ? 1 : 0;
            }
        }
    }

    return refused;
}

static List<Block> Build(Node[] nodes, SeededRandom random)
{
    List<Block> candidates = [];
    int first = random.Next(nodes.Length);
    int builders = random.Chance(1, 3) ? 2 : 1;
    for (int i = 0; i < builders; i++)
    {
        if (nodes[(first + i) % nodes.Length].Chain.TryBuild(out Block? block) && !candidates.Exists(other => other.Id == block.Id))
        {
            candidates.Add(block);
        }
    }

    return candidates;
}

static void Decide(Node node, List<Block> candidates, Block accepted)
{
    foreach (Block candidate in candidates)
    {
        Require(node.Chain.TryParse(candidate.Bytes.Span, out Block? parsed, out Refusal refusal), $"a built block does not parse: {refusal}");
        Require(node.Chain.TryVerify(parsed!, out refusal), $"a built block does not verify: {refusal}");
    }

    node.Chain.SetPreference(accepted.Id);
    node.Chain.Accept(accepted.Id);
    foreach (Block candidate in candidates)
    {
        if (candidate.Id != accepted.Id)
        {
            node.Chain.Reject(candidate.Id);
        }
    }
}

static void Disturb(Node[] nodes, SeededRandom random)
{
    foreach (Node node in nodes)
    {
        if (random.Chance(1, 12))
        {
            node.Crash();
        }
        else if (random.Chance(1, 20))
        {
            node.Restart();
        }
    }
}

static void Agree(Node[] nodes, Block accepted)
{
    foreach (Node node in nodes)
    {
        Require(node.Chain.LastAccepted.Id == accepted.Id, $"a node is at {node.Chain.LastAccepted.Header.Height}, not at {accepted.Header.Height}");
    }
}

static int CountFailed(ChainService chain, BlockId id)
{
    int failed = 0;
    if (chain.TryGetReceipts(id, out ReadOnlyMemory<Receipt> receipts))
    {
        foreach (Receipt receipt in receipts.Span)
        {
            failed += receipt.Succeeded ? 0 : 1;
        }
    }

    return failed;
}

// Successful changes of programs, and successful calls of programs that did not come with genesis.
static void CountPrograms(ChainService chain, Block block, ref int changes, ref int calls)
{
    if (!chain.TryGetReceipts(block.Id, out ReadOnlyMemory<Receipt> receipts))
    {
        return;
    }

    for (int i = 0; i < receipts.Length; i++)
    {
        Transaction transaction = block.Transactions[i];
        bool isSystem = transaction.Programs[0] == ProgramId.System;
        if (receipts.Span[i].Succeeded && isSystem)
        {
            changes += transaction.Selector == (uint)SystemEntry.Publish ? 0 : 1;
        }
        else if (receipts.Span[i].Succeeded && !World.IsOfGenesis(transaction.Programs[0]))
        {
            calls++;
        }
    }
}

static void Require(bool holds, string law)
{
    if (!holds)
    {
        throw new InvariantException(law);
    }
}
