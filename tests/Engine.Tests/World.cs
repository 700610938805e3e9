// A small world for engine tests: a state with three owners (two programs and the native one) that run the same code, four
// payers, a treasury, and batches drawn from a seed. Keys are few, so everything meets everything.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests;

internal sealed class World
{
    public const ulong BaseFee = 3;

    private static readonly ProgramId First = new(new Bytes32(11, 0, 0, 1));
    private static readonly ProgramId Second = new(new Bytes32(12, 0, 0, 2));

    private readonly SeededRandom _random;
    private readonly LocalKey[] _keys = new LocalKey[10];
    private readonly PublicKey[] _payers = new PublicKey[4];
    private ulong _nextId;

    public World(ulong seed)
    {
        _random = new SeededRandom(seed);
        Hashing = new StateHashing(new ChainId(new Bytes32(1, 2, 3, 4)));
        for (int i = 0; i < _keys.Length; i++)
        {
            _keys[i] = new LocalKey(new Bytes32(21, 0, 0, (ulong)i));
        }

        for (int i = 0; i < _payers.Length; i++)
        {
            _payers[i] = new PublicKey(new Bytes32(31, 0, 0, (ulong)i));
        }

        Treasury = new PublicKey(new Bytes32(41, 0, 0, 9));
        Rules = new ExecutionRules { Hashing = Hashing, Treasury = Treasury };
        State = Genesis();
    }

    public StateHashing Hashing { get; }

    public PublicKey Treasury { get; }

    public ExecutionRules Rules { get; }

    public MemoryState State { get; set; }

    /// <summary>Only entries that neither make nor lose native balance are drawn for the native program.</summary>
    public bool ConservesSupply { get; init; }

    public static BlockContext Context(ulong height) => new(new Height(height), 1_000 * height, new ChainId(new Bytes32(1, 2, 3, 4)), BaseFee, 0);

    public Message[] Draw(int count)
    {
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            batch[i] = DrawMessage();
        }

