// ./build.sh fuzz TARGET [--seconds N] [--seed S] [--count N]
// ./build.sh fuzz vm [--minutes N] [--seed S] [--count N] [--number K]      all engines on random programs: VmCampaign.cs
//
// One thread, one seed. On a broken law or an exception it prints the seed and the number of the input, writes the input
// to corpus/TARGET/ beside this project, and exits 1. The corpus is run first, every time.

using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using ParallelVm.Fuzz;
using ParallelVm.Primitives;

if (args.Length > 0 && args[0] == "vm")
{
    return VmCampaign.Run(args);
}

if (args.Length == 0 || !Targets.All.TryGetValue(args[0], out Target? target))
{
    Console.WriteLine($"usage: fuzz TARGET [--seconds N] [--seed S] [--count N]; targets: {string.Join(' ', Targets.All.Keys)} vm");
    return 2;
}

Dictionary<string, ulong> options = new(StringComparer.Ordinal) { ["--seconds"] = 30, ["--seed"] = 1, ["--count"] = ulong.MaxValue };
for (int i = 1; i < args.Length; i += 2)
{
    if (!options.ContainsKey(args[i]) || i + 1 == args.Length
        || !ulong.TryParse(args[i + 1], NumberStyles.None, CultureInfo.InvariantCulture, out ulong value))
    {
        Console.WriteLine($"'{args[i]}' is not an option with a number; options are --seconds, --seed, --count.");
        return 2;
    }

    options[args[i]] = value;
}

string corpus = Path.Combine("tests", "Fuzz", "corpus", target.Name);
int kept = 0;
if (Directory.Exists(corpus))
{
    foreach (string file in Directory.GetFiles(corpus))
    {
        target.Accepts(File.ReadAllBytes(file));
        kept++;
    }
}

SeededRandom random = new(options["--seed"]);
Mutator mutator = new(target.Samples(), target.MaxLength);
Stopwatch watch = Stopwatch.StartNew();
ulong count = 0;
ulong accepted = 0;
TimeSpan slowest = TimeSpan.Zero;
while (count < options["--count"] && watch.Elapsed.TotalSeconds < options["--seconds"])
{
    byte[] input = mutator.Next(random);
    TimeSpan start = watch.Elapsed;
    try
    {
        accepted += target.Accepts(input) ? 1UL : 0;
    }
    catch (Exception exception)
    {
        Directory.CreateDirectory(corpus);
        string file = Path.Combine(corpus, $"{options["--seed"]}-{count}.bin");
        File.WriteAllBytes(file, input);
        Console.WriteLine($"{target.Name}: seed {options["--seed"]} input {count} ({input.Length} bytes, kept as {file}): {exception}");
        return 1;
    }

    TimeSpan taken = watch.Elapsed - start;
    slowest = taken > slowest ? taken : slowest;
    count++;
}

Console.WriteLine(string.Create(
    CultureInfo.InvariantCulture,
    $"{target.Name}: {count} inputs, {accepted} accepted, {kept} of the corpus, slowest {slowest.TotalMilliseconds:F1} ms, seed {options["--seed"]}, no law broken"));
return 0;
