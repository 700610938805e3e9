// The keys of one batch: 32-byte state keys become small integers, and each record is loaded once. Workers intern side by side;
// which of them comes first decides a key's integer, and nothing that leaves the engine depends on it.
//
//   _slots    .  7  .  .  3  8  .        id + 1 at the key's place or after it; empty places are claimed by compare-exchange
//   ids       | worker 0: 0..63 | worker 1: 64..127 | worker 0: 128.. |       handed out in blocks, so counters do not meet
//   uses      nobody -> one mode -> contended           of a key, as transactions declare it
//
// A key is contended when two of its declarations conflict: somebody may have to wait there. Most keys are not, and then the scheduler need
// not hear of them: contended keys have numbers of their own, dense from 0.
//
// Invariants
//   K1  an id is written (key, owner, record) before its slot is claimed, and never again in the batch: who finds it sees it whole
//   K2  a key has one id, and so one Record: whoever declares it sees the same value
//   K3  loaded bytes stay beside the record, so what changed is found by comparing, whoever wrote
//   K4  ids that were handed out and not used (holes, less than a block for each worker) are in no slot and have no record to load
//   K5  a key is contended iff two transactions declared it in modes that conflict: a declaration is compared with the first one, and modes that
//       do not conflict with it are equal to it and to each other. Its number is there once interning is over. A single worker asks for none
//
// The table is open addressing over an array of integers at most half full. Keys are hashes already, but of preimages that an outsider
// chooses, so the place of a key also depends on a salt that outsiders do not know; crafted keys cannot share a bucket.
//
// Cost: one probe for each declared key, one Read of the view for each distinct key; no allocation once the arrays have grown.
// Threading: Begin and InternLate on the engine's thread; Intern and Load by workers under their own numbers, first all of the
// one, then all of the other. Afterwards workers only read Records of granted keys.

using System;
using System.Threading;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine;

/// <summary>Interned keys and live records of the running batch; reused between batches.</summary>
internal sealed class KeyTable
{
    /// <summary>Ids of a block; the same worker's.</summary>
    public const int BlockIds = 64;

    private const int FirstSlots = 1024;
    private const int Hole = -2;
    private const int Nobody = 0;                   // uses: 1 + mode when all declarations agree, ~number when contended
    private const int Claimed = int.MinValue;       // contended, and its number is on the way
    private const int LoadedAtOnce = 64;        // reads that a disk is given at once; its queue is about as long

    private readonly ulong _salt;
    private int[] _slots = new int[FirstSlots];
    private int _mask = FirstSlots - 1;
    private StateKey[] _keys = [];
    private (ProgramId Program, LocalKey LocalKey)[] _owners = [];
    private Record?[] _records = [];
    private Loaded[] _loaded = [];
    private int[] _uses = [];                       // by id
    private int[] _contended = [];                  // by number: id
    private Padded<int> _contendedCount;
    private Seat[] _seats = [];
    private int _workers;
    private Padded<int> _nextBlock;                 // its first id
    private int[] _blocks = [];                     // first ids, worker by worker
    private int[] _ownerOfBlock = [];

    public KeyTable(ulong salt)
    {
        _salt = salt | 1;
    }

    /// <summary>Ids are [0, IdCount), holes included.</summary>
    public int IdCount => _nextBlock.Value;

    /// <summary>Blocks of <see cref="BlockIds"/> ids, known once interning is over; see <see cref="BlockAt"/>.</summary>
    public int BlockCount => _nextBlock.Value / BlockIds;

    /// <summary>Distinct keys.</summary>
    public int Count
    {
        get
        {
            int count = 0;
            for (int worker = 0; worker < _workers; worker++)
            {
                count += _seats[worker].At.Interned;
            }

            return count;
        }
    }

    /// <summary>Numbers of contended keys are [0, ContendedCount); known once interning is over (K5).</summary>
    public int ContendedCount => _contendedCount.Value;

    /// <summary>Live records by id; null where no batch has used the id yet.</summary>
    public Record?[] Records => _records;

    public ref readonly StateKey KeyOf(int id) => ref _keys[id];

    public ref readonly ProgramId ProgramOf(int id) => ref _owners[id].Program;

    public ref readonly LocalKey LocalKeyOf(int id) => ref _owners[id].LocalKey;

    /// <summary>The number of a contended key; negative for any other.</summary>
    public int NumberOf(int id) => ~_uses[id];

    /// <summary>The id of a contended key's number.</summary>
    public int IdOf(int number) => _contended[number];

    /// <summary>Some transaction adds to the key, and nobody has to wait for that.</summary>
    public bool IsOnlyAddedTo(int id) => _uses[id] == UseOf(AccessMode.Add);

    /// <summary>The record of a key that was interned in this batch.</summary>
    public Record RecordOf(int id) => _records[id]!;

    /// <summary>The record of an id will be run on soon.</summary>
    public void PrefetchRecord(int id) => Prefetch.Object(_records[id]);

