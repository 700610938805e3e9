// Watches a run for what it says about keys. A program cannot look a record up: it is given slots, and checks that what stands behind
// them is what it wants, by comparing SKEY (or SOWN) with a key that it computes. So whoever sees the comparison sees the key:
//
//     skey key, user_in          the slot's key, of which nobody has said what it should be
//     qeq  flag, key, expected   "slot user_in should be `expected`": a clue
//
// Keys are known by their value: a key that nobody has said is a random-looking placeholder, so wherever 32 bytes (or, of a
// placeholder, 16 or 8 of them in their place) turn up in a comparison, they come from that slot, through whatever moves and calls.
// Bytes of memory that are compared (MCMP) are looked through for the key wherever it lies in them; of a hash of the key DigestWatch may know what was hashed.
//
// It notes as well which accesses were read, written and added to.
//
// Threading: one run on one thread, then read.   Cost: per comparison a few words for each open slot.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Runtime.InteropServices;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>How a run used a record.</summary>
[Flags]
public enum RecordUses
{
    /// <summary>Not at all, or by name only.</summary>
    None = 0,

    /// <summary>Its value or presence was read.</summary>
    Read = 1,

    /// <summary>It was written, created or deleted.</summary>
    Write = 2,

    /// <summary>It was added to.</summary>
    Add = 4,
}

/// <summary>A comparison that did not hold: what a slot's key, or its owner, was compared with.</summary>
/// <param name="Slot">Slot of the called entry.</param>
/// <param name="IsOwner">The owner, not the key.</param>
/// <param name="First">First of the compared words, [0, 4).</param>
/// <param name="Count">How many: 1, 2 or 4.</param>
/// <param name="Value">The other side, in the place of the words.</param>
internal readonly record struct KeyClue(int Slot, bool IsOwner, int First, int Count, Bytes32 Value);

/// <summary>A slot whose key or owner is sought.</summary>
/// <param name="Slot">Slot of the called entry.</param>
/// <param name="Access">The access that it names in this run.</param>
/// <param name="Key">The key that it has in this run.</param>
/// <param name="IsKeyOpen">The key is sought.</param>
/// <param name="Placeholders">Bit k: word k of the key is a placeholder's.</param>
/// <param name="Owner">The owner that it has in this run.</param>
/// <param name="IsOwnerOpen">The owner is sought.</param>
internal readonly record struct WatchedSlot(
    int Slot, int Access, Bytes32 Key, bool IsKeyOpen, int Placeholders, Bytes32 Owner, bool IsOwnerOpen);

/// <summary>Collects clues and uses.</summary>
internal sealed class KeyWatch(WatchedSlot[] watched, IReadOnlyList<Bytes32> said) : ITraceSink
{
    private const int MaxClues = 1024;
    private const int MaxCompared = 4096;                   // bytes of memory that are looked through

    private const int AllWords = 0b1111;

    private readonly List<ushort[]> _slots = [];            // by depth
    private readonly RecordUses[] _uses = new RecordUses[AccessList.MaxAccesses];
    private readonly List<KeyClue> _clues = [];
    private readonly ulong[][] _keys = Array.ConvertAll(watched, slot => CellsOf(slot.Key));
    private readonly ulong[][] _owners = Array.ConvertAll(watched, slot => CellsOf(slot.Owner));
    private readonly DigestWatch _digests = new(said);
    private byte[]? _hashed;                                // what the instruction hashes that is running
    private ulong _ownersAsked;                             // by access

    /// <summary>Instructions that ran.</summary>
    public long Steps { get; private set; }

    /// <summary>Comparisons that did not hold, in the order of the run.</summary>
    public IReadOnlyList<KeyClue> Clues => _clues;

    /// <summary>How an access was used.</summary>
    public RecordUses UsesOf(int access) => _uses[access];

    /// <inheritdoc/>
    public void Enter(int depth, in ProgramId program, VerifiedProgram code, ProgramEntry entry, ReadOnlySpan<ushort> slots)
    {
        _slots.RemoveRange(depth, _slots.Count - depth);
        _slots.Add(slots.ToArray());
    }

