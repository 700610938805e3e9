// One search for the keys of a call, with one set of placeholders: see KeyDiscovery for what it does and why it ends.
//
// Threading: one thread.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>One search.</summary>
internal sealed class KeySearch
{
    private const string PlaceholderContext = "ParallelVm 2026-11 v1 undiscovered key";

    private const int MaxSaid = 128;

    private readonly ChainRules _rules;
    private readonly CallRequest _request;
    private readonly StateSnapshot _snapshot;
    private readonly CancellationToken _cancel;
    private readonly ulong _salt;
    private readonly Interpreter _interpreter = new();
    private readonly byte[] _value = new byte[StateLimits.MaxRecordBytes];
    private readonly List<Bytes32> _said;
    private ProgramEntry _entry = null!;
    private Place[] _places = [];
    private Run _last = null!;
    private ulong _gas;

    public KeySearch(ChainRules rules, CallRequest request, StateSnapshot snapshot, ulong salt, CancellationToken cancel)
    {
        _rules = rules;
        _request = request;
        _snapshot = snapshot;
        _salt = salt;
        _cancel = cancel;
        _said = SaidBy(request);
    }

    /// <summary>How the last run ended.</summary>
    public Outcome Outcome => _last.Outcome;

    /// <summary>What the last run ran.</summary>
    public Transaction LastTried => _last.Transaction;

    /// <summary>Runs so far.</summary>
    public int Runs { get; private set; }

    /// <summary>A bound was reached.</summary>
    public bool IsExhausted => Runs >= KeyDiscovery.MaxRuns || _gas >= KeyDiscovery.GasBudget || _cancel.IsCancellationRequested;

    /// <summary>The slots as they stand.</summary>
    public DiscoveredSlot[] Result()
    {
        DiscoveredSlot[] slots = new DiscoveredSlot[_places.Length];
        for (int i = 0; i < slots.Length; i++)
        {
            Place place = _places[i];
            SlotOrigin origin = !place.IsKeyOpen ? SlotOrigin.Given : place.Placeholders == 0 ? SlotOrigin.Found : SlotOrigin.Open;
            slots[i] = new DiscoveredSlot(
                place.Owner, origin == SlotOrigin.Open ? null : place.Key, _entry.SlotModes[i], origin, _last.Watch.UsesOf(_last.Transaction.SlotTable[i]));
        }

        return slots;
    }

    /// <summary>Searches until nothing is left to learn.</summary>
    /// <returns>False when the call cannot be a transaction.</returns>
    public bool TryRunToFixedPoint(out Refusal refusal)
    {
        if (!TryFindEntry(out refusal))
        {
            return false;
        }

        _places = new Place[_entry.SlotModes.Length];
        for (int i = 0; i < _places.Length; i++)
        {
            _places[i] = FirstPlace(i);
        }

        if (!TryRun(_places, out Run? first, out refusal))
        {
            return false;
        }

        _last = first;
        _gas = 0;
        while (_last.Outcome.Halt != Halt.Success && !IsExhausted && (TakeOne() || TakeAll()))
        {
            // a clue was taken: the next run has others
        }

        PutBack();
        refusal = Refusal.None;
        return true;
    }

    // 32-byte values that a wanted key may be: signers, keys, and what stands in the arguments at multiples of eight.
    private static List<Bytes32> SaidBy(CallRequest request)
    {
        List<Bytes32> said = [];
        foreach (PublicKey signer in request.Signers)
        {
            said.Add(signer.Value);
        }

        foreach (RequestedSlot slot in request.Slots)
        {
            if (slot.Key is { } key)
            {
                said.Add(key.Value);
            }
        }

        ReadOnlySpan<byte> arguments = request.Arguments.Span;
        for (int at = 0; at + Bytes32.Size <= arguments.Length && said.Count < MaxSaid; at += sizeof(ulong))
        {
            said.Add(Bytes32.From(arguments.Slice(at, Bytes32.Size)));
        }

        return said;
    }

    private bool TryFindEntry(out Refusal refusal)
    {
        // a transaction without slots finds program and entry as any other
        BlockPrograms programs = new(_rules, _snapshot);
        if (!_request.TryBuild(_rules.ChainId, [], [], out Transaction? bare, out refusal)
            || !_rules.TryPrepare(bare, out PreparedTransaction? prepared, out refusal)
            || !programs.TryBind(prepared, out Message? message, out refusal))
        {
            return false;
        }

        _entry = message.Program.Entries[message.EntryIndex];
        return true;
    }

    private Place FirstPlace(int slot)
    {
        RequestedSlot said = slot < _request.Slots.Length ? _request.Slots[slot] : default;
        bool isRead = _entry.SlotModes[slot] == AccessMode.Read;
        ProgramId owner = isRead
            ? said.Owner ?? _request.Program
            : (_entry.SlotOwners.Length == 0 ? null : _entry.SlotOwners[slot]) ?? _request.Program;
        return said.Key is { } key
            ? new Place(key, IsKeyOpen: false, 0, owner, IsOwnerOpen: isRead && said.Owner is null)
            : new Place(Placeholder(slot), IsKeyOpen: true, 0b1111, owner, IsOwnerOpen: isRead && said.Owner is null);
    }

    private LocalKey Placeholder(int slot)
    {
        CanonicalWriter material = new(16);
        material.WriteU64(_salt);
        material.WriteU64((ulong)slot);
        return new LocalKey(Blake3.DeriveKey(PlaceholderContext, material.Written));
    }