        return batch;
    }

    public Message Make(ProgramId program, uint selector, byte[] arguments, (ProgramId Owner, LocalKey Key, AccessMode Mode)[] slots, PublicKey payer, ulong executionGas, ulong maxPrice, ulong tip, VerifiedProgram? verified = null)
    {
        List<ProgramId> programs = [program];
        Access[] uses = new Access[slots.Length];
        for (int slot = 0; slot < slots.Length; slot++)
        {
            int owner = programs.IndexOf(slots[slot].Owner);
            if (owner < 0)
            {
                owner = programs.Count;
                programs.Add(slots[slot].Owner);
            }

            uses[slot] = new Access((byte)owner, slots[slot].Key, slots[slot].Mode);
        }

        Assert.True(AccessList.TryCreate(AccessList.Normalise(uses), programs.Count, out AccessList list, out Refusal refusal), refusal.ToString());
        ushort[] table = Array.ConvertAll(uses, use => (ushort)list.IndexOf(use.ProgramIndex, use.Key));
        StateKey[] keys = new StateKey[list.Count];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i] = Hashing.KeyOf(programs[list[i].ProgramIndex], list[i].Key);
        }

        ulong intrinsic = 1_000 + (100 * (ulong)list.Count);
        return new Message
        {
            Id = new TxId(new Bytes32(0, 0, 0, _nextId++)),
            Programs = [.. programs],
            Program = verified ?? TestProgram.Verified,
            EntryIndex = (verified ?? TestProgram.Verified).FindEntry(selector),
            Arguments = arguments,
            Accesses = list,
            Keys = keys,
            SlotTable = table,
            Payer = payer,
            PayerKey = Hashing.KeyOf(ProgramId.Native, new LocalKey(payer.Value)),
            Signers = [payer],
            GasLimit = intrinsic + executionGas,
            IntrinsicGas = intrinsic,
            MaxPrice = maxPrice,
            Tip = tip,
        };
    }

    public static byte[] Arguments(params ulong[] words)
    {
        CanonicalWriter writer = new();
        foreach (ulong word in words)
        {
            writer.WriteU64(word);
        }

        return writer.ToArray();
    }

    /// <summary>Sum of all native balances.</summary>
    public static UInt128 Supply(MemoryState state)
    {
        UInt128 sum = 0;
        foreach (ref readonly MemoryRecord record in state.Records)
        {
            if (record.Program == ProgramId.Native)
            {
                Executor.Record balance = new();
                balance.Set(record.Value.Span);
                sum += balance.Accumulator;
            }
        }

        return sum;
    }

    private Message DrawMessage()
    {
        ProgramId program = _random.Next(5) switch { 0 or 1 => First, 2 or 3 => Second, _ => ProgramId.Native };
        uint selector = 1 + (uint)_random.Next((int)TestProgram.Last);
        if (ConservesSupply && program == ProgramId.Native)
        {
            selector = _random.Chance(1, 2) ? TestProgram.Pay : TestProgram.Move;
        }

        AccessMode[] modes = TestProgram.SlotModes(selector);
        (ProgramId, LocalKey, AccessMode)[] slots = new (ProgramId, LocalKey, AccessMode)[modes.Length];
        for (int slot = 0; slot < slots.Length; slot++)
        {
            ProgramId owner = modes[slot] == AccessMode.Read && _random.Chance(1, 3) ? DrawOwner() : program;
            AccessMode mode = modes[slot];
            if (_random.Chance(1, 40))
            {
                owner = DrawOwner();                            // a foreign owner: writing there is undeclared
            }

            if (_random.Chance(1, 25))
            {
                mode = (AccessMode)_random.Next(3);             // beyond or beside what the entry needs
            }

            slots[slot] = (owner, slot > 0 && _random.Chance(1, 8) ? slots[slot - 1].Item2 : DrawKey(owner), mode);
        }

        byte[] arguments = DrawArguments(selector);
        ulong gas = _random.Chance(1, 4) ? (ulong)_random.Next(200) : 6_000;
        ulong maxPrice = BaseFee + (ulong)_random.Next(4);
        PublicKey payer = _payers[_random.Chance(1, 2) ? 0 : _random.Next(_payers.Length)];
        return Make(program, selector, arguments, slots, payer, gas, maxPrice, (ulong)_random.Next(4));
    }

    private byte[] DrawArguments(uint selector)
    {
        if (_random.Chance(1, 30))
        {
            return new byte[_random.Next(8)];                   // too short: BadArgument
        }

        return selector switch
        {
            TestProgram.Mix => Arguments((ulong)_random.Next(30), _random.Chance(1, 2) ? 0UL : (ulong)_random.Next(4)),
            TestProgram.Pay or TestProgram.Move => Arguments(_random.Chance(1, 3) ? _random.NextU64() : (ulong)_random.Next(2_000), _random.Chance(1, 8) ? 1UL : 0UL),
            TestProgram.Tell => Arguments(_random.Chance(1, 6) ? 2_000UL : (ulong)_random.Next(24)),
            _ => Arguments(_random.Chance(1, 4) ? 0UL : (ulong)_random.Next(100_000)),
        };
    }

    private ProgramId DrawOwner() => _random.Next(3) switch { 0 => First, 1 => Second, _ => ProgramId.Native };

    private LocalKey DrawKey(ProgramId owner)
    {
        if (owner == ProgramId.Native)
        {
            int account = _random.Next(_payers.Length + 1);
            return new LocalKey(account == _payers.Length ? Treasury.Value : _payers[account].Value);
        }

        return _keys[_random.Chance(1, 2) ? _random.Next(2) : _random.Next(_keys.Length)];
    }

    private MemoryState Genesis()
    {
        List<(StateKey Key, ProgramId Program, LocalKey Local, UInt128 Value)> records = [];
        foreach (PublicKey payer in _payers)
        {
            LocalKey local = new(payer.Value);
            records.Add((Hashing.KeyOf(ProgramId.Native, local), ProgramId.Native, local, 1_000_000_000_000));
        }

        foreach (ProgramId program in new[] { First, Second })
        {
            for (int i = 0; i < 5; i++)
            {
                records.Add((Hashing.KeyOf(program, _keys[i]), program, _keys[i], (UInt128)(ulong)(1_000 * i)));
            }
        }

        records.Sort((left, right) => left.Key.CompareTo(right.Key));
        DiffEntry[] entries = new DiffEntry[records.Count];
        byte[] values = new byte[records.Count * 16];
        for (int i = 0; i < entries.Length; i++)
        {
            System.Buffers.Binary.BinaryPrimitives.WriteUInt128LittleEndian(values.AsSpan(i * 16), records[i].Value);
            entries[i] = new DiffEntry(records[i].Key, records[i].Program, records[i].Local, i * 16, 16);
        }

        return new MemoryState(Hashing).Apply(StateDiff.FromSorted(entries, values));
    }
}
