// The batches of the engine suite: calls of the reference programs under the access lists that real use of them would have. A fixed
// seed draws what is drawn, so every run measures the same batches.
//
//   transfer            native token, no two transactions share a key        chain      each pays from what the one before it was paid
//   token.hot.add       one receiver, credited by Add                        payers.N   own counters, fees from N payers
//   token.hot.write     one receiver, declared Write                         solana     the mix of shared/data/README.md
//   swap.Npools         constant-product swaps                               beeb.*     distributions of shared/data/beeb.json
//   orderbook           16 markets of 32 prices by Zipf; one in ten only looks
//   counter[.add]       one counter
//
// Threading: immutable once made; any thread may make them.

using System;
using System.Collections.Concurrent;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Text.Json;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Benches;

/// <summary>A batch, and a state that never changes, so that it can be run again and again.</summary>
internal sealed record EngineWorkload(string Name, Message[] Batch, FixedState State);

/// <summary>Makes the batches.</summary>
internal static class EngineWorkloads
{
    private const ulong Plenty = 1_000_000_000_000_000;
    private const int HotReceiver = 1_000_000;

    private static readonly StateHashing Hashing = new(EngineSuite.Chain);
    private static readonly ProgramId Token = new(new Bytes32(0, 0, 0, 0x100));
    private static readonly ProgramId Amm = new(new Bytes32(0, 0, 0, 0x101));
    private static readonly ProgramId Counter = new(new Bytes32(0, 0, 0, 0x102));
    private static readonly ProgramId OrderBook = new(new Bytes32(0, 0, 0, 0x103));
    private static readonly ProgramId Touch = new(new Bytes32(0, 0, 0, 0x104));
    private static readonly Bytes32 AssetA = new(0, 0, 1, 0);
    private static readonly ConcurrentDictionary<string, VerifiedProgram> Programs = [];

    // Read-only and writable accounts, bytes of each, weight; from the table in shared/data/README.md.
    private static readonly (int Reads, int Writes, int ReadBytes, int WriteBytes, int Weight)[] SolanaMix =
    [
        (0, 1, 0, 165, 300), (1, 2, 82, 165, 5_930), (2, 3, 200, 300, 330), (4, 4, 512, 512, 370),
        (6, 6, 2_048, 1_024, 505), (12, 12, 4_096, 2_048, 1_354), (24, 24, 4_096, 2_048, 891), (2, 48, 128, 165, 320),
    ];

    /// <summary>All workloads; those whose data are not there are named in <paramref name="notes"/>.</summary>
    public static List<EngineWorkload> All(int count, List<string> notes)
    {
        List<EngineWorkload> all =
        [
            Make("transfer", count, i => (ProgramId.Native, "token", TokenCalls.Transfer(Account(i), Account(count + i), 5), i)),
            Make("token.hot.add", count, i => (Token, "token", TokenCalls.Transfer(Account(i), Account(HotReceiver), 5), i)),
            Make("token.hot.write", count, i => (Token, "token", Written(TokenCalls.Transfer(Account(i), Account(HotReceiver), 5)), i)),
            Make("chain", count, i => (Token, "token", TokenCalls.Transfer(Account(i), Account(i + 1), 5), i)),
            Make("counter", count, i => (Counter, "counter", CounterCalls.Increment(KeyOf(7)), i)),
            Make("counter.add", count, i => (Counter, "counter", CounterCalls.IncrementAdd(KeyOf(7)), i)),
            Make("payers.1", count, i => (Counter, "counter", CounterCalls.Increment(KeyOf(100 + i)), 0)),
            Make("payers.100", count, i => (Counter, "counter", CounterCalls.Increment(KeyOf(100 + i)), i % 100)),
            Swaps("swap.1pool", count, i => 0),
            Swaps("swap.100pools", count, i => i % 100),
            Orders(count),
            Solana(count),
        ];
        AddBeeb(all, count, notes);
        return all;
    }

    /// <summary>Native transfers no two of which share a key.</summary>
    public static EngineWorkload Transfers(int count) =>
        Make("transfer", count, i => (ProgramId.Native, "token", TokenCalls.Transfer(Account(i), Account(count + i), 5), i));

