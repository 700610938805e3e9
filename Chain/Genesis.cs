// The first state and the rules of a chain. Every node reads the same genesis and gets the same chain id, root and first block.
//
// Canonical encoding (little-endian; lists sorted, so the order and the white space of a JSON text do not matter):
//
//   version u8 | name counted | timestamp ms u64 | base fee u64 | treasury 32
//   | max transaction bytes u32 | max accesses u32 | max argument bytes u32 | max transaction gas u64 | max block bytes u32 | max block gas u64
//   | program count u32 | count x { id 32 | code counted }
//   | record count u32  | count x { program 32 | key 32 | value counted }
//   | balance count u32 | count x { key 32 | amount u128 }
//
// The first state holds the records, one record of 16 bytes per balance under ProgramId.Native, the programs as if they had been
// deployed and frozen (ProgramRecord), and under the owner zero, which no transaction can write, local key zero -> chain id. So
// the root commits to chain and code, and from block 1 on nothing but the state says what runs.
//
// Threading: immutable.   Cost: O(n log n) in its entries.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>A program of genesis: its id and its container bytes.</summary>
public sealed record GenesisProgram(ProgramId Id, byte[] Code);

/// <summary>A record of genesis.</summary>
public sealed record GenesisRecord(ProgramId Program, LocalKey Key, byte[] Value);

/// <summary>A native balance of genesis.</summary>
public sealed record GenesisBalance(PublicKey Key, UInt128 Amount);

/// <summary>The parts of a genesis, before it is checked. What <see cref="GenesisJson"/> reads and tests write.</summary>
public sealed record GenesisSpec
{
    /// <summary>1 to 64 printable ASCII characters; two chains of equal content differ by it.</summary>
    public required string Name { get; init; }

    /// <summary>Timestamp of block 0, milliseconds since 1970.</summary>
    public required ulong TimestampMs { get; init; }

    /// <summary>Burned per gas.</summary>
    public required ulong BaseFee { get; init; }

    /// <summary>Account that tips go to.</summary>
    public required PublicKey Treasury { get; init; }

    /// <summary>What the chain allows.</summary>
    public ChainLimits Limits { get; init; } = ChainLimits.Default;

    /// <summary>Programs that transactions may call.</summary>
    public IReadOnlyList<GenesisProgram> Programs { get; init; } = [];

    /// <summary>Records that exist from the start.</summary>
    public IReadOnlyList<GenesisRecord> Records { get; init; } = [];

    /// <summary>Native balances.</summary>
    public IReadOnlyList<GenesisBalance> Balances { get; init; } = [];
}

/// <summary>A checked genesis.</summary>
public sealed class Genesis
{
    /// <summary>The only format version of fork 0.</summary>
    public const byte Version = 1;

    private const string ChainContext = "ParallelVm 2026-11 v1 chain id";
    private const int MaxNameLength = 64;

    private readonly GenesisProgram[] _programs;
    private readonly GenesisRecord[] _records;
    private readonly GenesisBalance[] _balances;

    private Genesis(GenesisSpec spec, GenesisProgram[] programs, GenesisRecord[] records, GenesisBalance[] balances)
    {
        Name = spec.Name;
        TimestampMs = spec.TimestampMs;
        BaseFee = spec.BaseFee;
        Treasury = spec.Treasury;
        Limits = spec.Limits;
        _programs = programs;
        _records = records;
        _balances = balances;
        CanonicalWriter writer = new(4096);
        Encode(writer);
        ChainId = new ChainId(Blake3.DeriveKey(ChainContext, writer.Written));
        Hashing = new StateHashing(ChainId);
    }

    /// <summary>Domain-separated BLAKE3 of the canonical encoding.</summary>
    public ChainId ChainId { get; }

    /// <summary>The state's hash functions, keyed by the chain id.</summary>
    public StateHashing Hashing { get; }

    /// <summary>The chain's name.</summary>
    public string Name { get; }

    /// <summary>Timestamp of block 0.</summary>
    public ulong TimestampMs { get; }

    /// <summary>Burned per gas.</summary>
    public ulong BaseFee { get; }

    /// <summary>Account that tips go to.</summary>
    public PublicKey Treasury { get; }

    /// <summary>What the chain allows.</summary>
    public ChainLimits Limits { get; }

    /// <summary>Programs, ascending by id.</summary>
    public ReadOnlySpan<GenesisProgram> Programs => _programs;

    /// <summary>Records, ascending by (program, key).</summary>
    public ReadOnlySpan<GenesisRecord> Records => _records;

    /// <summary>Balances, ascending by key.</summary>
    public ReadOnlySpan<GenesisBalance> Balances => _balances;

