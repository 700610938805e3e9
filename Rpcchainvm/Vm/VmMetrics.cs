// What the plugin counts, by family:
//
//   grpc_*       calls of vm.VM by method and code, and how long they took
//   vm_*         blocks, transactions, mempool, the stages of a block's life, the newest batch as the scheduler saw it, the store
//   process_*    this process
//
// Threading: any thread. Nothing here takes the node's lock; a few gauges ask the chain, which has its own.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Chain;
using ParallelVm.Rpcchainvm.Protos.Prometheus;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Vm;

/// <summary>The plugin's metrics.</summary>
internal sealed class VmMetrics
{
    private readonly MetricSet _set = new();
    private readonly ConcurrentDictionary<(string Path, RpcCode Code), CountMetric> _calls = [];
    private readonly ConcurrentDictionary<string, TimeMetric> _times = [];
    private StoreNumbers? _store;
    private Block? _last;

    /// <summary>Counters without a chain.</summary>
    public VmMetrics(TimeProvider time)
    {
        long begun = time.GetTimestamp();
        _set.Counters("grpc_server_handled_total", "Calls by method and gRPC code.", CallCounts);
        _set.Times("grpc_server_handling_seconds", "Duration of calls by method.", CallTimes);
        _set.Counter("process_cpu_seconds_total", "Processor time of this process.", () => Environment.CpuUsage.TotalTime.TotalSeconds);
        _set.Gauge("process_resident_memory_bytes", "Memory of this process.", () => Environment.WorkingSet);
        _set.Gauge("process_managed_heap_bytes", "Memory of managed objects.", () => GC.GetTotalMemory(forceFullCollection: false));
        _set.Counter("process_gc_pause_seconds_total", "Time during which collections stopped this process.", () => GC.GetTotalPauseDuration().TotalSeconds);
        _set.Gauge("process_uptime_seconds", "Time since the start.", () => time.GetElapsedTime(begun).TotalSeconds);
        _set.Counter("vm_blocks_built_total", "Blocks built here.", () => Built.Value);
        _set.Counter("vm_blocks_verified_total", "Successful verifications, repeated ones included.", () => Verified.Value);
        _set.Counter("vm_blocks_refused_total", "Blocks that did not verify.", () => Refused.Value);
        _set.Counter("vm_blocks_rejected_total", "Blocks that consensus rejected.", () => Rejected.Value);
        _set.Counter("vm_blocks_accepted_total", "Blocks accepted since the start.", () => _accepted.Value);
        _set.Counter("vm_transactions_accepted_total", "Transactions in blocks accepted since the start.", () => _transactions.Value);
        _set.Counter("vm_gas_used_total", "Gas of blocks accepted since the start.", () => _gas.Value);
        _set.Counter("vm_peer_faults_total", "Messages of peers that were dropped because they failed.", () => PeerFaults.Value);
    }

    private readonly CountMetric _accepted = new();
    private readonly CountMetric _transactions = new();
    private readonly CountMetric _gas = new();

    /// <summary>Blocks built.</summary>
    public CountMetric Built { get; } = new();

    /// <summary>Blocks that verified.</summary>
    public CountMetric Verified { get; } = new();

    /// <summary>Blocks that did not verify.</summary>
    public CountMetric Refused { get; } = new();

    /// <summary>Blocks that consensus rejected.</summary>
    public CountMetric Rejected { get; } = new();

    /// <summary>Messages of peers that were dropped.</summary>
    public CountMetric PeerFaults { get; } = new();

    /// <summary>Families of others, for example the gossip's: added once.</summary>
    public MetricSet Set => _set;

    /// <summary>For <see cref="RpcServer"/>: counts a call.</summary>
    public void Observe(string path, RpcCode code, TimeSpan took)
    {
        _calls.GetOrAdd((path, code), _ => new CountMetric()).Add();
        _times.GetOrAdd(path, _ => new TimeMetric()).Add(took);
    }