    private bool TakeOne()
    {
        HashSet<KeyClue> tried = [];
        for (int i = _last.Watch.Clues.Count - 1; i >= 0 && !IsExhausted; i--)
        {
            KeyClue clue = _last.Watch.Clues[i];
            if (tried.Add(clue) && TakesIt(With(_places, clue)))
            {
                return true;
            }
        }

        return false;
    }

    // the last clue of each place
    private bool TakeAll()
    {
        HashSet<(int, bool, int)> taken = [];
        Place[] all = _places;
        for (int i = _last.Watch.Clues.Count - 1; i >= 0; i--)
        {
            KeyClue clue = _last.Watch.Clues[i];
            if (taken.Add((clue.Slot, clue.IsOwner, clue.First)))
            {
                all = With(all, clue);
            }
        }

        return taken.Count > 1 && !IsExhausted && TakesIt(all);
    }

    private bool TakesIt(Place[] places)
    {
        if (!TryRun(places, out Run? run, out _) || (run.Outcome.Halt != Halt.Success && run.Watch.Steps <= _last.Watch.Steps))
        {
            return false;
        }

        _places = places;
        _last = run;
        return true;
    }

    // L2: what the run ends alike without was not found but guessed
    private void PutBack()
    {
        for (int i = 0; i < _places.Length && !IsExhausted; i++)
        {
            if (!_places[i].IsKeyOpen || _places[i].Placeholders == 0b1111)
            {
                continue;
            }

            Place[] without = [.. _places];
            without[i] = without[i] with { Key = Placeholder(i), Placeholders = 0b1111 };
            if (TryRun(without, out Run? run, out _) && EndsAlike(run, _last))
            {
                _places = without;
                _last = run;
            }
        }
    }

    private static bool EndsAlike(Run one, Run other) =>
        one.Watch.Steps == other.Watch.Steps
        && (one.Outcome.Halt, one.Outcome.Code, one.Outcome.Function, one.Outcome.Instruction)
            == (other.Outcome.Halt, other.Outcome.Code, other.Outcome.Function, other.Outcome.Instruction);

    private static Place[] With(Place[] places, in KeyClue clue)
    {
        Place[] changed = [.. places];
        Place place = changed[clue.Slot];
        if (clue.IsOwner)
        {
            changed[clue.Slot] = place with { Owner = new ProgramId(clue.Value) };
            return changed;
        }

        int words = ((1 << clue.Count) - 1) << clue.First;
        Bytes32 old = place.Key.Value;
        Bytes32 value = new(
            (words & 1) != 0 ? clue.Value.W0 : old.W0, (words & 2) != 0 ? clue.Value.W1 : old.W1,
            (words & 4) != 0 ? clue.Value.W2 : old.W2, (words & 8) != 0 ? clue.Value.W3 : old.W3);
        changed[clue.Slot] = place with { Key = new LocalKey(value), Placeholders = place.Placeholders & ~words };
        return changed;
    }

    private bool TryRun(Place[] places, [NotNullWhen(true)] out Run? run, out Refusal refusal)
    {
        run = null;
        BoundSlot[] bound = new BoundSlot[places.Length];
        for (int i = 0; i < bound.Length; i++)
        {
            bound[i] = new BoundSlot(places[i].Owner, places[i].Key, _entry.SlotModes[i]);
        }

        Runs++;
        BlockPrograms programs = new(_rules, _snapshot);
        if (!_request.TryBuild(_rules.ChainId, bound, [], out Transaction? transaction, out refusal)
            || !_rules.TryPrepare(transaction, out PreparedTransaction? prepared, out refusal)
            || !programs.TryBind(prepared, out Message? message, out refusal))
        {
            return false;
        }

        WatchedSlot[] watched = new WatchedSlot[places.Length];
        for (int i = 0; i < watched.Length; i++)
        {
            Place place = places[i];
            watched[i] = new WatchedSlot(
                i, transaction.SlotTable[i], place.Key.Value, place.IsKeyOpen, place.Placeholders, place.Owner.Value, place.IsOwnerOpen);
        }

        KeyWatch watch = new(Array.FindAll(watched, static slot => slot.IsKeyOpen || slot.IsOwnerOpen), _said);
        Outcome outcome = _interpreter.Run(message, RecordsOf(message, prepared), _snapshot.ContextOf(programs), watch);
        _gas += outcome.GasUsed - message.IntrinsicGas;
        run = new Run(transaction, watch, outcome);
        return true;
    }

    // as the engine loads them: what the payer's gas may cost is reserved before the run, as far as it is there
    private Record[] RecordsOf(Message message, PreparedTransaction prepared)
    {
        Record[] records = new Record[message.Keys.Length];
        for (int i = 0; i < records.Length; i++)
        {
            records[i] = new Record();
            int length = _snapshot.Read(message.Keys[i], _value);
            if (length >= 0)
            {
                records[i].Set(_value.AsSpan(0, length));
            }

            if (message.Keys[i] == message.PayerKey && records[i].Accumulator >= prepared.Reservation)
            {
                records[i].Accumulate(unchecked(UInt128.Zero - prepared.Reservation));
            }
        }

        return records;
    }

    /// <summary>What stands for a slot: its key (with the words of it that are placeholders) and its owner.</summary>
    private readonly record struct Place(LocalKey Key, bool IsKeyOpen, int Placeholders, ProgramId Owner, bool IsOwnerOpen);

    private sealed record Run(Transaction Transaction, KeyWatch Watch, Outcome Outcome);
}
