// What flood sends is what it says: each kind is refused for its own reason, and fresh ones are never the same twice.

using System;
using System.Collections.Generic;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Drive;
using ParallelVm.Loadtest.Workloads;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Gossip;

namespace ParallelVm.Loadtest.Tests;

public sealed class HostileLoadTests
{
    [Theory, InlineData(3)]
    public void Every_kind_is_bad_in_its_own_way(int seed)
    {
        DexWorld world = new((ulong)seed);
        HostileLoad hostile = new(world, new SeededRandom((ulong)seed));
        HashSet<string> fresh = [];
        Dictionary<HostileKind, int> messages = [];
        for (int round = 0; round < 120; round++)
        {
            Dictionary<HostileKind, long> before = new(hostile.Sent);
            ReadOnlyMemory<byte> message = hostile.NextGossip(out int items);
            HostileKind kind = default;
            foreach ((HostileKind sent, long count) in hostile.Sent)
            {
                kind = count == before.GetValueOrDefault(sent) ? kind : sent;
            }

            messages[kind] = messages.GetValueOrDefault(kind) + 1;
            Assert.True(SdkMessages.TryReadHandler(message, out ulong handler, out ReadOnlyMemory<byte> body) && handler == TxGossip.Handler);
            List<ReadOnlyMemory<byte>> elements = [];
            Assert.Equal(kind != HostileKind.Malformed, SdkMessages.TryReadElements(body, elements, out _));
            if (kind is HostileKind.Malformed)
            {
                continue;
            }

            Assert.Equal(kind == HostileKind.Oversized ? 11 : items, elements.Count);
            bool decodes = Transaction.TryDecode(elements[0].Span, out Transaction? first, out _);
            Assert.Equal(kind is not (HostileKind.Noise or HostileKind.Oversized), decodes);
            switch (kind)
            {
                case HostileKind.Forged:
                    Assert.False(first!.VerifySignatures());
                    Assert.True(fresh.Add(Convert.ToHexString(elements[0].Span)), $"seed {seed} round {round}: sent before");
                    break;
                case HostileKind.Noise:
                    Assert.True(fresh.Add(Convert.ToHexString(elements[0].Span)), $"seed {seed} round {round}: sent before");
                    break;
                case HostileKind.Expired:
                    Assert.True(first!.VerifySignatures() && first.ExpiryMs < (ulong)DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
                    break;
                case HostileKind.Poor:
                    Assert.True(first!.VerifySignatures() && first.ExpiryMs > (ulong)DateTimeOffset.UtcNow.ToUnixTimeMilliseconds());
                    Assert.DoesNotContain(world.Genesis.Balances.ToArray(), balance => balance.Key == first.Payer);
                    break;
                case HostileKind.Duplicates:
                    Assert.True(first!.VerifySignatures());
                    break;
                default:
                    Assert.Equal(Transaction.MaxBytes + 1, elements[0].Length);
                    break;
            }
        }

        Assert.Equal(Enum.GetValues<HostileKind>().Length, messages.Count);
        for (int round = 0; round < 20; round++)
        {
            Assert.True(hostile.NextCall(out int items).Length is > 1_000 and < 1 << 20 && items > 0, $"seed {seed} call {round}: no body that the API reads");
        }
    }
}
