// The conflict graph of one batch: which transaction must wait for which.
//
//   key K:   W0 -> R1 -> W4         a writer waits for every reader since the last writer,
//               \> R2 ->/           readers do not wait for each other,
//                  A3: adders group like readers, and close a group of readers as a writer would
//
// Why it exists: running the batch in any order this graph allows gives the same state as running it one by one in
// batch order (the serial fiction). Every other speed-up rests on that.
//
// Shape. Nodes are transactions and groups: two or more readers, or one or more adders, of one key between two accesses
// of another kind. A group is one counter of members that have not completed; who comes after it waits for the counter,
// so n readers before a writer cost n decrements and one edge, not n edges. Transactions that must follow each other and nobody
// else are joined to a chain (ConflictGraph.Chains.cs), and a chain is what is handed out and completed.
//
// Invariants
//   I1  an edge points from a lower transaction to a higher one (through groups too), so the graph has no cycle
//   I2  the edges into a transaction are distinct and at most its declared keys; all edges are at most accesses + groups
//   I3  pending(t) = edges into t whose source has not completed; a chain is ready iff its head's pending is 0
//   I4  a chain is handed out once and completed once
//
// Cost: Build is O(accesses), no allocation once the arrays have grown to the largest batch. Complete is O(out-degree).
// Threading: Build by one owner; afterwards everything is read-only except the pending counters, which Complete
// changes with Interlocked. No threads, no clock, no bytes here: completion order is the caller's, so a seed can replay it.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

/// <summary>Who waits for whom in one batch. Reused from batch to batch.</summary>
public sealed partial class ConflictGraph
{
    // Key's open group: None, one reader without a node (the reader is LastTx), or a group node with its kind in bit 0.
    private const int None = -1;
    private const int LoneReader = -2;

    private int _txCount;
    private int _nodeCount;                         // transactions first, then groups
    private int _edgeCount;
    private KeyState[] _keys = [];
    private Node[] _nodes = [];
    private Edge[] _edges = [];
    private int[] _pending = [];                    // by node: open predecessors of a transaction, open members of a group
    private int[] _groupKey = [];                   // by group: its key for adders, ~key for readers
    private int[] _memberOf = [];                   // by access: group node, or None
    private int[] _offsets = [];                    // copy of the batch's: completion needs them after Build returns

    /// <summary>A graph whose chains are cut where their cost would pass <paramref name="chainCostMax"/>.</summary>
    /// <param name="chainCostMax">In the unit of <see cref="BatchAccesses.Costs"/>; about 50 microseconds' worth.</param>
    public ConflictGraph(ulong chainCostMax = 50_000)
    {
        ArgumentOutOfRangeException.ThrowIfZero(chainCostMax);
        ChainCostMax = chainCostMax;
    }

    /// <summary>Cost at which a chain is cut; a single transaction may cost more.</summary>
    public ulong ChainCostMax { get; }

    /// <summary>Transactions of the batch.</summary>
    public int TxCount => _txCount;

    /// <summary>Groups of readers or adders that became nodes.</summary>
    public int GroupCount => _nodeCount - _txCount;

    /// <summary>Edges from transactions or groups to transactions (I2).</summary>
    public int EdgeCount => _edgeCount;

    /// <summary>Edges into a transaction when nothing has completed yet: at most its declared keys (I2).</summary>
    /// <remarks>After completions begin it counts what is still open; meaningful to tests and the simulator.</remarks>
    public int PendingOf(int tx) => _pending[tx];

    /// <summary>Builds the graph of a batch, with every transaction pending.</summary>
    /// <exception cref="InvariantException">A key is twice in one transaction, or outside [0, KeyCount): admission let a bad list through.</exception>
    public void Build(in BatchAccesses accesses)
    {
        Reserve(in accesses);
        if (accesses.Keys.Length != 0)
        {
            Link(in accesses);
            MakeChains(accesses.Costs);
        }
        else
        {
            CutChains(accesses.Costs);
        }
    }

    private void Reserve(in BatchAccesses accesses)
    {
        _txCount = accesses.TxCount;
        _nodeCount = accesses.TxCount;
        _edgeCount = 0;
        int nodeMax = accesses.TxCount + accesses.Keys.Length;
        Reused.Room(ref _keys, accesses.KeyCount);
        Reused.Room(ref _nodes, nodeMax);
        Reused.Room(ref _edges, accesses.Keys.Length);
        Reused.Room(ref _pending, nodeMax);
        Reused.Room(ref _groupKey, accesses.Keys.Length);
        Reused.Room(ref _memberOf, accesses.Keys.Length);
        Reused.Room(ref _offsets, accesses.TxCount + 1);
        Reused.Room(ref _chainOf, accesses.TxCount);
        Reused.Room(ref _chains, accesses.TxCount);
        Reused.Room(ref _chainTx, accesses.TxCount);
        Reused.Room(ref _ready, accesses.TxCount);
        accesses.Offsets.CopyTo(_offsets);
        _keys.AsSpan(0, accesses.KeyCount).Fill(new KeyState { Tail = None, Open = None, LastTx = None });
        if (accesses.Keys.Length != 0)
        {
            _nodes.AsSpan(0, accesses.TxCount).Fill(new Node { First = None, Last = None, Predecessor = None });
        }
        else
        {
            _pending.AsSpan(0, accesses.TxCount).Clear();
        }
    }

