// What the scheduler suite runs: transactions that take a chosen time and touch nothing, under access lists of a chosen shape.
// Time is spent in a chain of multiplications, calibrated once, so a probe of 1 us is 1 us of a busy core and not a wait.
//
// Shapes of keys (each transaction is a list of (key, mode)):
//   independent   a key of its own              chain       one key, all write
//   five          five keys, apart or shared    readers     n - 1 read one key, the last writes it
//   comb          odd ones write the hub, even ones a key of their own and read the hub
//   wide          64 keys each, of 512 different lists
//   crafted       keys that every table over the plain words of a key puts into one bucket
//
// Threading: immutable once made; Run is called by workers.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Benches;

/// <summary>A transaction of a chosen duration.</summary>
internal sealed class SchedulerProbe : INativeProgram
{
    /// <summary>What the engine's chain cut takes a microsecond for.</summary>
    private const ulong GasPerMicrosecond = 400;

    private const int CalibrationSteps = 2_000_000;
    private const ulong Factor = 0x9E3779B97F4A7C15;

    private static readonly ProgramId Owner = new(new Bytes32(0, 0, 0, 0x5C));
    private static readonly VerifiedProgram Program = Verify();
    private static readonly long PicosecondsPerStep = Calibrate();

    private readonly int _steps;
    private readonly ulong _gas;
    private readonly int _entry;
    private ulong _sum;

    /// <summary>A probe that takes <paramref name="nanoseconds"/>.</summary>
    public SchedulerProbe(int nanoseconds)
    {
        _steps = StepsOf(nanoseconds);
        _gas = Math.Max(1, (ulong)nanoseconds * GasPerMicrosecond / 1_000);
        _entry = nanoseconds;                                           // so that each duration has an estimate of its own
    }

    /// <summary>How many steps take <paramref name="nanoseconds"/>.</summary>
    public static int StepsOf(int nanoseconds) => (int)(nanoseconds * 1_000L / PicosecondsPerStep);