    /// <summary>All of an id will be read soon.</summary>
    public void PrefetchAll(int id)
    {
        Prefetch.Value(in _keys[id]);
        Prefetch.Value(in _owners[id].Program);
        Prefetch.Value(in _owners[id].LocalKey);
        Prefetch.Object(_records[id]);
    }

    /// <summary>Forgets every key, keeps the memory, and makes room.</summary>
    /// <param name="keyMax">No more distinct keys will come.</param>
    /// <param name="workers">Who will intern and load.</param>
    public void Begin(int keyMax, int workers)
    {
        int ids = keyMax + ((workers + 1) * BlockIds);
        if (_keys.Length < ids)
        {
            int length = Math.Max(ids, _keys.Length * 2);
            _keys = new StateKey[length];
            _owners = new (ProgramId, LocalKey)[length];
            _loaded = new Loaded[length];
            _uses = new int[length];
            _contended = new int[length];
            _blocks = new int[(length / BlockIds) + 1];
            _ownerOfBlock = new int[(length / BlockIds) + 1];
            Array.Resize(ref _records, length);
        }

        int slots = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)Math.Max(FirstSlots, keyMax * 2));
        if (_slots.Length < slots)
        {
            _slots = new int[slots];
        }
        else
        {
            Array.Clear(_slots, 0, slots);
        }

        _mask = slots - 1;
        _nextBlock.Value = 0;
        _contendedCount.Value = 0;
        _workers = workers;
        for (int known = _seats.Length; known < workers; known++)
        {
            Array.Resize(ref _seats, workers);
            _seats[known] = new Seat();
        }

        foreach (Seat seat in _seats)
        {
            seat.Begin();
        }
    }

    /// <summary>The id of a key that a transaction declares, new or known.</summary>
    /// <param name="worker">Number of the caller; nobody else has it now.</param>
    public int Intern(int worker, in StateKey key, in ProgramId program, in LocalKey localKey, AccessMode mode) =>
        Intern(worker, in key, in program, in localKey, _workers > 1 ? UseOf(mode) : Nobody);

    /// <summary>The id of a key that is no transaction's to wait for, new or known.</summary>
    /// <param name="worker">Number of the caller; nobody else has it now.</param>
    public int Intern(int worker, in StateKey key, in ProgramId program, in LocalKey localKey) =>
        Intern(worker, in key, in program, in localKey, Nobody);

    private int Intern(int worker, in StateKey key, in ProgramId program, in LocalKey localKey, int use)
    {
        int[] slots = _slots;
        int mask = _mask;
        for (int slot = SlotOf(in key) & mask; ; slot = (slot + 1) & mask)
        {
            int found = Volatile.Read(ref slots[slot]);
            if (found == 0)
            {
                int id = Write(_seats[worker], in key, in program, in localKey, use);
                found = Interlocked.CompareExchange(ref slots[slot], id + 1, 0);            // K1: a full fence
                if (found == 0)
                {
                    ref Place at = ref _seats[worker].At;
                    at.Next++;
                    at.Interned++;
                    return id;
                }
            }

            if (_keys[found - 1] == key)
            {
                if (use != Nobody)
                {
                    Meet(found - 1, use);
                }

                return found - 1;                                                           // K2
            }
        }
    }

    /// <summary>Who interned a key first; whatever else it is dealt out by, each gets what is in its own cache.</summary>
    public int OwnerOf(int id) => _ownerOfBlock[id / BlockIds];

    /// <summary>First id of the <paramref name="place"/>th block, all of worker 0's first, then worker 1's, ...: as RangeLoop shares them out, so that each gets its own.</summary>
    public int BlockAt(int place) => _blocks[place];

    /// <summary>Interning is over: what is left of the blocks becomes holes.</summary>
    public void EndInterning()
    {
        int places = 0;
        for (int worker = 0; worker < _workers; worker++)
        {
            Seat seat = _seats[worker];
            foreach (int first in seat.Blocks.AsSpan(0, seat.At.BlockCount))
            {
                _blocks[places++] = first;
                _ownerOfBlock[first / BlockIds] = worker;
            }

            for (int id = seat.At.Next; id < seat.At.End; id++)
            {
                _loaded[id].Length = Hole;                                                  // K4
                _uses[id] = Nobody;
            }
        }
    }

    /// <summary>Reads the records of a block.</summary>
    /// <param name="worker">Number of the caller, which is also its number as a reader of the state.</param>
    public void Load(int worker, IStateView state, int firstId)
    {
        Seat seat = _seats[worker];
        int to = firstId + BlockIds;
        for (int id = firstId; id < to;)
        {
            int end = id;
            for (; end < to && end - id < LoadedAtOnce && _loaded[end].Length != Hole; end++)
            {
            }

            LoadSome(worker, seat, state, id, end);
            for (id = end; id < to && _loaded[id].Length == Hole; id++)
            {
            }
        }
    }

    /// <summary>Interns a key after everything was loaded, and loads it if it is new.</summary>
    public int InternLate(IStateView state, in StateKey key, in ProgramId program, in LocalKey localKey)
    {
        int before = _seats[0].At.Interned;
        int id = Intern(0, in key, in program, in localKey);
        if (_seats[0].At.Interned != before)
        {
            LoadSome(0, _seats[0], state, id, id + 1);
            EndInterning();
        }

        return id;
    }

    /// <summary>True when the record is not what was loaded (K3). Holes have not changed.</summary>
    public bool HasChanged(int id)
    {
        ref readonly Loaded loaded = ref _loaded[id];
        if (loaded.Length == Hole)
        {
            return false;
        }

        Record record = _records[id]!;
        if (!record.IsTouched)
        {
            Invariant.Audit(!Differs(record, in loaded));
            return false;
        }

        return Differs(record, in loaded);
    }

    private bool Differs(Record record, in Loaded loaded) => record.Exists
        ? loaded.Length != record.Length || !record.Value.SequenceEqual(_seats[loaded.Worker].Arena.AsSpan(loaded.Offset, loaded.Length))
        : loaded.Length >= 0;

    // Two rounds of a 64 x 64 -> 128 multiply folded by xor: every bit of key and salt reaches the low bits.
    private int SlotOf(in StateKey key)
    {
        ulong high = Math.BigMul(key.Value.W0 ^ _salt, key.Value.W1 ^ 0x9E3779B97F4A7C15, out ulong low);
        high = Math.BigMul(high ^ low ^ key.Value.W2 ^ _salt, 0xD6E8FEB86659FD93 ^ key.Value.W3, out low);
        return (int)((high ^ low) & int.MaxValue);
    }

    private static int UseOf(AccessMode mode) => 1 + (int)mode;

    // The key is known: its first declaration, or a payer, was before.
    private void Meet(int id, int use)
    {
        ref int place = ref _uses[id];
        for (int known = Volatile.Read(ref place); known >= 0 && (known != use || use == UseOf(AccessMode.Write));)
        {
            int before = Interlocked.CompareExchange(ref place, known == Nobody ? use : Claimed, known);
            if (before == known)
            {
                if (known != Nobody)
                {
                    int number = Interlocked.Increment(ref _contendedCount.Value) - 1;
                    _contended[number] = id;
                    place = ~number;                                                        // K5
                }

                return;
            }

            known = before;
        }
    }

    private int Write(Seat seat, in StateKey key, in ProgramId program, in LocalKey localKey, int use)
    {
        ref Place at = ref seat.At;
        if (at.Next == at.End)
        {
            at.End = Interlocked.Add(ref _nextBlock.Value, BlockIds);
            at.Next = at.End - BlockIds;
            Invariant.Require(at.End <= _keys.Length);
            seat.AddBlock(at.Next);
        }

        int id = at.Next;
        _keys[id] = key;
        _owners[id] = (program, localKey);
        _records[id] ??= new Record();
        _uses[id] = use;
        _loaded[id].Length = -1;
        return id;
    }

    // Ids in [from, to), none of them a hole.
    private void LoadSome(int worker, Seat seat, IStateView state, int from, int to)
    {
        Span<byte> target = seat.Room(to - from);
        Span<RecordPlace> places = seat.Places.AsSpan(0, to - from);
        int read = state.ReadMany(worker, _keys.AsSpan(from, to - from), places, target);
        for (int id = from; id < to; id++)
        {
            RecordPlace place = places[id - from];
            _loaded[id] = new Loaded { Worker = worker, Offset = seat.At.Used + place.Offset, Length = place.Length };
            Record record = _records[id]!;
            if (place.Length < 0)
            {
                record.Remove();
            }
            else
            {
                record.Set(target.Slice(place.Offset, place.Length));
            }

            record.IsTouched = false;
        }

        seat.At.Used += read;
    }

    private struct Loaded
    {
        public int Worker;              // whose arena
        public int Offset;
        public int Length;              // -1 = there was no record, Hole = the id is not used
    }

    // One worker's: the block that its ids come from, and what it read.
    private sealed class Seat
    {
        private Padded<Place> _at;

        public byte[] Arena { get; private set; } = new byte[64 * 1024];

        public int[] Blocks { get; private set; } = new int[64];

        public ref Place At => ref _at.Value;

        public void AddBlock(int firstId)
        {
            if (At.BlockCount == Blocks.Length)
            {
                Blocks = [.. Blocks, .. new int[Blocks.Length]];
            }

            Blocks[At.BlockCount++] = firstId;
        }

        public void Begin() => At = default;

        public RecordPlace[] Places { get; } = new RecordPlace[LoadedAtOnce];

        public Span<byte> Room(int records)
        {
            if (Arena.Length - At.Used < records * StateLimits.MaxRecordBytes)
            {
                byte[] larger = new byte[Math.Max(Arena.Length * 2, At.Used + (records * StateLimits.MaxRecordBytes))];
                Arena.AsSpan(0, At.Used).CopyTo(larger);
                Arena = larger;
            }

            return Arena.AsSpan(At.Used);
        }
    }

    private struct Place
    {
        public int Next;                // id
        public int End;                 // of the block
        public int BlockCount;
        public int Interned;
        public int Used;                // bytes of the arena
    }
}