    /// <summary>Reads and checks a JSON text; see <see cref="GenesisJson"/> for the format.</summary>
    public static bool TryParse(ReadOnlySpan<byte> utf8, [NotNullWhen(true)] out Genesis? genesis, out Refusal refusal)
    {
        genesis = null;
        return GenesisJson.TryRead(utf8, out GenesisSpec? spec, out refusal) && TryCreate(spec, out genesis, out refusal);
    }

    /// <summary>Checks the parts and sorts them. Programs are verified later, when rules are made of the genesis.</summary>
    public static bool TryCreate(GenesisSpec spec, [NotNullWhen(true)] out Genesis? genesis, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(spec);
        GenesisProgram[] programs = [.. spec.Programs];
        GenesisRecord[] records = [.. spec.Records];
        GenesisBalance[] balances = [.. spec.Balances];
        Array.Sort(programs, static (a, b) => a.Id.CompareTo(b.Id));
        Array.Sort(records, static (a, b) => a.Program != b.Program ? a.Program.CompareTo(b.Program) : a.Key.CompareTo(b.Key));
        Array.Sort(balances, static (a, b) => a.Key.CompareTo(b.Key));
        refusal = CheckName(spec.Name);
        refusal = refusal.IsRefused ? refusal : spec.Limits.Check();
        refusal = refusal.IsRefused ? refusal : CheckPrograms(programs);
        refusal = refusal.IsRefused ? refusal : CheckRecords(records, programs);
        refusal = refusal.IsRefused ? refusal : CheckBalances(balances, records);
        genesis = refusal.IsRefused ? null : new Genesis(spec, programs, records, balances);
        return genesis is not null;
    }

    /// <summary>Writes the canonical encoding.</summary>
    public void Encode(CanonicalWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        writer.WriteU8(Version);
        writer.WriteCounted(System.Text.Encoding.ASCII.GetBytes(Name));
        writer.WriteU64(TimestampMs);
        writer.WriteU64(BaseFee);
        writer.WriteBytes32(Treasury.Value);
        writer.WriteU32((uint)Limits.MaxTransactionBytes);
        writer.WriteU32((uint)Limits.MaxAccesses);
        writer.WriteU32((uint)Limits.MaxArgumentBytes);
        writer.WriteU64(Limits.MaxTransactionGas);
        writer.WriteU32((uint)Limits.MaxBlockBytes);
        writer.WriteU64(Limits.MaxBlockGas);
        writer.WriteU32((uint)_programs.Length);
        foreach (GenesisProgram program in _programs)
        {
            writer.WriteBytes32(program.Id.Value);
            writer.WriteCounted(program.Code);
        }

        writer.WriteU32((uint)_records.Length);
        foreach (GenesisRecord record in _records)
        {
            writer.WriteBytes32(record.Program.Value);
            writer.WriteBytes32(record.Key.Value);
            writer.WriteCounted(record.Value);
        }

        writer.WriteU32((uint)_balances.Length);
        foreach (GenesisBalance balance in _balances)
        {
            writer.WriteBytes32(balance.Key.Value);
            BinaryPrimitives.WriteUInt128LittleEndian(writer.Reserve(16), balance.Amount);
        }
    }

    /// <summary>The first state as a change of the empty state.</summary>
    public StateDiff ToDiff()
    {
        List<(StateKey Key, ProgramId Program, LocalKey Local, byte[] Value)> entries = new(1 + _programs.Length + _records.Length + _balances.Length);
        Add(entries, default, default, ChainId.Value.ToArray());
        AddPrograms(entries);

        foreach (GenesisRecord record in _records)
        {
            Add(entries, record.Program, record.Key, record.Value);
        }

        foreach (GenesisBalance balance in _balances)
        {
            byte[] value = new byte[16];
            BinaryPrimitives.WriteUInt128LittleEndian(value, balance.Amount);
            Add(entries, ProgramId.Native, new LocalKey(balance.Key.Value), value);
        }

        entries.Sort(static (a, b) => a.Key.CompareTo(b.Key));
        DiffEntry[] sorted = new DiffEntry[entries.Count];
        CanonicalWriter values = new(entries.Count * 64);
        for (int i = 0; i < sorted.Length; i++)
        {
            sorted[i] = new DiffEntry(entries[i].Key, entries[i].Program, entries[i].Local, values.Length, entries[i].Value.Length);
            values.WriteBytes(entries[i].Value);
        }

        return StateDiff.FromSorted(sorted, values.ToArray());
    }

    /// <summary>Block 0.</summary>
    /// <param name="root">Root of the empty state after <see cref="ToDiff"/>.</param>
    public Block ToBlock(StateRoot root) => Block.Create(
        new BlockHeader(default, default, TimestampMs, 0, root, new ReceiptsHashing(ChainId).Root([])), []);