    /// <summary>Adds what only a chain has.</summary>
    public void Watch(OpenChain open)
    {
        ChainService chain = open.Chain;
        Note(open, chain.LastAccepted);
        open.Accepted += block =>
        {
            _accepted.Add();
            _transactions.Add(block.Transactions.Length);
            _gas.Add((long)block.Header.GasUsed);
            Note(open, block);
        };
        _set.Gauge("vm_last_accepted_height", "Height of the newest accepted block.", () => Volatile.Read(ref _last)!.Header.Height.Value);
        _set.Gauge("vm_last_accepted_timestamp_seconds", "Time of the newest accepted block.", () => Volatile.Read(ref _last)!.Header.TimestampMs / 1000.0);
        _set.Gauge("vm_blocks_processing", "Blocks that are verified and undecided.", () => chain.ProcessingCount);
        _set.Gauge("vm_blocks_ahead", "Blocks that were parsed and are looked at before they are verified.", () => chain.BlocksAheadCount);
        _set.Gauge("vm_blocks_ahead_vain", "Signatures and records that were looked at for blocks which have not verified.", () => chain.WorkInVain);
        _set.Gauge("vm_mempool_transactions", "Transactions that wait.", () => chain.MempoolCount);
        _set.Counters("vm_transactions_admitted_total", "Transactions that were taken into the mempool, by door.", () => Admitted(open));
        _set.Counters("vm_transactions_refused_total", "Transactions that were not, by door and cause.", () => RefusedTransactions(open));
        _set.Counter("vm_signatures_checked_total", "Signatures that were checked.", () => chain.SignaturesChecked);
        _set.Counters("vm_stage_seconds_total", "Where the chain's time went.", () => StageTimes(chain.Clock));
        _set.Gauge("vm_batch_workers", "Workers of the newest batch.", () => chain.LastTrace.Workers);
        _set.Gauge("vm_batch_chains", "Chains of the newest batch's conflict graph.", () => chain.LastTrace.Chains);
        _set.Gauge("vm_batch_keys", "Distinct keys of the newest batch.", () => chain.LastTrace.KeyCount);
        _set.Gauge("vm_batch_run_seconds", "Time in which the newest batch's transactions ran.", () => Seconds(chain.LastTrace.Stages.RunNs));
        _set.Gauge("vm_batch_plan_seconds", "Time in which the newest batch was planned.", () => Seconds(chain.LastTrace.Stages.PlanNs));
        _set.Gauge("vm_state_records", "Records of the state.", () => Volatile.Read(ref _store)!.Records);
        _set.Gauge("vm_state_tree_bytes", "Memory of the state's tree.", () => Volatile.Read(ref _store)!.TreeBytes);
        _set.Gauge("vm_state_waiting_blocks", "Accepted blocks that are not in the table yet.", () => Volatile.Read(ref _store)!.Waiting);
        _set.Gauge("vm_state_checkpoint_height", "Height of the newest checkpoint.", () => Volatile.Read(ref _store)!.Checkpoint);
    }

    /// <summary>All families, sorted.</summary>
    public List<MetricFamily> Gather() => _set.Gather();

    private static double Seconds(long nanoseconds) => nanoseconds / 1e9;

    private static LabelPair Label(string name, string value) => new() { Name = name, Value = value };

    private static IEnumerable<(LabelPair[] Labels, double Value)> StageTimes(StageClock clock)
    {
        foreach (Stage stage in Enum.GetValues<Stage>())
        {
            yield return ([Label("stage", stage.ToString())], Seconds(clock[stage]));
        }
    }

    private static (string Name, Admission Door)[] Doors(OpenChain open) => [("peers", open.FromPeers), ("clients", open.FromClients)];

    private static IEnumerable<(LabelPair[] Labels, double Value)> Admitted(OpenChain open)
    {
        foreach ((string name, Admission door) in Doors(open))
        {
            yield return ([Label("door", name)], door.Admitted);
        }
    }

    private static IEnumerable<(LabelPair[] Labels, double Value)> RefusedTransactions(OpenChain open)
    {
        foreach ((string name, Admission door) in Doors(open))
        {
            foreach ((Primitives.RefusalCode code, long count) in door.Refused)
            {
                yield return ([Label("door", name), Label("cause", code.ToString())], count);
            }
        }
    }

    // The store's numbers are read where the store stands still, under the node's lock.
    private void Note(OpenChain open, Block last)
    {
        Volatile.Write(ref _store, new StoreNumbers(open.Store.Records, open.Store.TreeMemoryBytes, open.Store.Waiting, open.Store.CheckpointHeight?.Value ?? 0));
        Volatile.Write(ref _last, last);
    }

    private IEnumerable<(LabelPair[] Labels, double Value)> CallCounts()
    {
        foreach (((string path, RpcCode code), CountMetric count) in _calls)
        {
            yield return ([Label("method", path), Label("code", code.ToString())], count.Value);
        }
    }

    private IEnumerable<(LabelPair Label, TimeMetric Times)> CallTimes()
    {
        foreach ((string path, TimeMetric times) in _times)
        {
            yield return (Label("method", path), times);
        }
    }

    private sealed record StoreNumbers(long Records, long TreeBytes, int Waiting, ulong Checkpoint);
}
