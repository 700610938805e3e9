// ./build.sh sim schedules [--minutes M] [--seed S] [--gc]      the engine's workers under chosen and delayed schedules
//
// First every schedule of three transactions on two keys: all shapes, chains cut and whole, two workers and three. Then random blocks
// from the seed on: each at every width under a controlled schedule, every tenth also on threads that are held up before
// their steps. With --gc a thread collects garbage all the while. What it prints on a broken law is the number that finds it again.

using System;
using System.Diagnostics;
using System.Globalization;
using System.Threading;
using ParallelVm.Engine.Tests.Controlled;

namespace ParallelVm.Simulation;

internal static class ScheduleCampaign
{
    public static int Run(string[] args)
    {
        (double minutes, ulong seed, bool collects) = (1, 0, false);
        for (int i = 1; i < args.Length; i++)
        {
            string value = i + 1 < args.Length ? args[i + 1] : "";
            bool ok = args[i] switch
            {
                "--gc" => collects = true,
                "--minutes" => double.TryParse(value, CultureInfo.InvariantCulture, out minutes) && i++ >= 0,
                "--seed" => ulong.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out seed) && i++ >= 0,
                _ => false,
            };
            if (!ok)
            {
                Console.WriteLine("usage: sim schedules [--minutes M] [--seed S] [--gc]");
                return 2;
            }
        }

        bool isOver = false;
        Thread collector = new(() =>
        {
            while (!Volatile.Read(ref isOver))
            {
                GC.Collect();
                Thread.Sleep(2);
            }
        });
        collector.IsBackground = true;
        if (collects)
        {
            collector.Start();
        }

        bool holds = Search() && Trials(minutes, seed);
        Volatile.Write(ref isOver, true);
        return holds ? 0 : 1;
    }

    private static bool Search()
    {
        foreach ((ulong cut, int workers) in new[] { (1UL, 2), (3UL, 2), (1UL, 3), (3UL, 3) })
        {
            ScheduleSearch search = new(cut, workers);
            for (int shape = 0; shape < ScheduleSearch.Shapes; shape++)
            {
                try
                {
                    search.Search(shape);
                }
                catch (Exception broken)
                {
                    Console.WriteLine($"FAILED: shape {shape}, chains cut at {cut}, {workers} workers, schedule {search.Found}\n{broken}");
                    return false;
                }
            }

            Console.WriteLine($"all schedules, chains cut at {cut}, {workers} workers: {ScheduleSearch.Shapes} shapes, {search.States} states, {search.Ends} ends");
        }

        return true;
    }

    private static bool Trials(double minutes, ulong seed)
    {
        using BlockTrial trial = new();
        Stopwatch watch = Stopwatch.StartNew();
        ulong block = seed - (seed % 25);                   // where a state begins
        ulong first = block;
        try
        {
            for (; watch.Elapsed.TotalMinutes < minutes; block++)
            {
                if (block % 250 >= 225)
                {
                    trial.RunDelayed(block);
                }
                else
                {
                    trial.RunControlled(block);
                }
            }
        }
        catch (Exception broken)
        {
            Console.WriteLine($"FAILED at block {block}; replay: ./build.sh sim schedules --seed {block}\n{broken}");
            return false;
        }

        Console.WriteLine($"blocks {first} to {block - 1}: {trial.Executions} parallel executions equal the plain loop, {trial.Steps} controlled steps");
        return true;
    }
}
