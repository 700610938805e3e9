// Chains: what is handed to a worker as one piece.
//
//   linked        t has one predecessor, that is a transaction, and it has no other successor: t goes to its chain
//   independent   transactions without predecessors and without edges out: grouped by 16 to 64
//
// Both are cut where the cost would pass ChainCostMax, so that others can take the rest. Everything that a chain waits
// for is before its head, and all edges out of a linked chain leave from its last transaction, so joining adds no waiting;
// an independent chain delays the groups that its members are in by at most its own cost.
//
// The same pass from the back gives each transaction its bottom level: its cost plus the most expensive path after it.
// A chain's urgency is that of its head in sixteen steps. The largest bottom level is the batch's span.

using System;
using System.Numerics;
using ParallelVm.Primitives;

namespace ParallelVm.Scheduler;

public sealed partial class ConflictGraph
{
    private const int GroupMin = 16;
    private const int GroupMax = 64;
    private const int GroupsWanted = 64;
    private const int UrgencyBits = 4;

    private int _chainCount;
    private int _readyCount;
    private int[] _chainOf = [];            // by transaction
    private int[] _next = [];               // by transaction: the next one of its chain, or None
    private Chain[] _chains = [];
    private int[] _chainTx = [];            // transactions of chain 0, then of chain 1, ...
    private int[] _ready = [];
    private ulong[] _level = [];            // by node: bottom level

    /// <summary>Number of chains; every transaction is in exactly one.</summary>
    public int ChainCount => _chainCount;

    /// <summary>Sum of the costs.</summary>
    public ulong Work { get; private set; }

    /// <summary>The most expensive path: no schedule is faster.</summary>
    public ulong Span { get; private set; }

    /// <summary>Chains that wait for nobody, in batch order. Valid until the next Build.</summary>
    public ReadOnlySpan<int> ReadyChains => _ready.AsSpan(0, _readyCount);

    /// <summary>The transactions of a chain, in batch order. Valid until the next Build.</summary>
    public ReadOnlySpan<int> TransactionsOf(int chain) => _chainTx.AsSpan(_chains[chain].Start, _chains[chain].Count);

    /// <summary>The chain of a transaction.</summary>
    public int ChainOf(int tx) => _chainOf[tx];

    /// <summary>How long what begins with a chain takes, in [0, <see cref="ReadyShelves.Urgencies"/>): 8 to 15 is at least half of the span's next power of two.</summary>
    public int UrgencyOf(int chain) => _chains[chain].Urgency;

    /// <summary>Cost of a chain: the sum of its transactions' costs.</summary>
    public ulong CostOf(int chain) => _chains[chain].Cost;

    private void MakeChains(ReadOnlySpan<uint> costs)
    {
        Reused.Room(ref _next, _txCount);
        Reused.Room(ref _level, _nodeCount);
        JoinTransactions(costs);
        LayOutChains();
        MeasureLevels(costs);
        MeasureUrgencies();
    }

    private void JoinTransactions(ReadOnlySpan<uint> costs)
    {
        int groupMax = Math.Clamp(_txCount / GroupsWanted, GroupMin, GroupMax);
        int independent = None;             // the independent chain that is still open
        _chainCount = 0;
        _readyCount = 0;
        for (int tx = 0; tx < _txCount; tx++)
        {
            _next[tx] = None;
            if (_pending[tx] == 0 && _nodes[tx].First == None)
            {
                if (independent == None || _chains[independent].Count >= groupMax || !Fits(independent, costs[tx]))
                {
                    independent = _chainCount;
                    _ready[_readyCount++] = StartChain(tx, costs[tx], isIndependent: true);
                }
                else
                {
                    Append(independent, tx, costs[tx]);
                }
            }
            else if (TryFindChain(tx, out int chain) && Fits(chain, costs[tx]))
            {
                Append(chain, tx, costs[tx]);
            }
            else
            {
                int started = StartChain(tx, costs[tx], isIndependent: false);
                if (_pending[tx] == 0)
                {
                    _ready[_readyCount++] = started;
                }
            }
        }
    }