    /// <summary>Hash functions of the workloads' chain.</summary>
    public static StateHashing StateHashing => Hashing;

    /// <summary>Owner of the records that <see cref="Touching"/> touches.</summary>
    public static ProgramId ToucherId => Touch;

    /// <summary>Local key of a record of <see cref="Touching"/>.</summary>
    public static LocalKey TouchedKey(int index) => KeyOf(index);

    /// <summary>Transactions that write so many records each, the given ones in order.</summary>
    public static Message[] Touching(ReadOnlySpan<int> records, int each)
    {
        Message[] batch = new Message[records.Length / each];
        VerifiedProgram program = ProgramOf($"touch {each} 0 0");
        for (int i = 0; i < batch.Length; i++)
        {
            LocalKey[] keys = Array.ConvertAll(records.Slice(i * each, each).ToArray(), KeyOf);
            batch[i] = MessageOf(i, Touch, program, TouchProgram.Call(keys, default), Account(i));
        }

        return batch;
    }

    private static EngineWorkload Swaps(string name, int count, Func<int, int> poolOf)
    {
        EngineWorkload workload = Make(name, count, i =>
        {
            Bytes32 assetB = AssetB(poolOf(i));
            return (Amm, "amm", AmmCalls.Swap(Account(i), AmmLayout.PoolKey(AssetA, assetB), AssetA, assetB, 1_000, 0, SwapDirection.AToB), i);
        });
        foreach (int pool in Enumerable.Range(0, count).Select(poolOf).Distinct())
        {
            PoolRecord record = new(AssetA, AssetB(pool), ReserveA: Plenty, ReserveB: Plenty, Shares: Plenty, FeeBps: 30);
            workload.State.Set(Hashing.KeyOf(Amm, AmmLayout.PoolKey(AssetA, AssetB(pool))), record.Encode());
        }

        return workload;
    }

    private static EngineWorkload Orders(int count)
    {
        const int markets = 16;
        const int prices = 32;
        SeededRandom random = new(61);
        Zipf market = new(markets);
        Zipf distance = new(prices);                            // orders crowd near the price
        EngineWorkload workload = Make("orderbook", count, i =>
        {
            int at = market.Next(random);
            LocalKey level = KeyOf(10_000 + (at * prices) + distance.Next(random));
            ProgramCall call = random.Chance(1, 10)
                ? OrderBookCalls.Quote(level)
                : OrderBookCalls.Place(Account(i), level, KeyOf(1_000 + at), 1 + (ulong)random.Next(1_000), random.Chance(1, 2) ? OrderSide.Buy : OrderSide.Sell);
            return (OrderBook, "orderbook", call, i);
        });
        foreach (Message message in workload.Batch)
        {
            for (int i = 0; i < message.Keys.Length; i++)
            {
                workload.State.Set(message.Keys[i], new byte[16]);
            }
        }

        workload.State.Pay(workload.Batch);
        return workload;
    }

    // Accounts by Zipf over 256 hot ones for one in five, the rest of one's own; a record has the mix's size.
    private static EngineWorkload Solana(int count)
    {
        SeededRandom random = new(62);
        Zipf hot = new(256);
        Dictionary<StateKey, byte[]> sized = [];
        EngineWorkload workload = Make("solana", count, i =>
        {
            (int reads, int writes, int readBytes, int writeBytes, _) = Draw(random);
            HashSet<int> used = [];
            LocalKey[] keys = [.. Enumerable.Range(0, reads + writes).Select(k => KeyOf(Pick(k)))];
            for (int k = 0; k < keys.Length; k++)
            {
                int bytes = k < writes ? writeBytes / Math.Max(1, writes) : readBytes / Math.Max(1, reads);
                sized[Hashing.KeyOf(Touch, keys[k])] = new byte[Math.Clamp(bytes, 16, StateLimits.MaxRecordBytes)];
            }

            return (Touch, $"touch {writes} 0 {reads}", TouchProgram.Call(keys.AsSpan(0, writes), default, keys.AsSpan(writes)), i);

            int Pick(int k)
            {
                int key = random.Chance(1, 5) ? hot.Next(random) : 1_000 + (i * 64) + k;
                return used.Add(key) ? key : Pick(k);
            }
        });
        foreach ((StateKey key, byte[] record) in sized)
        {
            workload.State.Set(key, record);
        }

        return workload;
    }

