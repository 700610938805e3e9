// Leaders and loops of one function: the one routine that the verifier, the loader and the gas rule share.
//
// A leader is the first instruction, a target, and the instruction after a branch, jump, switch or end.
//
// Loops are natural by construction: a branch goes back only to a LOOP, loops nest, and nothing jumps into a loop
// from outside past its header; a SWITCH goes ahead only. So a function needs no dominator computation and a forward pass sees
// every definition.
//
// Cost: O(instructions + table targets).   Threading: pure.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

internal static class ControlFlow
{
    /// <summary>Finds the leaders; the function's words are well formed and every target is inside it.</summary>
    public static bool[] Leaders(Container container, ReadOnlySpan<ulong> words)
    {
        bool[] leaders = new bool[words.Length];
        leaders[0] = true;
        for (int at = 0; at < words.Length; at++)
        {
            Flow flow = OpcodeTable.Get((Opcode)(byte)words[at]).Flow;
            if (flow is Flow.Branch or Flow.Jump)
            {
                leaders[TargetOf(words[at])] = true;
            }
            else if (flow == Flow.Switch)
            {
                foreach (ushort target in container.Tables[TargetOf(words[at])])
                {
                    leaders[target] = true;
                }
            }

            if (flow is Flow.Branch or Flow.Jump or Flow.Switch or Flow.End && at + 1 < words.Length)
            {
                leaders[at + 1] = true;
            }
        }

        return leaders;
    }

    /// <summary>The target of a branch or jump; the table of a switch.</summary>
    public static int TargetOf(ulong word) => (int)(word >> 32);

    /// <summary>Checks targets and loops.</summary>
    /// <param name="container">The program.</param>
    /// <param name="words">The function's words, each well formed.</param>
    /// <param name="function">For the sentence.</param>
    /// <param name="facts">Gets the function's shape.</param>
    public static Refusal Check(Container container, ReadOnlySpan<ulong> words, int function, FunctionFacts facts)
    {
        int[] loopEnd = new int[words.Length];              // at a LOOP: its last back branch; -1 elsewhere
        Array.Fill(loopEnd, -1);
        for (int at = 0; at < words.Length; at++)
        {
            Flow flow = OpcodeTable.Get((Opcode)(byte)words[at]).Flow;
            if (flow is Flow.Branch or Flow.Jump)
            {
                uint target = (uint)(words[at] >> 32);
                if (target >= (uint)words.Length)
                {
                    return Refuse(RefusalCode.BadTarget, function, at, $"branches to {target}, outside its {words.Length} instructions");
                }

                if (target <= at)
                {
                    if ((Opcode)(byte)words[(int)target] != Opcode.Loop)
                    {
                        return Refuse(RefusalCode.BadTarget, function, at, $"branches back to {target}, which is no LOOP");
                    }

                    loopEnd[target] = at;
                }
            }
            else if (flow == Flow.Switch && BadSwitchTarget(container.Tables[TargetOf(words[at])], at, words.Length) is int bad)
            {
                return Refuse(RefusalCode.BadTarget, function, at, $"switches to {bad}, which does not lie ahead in its {words.Length} instructions");
            }

            if (at == words.Length - 1 && flow is not (Flow.End or Flow.Jump or Flow.Switch))
            {
                return Refuse(RefusalCode.FallsOff, function, at, "is the last and control can run past it");
            }
        }

        return CheckNesting(container, words, loopEnd, function, facts);
    }

    private static Refusal CheckNesting(Container container, ReadOnlySpan<ulong> words, int[] loopEnd, int function, FunctionFacts facts)
    {
        int[] innermost = new int[words.Length];            // header of the innermost loop around an instruction, -1 for none
        int[] parent = new int[words.Length];               // at a header: the loop around it
        Span<int> open = stackalloc int[VerifierLimits.MaxLoopDepth + 1];
        int depth = 0;
        int deepest = 0;
        for (int at = 0; at < words.Length; at++)
        {
            while (depth > 0 && loopEnd[open[depth - 1]] < at)
            {
                depth--;
            }

            if (loopEnd[at] >= 0)
            {
                if (depth == VerifierLimits.MaxLoopDepth)
                {
                    return Refuse(RefusalCode.BadLoop, function, at, $"opens a loop inside {depth} others; at most {VerifierLimits.MaxLoopDepth} nest");
                }

                if (depth > 0 && loopEnd[at] > loopEnd[open[depth - 1]])
                {
                    return Refuse(RefusalCode.BadLoop, function, at, $"opens a loop that overlaps the loop at {open[depth - 1]}");
                }

                parent[at] = depth > 0 ? open[depth - 1] : -1;
                open[depth++] = at;
                deepest = Math.Max(deepest, depth);
            }

            innermost[at] = depth > 0 ? open[depth - 1] : -1;
        }

        for (int at = 0; at < words.Length; at++)
        {
            Flow flow = OpcodeTable.Get((Opcode)(byte)words[at]).Flow;
            if (flow is Flow.Branch or Flow.Jump && TargetOf(words[at]) is int target && !Entered(target, at, innermost, parent, loopEnd))
            {
                return Refuse(RefusalCode.BadLoop, function, at, $"jumps to {target}, into a loop past its header");
            }

            for (int i = 0; flow == Flow.Switch && i < container.Tables[TargetOf(words[at])].Length; i++)
            {
                if (!Entered(container.Tables[TargetOf(words[at])][i], at, innermost, parent, loopEnd))
                {
                    return Refuse(RefusalCode.BadLoop, function, at, $"switches into a loop past its header");
                }
            }
        }

        facts.Shape = new FunctionShape(words.Length, Leaders(container, words).AsSpan().Count(true), deepest);
        return Refusal.None;
    }

    private static int? BadSwitchTarget(ushort[] targets, int at, int length)
    {
        foreach (ushort target in targets)
        {
            if (target <= at || target >= length)
            {
                return target;
            }
        }

        return null;
    }

    // every loop around the target, except one that the target itself heads, is also around the source
    private static bool Entered(int target, int source, int[] innermost, int[] parent, int[] loopEnd)
    {
        int loop = innermost[target];
        if (loop == target)
        {
            loop = parent[target];
        }

        return loop < 0 || (loop <= source && source <= loopEnd[loop]);
    }

    private static Refusal Refuse(RefusalCode code, int function, int at, string what) =>
        new(code, $"Instruction {at} of function {function} {what}.");
}