    private void AddPrograms(List<(StateKey Key, ProgramId Program, LocalKey Local, byte[] Value)> entries)
    {
        HashSet<LocalKey> known = [];                                       // programs may have chunks in common
        foreach (GenesisProgram program in _programs)
        {
            LocalKey[] chunks = ProgramRecord.ChunkKeysOf(program.Code);
            for (int i = 0; i < chunks.Length; i++)
            {
                if (known.Add(chunks[i]))
                {
                    Add(entries, ProgramId.System, chunks[i], ProgramRecord.ChunkOf(program.Code, i).ToArray());
                }
            }

            // what is no container has no entries here, and is refused when rules are made of the genesis
            uint[] selectors = Container.TryDecode(program.Code, out Container container, out _) ? Array.ConvertAll(container.Entries, static entry => entry.Selector) : [];
            ProgramRecord record = new(0, new Height(1), default, Blake3.Hash(program.Code), program.Code.Length, selectors, chunks);
            Add(entries, ProgramId.System, new LocalKey(program.Id.Value), record.Encode());
        }
    }

    private void Add(
        List<(StateKey Key, ProgramId Program, LocalKey Local, byte[] Value)> entries, ProgramId program, LocalKey local, byte[] value) =>
        entries.Add((Hashing.KeyOf(program, local), program, local, value));

    private static Refusal CheckName(string name)
    {
        bool legal = name.Length is >= 1 and <= MaxNameLength && !name.AsSpan().ContainsAnyExceptInRange(' ', '~');
        return legal ? Refusal.None : new Refusal(RefusalCode.GenesisBadName, $"The name has {name.Length} characters; 1 to {MaxNameLength} printable ASCII ones are allowed.");
    }

    private static Refusal CheckPrograms(GenesisProgram[] programs)
    {
        for (int i = 0; i < programs.Length; i++)
        {
            if (programs[i].Id == default || programs[i].Id == ProgramId.System)
            {
                return new Refusal(RefusalCode.GenesisReservedProgram, $"A program has the id {programs[i].Id}, which owns the chain's own records.");
            }

            if (ProgramRecord.ChunksOf(programs[i].Code.Length) > ProgramRecord.MaxChunks)
            {
                return new Refusal(
                    RefusalCode.GenesisProgramRefused,
                    $"Program {programs[i].Id} has {programs[i].Code.Length} bytes of code; at most {ProgramRecord.MaxChunks * ProgramRecord.ChunkBytes} fit the state.");
            }

            if (i > 0 && programs[i - 1].Id == programs[i].Id)
            {
                return new Refusal(RefusalCode.GenesisDuplicateEntry, $"Program {programs[i].Id} is given twice.");
            }
        }

        return Refusal.None;
    }

    private static Refusal CheckRecords(GenesisRecord[] records, GenesisProgram[] programs)
    {
        HashSet<ProgramId> owners = [];
        foreach (GenesisProgram program in programs)
        {
            owners.Add(program.Id);
        }

        for (int i = 0; i < records.Length; i++)
        {
            GenesisRecord record = records[i];
            if (!owners.Contains(record.Program))
            {
                return new Refusal(RefusalCode.GenesisUnknownOwner, $"Record {record.Key} belongs to {record.Program}, which is no program of this genesis.");
            }

            if (record.Value.Length > StateLimits.MaxRecordBytes)
            {
                return new Refusal(RefusalCode.GenesisRecordTooLong, $"Record {record.Key} has {record.Value.Length} bytes; at most {StateLimits.MaxRecordBytes} are allowed.");
            }

            if (i > 0 && records[i - 1].Program == record.Program && records[i - 1].Key == record.Key)
            {
                return new Refusal(RefusalCode.GenesisDuplicateEntry, $"Record {record.Key} of program {record.Program} is given twice.");
            }
        }

        return Refusal.None;
    }

    private static Refusal CheckBalances(GenesisBalance[] balances, GenesisRecord[] records)
    {
        HashSet<LocalKey> taken = [];
        foreach (GenesisRecord record in records)
        {
            if (record.Program == ProgramId.Native)
            {
                taken.Add(record.Key);
            }
        }

        UInt128 total = 0;
        foreach (GenesisBalance balance in balances)
        {
            if (!taken.Add(new LocalKey(balance.Key.Value)))
            {
                return new Refusal(RefusalCode.GenesisDuplicateEntry, $"Balance {balance.Key} is given twice, or as a record too.");
            }

            if (balance.Amount > UInt128.MaxValue - total)
            {
                return new Refusal(RefusalCode.JsonBadNumber, $"The balances up to {balance.Key} add up to more than 2^128 - 1.");
            }

            total += balance.Amount;
        }

        return Refusal.None;
    }
}