    private static (int Reads, int Writes, int ReadBytes, int WriteBytes, int Weight) Draw(SeededRandom random)
    {
        int lot = random.Next(SolanaMix.Sum(row => row.Weight));
        int row = 0;
        for (; lot >= SolanaMix[row].Weight; row++)
        {
            lot -= SolanaMix[row].Weight;
        }

        return SolanaMix[row];
    }

    private static void AddBeeb(List<EngineWorkload> all, int count, List<string> notes)
    {
        if (BeebFile.Find() is not { } file)
        {
            notes.Add("beeb.* rows are left out: ../shared/data/beeb.json is not beside the repository");
            return;
        }

        SeededRandom random = new(63);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
        JsonElement root = document.RootElement;
        BeebFile senders = new(root.GetProperty("p2p").GetProperty("SENDER_DISTRIBUTION"));
        BeebFile receivers = new(root.GetProperty("p2p").GetProperty("RECEIVER_DISTRIBUTION"));
        all.Add(Make("beeb.p2p", count, i =>
        {
            int sender = senders.Next(random);
            return (Token, "token", TokenCalls.Transfer(Account(sender), Account(HotReceiver + receivers.Next(random)), 5), sender);
        }));
        BeebFile contracts = new(root.GetProperty("nft").GetProperty("NFT_CONTRACT_DISTRIBUTION"));
        BeebFile users = new(root.GetProperty("nft").GetProperty("NFT_USER_DISTRIBUTION"));
        all.Add(Make("beeb.nft", count, i =>
        {
            int user = users.Next(random);
            return (Touch, "touch 2 0 0", TouchProgram.Call([KeyOf(contracts.Next(random)), KeyOf(100_000 + user)], default), user);
        }));
        foreach (string day in new[] { "AVERAGE", "BURSTY" })
        {
            BeebFile pools = new(root.GetProperty("uniswap").GetProperty(day + "_VALUE_DISTRIBUTION"));
            int[] drawn = [.. Enumerable.Range(0, count).Select(_ => pools.Next(random))];
            all.Add(Swaps($"beeb.uniswap.{day.ToLowerInvariant()}", count, i => drawn[i]));
        }

        BeebFile resources = new(root.GetProperty("mixed").GetProperty("MIXED_DISTRIBUTION"));
        double[] lengths = [.. root.GetProperty("mixed").GetProperty("WRITE_LENGTH_DISTRIBUTION").EnumerateArray().Select(e => e.GetDouble())];
        all.Add(Make("beeb.mixed", count, i =>
        {
            int wanted = Math.Clamp((int)Math.Round(lengths[random.Next(lengths.Length)]), 1, 38);
            HashSet<int> keys = [];
            while (keys.Count < wanted)
            {
                keys.Add(resources.Next(random));
            }

            return (Touch, $"touch {wanted} 0 0", TouchProgram.Call([.. keys.Select(KeyOf)], default), i);
        }));
    }

    private static EngineWorkload Make(string name, int count, Func<int, (ProgramId Owner, string Program, ProgramCall Call, int Payer)> callOf)
    {
        Message[] batch = new Message[count];
        for (int i = 0; i < count; i++)
        {
            (ProgramId owner, string program, ProgramCall call, int payer) = callOf(i);
            batch[i] = MessageOf(i, owner, ProgramOf(program), call, Account(payer));
        }

        FixedState state = new();
        foreach (Message message in batch)
        {
            foreach (StateKey key in message.Keys)
            {
                state.Set(key, BalanceRecord.Encode(Plenty));
            }
        }

        state.Pay(batch);
        return new EngineWorkload(name, batch, state);
    }

