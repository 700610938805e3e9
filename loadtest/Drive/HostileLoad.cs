// What flood sends: transactions by the hundred thousand that cost their sender nearly nothing. Messages are made once, in pools, and go out
// again and again with a few bytes changed in place, so that a forged signature or a malformed transaction is a new one each time and no
// memory of hashes helps. The mixture, of each hundred messages (of gossip, and calls of the API):
//
//   30  forged        good transactions, with other bytes in their signatures
//   15  noise         random bytes as long as a transaction
//   20  duplicates    what the load itself has just submitted
//   10  expired       good signatures, too late
//   10  poor          good signatures, of payers who hold nothing
//   10  oversized     longer than a transaction may be (gossip), or a list longer than a call may have (API)
//    5  malformed     no message, no JSON
//
// Threading: one sender owns one instance.   Cost: a message costs its sender a few hundred byte writes and its way to the plugin.

using System;
using System.Collections.Generic;
using System.Text;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;

namespace ParallelVm.Loadtest.Drive;

/// <summary>A kind of hostile message.</summary>
internal enum HostileKind
{
    Forged,
    Noise,
    Duplicates,
    Expired,
    Poor,
    Oversized,
    Malformed,
}

/// <summary>Makes hostile messages.</summary>
internal sealed class HostileLoad
{
    /// <summary>Transactions in a message of gossip: well below the longest that the node carries, and more than honest nodes send.</summary>
    public const int ItemsPerMessage = 400;

    /// <summary>Transactions in a call of the API: nearly as many as one may have.</summary>
    public const int ItemsPerCall = 500;

    private const int SignatureBytes = 64;

    private static readonly (HostileKind Kind, int Percent)[] Mixture =
    [
        (HostileKind.Forged, 30), (HostileKind.Noise, 15), (HostileKind.Duplicates, 20), (HostileKind.Expired, 10), (HostileKind.Poor, 10),
        (HostileKind.Oversized, 10), (HostileKind.Malformed, 5),
    ];

    private static readonly byte[] Head = Encoding.ASCII.GetBytes("""{"jsonrpc":"2.0","id":1,"method":"submitMany","params":{"transactions":[""");
    private static readonly byte[] Tail = Encoding.ASCII.GetBytes("]}}");

    private readonly SeededRandom _random;
    private readonly Dictionary<HostileKind, Message> _gossip = [];
    private readonly Dictionary<HostileKind, Message> _calls = [];
    private readonly TransactionFactory _factory;
    private readonly DexWorld _world;

    /// <summary>Hostile messages against a world's chain.</summary>
    public HostileLoad(DexWorld world, SeededRandom random)
    {
        _world = world;
        _random = random;
        _factory = new TransactionFactory(world, TimeProvider.System);
        List<byte[]> good = Honest(ItemsPerCall);
        List<byte[]> expired = SignedAt(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() - 10_000, world.Account(0), ItemsPerCall);
        List<byte[]> poor = SignedAt(DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() + 55_000, new SigningKey(Blake3.Hash("poor"u8)), ItemsPerCall);
        Add(HostileKind.Forged, good, signatures: true);
        Add(HostileKind.Noise, good, signatures: false);
        Add(HostileKind.Duplicates, good, signatures: false);
        Add(HostileKind.Expired, expired, signatures: false);
        Add(HostileKind.Poor, poor, signatures: false);
        byte[] oversized = new byte[Transaction.MaxBytes + 1];
        _gossip[HostileKind.Oversized] = new Message(Gossip([oversized, .. good[..10]], out _), [], 1);
        List<byte[]> many = [.. good, .. good[..100]];
        _calls[HostileKind.Oversized] = new Message(Call(many, out _), [], many.Count);
        byte[] torn = Gossip(good[..ItemsPerMessage], out _);
        _gossip[HostileKind.Malformed] = new Message(torn[..^7], [], ItemsPerMessage);
        _calls[HostileKind.Malformed] = new Message(Call(good[..10], out _)[..^4], [], 10);
    }

    /// <summary>What was sent so far by kind, in transactions.</summary>
    public Dictionary<HostileKind, long> Sent { get; } = [];

    /// <summary>From now on this is what duplicates are made of.</summary>
    public void Learn(IReadOnlyList<ReadOnlyMemory<byte>> submitted)
    {
        List<byte[]> items = new(ItemsPerCall);
        for (int i = 0; i < submitted.Count && items.Count < ItemsPerCall; i++)
        {
            items.Add(submitted[i].ToArray());
        }

        Add(HostileKind.Duplicates, items, signatures: false);
    }

    /// <summary>The next message of gossip; valid until the next one is asked for.</summary>
    public ReadOnlyMemory<byte> NextGossip(out int items) => Next(_gossip, isHex: false, out items);

    /// <summary>The next body for the API; valid until the next one is asked for.</summary>
    public ReadOnlyMemory<byte> NextCall(out int items) => Next(_calls, isHex: true, out items);