    // MakeChains where nobody waits for anybody: pieces of the batch, and each transaction's bottom level is its cost.
    private void CutChains(ReadOnlySpan<uint> costs)
    {
        int groupMax = Math.Clamp(_txCount / GroupsWanted, GroupMin, GroupMax);
        ulong work = 0;
        uint span = 0;
        _chainCount = 0;
        for (int tx = 0; tx < costs.Length; tx++)
        {
            uint cost = costs[tx];
            int chain = _chainCount - 1;
            if (chain < 0 || _chains[chain].Count >= groupMax || !Fits(chain, cost))
            {
                _ready[_chainCount] = chain = StartChain(tx, cost, isIndependent: true);
                _chains[chain].Start = tx;
            }
            else
            {
                _chains[chain].Tail = tx;
                _chains[chain].Count++;
                _chains[chain].Cost += cost;
                _chainOf[tx] = chain;
            }

            _chainTx[tx] = tx;
            work += cost;
            span = Math.Max(span, cost);
        }

        _readyCount = _chainCount;
        Work = work;
        Span = span;
        int shift = UrgencyShift;
        for (int chain = 0; chain < _chainCount; chain++)
        {
            _chains[chain].Urgency = (byte)((ulong)costs[_chains[chain].Head] >> shift);
        }
    }

    // A chain takes tx when its last transaction is the only one that tx waits for, and tx the only one that waits for it.
    private bool TryFindChain(int tx, out int chain)
    {
        int predecessor = _nodes[tx].Predecessor;
        if (_pending[tx] != 1 || predecessor >= _txCount || _nodes[predecessor].First != _nodes[predecessor].Last)
        {
            chain = None;
            return false;
        }

        for (int access = _offsets[predecessor]; access < _offsets[predecessor + 1]; access++)
        {
            if (IsAwaited(_memberOf[access]))
            {
                chain = None;
                return false;
            }
        }

        chain = _chainOf[predecessor];
        return true;
    }

    private bool Fits(int chain, uint cost) => _chains[chain].Cost + cost <= ChainCostMax;

    private int StartChain(int tx, uint cost, bool isIndependent)
    {
        int chain = _chainCount++;
        _chains[chain] = new Chain { Head = tx, Tail = tx, Count = 1, Cost = cost, IsIndependent = isIndependent };
        _chainOf[tx] = chain;
        return chain;
    }

    private void Append(int chain, int tx, uint cost)
    {
        ref Chain target = ref _chains[chain];
        _next[target.Tail] = tx;
        target.Tail = tx;
        target.Count++;
        target.Cost += cost;
        _chainOf[tx] = chain;
    }

    private void LayOutChains()
    {
        int position = 0;
        for (int chain = 0; chain < _chainCount; chain++)
        {
            _chains[chain].Start = position;
            for (int tx = _chains[chain].Head; tx != None; tx = _next[tx])
            {
                _chainTx[position++] = tx;
            }
        }
    }

    // From the back: everything after a transaction has a higher index (I1), and everything after a group comes after
    // all its members, so a group's level is known when its last member asks for it.
    private void MeasureLevels(ReadOnlySpan<uint> costs)
    {
        ulong work = 0;
        ulong span = 0;
        _level.AsSpan(_txCount, _nodeCount - _txCount).Fill(ulong.MaxValue);
        for (int tx = _txCount - 1; tx >= 0; tx--)
        {
            ulong after = LevelAfter(tx);
            if (_nodeCount > _txCount)
            {
                for (int access = _offsets[tx]; access < _offsets[tx + 1]; access++)
                {
                    int group = _memberOf[access];
                    if (IsAwaited(group))
                    {
                        ref ulong level = ref _level[group];
                        level = level == ulong.MaxValue ? LevelAfter(group) : level;
                        after = Math.Max(after, level);
                    }
                }
            }

            _level[tx] = after + costs[tx];
            work += costs[tx];
            span = Math.Max(span, _level[tx]);
        }

        Work = work;
        Span = span;
    }

    private ulong LevelAfter(int node)
    {
        ulong after = 0;
        for (int edge = _nodes[node].First; edge != None; edge = _edges[edge].Next)
        {
            after = Math.Max(after, _level[_edges[edge].Target]);
        }

        return after;
    }

    // Sixteen steps of bottom level, by a shift: a division for each chain would cost more than what it orders.
    private void MeasureUrgencies()
    {
        int shift = UrgencyShift;
        for (int chain = 0; chain < _chainCount; chain++)
        {
            _chains[chain].Urgency = (byte)(_level[_chains[chain].Head] >> shift);
        }
    }

    private int UrgencyShift => Math.Max(0, 64 - BitOperations.LeadingZeroCount(Span) - UrgencyBits);

    private struct Chain
    {
        public int Head;
        public int Tail;
        public int Count;
        public int Start;               // in _chainTx
        public ulong Cost;
        public bool IsIndependent;
        public byte Urgency;
    }
}
