// A block's conflicts as a picture, in the DOT language: transactions, who waits for whom, and with which key; the critical path in
// red. A key with several readers (or adders) on one side and several on the other gets a point between them, so that the
// picture has at most as many lines as twice the accesses, and not their square.
//
// Transactions that wait for nobody and that nobody waits for are counted in the title and not drawn.
//
// Threading: pure.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using System.Linq;
using ParallelVm.AccessLists;
using ParallelVm.Scheduler;

namespace ParallelVm.Loadtest.Conflicts;

/// <summary>Draws a block.</summary>
internal static class ConflictsDot
{
    /// <summary>The text of the graph.</summary>
    public static string Draw(ulong block, AccessTable table, ConflictAnalysis analysis)
    {
        SortedDictionary<(string From, string To), SortedSet<int>> edges = EdgesOf(table);
        HashSet<string> drawn = [.. edges.Keys.Select(edge => edge.From), .. edges.Keys.Select(edge => edge.To)];
        PathStep[] path = analysis.CriticalPath.ToArray();
        HashSet<string> critical = [.. path.Select(step => NameOf(step.Tx))];
        HashSet<(string, string)> steps = [];
        for (int i = 1; i < path.Length; i++)
        {
            steps.Add((NameOf(path[i - 1].Tx), NameOf(path[i].Tx)));
        }

        StringWriter dot = new(CultureInfo.InvariantCulture) { NewLine = "\n" };
        int alone = Enumerable.Range(0, table.TxCount).Count(tx => !drawn.Contains(NameOf(tx)));
        dot.WriteLine("digraph conflicts {");
        dot.WriteLine($"  label=\"block {block}: work {analysis.Shape.Work}, span {analysis.Shape.Span}; {alone} of {table.TxCount} transactions conflict with nobody\";");
        dot.WriteLine("  rankdir=LR; node [shape=box, fontsize=10]; edge [fontsize=8];");
        ReadOnlySpan<uint> costs = table.View.Costs;
        for (int tx = 0; tx < table.TxCount; tx++)
        {
            if (drawn.Contains(NameOf(tx)))
            {
                string mark = critical.Contains(NameOf(tx)) ? ", color=red, penwidth=2" : "";
                dot.WriteLine($"  {NameOf(tx)} [label=\"{tx}\\ncost {costs[tx]}\"{mark}];");
            }
        }

        foreach (string point in drawn.Where(name => name[0] == 'g').Order(StringComparer.Ordinal))
        {
            dot.WriteLine($"  {point} [shape=point];");
        }

        foreach (((string from, string to), SortedSet<int> keys) in edges)
        {
            string mark = steps.Contains((from, to)) ? ", color=red, penwidth=2" : "";
            dot.WriteLine($"  {from} -> {to} [label=\"{string.Join("\\n", keys.Select(key => Escape(table.Keys[key].Name)))}\"{mark}];");
        }

        dot.WriteLine("}");
        return dot.ToString();
    }

    // Per key, in batch order: groups of readers, groups of adders, single writers. Each group waits for the one before it.
    private static SortedDictionary<(string From, string To), SortedSet<int>> EdgesOf(AccessTable table)
    {
        SortedDictionary<(string From, string To), SortedSet<int>> edges = [];
        List<(AccessMode Mode, List<int> Members)>[] groups = [.. table.Keys.Select(_ => new List<(AccessMode, List<int>)>())];
        for (int tx = 0; tx < table.TxCount; tx++)
        {
            foreach (TableAccess access in table.RowOf(tx))
            {
                List<(AccessMode Mode, List<int> Members)> ofKey = groups[access.Key];
                if (ofKey.Count == 0 || AccessModes.Conflicts(ofKey[^1].Mode, access.Mode))
                {
                    ofKey.Add((access.Mode, []));
                }

                ofKey[^1].Members.Add(tx);
            }
        }

        for (int key = 0; key < groups.Length; key++)
        {
            for (int group = 1; group < groups[key].Count; group++)
            {
                Connect(groups[key][group - 1].Members, groups[key][group].Members, $"g{key}_{group}", key);
            }
        }

        return edges;

        void Connect(List<int> earlier, List<int> later, string point, int key)
        {
            bool isPoint = earlier.Count > 1 && later.Count > 1;
            foreach (int from in earlier)
            {
                foreach (int to in isPoint ? [-1] : later)
                {
                    Add(NameOf(from), isPoint ? point : NameOf(to), key);
                }
            }

            foreach (int to in isPoint ? later : [])
            {
                Add(point, NameOf(to), key);
            }
        }

        void Add(string from, string to, int key)
        {
            if (!edges.TryGetValue((from, to), out SortedSet<int>? keys))
            {
                edges.Add((from, to), keys = []);
            }

            keys.Add(key);
        }
    }

    private static string NameOf(int tx) => string.Create(CultureInfo.InvariantCulture, $"t{tx:D5}");

    private static string Escape(string text) => text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal);
}