    /// <inheritdoc/>
    public void Before(in TraceStep step, ReadOnlySpan<ulong> cells, ITraceMemory memory)
    {
        ulong word = step.Word;
        (int b, int c, int d) = ((byte)(word >> 16), (byte)(word >> 24), (byte)(word >> 32));
        switch ((Opcode)(byte)word)
        {
            case Opcode.Mcmp when cells[d] <= MaxCompared:
                if (memory.TryRead(cells[b], cells[d], out ReadOnlySpan<byte> left) && memory.TryRead(cells[c], cells[d], out ReadOnlySpan<byte> right))
                {
                    CompareBytes(left, right);
                }

                break;
            case Opcode.Keccak or Opcode.Sha256 or Opcode.Blake3 when cells[c] <= DigestWatch.InputMax:
                _hashed = memory.TryRead(cells[b], cells[c], out ReadOnlySpan<byte> input) ? input.ToArray() : null;
                break;
            default:
                break;
        }

        Before(step, cells);
    }

    /// <inheritdoc/>
    public void Before(in TraceStep step, ReadOnlySpan<ulong> cells)
    {
        Steps++;
        ulong word = step.Word;
        (int a, int b, int c) = ((byte)(word >> 8), (byte)(word >> 16), (byte)(word >> 24));
        switch ((Opcode)(byte)word)
        {
            case Opcode.Qeq:
                Compare(cells.Slice(b, 4), cells.Slice(c, 4));
                break;
            case Opcode.Deq:
                Compare(cells.Slice(b, 2), cells.Slice(c, 2));
                break;
            case Opcode.Eq or Opcode.Ne:
                Compare(cells.Slice(b, 1), cells.Slice(c, 1));
                break;
            case Opcode.Jeq or Opcode.Jne:
                Compare(cells.Slice(a, 1), cells.Slice(b, 1));
                break;
            case >= Opcode.Sld8 and <= Opcode.Sown:
                NoteUse((Opcode)(byte)word, step, cells);
                break;
            default:
                break;
        }
    }

    /// <inheritdoc/>
    public void After(in TraceStep step, ReadOnlySpan<ulong> cells, ulong gas, ushort code)
    {
        if (_hashed is { } input && code == 0)
        {
            _digests.Note((Opcode)(byte)step.Word, input, ValueOf(cells.Slice((byte)(step.Word >> 8), 4)));
        }

        _hashed = null;
    }

    /// <inheritdoc/>
    public void Leave(ushort code)
    {
    }

    private void NoteUse(Opcode opcode, in TraceStep step, ReadOnlySpan<ulong> cells)
    {
        foreach (Operand operand in OpcodeTable.Get(opcode).Operands)
        {
            if (!operand.IsSlot)
            {
                continue;
            }

            ulong slot = operand.Read(step.Word);
            slot += opcode is Opcode.Sldx or Opcode.Sstx ? cells[(byte)(step.Word >> 16)] : 0;
            ushort[] slots = _slots[step.Depth];
            if (slot >= (ulong)slots.Length)
            {
                return;                                     // an index beyond its array: the run ends here
            }

            int access = slots[slot];
            _ownersAsked |= opcode == Opcode.Sown ? 1UL << access : 0;
            _uses[access] |= operand.Kind switch
            {
                OperandKind.ReadSlot or OperandKind.ReadArray => RecordUses.Read,
                OperandKind.WriteSlot or OperandKind.WriteArray => RecordUses.Write,
                OperandKind.AddSlot => RecordUses.Add,
                OperandKind.CopySlot => (ushort)(step.Word >> 48) != 0 ? RecordUses.Write : RecordUses.Read,
                _ => RecordUses.None,
            };
        }
    }

