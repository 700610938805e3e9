// Compiled programs: what is wanted, what is there, what had to go. It speeds runs up and decides nothing: a program that is not
// here, not yet here or no longer here is run by the interpreter, with the same result and the same gas.
//
//   idle -> queued -> compiled -> idle (evicted, least recently used first)
//                  \> refused  -> idle (evicted too: a refusal is forgotten like code)
//
// A program's first use queues it. After an eviction it has to be used ReentryUses times before it is queued again, so programs that
// do not fit together cannot keep the compiler busy by taking turns.
//
// Keyed by code hash, fork and compiler version: an upgrade, a fork or a rollback names other code, never other meaning.
//
// Invariants
//   K1  a program runs only code that was compiled from its own code hash under the fork of the block
//   K2  the bytes held are at most the capacity, in the compiler's own estimate
//   K3  nobody waits: Find never blocks on a compile
//
// Threading: Find and Request from any thread; without a lock once a program knows its link. The rest under one lock.
// Cost: Find is four loads. A link is written once per epoch (a compile ended), not once per use.

using System;
using System.Collections.Generic;
using System.Threading;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Jit;

/// <summary>Settings of a code cache.</summary>
public sealed record CodeCacheOptions
{
    /// <summary>Most bytes of compiled code, estimated. 0 compiles nothing.</summary>
    public long MaxBytes { get; init; } = 64L << 20;

    /// <summary>Uses after an eviction before a program is compiled again; a compile costs as much as a few thousand runs.</summary>
    public int ReentryUses { get; init; } = 4096;

    /// <summary>A failed compile ends the process, or the test: for tests. Else it is counted and the interpreter goes on.</summary>
    public bool FailsOnFault { get; init; }
}

/// <summary>What a cache has done since it was made.</summary>
/// <param name="Compiled">Programs compiled.</param>
/// <param name="Functions">Functions compiled.</param>
/// <param name="Evicted">Programs evicted.</param>
/// <param name="Dropped">Requests that found the queue full.</param>
/// <param name="Microseconds">Time spent compiling.</param>
/// <param name="Bytes">Bytes held now, estimated.</param>
/// <param name="Refused">Programs refused, by <see cref="JitRefusal"/>.</param>
/// <param name="LastFault">What the last failed compile said; empty when none failed.</param>
public sealed record CodeCacheMetrics(
    long Compiled, long Functions, long Evicted, long Dropped, long Microseconds, long Bytes, IReadOnlyList<long> Refused, string LastFault);

/// <summary>Holds compiled code for any number of interpreters.</summary>
public sealed class CodeCache
{
    private const int RefusalBytes = 256;               // what remembering a refusal counts

    private readonly CodeCacheOptions _options;
    private readonly IJitScheduler _scheduler;
    private readonly TimeProvider _time;
    private readonly Func<LoadedCode, CompiledProgram> _compile;
    private readonly Lock _lock = new();
    private readonly Dictionary<CodeKey, CodeLink> _links = [];
    private readonly long[] _refused = new long[Enum.GetValues<JitRefusal>().Length];
    private long _bytes;
    private long _compiled;
    private long _functions;
    private long _evicted;
    private long _dropped;
    private long _ticks;
    private string _lastFault = "";
    private int _epoch;

    /// <summary>An empty cache.</summary>
    /// <param name="scheduler">Runs compiles; a <see cref="JitThreads"/> in a node.</param>
    /// <param name="time">Measures compiles.</param>
    public CodeCache(CodeCacheOptions options, IJitScheduler scheduler, TimeProvider time)
        : this(options, scheduler, time, static code => CompiledProgram.Compile(code, JitCaps.Default))
    {
    }