    /// <inheritdoc/>
    public Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext context)
    {
        ulong sum = Spend(_steps);
        if (sum == 0)
        {
            _sum = sum;                                                 // never in practice; it keeps the loop from being removed
        }

        return new Outcome(Halt.Success, 0, 0, 0, _gas, -1, AccessMode.Read);
    }

    /// <summary>One key each, or one key for all.</summary>
    public Message[] Independent(int count, int payers = 0) => Make(count, i => [(i, AccessMode.Write)], payers);

    /// <summary>All write the same key.</summary>
    public Message[] Chain(int count) => Make(count, _ => [(0, AccessMode.Write)]);

    /// <summary>Five keys each, two written, two read, one added to: of which nobody else has one, or of a few that all share.</summary>
    /// <param name="hotKeys">How many those are; 0 for keys of its own.</param>
    public Message[] Five(int count, int hotKeys = 0)
    {
        SeededRandom random = new(5);
        return Make(count, i =>
        {
            int first = hotKeys == 0 ? 5 * i : random.Next(hotKeys);
            (int, AccessMode)[] keys = new (int, AccessMode)[5];
            for (int k = 0; k < keys.Length; k++)
            {
                keys[k] = (hotKeys == 0 ? first + k : (first + k) % hotKeys, k < 2 ? AccessMode.Write : k < 4 ? AccessMode.Read : AccessMode.Add);
            }

            return keys;
        });
    }

    /// <summary>The adversarial shape of a name.</summary>
    public Message[] Adversarial(string shape, int count) => shape switch
    {
        "readersThenWriter" => Make(count, i => [(0, i == count - 1 ? AccessMode.Write : AccessMode.Read)]),
        "comb" => Make(count, i => i % 2 == 1 ? [(0, AccessMode.Write)] : [(0, AccessMode.Read), (i + 1, AccessMode.Write)]),
        "hotWriters" => Chain(count),
        "wide64" => Repeat(Make(Math.Min(count, 512), Wide), count),
        "crafted" => Make(count, i => [(i, AccessMode.Write)], isCrafted: true),
        _ => throw new ArgumentOutOfRangeException(nameof(shape), shape, "No such shape."),
    };

    private static (int, AccessMode)[] Wide(int index)
    {
        (int, AccessMode)[] keys = new (int, AccessMode)[AccessList.MaxAccesses];
        for (int k = 0; k < keys.Length; k++)
        {
            // a stride that is prime to the number of keys: lists overlap in a few places each
            keys[k] = (((index * 61) + (k * 127)) % 8_191, k % 4 == 0 ? AccessMode.Write : AccessMode.Read);
        }

        return keys;
    }

    private static Message[] Repeat(Message[] different, int count)
    {
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            batch[i] = different[i % different.Length];
        }

        return batch;
    }

    private Message[] Make(int count, Func<int, (int Key, AccessMode Mode)[]> keysOf, int payers = 0, bool isCrafted = false)
    {
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            (int Key, AccessMode Mode)[] wanted = keysOf(i);
            Access[] accesses = new Access[wanted.Length];
            for (int k = 0; k < wanted.Length; k++)
            {
                accesses[k] = new Access(0, new LocalKey(new Bytes32(0, 0, 0, (ulong)wanted[k].Key)), wanted[k].Mode);
            }

            Array.Sort(accesses);
            bool isLegal = AccessList.TryCreate(accesses, 1, out AccessList list, out _);
            Invariant.Require(isLegal);
            PublicKey payer = new(new Bytes32(1, 0, 0, payers == 0 ? 0 : (ulong)(i % payers)));
            batch[i] = new Message
            {
                Id = new TxId(new Bytes32(0, 0, 0, (ulong)i)),
                Programs = [Owner],
                Program = Program,
                Native = this,
                EntryIndex = _entry,
                Arguments = default,
                Accesses = list,
                Keys = Array.ConvertAll(accesses, access => KeyOf(access.Key.Value.W3, isCrafted)),
                SlotTable = [],
                Payer = payer,
                PayerKey = KeyOf(payer.Value.W3 + ulong.MaxValue / 2, isCrafted: false),
                Signers = [payer],
                GasLimit = _gas * 2,
                IntrinsicGas = 1,
                MaxPrice = payers == 0 ? 0UL : 1UL,
                Tip = payers == 0 ? 0UL : 1UL,
            };
        }

        return batch;
    }

    // A crafted key has equal low words, equal sums and equal exclusive ors with all others; only a salt tells where it falls.
    private static StateKey KeyOf(ulong number, bool isCrafted) => isCrafted
        ? new StateKey(new Bytes32(0, number, number, 0))
        : new StateKey(new Bytes32(number * Factor, (number + 1) * Factor, number ^ Factor, number));

    /// <summary>Spends the time of so many steps.</summary>
    public static ulong Spend(int steps)
    {
        ulong value = 1;
        for (int i = 0; i < steps; i++)
        {
            value = (value * Factor) + (ulong)i;
        }

        return value | 1;
    }

    private static long Calibrate()
    {
        TimeProvider time = TimeProvider.System;
        long least = long.MaxValue;
        for (int round = 0; round < 5; round++)
        {
            long start = time.GetTimestamp();
            _ = Spend(CalibrationSteps);
            least = Math.Min(least, (long)(time.GetElapsedTime(start).TotalNanoseconds * 1_000 / CalibrationSteps));
        }

        return Math.Max(1, least);
    }

    private static VerifiedProgram Verify() =>
        Verifier.TryVerify(ReferencePrograms.Token, VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal)
            ? program
            : throw new InvariantException($"A reference program is refused: {refusal}");
}

/// <summary>A state without records but the payers' balances: reading it costs next to nothing.</summary>
internal sealed class ProbeState(IReadOnlySet<StateKey> rich) : IStateView
{
    private static readonly byte[] Plenty = BalanceRecord.Encode(1_000_000_000_000_000);

    public StateRoot Root => default;

    public int Readers => int.MaxValue;

    public int Read(in StateKey key, Span<byte> target)
    {
        if (!rich.Contains(key))
        {
            return -1;
        }

        Plenty.CopyTo(target);
        return Plenty.Length;
    }

    public IStateView Apply(StateDiff diff) => this;
}