    private void Compare(ReadOnlySpan<ulong> left, ReadOnlySpan<ulong> right)
    {
        if (left.SequenceEqual(right))
        {
            return;
        }

        for (int i = 0; i < watched.Length; i++)
        {
            WatchedSlot slot = watched[i];
            if (slot.IsKeyOpen)
            {
                Match(slot, isOwner: false, _keys[i], slot.Placeholders, left, right);
                Match(slot, isOwner: false, _keys[i], slot.Placeholders, right, left);
                if (left.Length == 4 && slot.Placeholders == AllWords)
                {
                    MatchDigest(slot, ValueOf(left), ValueOf(right));
                    MatchDigest(slot, ValueOf(right), ValueOf(left));
                }
            }

            if (slot.IsOwnerOpen && ((_ownersAsked >> slot.Access) & 1) != 0)
            {
                Match(slot, isOwner: true, _owners[i], 0, left, right);
                Match(slot, isOwner: true, _owners[i], 0, right, left);
            }
        }
    }

    private void MatchDigest(in WatchedSlot slot, in Bytes32 hash, in Bytes32 wanted)
    {
        if (_digests.TryFind(hash, wanted, slot.Key.ToArray(), out Bytes32? value))
        {
            Add(new KeyClue(slot.Slot, IsOwner: false, 0, 4, value.Value));
        }
    }

    // Eight, sixteen or thirty-two bytes are compared as cells are; of others every place is looked at where a whole key lies.
    private void CompareBytes(ReadOnlySpan<byte> left, ReadOnlySpan<byte> right)
    {
        if (left.SequenceEqual(right))
        {
            return;
        }

        if (left.Length is 8 or 16 or Bytes32.Size)
        {
            Span<ulong> cells = stackalloc ulong[8];
            left.CopyTo(MemoryMarshal.AsBytes(cells));
            right.CopyTo(MemoryMarshal.AsBytes(cells[4..]));
            Compare(cells[..(left.Length / sizeof(ulong))], cells.Slice(4, left.Length / sizeof(ulong)));
            return;
        }

        foreach (ref readonly WatchedSlot slot in watched.AsSpan())
        {
            if (slot.IsKeyOpen && slot.Placeholders == AllWords)
            {
                MatchBytes(slot, left, right);
                MatchBytes(slot, right, left);
            }
        }
    }

    private void MatchBytes(in WatchedSlot slot, ReadOnlySpan<byte> side, ReadOnlySpan<byte> other)
    {
        byte[] key = slot.Key.ToArray();
        for (int at = side.IndexOf(key); at >= 0;)
        {
            Add(new KeyClue(slot.Slot, IsOwner: false, 0, 4, Bytes32.From(other.Slice(at, Bytes32.Size))));
            int next = side[(at + 1)..].IndexOf(key);
            at = next < 0 ? -1 : at + 1 + next;
        }
    }

    private void Add(in KeyClue clue)
    {
        if (_clues.Count == MaxClues)
        {
            _clues.RemoveRange(0, MaxClues / 2);            // the last ones are those that a failure is about
        }

        _clues.Add(clue);
    }

    // Parts of what is found already are not followed: a word of zeros is anybody's.
    private void Match(in WatchedSlot slot, bool isOwner, ulong[] sought, int placeholders, ReadOnlySpan<ulong> side, ReadOnlySpan<ulong> other)
    {
        Span<ulong> value = stackalloc ulong[4];
        for (int first = 0; first < 4; first += side.Length)
        {
            int words = ((1 << side.Length) - 1) << first;
            if ((side.Length < 4 && (placeholders & words) != words) || !sought.AsSpan(first, side.Length).SequenceEqual(side))
            {
                continue;
            }

            value.Clear();
            other.CopyTo(value[first..]);
            Add(new KeyClue(slot.Slot, isOwner, first, side.Length, ValueOf(value)));
        }
    }

    // a cell holds 8 bytes little-endian, a word of Bytes32 big-endian
    private static ulong[] CellsOf(in Bytes32 value) =>
    [
        BinaryPrimitives.ReverseEndianness(value.W0), BinaryPrimitives.ReverseEndianness(value.W1),
        BinaryPrimitives.ReverseEndianness(value.W2), BinaryPrimitives.ReverseEndianness(value.W3),
    ];

    private static Bytes32 ValueOf(ReadOnlySpan<ulong> cells) => new(
        BinaryPrimitives.ReverseEndianness(cells[0]), BinaryPrimitives.ReverseEndianness(cells[1]),
        BinaryPrimitives.ReverseEndianness(cells[2]), BinaryPrimitives.ReverseEndianness(cells[3]));
}