    internal CodeCache(
        CodeCacheOptions options, IJitScheduler scheduler, TimeProvider time, Func<LoadedCode, CompiledProgram> compile)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(scheduler);
        ArgumentNullException.ThrowIfNull(time);
        _options = options;
        _scheduler = scheduler;
        _time = time;
        _compile = compile;
    }

    /// <summary>What it has done so far.</summary>
    public CodeCacheMetrics Metrics
    {
        get
        {
            lock (_lock)
            {
                long microseconds = (long)((UInt128)(ulong)_ticks * 1_000_000 / (ulong)_time.TimestampFrequency);
                return new CodeCacheMetrics(_compiled, _functions, _evicted, _dropped, microseconds, _bytes, [.. _refused], _lastFault);
            }
        }
    }

    /// <summary>Asks for a program to be compiled: after a deploy, before its first use.</summary>
    public void Request(VerifiedProgram program, ForkRules rules)
    {
        ArgumentNullException.ThrowIfNull(program);
        ArgumentNullException.ThrowIfNull(rules);
        LoadedCode code = program.CodeFor(rules);
        CodeLink link = LinkOf(code);
        if (link.State == CodeState.Idle)
        {
            Enqueue(link, code);
        }
    }

    /// <summary>The machine code of a program under a fork, or null: then the interpreter runs it, and the use counts as a wish.</summary>
    internal CompiledProgram? Find(LoadedCode code)
    {
        CodeLink link = LinkOf(code);
        if (link.Epoch != _epoch)
        {
            link.Epoch = _epoch;
        }

        if (link.State == CodeState.Idle && ++link.Uses >= link.UsesNeeded)         // uses of two workers may count as one
        {
            Enqueue(link, code);
        }

        return link.Code;
    }

    /// <summary>Lets the least recently used program go, as a full cache does.</summary>
    /// <returns>False when there is nothing to evict.</returns>
    internal bool EvictOldest()
    {
        lock (_lock)
        {
            CodeLink? oldest = null;
            foreach (CodeLink link in _links.Values)
            {
                if (link.State != CodeState.Queued && (oldest is null || link.IsOlderThan(oldest)))
                {
                    oldest = link;
                }
            }

            if (oldest is null)
            {
                return false;
            }

            _links.Remove(oldest.Key);
            _bytes -= oldest.Bytes;
            _evicted += oldest.State == CodeState.Compiled ? 1 : 0;
            oldest.Evict(_options.ReentryUses);
            return true;
        }
    }

    private CodeLink LinkOf(LoadedCode code) => code.Link is CodeLink link && link.Owner == this ? link : Join(code);

    private CodeLink Join(LoadedCode code)
    {
        CodeKey key = new(code.Program.CodeHash, code.Rules, CompiledProgram.CompilerVersion);
        lock (_lock)
        {
            CodeLink link = _links.TryGetValue(key, out CodeLink? known) ? known : new CodeLink(this, key);
            code.Link = link;
            return link;
        }
    }

    private void Enqueue(CodeLink link, LoadedCode code)
    {
        lock (_lock)
        {
            if (link.State != CodeState.Idle || _options.MaxBytes == 0)
            {
                return;
            }

            if (!_links.TryAdd(link.Key, link))
            {
                code.Link = _links[link.Key];               // another copy of the program came first
                return;
            }

            link.State = CodeState.Queued;
        }

        if (!_scheduler.TrySchedule(() => Compile(link, code)))
        {
            lock (_lock)
            {
                _dropped++;
                _links.Remove(link.Key);
                link.Evict(_options.ReentryUses);
            }
        }
    }

    private void Compile(CodeLink link, LoadedCode code)
    {
        long start = _time.GetTimestamp();
        CompiledProgram? compiled = null;
        string fault = "";
        try
        {
            compiled = _compile(code);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            // a compiler that fails is a defect, but no result depends on it
            fault = $"Compiling {link.Key.CodeHash} failed: {exception.GetType().Name}: {exception.Message}";
            if (_options.FailsOnFault)
            {
                throw new InvariantException(fault);
            }
        }

        Publish(link, compiled, fault, Math.Max(0, _time.GetTimestamp() - start));
    }

    private void Publish(CodeLink link, CompiledProgram? compiled, string fault, long ticks)
    {
        JitRefusal refusal = compiled is null ? JitRefusal.CompilerFault
            : compiled.Bytes > _options.MaxBytes ? JitRefusal.LargerThanCache
            : compiled.Count == 0 ? compiled.FirstRefusal
            : JitRefusal.None;
        lock (_lock)
        {
            _ticks += ticks;
            _lastFault = fault.Length > 0 ? fault : _lastFault;
            _epoch++;
            link.Epoch = _epoch;
            link.Order = _epoch;
            link.Bytes = refusal == JitRefusal.None ? compiled!.Bytes : Math.Min(RefusalBytes, _options.MaxBytes);
            _bytes += link.Bytes;
            while (_bytes > _options.MaxBytes && EvictOldest())
            {
                // K2: this one is still queued, so others go first; it fits alone
            }

            if (refusal == JitRefusal.None)
            {
                _compiled++;
                _functions += compiled!.Count;
                link.Code = compiled;
                link.State = CodeState.Compiled;
            }
            else
            {
                _refused[(int)refusal]++;
                link.State = CodeState.Refused;
            }

            Invariant.Require(_bytes <= _options.MaxBytes);                 // K2
        }
    }
}
