// ./build.sh sim crash [--minutes M] [--seed S] [--blocks B]       crash points and disk faults of the store, seed after seed
//
// Every place of every life, and all ways in which unsynced bytes can survive; beside it every fault at every place of a life of the
// same seed. What it prints on a broken law is the seed and the place; the same seed finds it again.

using System;
using System.Diagnostics;
using System.Globalization;
using ParallelVm.Faster.Tests;

namespace ParallelVm.Simulation;

internal static class CrashCampaign
{
    public static int Run(string[] args)
    {
        (double minutes, ulong seed, int blocks) = (1, 1, 60);
        for (int i = 1; i < args.Length; i += 2)
        {
            string value = i + 1 < args.Length ? args[i + 1] : "";
            bool ok = args[i] switch
            {
                "--minutes" => double.TryParse(value, CultureInfo.InvariantCulture, out minutes),
                "--seed" => ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out seed),
                "--blocks" => int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out blocks) && blocks is > 0 and < 10_000,
                _ => false,
            };
            if (!ok)
            {
                Console.WriteLine("usage: sim crash [--minutes M] [--seed S] [--blocks B]");
                return 2;
            }
        }

        Stopwatch watch = Stopwatch.StartNew();
        (long crashes, long faults, long told) = (0, 0, 0);
        for (; watch.Elapsed.TotalMinutes < minutes; seed++)
        {
            try
            {
                CrashRun crash = new(seed, blocks, inParts: seed % 16 == 0);        // parts are slow to make, and rarely what breaks
                FaultRun fault = new(seed);
                int places = Math.Max(crash.Places, Math.Max(fault.Writes, fault.Reads));
                for (int place = 0; place < places && watch.Elapsed.TotalMinutes < minutes; place++)
                {
                    crashes += place < crash.Places ? crash.CrashAtEvery(place, crash.Places, allWays: true) : 0;
                    for (FaultKind kind = FaultKind.Error; kind <= FaultKind.FlippedRead; kind++)
                    {
                        if (place < fault.PlacesOf(kind))
                        {
                            faults++;
                            told += fault.Meet(kind, place) ? 1 : 0;
                        }
                    }
                }
            }
            catch (Exception exception)
            {
                Console.WriteLine($"seed {seed} FAILED; replay: ./build.sh sim crash --seed {seed} --blocks {blocks}\n{exception}");
                return 1;
            }
        }

        Console.WriteLine($"{2 * crashes} crashes at {crashes} (place, way) pairs, {faults} faults of which {told} were told and the rest did no harm, up to seed {seed - 1}; no law broken");
        return 0;
    }
}