    private static Message MessageOf(int index, ProgramId owner, VerifiedProgram program, ProgramCall call, PublicKey payer)
    {
        call.BindWide(out Access[] accesses, out ushort[] slotTable);
        bool isLegal = AccessList.TryCreate(accesses, 1, out AccessList list, out _);
        Invariant.Require(isLegal);
        return new Message
        {
            Id = new TxId(new Bytes32(0, 0, 0, (ulong)index)),
            Programs = [owner],
            Program = program,
            EntryIndex = program.FindEntry(call.Selector),
            Arguments = call.Arguments,
            Accesses = list,
            Keys = Array.ConvertAll(accesses, access => Hashing.KeyOf(owner, access.Key)),
            SlotTable = slotTable,
            Payer = payer,
            PayerKey = Hashing.KeyOf(ProgramId.Native, new LocalKey(payer.Value)),
            Signers = [payer],
            GasLimit = 1_000_000,
            IntrinsicGas = GasPrices.Launch.Intrinsic(0, 1, accesses),
            MaxPrice = 1,
            Tip = 0,
        };
    }

    // The same call by somebody who declares Write where Add would do.
    private static ProgramCall Written(ProgramCall call) =>
        call with { Slots = [.. call.Slots.Select(slot => slot with { Mode = AccessMode.Write })] };

    private static VerifiedProgram ProgramOf(string name) => Programs.GetOrAdd(name, static name =>
    {
        string[] words = name.Split(' ');
        byte[] container = words[0] switch
        {
            "token" => ReferencePrograms.Token,
            "amm" => ReferencePrograms.Amm,
            "counter" => ReferencePrograms.Counter,
            "orderbook" => ReferencePrograms.OrderBook,
            _ => TouchProgram.Assemble(int.Parse(words[1], null), int.Parse(words[2], null), int.Parse(words[3], null)),
        };
        return Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? verified, out Refusal refusal)
            ? verified
            : throw new InvariantException($"Program {name} is refused: {refusal}");
    });

    private static PublicKey Account(int index) => new(new Bytes32(1, 0, 0, (ulong)index));

    private static LocalKey KeyOf(int index) => new(new Bytes32(2, 0, 0, (ulong)index));

    private static Bytes32 AssetB(int pool) => new(0, 0, 2, (ulong)pool);
}

/// <summary>One distribution of the BEEB file: a weight per resource.</summary>
internal sealed class BeebFile
{
    private readonly double[] _cumulative;

    /// <summary>From its array of weights.</summary>
    public BeebFile(JsonElement weights)
    {
        double sum = 0;
        _cumulative = [.. weights.EnumerateArray().Select(weight => sum += weight.GetDouble())];
    }

    /// <summary>The file beside the repository that this program was built in; null when it is not there.</summary>
    public static string? Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "ParallelVm.sln")))
        {
            folder = Path.GetDirectoryName(folder);
        }

        string? path = folder is null ? null : Path.GetFullPath(Path.Combine(folder, "../shared/data/beeb.json"));
        return File.Exists(path) ? path : null;
    }

    /// <summary>A resource, with probability weight over sum.</summary>
    public int Next(SeededRandom random)
    {
        double lot = random.Next(1 << 30) / (double)(1 << 30) * _cumulative[^1];
        int found = Array.BinarySearch(_cumulative, lot);
        return Math.Min(_cumulative.Length - 1, found >= 0 ? found + 1 : ~found);
    }
}

/// <summary>Records that never change: every batch runs on the same ones, and no root is computed.</summary>
internal sealed class FixedState : IStateView
{
    private static readonly byte[] Rich = BalanceRecord.Encode((UInt128)1 << 100);

    private readonly Dictionary<StateKey, byte[]> _records = [];

    /// <inheritdoc/>
    public StateRoot Root => default;

    /// <inheritdoc/>
    public int Readers => int.MaxValue;

    /// <summary>Puts a record there.</summary>
    public void Set(in StateKey key, byte[] value) => _records[key] = value;

    /// <summary>Gives every payer of a batch all it may need.</summary>
    public void Pay(Message[] batch)
    {
        foreach (Message message in batch)
        {
            _records[message.PayerKey] = Rich;
        }
    }

    /// <inheritdoc/>
    public int Read(in StateKey key, Span<byte> target)
    {
        if (!_records.TryGetValue(key, out byte[]? value))
        {
            return -1;
        }

        value.CopyTo(target);
        return value.Length;
    }

    /// <inheritdoc/>
    public IStateView Apply(StateDiff diff) => this;
}
