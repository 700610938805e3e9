// Calls may not cycle, so the machine needs no run-time depth check: the deepest nest of activations and the largest
// sum of frame cells are known at deploy. Callees are visited before callers (Kahn's order, no recursion).
//
// Cost: O(functions + calls).   Threading: pure.

using System;
using System.Collections.Generic;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

/// <summary>What the check of one function learned.</summary>
internal sealed class FunctionFacts
{
    /// <summary>Calls: callee and the window's first cell.</summary>
    public List<(int Callee, int Window)> Calls { get; } = [];

    /// <summary>Slots that the function uses; after <see cref="CallGraph.Check"/> those of its callees too.</summary>
    public SlotUse Slots { get; } = new();

    /// <summary>Frame cells from the function's first cell to the end of its deepest callee.</summary>
    public int Cells { get; set; }

    /// <summary>Length, blocks and loops.</summary>
    public FunctionShape Shape { get; set; }

    /// <summary>HALT is reachable; after <see cref="CallGraph.Check"/> through callees too.</summary>
    public bool MayHalt { get; set; }

    /// <summary>Activations that are open at most, this one included.</summary>
    public int Depth { get; set; } = 1;
}

internal static class CallGraph
{
    /// <summary>Refuses cycles and too deep nests; joins slot uses from callees to callers.</summary>
    public static Refusal Check(Container container, FunctionFacts[] facts)
    {
        List<int>[] callers = new List<int>[facts.Length];
        int[] pending = new int[facts.Length];
        for (int i = 0; i < facts.Length; i++)
        {
            facts[i].Cells = container.Functions[i].Cells;
            pending[i] = facts[i].Calls.Count;
            foreach ((int callee, _) in facts[i].Calls)
            {
                (callers[callee] ??= []).Add(i);
            }
        }

        Queue<int> ready = new();
        for (int i = 0; i < facts.Length; i++)
        {
            if (pending[i] == 0)
            {
                ready.Enqueue(i);
            }
        }

        int visited = 0;
        while (ready.TryDequeue(out int function))
        {
            visited++;
            Refusal refusal = Settle(facts, function);
            if (refusal.IsRefused)
            {
                return refusal;
            }

            foreach (int caller in callers[function] ?? [])
            {
                if (--pending[caller] == 0)
                {
                    ready.Enqueue(caller);
                }
            }
        }

        return visited == facts.Length
            ? Refusal.None
            : new Refusal(RefusalCode.RecursiveCall, $"Function {Array.FindIndex(pending, left => left > 0)} takes part in a cycle of calls.");
    }

    private static Refusal Settle(FunctionFacts[] facts, int function)
    {
        FunctionFacts own = facts[function];
        int last = -1;
        foreach ((int callee, int window) in own.Calls)
        {
            own.Cells = Math.Max(own.Cells, window + facts[callee].Cells);
            own.MayHalt |= facts[callee].MayHalt;
            own.Depth = Math.Max(own.Depth, 1 + facts[callee].Depth);
            if (callee != last)
            {
                own.Slots.Join(facts[callee].Slots);
                last = callee;
            }
        }

        return own.Depth > VerifierLimits.MaxCallDepth || own.Cells > VerifierLimits.MaxFrameCells
            ? new Refusal(
                RefusalCode.CallTooDeep,
                $"Function {function} opens {own.Depth} activations and {own.Cells} cells; at most {VerifierLimits.MaxCallDepth} and {VerifierLimits.MaxFrameCells} are allowed.")
            : Refusal.None;
    }
}
