// Completion: a chain that ran subtracts itself from whoever waits for it, and whoever takes a counter to zero owns what
// became ready. The order of events, which the engine's folding of adds rests on:
//
//   members of an adder group complete -> the last one gets AdderGroupFinished(key) -> then successors may become ready
//
// Counters change with Interlocked, a full fence, so what a worker did before Complete is seen by whoever runs a successor.
//
// Cost: O(edges and memberships of the chain), one interlocked operation for each distinct target.

using System;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>Who is told what a completion sets free. Called on the completing thread.</summary>
public interface ICompletionSink
{
    /// <summary>All adders of a group of <paramref name="key"/> have completed and somebody waits for the sum: fold it now, before this returns.</summary>
    void AdderGroupFinished(int key);

    /// <summary>A chain waits for nobody any more; it is the callee's to run.</summary>
    void Ready(int chain);
}

public sealed partial class ConflictGraph
{
    private const int ScratchMax = 32;

    /// <summary>Completes a chain: every transaction in it ran, and its effects are in the records or the shards.</summary>
    /// <param name="chain">Was ready, and is completed for the first time (I4).</param>
    /// <param name="sink">Gets finished adder groups and chains that became ready.</param>
    /// <remarks>Any thread. Groups of adders that nobody waits for are not announced: the end of the batch folds them.</remarks>
    public void Complete<TSink>(int chain, ref TSink sink)
        where TSink : struct, ICompletionSink, allows ref struct
    {
        ref readonly Chain completed = ref _chains[chain];
        Invariant.Require(Volatile.Read(ref _pending[completed.Head]) == 0);            // I3: it was ready
        if (completed.IsIndependent)
        {
            LeaveGroupsTogether(in completed, ref sink);
            return;
        }

        LeaveGroups(completed.Tail, ref sink);
        Release(completed.Tail, ref sink);
    }

    private void LeaveGroups<TSink>(int tx, ref TSink sink)
        where TSink : struct, ICompletionSink, allows ref struct
    {
        for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
        {
            int group = _memberOf[access];
            if (IsAwaited(group))
            {
                Leave(group, 1, ref sink);
            }
        }
    }

    // Members of one chain leave a group with one subtraction, as long as the chain is in few groups; else in several.
    private void LeaveGroupsTogether<TSink>(in Chain chain, ref TSink sink)
        where TSink : struct, ICompletionSink, allows ref struct
    {
        if (_edgeCount == 0)
        {
            return;
        }

        Span<int> groups = stackalloc int[ScratchMax];
        Span<int> members = stackalloc int[ScratchMax];
        int used = 0;
        foreach (int tx in _chainTx.AsSpan(chain.Start, chain.Count))
        {
            for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
            {
                int group = _memberOf[access];
                if (!IsAwaited(group))
                {
                    continue;
                }

                int place = groups[..used].IndexOf(group);
                if (place >= 0)
                {
                    members[place]++;
                    continue;
                }

                if (used == ScratchMax)
                {
                    Leave(groups[--used], members[used], ref sink);
                }

                groups[used] = group;
                members[used++] = 1;
            }
        }

        for (int i = 0; i < used; i++)
        {
            Leave(groups[i], members[i], ref sink);
        }
    }

    private void Leave<TSink>(int group, int count, ref TSink sink)
        where TSink : struct, ICompletionSink, allows ref struct
    {
        int left = Interlocked.Add(ref _pending[group], -count);
        Invariant.Require(left >= 0);                                                   // I4
        if (left != 0)
        {
            return;
        }

        int key = _groupKey[group - _txCount];
        if (key >= 0)
        {
            sink.AdderGroupFinished(key);
        }

        Release(group, ref sink);
    }

    private void Release<TSink>(int node, ref TSink sink)
        where TSink : struct, ICompletionSink, allows ref struct
    {
        for (int edge = _nodes[node].First; edge != None; edge = _edges[edge].Next)
        {
            int target = _edges[edge].Target;
            int left = Interlocked.Decrement(ref _pending[target]);
            Invariant.Require(left >= 0);                                               // I3
            if (left == 0)
            {
                sink.Ready(_chainOf[target]);
            }
        }
    }
}