    private ReadOnlyMemory<byte> Next(Dictionary<HostileKind, Message> from, bool isHex, out int items)
    {
        HostileKind kind = Draw();
        Message message = from[kind];
        foreach ((int start, int length) in message.Spots)
        {
            // somewhere in the spot eight digits of hex, or four bytes, become others
            int at = start + _random.Next(length - 8);
            uint fresh = (uint)_random.NextU64();
            for (int i = 0; i < 8; i++)
            {
                message.Bytes[at + i] = isHex ? (byte)"0123456789abcdef"[(int)(fresh >> (4 * i)) & 15] : (byte)(fresh >> (4 * i));
            }
        }

        items = message.Items;
        Sent[kind] = Sent.GetValueOrDefault(kind) + items;
        return message.Bytes;
    }

    private HostileKind Draw()
    {
        int drawn = _random.Next(100);
        foreach ((HostileKind kind, int percent) in Mixture)
        {
            drawn -= percent;
            if (drawn < 0)
            {
                return kind;
            }
        }

        throw new InvariantException("The mixture has less than a hundred parts.");
    }

    // Spots are the signatures, which stand at the end of each; of noise all of it.
    private void Add(HostileKind kind, List<byte[]> items, bool signatures)
    {
        bool isNoise = kind == HostileKind.Noise;
        foreach ((Dictionary<HostileKind, Message> target, int count, bool isCall) in
            ((Dictionary<HostileKind, Message>, int, bool)[])[(_gossip, ItemsPerMessage, false), (_calls, ItemsPerCall, true)])
        {
            List<byte[]> some = items[..Math.Min(count, items.Count)];
            if (isNoise)
            {
                some = some.ConvertAll(item =>
                {
                    byte[] noise = new byte[item.Length];
                    _random.Fill(noise);
                    return noise;
                });
            }

            List<(int End, int Length)> places;
            byte[] bytes = isCall ? Call(some, out places) : Gossip(some, out places);
            int factor = isCall ? 2 : 1;
            List<(int, int)> spots = signatures || isNoise ? places.ConvertAll(place => isNoise ? (place.End - place.Length, place.Length) : (place.End - (SignatureBytes * factor), SignatureBytes * factor)) : [];
            target[kind] = new Message(bytes, spots, some.Count);
        }
    }

    private static byte[] Gossip(List<byte[]> items, out List<(int End, int Length)> places)
    {
        byte[] message = SdkMessages.WithHandler(TxGossip.Handler, SdkMessages.WriteElements(items.ConvertAll(static item => new ReadOnlyMemory<byte>(item))));
        places = [];
        int at = 0;
        foreach (byte[] item in items)
        {
            at += message.AsSpan(at).IndexOf(item) + item.Length;
            places.Add((at, item.Length));
        }

        return message;
    }

    private static byte[] Call(List<byte[]> items, out List<(int End, int Length)> places)
    {
        List<byte> body = [.. Head];
        places = [];
        foreach (byte[] item in items)
        {
            body.AddRange(places.Count == 0 ? "\""u8 : ",\""u8);
            byte[] hex = Encoding.ASCII.GetBytes(Convert.ToHexStringLower(item));
            body.AddRange(hex);
            places.Add((body.Count, hex.Length));
            body.Add((byte)'"');
        }

        body.AddRange(Tail);
        return [.. body];
    }

    private List<byte[]> Honest(int count)
    {
        Workload workload = new(new WorkloadShape(_random.NextU64(), DexWorld.AccountCount, DexWorld.PoolCount, WorkloadMix.Default, 0));
        List<byte[]> signed = [];
        foreach (Intent intent in workload.At(new Height(1), count))
        {
            signed.Add(_factory.Sign(intent, new Height(1)).Bytes.ToArray());
        }

        return signed;
    }

    private List<byte[]> SignedAt(long expiryMs, SigningKey payer, int count)
    {
        List<byte[]> signed = [];
        Toolchain.ProgramCall call = Toolchain.TokenCalls.Transfer(payer.PublicKey, _world.Account(1).PublicKey, 1);
        for (int i = 0; i < count; i++)
        {
            TransactionBuilder builder = new(_world.Genesis.ChainId) { ExpiryMs = (ulong)expiryMs, GasLimit = 32_000, MaxPrice = 1_000 + (ulong)i, Tip = 1 };
            builder.Call(DexWorld.Token, call.Selector, call.Arguments);
            foreach (Toolchain.SlotBinding slot in call.Slots)
            {
                builder.Slot(DexWorld.Token, slot.Key, slot.Mode);
            }

            signed.Add(builder.Sign(payer).Bytes.ToArray());
        }

        return signed;
    }

    private sealed record Message(byte[] Bytes, List<(int Start, int Length)> Spots, int Items);
}