    private void Link(in BatchAccesses accesses)
    {
        ReadOnlySpan<int> offsets = accesses.Offsets;
        ReadOnlySpan<int> keys = accesses.Keys;
        ReadOnlySpan<AccessMode> modes = accesses.Modes;
        Span<KeyState> states = _keys.AsSpan(0, accesses.KeyCount);
        for (int tx = 0; tx < accesses.TxCount; tx++)
        {
            int inDegree = 0;
            for (int access = offsets[tx]; access < offsets[tx + 1]; access++)
            {
                ref KeyState key = ref states[keys[access]];
                Invariant.Require(key.LastTx != tx);                            // a key once per transaction
                int predecessor = modes[access] switch
                {
                    AccessMode.Write => TakeForWriter(ref key, tx, access),
                    AccessMode.Read => JoinReaders(ref key, keys[access], access),
                    _ => JoinAdders(ref key, keys[access], access),
                };
                key.LastTx = tx;
                if (predecessor != None)
                {
                    inDegree += AddEdge(predecessor, tx);
                }
            }

            _pending[tx] = inDegree;
        }
    }

    private int TakeForWriter(ref KeyState key, int tx, int access)
    {
        int predecessor = CloseOpenGroup(ref key);
        key.Tail = tx;
        _memberOf[access] = None;
        return predecessor;
    }

    // The first reader stays without a node: most keys are read once, and a writer can follow it in one chain.
    private int JoinReaders(ref KeyState key, int keyId, int access)
    {
        if (key.Open >= 0 && (key.Open & 1) == 0)
        {
            Join(key.Open >> 1, access);
        }
        else if (key.Open == LoneReader)
        {
            int group = OpenGroup(~keyId);
            key.Open = group << 1;
            Join(group, key.OpenAccess);
            Join(group, access);
        }
        else
        {
            key.Tail = CloseOpenGroup(ref key);
            key.Open = LoneReader;
            key.OpenAccess = access;
            _memberOf[access] = None;
        }

        return key.Tail;
    }

    // Even a lone adder gets a node: the end of the group is when its key's shards are folded.
    private int JoinAdders(ref KeyState key, int keyId, int access)
    {
        if (key.Open < 0 || (key.Open & 1) == 0)
        {
            key.Tail = CloseOpenGroup(ref key);
            key.Open = (OpenGroup(keyId) << 1) | 1;
        }

        Join(key.Open >> 1, access);
        return key.Tail;
    }

    // What an access of another kind waits for: the open group, or the last writer when there is none.
    private static int CloseOpenGroup(ref KeyState key)
    {
        int tail = key.Open switch
        {
            None => key.Tail,
            LoneReader => key.LastTx,
            _ => key.Open >> 1,
        };
        key.Open = None;
        return tail;
    }

    private int OpenGroup(int groupKey)
    {
        int node = _nodeCount++;
        _nodes[node] = new Node { First = None, Last = None, Predecessor = None };
        _pending[node] = 0;
        _groupKey[node - _txCount] = groupKey;
        return node;
    }

    private void Join(int group, int access)
    {
        _memberOf[access] = group;
        _pending[group]++;
    }

    // Edges out of a node are appended in batch order, so a second edge to the same transaction would be the last one.
    private int AddEdge(int source, int tx)
    {
        ref Node node = ref _nodes[source];
        if (node.Last != None && _edges[node.Last].Target == tx)
        {
            return 0;
        }

        int edge = _edgeCount++;
        _edges[edge] = new Edge { Target = tx, Next = None };
        if (node.Last == None)
        {
            node.First = edge;
        }
        else
        {
            _edges[node.Last].Next = edge;
        }

        node.Last = edge;
        _nodes[tx].Predecessor = source;
        return 1;
    }

    // A group that nobody waits for is dead weight: its members do not count it down.
    private bool IsAwaited(int group) => group != None && _nodes[group].First != None;

    private struct KeyState
    {
        public int Tail;            // node that the next group or writer waits for, or None
        public int Open;            // None, LoneReader, or (group << 1 | is adders)
        public int OpenAccess;      // access of a lone reader
        public int LastTx;          // last transaction that declared the key
    }

    private struct Node
    {
        public int First;           // first and last edge out, or None
        public int Last;
        public int Predecessor;     // of a transaction: source of the last edge in
    }

    private struct Edge
    {
        public int Target;
        public int Next;
    }
}
