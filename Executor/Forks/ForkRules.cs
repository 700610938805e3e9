// What one fork says about opcodes: which bytes new code may hold, which bytes run, and what each costs.
//
// The meaning of a byte is not in here: it is its row of OpcodeTable, the same in every fork that knows the byte.
//
// Invariants
//   K1  a byte that a fork knows is known to every later fork (old code keeps running); it may be retired, so that new code cannot hold it
//   K2  a price holds for all code that runs in a block of the fork, whenever it was deployed; code cannot observe gas, so this is safe
//   K3  what control can run past has a price
//
// Threading: immutable.   Cost: two array reads per question.

using System;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor;

/// <summary>Opcodes and prices of one fork.</summary>
public sealed class ForkRules
{
    private readonly bool[] _known = new bool[256];
    private readonly bool[] _retired = new bool[256];
    private readonly uint[] _gas = new uint[256];

    private ForkRules(uint number, GasPrices prices)
    {
        Number = number;
        Prices = prices;
    }

    /// <summary>The rules of fork 0: every row of the table at its own price.</summary>
    public static ForkRules Launch { get; } = First(OpcodeTable.All, GasPrices.Launch);

    /// <summary>Fork 0 without charges at blocks: for measuring what charges cost, reachable by benchmarks only.</summary>
    internal static ForkRules Unmetered { get; } = MakeUnmetered();

    /// <summary>Are blocks charged? Always, but for <see cref="Unmetered"/>.</summary>
    internal bool IsMetered { get; private init; } = true;

    /// <summary>The fork's number, from 0.</summary>
    public uint Number { get; }

    /// <summary>Prices beside those of opcodes.</summary>
    public GasPrices Prices { get; }

    /// <summary>A fork 0 that knows these rows, at their own prices.</summary>
    public static ForkRules First(ReadOnlySpan<OpcodeInfo> known, GasPrices prices)
    {
        ForkRules rules = new(0, prices);
        foreach (OpcodeInfo info in known)
        {
            rules._known[(byte)info.Opcode] = true;
            rules._gas[(byte)info.Opcode] = info.Gas;
        }

        return rules;
    }

    private static ForkRules MakeUnmetered()
    {
        ForkRules rules = new(0, GasPrices.Launch) { IsMetered = false };
        Launch._known.CopyTo(rules._known, 0);
        Launch._gas.CopyTo(rules._gas, 0);
        return rules;
    }

    /// <summary>The fork after this one.</summary>
    /// <param name="added">Bytes that this fork does not know, at their rows' prices.</param>
    /// <param name="retired">Bytes that new code may no longer hold; they keep running.</param>
    /// <param name="repriced">Bytes with a new price.</param>
    /// <param name="prices">Other prices; the same as here when null.</param>
    /// <exception cref="ArgumentException">A change that breaks K1 or K3: it is our own table that is wrong.</exception>
    public ForkRules Next(
        ReadOnlySpan<Opcode> added = default, ReadOnlySpan<Opcode> retired = default, ReadOnlySpan<(Opcode Opcode, uint Gas)> repriced = default, GasPrices? prices = null)
    {
        ForkRules next = new(Number + 1, prices ?? Prices);
        _known.CopyTo(next._known, 0);
        _retired.CopyTo(next._retired, 0);
        _gas.CopyTo(next._gas, 0);
        foreach (Opcode opcode in added)
        {
            if (_known[(byte)opcode] || OpcodeTable.Find((byte)opcode) is not OpcodeInfo info)
            {
                throw new ArgumentException($"Fork {Number} knows {opcode} already, or no row says what it means.", nameof(added));
            }

            next._known[(byte)opcode] = true;
            next._gas[(byte)opcode] = info.Gas;
        }

        foreach (Opcode opcode in retired)
        {
            if (!Allows((byte)opcode))
            {
                throw new ArgumentException($"New code cannot hold {opcode} in fork {Number} either.", nameof(retired));
            }

            next._retired[(byte)opcode] = true;
        }

        foreach ((Opcode opcode, uint gas) in repriced)
        {
            if (!next._known[(byte)opcode] || (gas == 0 && OpcodeTable.Get(opcode).Flow != Flow.End))
            {
                throw new ArgumentException($"{opcode} at {gas} gas is unknown or would be free.", nameof(repriced));
            }

            next._gas[(byte)opcode] = gas;
        }

        return next;
    }

    /// <summary>May code that is deployed in this fork hold the byte?</summary>
    public bool Allows(byte opcode) => _known[opcode] && !_retired[opcode];

    /// <summary>Does code that holds the byte run in this fork?</summary>
    public bool Knows(byte opcode) => _known[opcode];

    /// <summary>The opcode's price in this fork, charged with its basic block.</summary>
    public uint GasOf(Opcode opcode) => _gas[(byte)opcode];
}

/// <summary>The forks that a node knows; fork number i is row i. Which one a block belongs to is the chain's to say.</summary>
public sealed class ForkSchedule
{
    private readonly ForkRules[] _forks;

    /// <param name="forks">Ascending by number from 0.</param>
    /// <exception cref="ArgumentException">Numbers are not 0, 1, 2, ...</exception>
    public ForkSchedule(params ReadOnlySpan<ForkRules> forks)
    {
        _forks = forks.ToArray();
        for (int i = 0; i < _forks.Length; i++)
        {
            if (_forks[i].Number != (uint)i)
            {
                throw new ArgumentException($"Row {i} is fork {_forks[i].Number}.", nameof(forks));
            }
        }
    }

    /// <summary>What this build knows: fork 0.</summary>
    public static ForkSchedule Launched { get; } = new(ForkRules.Launch);

    /// <summary>How many forks are known.</summary>
    public int Count => _forks.Length;

    /// <summary>The rules of a fork.</summary>
    /// <exception cref="Primitives.InvariantException">An unknown fork: this node must not run its blocks.</exception>
    public ForkRules this[uint fork]
    {
        get
        {
            Primitives.Invariant.Require(fork < (uint)_forks.Length);
            return _forks[fork];
        }
    }
}
