// The door under a flood: what it answers, what it costs, and who still comes through.

using System;
using System.Collections.Generic;
using System.Linq;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Tests.Api;
using ParallelVm.Rpcchainvm.Vm;

namespace ParallelVm.Rpcchainvm.Tests.Vm;

public sealed class AdmissionTests
{
    private const int SignatureBytes = 64;

    // D1, with the chain itself as the twin: the same batches into two equal chains, through the door and past it.
    [Theory, InlineData(1), InlineData(2)]
    public void An_answer_is_the_chains_or_says_that_nobody_looked(int seed)
    {
        using ApiKit behind = new();
        using ApiKit bare = new();
        Admission door = new(behind.Chain, behind.Clock, new AdmissionLimits { FirstSlice = 2, LongestSlice = 8, StrikesPerBatch = 2, AlarmPerTenSeconds = 20 });
        SeededRandom random = new((ulong)seed);
        List<ReadOnlyMemory<byte>> sent = [];
        int unseen = 0;
        for (int round = 0; round < 60; round++)
        {
            ReadOnlyMemory<byte>[] batch = new ReadOnlyMemory<byte>[random.Next(20)];
            for (int i = 0; i < batch.Length; i++)
            {
                batch[i] = random.Next(round < 20 ? 40 : 4) switch
                {
                    0 => Forged(behind.Count(random.Next(16), 1_000 + round), random),
                    1 => Noise(random),
                    2 when sent.Count > 0 => sent[random.Next(sent.Count)],
                    _ => behind.Count(random.Next(16), (round * 100) + i).Bytes,
                };
            }

            TxId[] ids = new TxId[batch.Length];
            Refusal[] answers = door.Submit(batch, ids);
            ReadOnlyMemory<byte>[] seen = [.. batch.Where((_, i) => answers[i].Code != RefusalCode.NotLookedAt)];
            Refusal[] expected = bare.Chain.SubmitBatch(seen);
            Assert.True(answers.Take(seen.Length).Select(static answer => answer.Code).SequenceEqual(expected.Select(static answer => answer.Code)), $"seed {seed} round {round}");
            for (int i = 0; i < seen.Length; i++)
            {
                Assert.True(answers[i].IsRefused || behind.Chain.IsWaiting(ids[i]), $"seed {seed} round {round} place {i}");
                if (!answers[i].IsRefused)
                {
                    sent.Add(batch[i]);
                }
            }

            unseen += batch.Length - seen.Length;
            behind.Clock.NowMs += 500;
            bare.Clock.NowMs += 500;
        }

        Assert.True(unseen > 20 && sent.Count > 20, $"seed {seed}: {unseen} unseen, {sent.Count} taken");
        Assert.Equal(bare.Chain.MempoolCount, behind.Chain.MempoolCount);
        Assert.Equal(sent.Count, door.Admitted);
        Assert.Equal(unseen, door.Refused.Single(static refused => refused.Code == RefusalCode.NotLookedAt).Count);
    }

    // D2: a hundred thousand forged signatures cost the checks of a few batches, and an honest batch passes at the height of it.
    [Fact]
    public void A_flood_of_forged_signatures_is_checked_by_the_hundred_not_by_the_hundred_thousand()
    {
        using ApiKit kit = new();
        Admission door = new(kit.Chain, kit.Clock);
        SeededRandom random = new(7);
        Transaction good = kit.Count(0, 1);
        ReadOnlyMemory<byte>[] batch = new ReadOnlyMemory<byte>[500];
        for (int round = 0; round < 200; round++)
        {
            for (int i = 0; i < batch.Length; i++)
            {
                batch[i] = Forged(good, random);
            }

            Assert.All(door.Submit(batch, default), static answer => Assert.True(answer.IsRefused));
        }

        AdmissionLimits limits = new();
        Assert.InRange(kit.Chain.SignaturesChecked, limits.AlarmPerTenSeconds, 500 + limits.AlarmPerTenSeconds + limits.FirstSlice + 200);

        ReadOnlyMemory<byte>[] honest = [.. Enumerable.Range(0, 64).Select(i => kit.Count(i % 16, 100 + i).Bytes)];
        Assert.All(door.Submit(honest, default), static answer => Assert.False(answer.IsRefused, answer.ToString()));
        Assert.Equal(64, kit.Chain.MempoolCount);
        Assert.Equal(RefusalCode.BadSignature, door.Submit(Forged(good, random).Span, out _).Code);

        kit.Clock.NowMs += 21_000;                                      // calm again: looked at whole
        long before = kit.Chain.SignaturesChecked;
        for (int i = 0; i < batch.Length; i++)
        {
            batch[i] = Forged(kit.Count(1, 2), random);
        }

        door.Submit(batch, default);
        Assert.Equal(500, kit.Chain.SignaturesChecked - before);
    }

    // Alarmed, what is known already earns no longer look at what follows it.
    [Fact]
    public void Copies_do_not_open_the_door_for_forgeries()
    {
        using ApiKit kit = new();
        Admission door = new(kit.Chain, kit.Clock, new AdmissionLimits { AlarmPerTenSeconds = 1 });
        SeededRandom random = new(8);
        Transaction waiting = kit.Count(0, 1);
        Assert.False(door.Submit(waiting.Bytes.Span, out _).IsRefused);
        door.Submit(Forged(kit.Count(0, 2), random).Span, out _);
        long before = kit.Chain.SignaturesChecked;
        ReadOnlyMemory<byte>[] batch = [.. Enumerable.Range(0, 100).Select(i => i < 50 ? waiting.Bytes : Forged(kit.Count(0, 3), random))];
        Refusal[] answers = door.Submit(batch, default);
        Assert.Equal(1, kit.Chain.SignaturesChecked - before);
        Assert.Equal(50, answers.Count(static answer => answer.Code == RefusalCode.DuplicateTransaction));
        Assert.Equal(49, answers.Count(static answer => answer.Code == RefusalCode.NotLookedAt));
    }

    private static ReadOnlyMemory<byte> Forged(Transaction good, SeededRandom random)
    {
        byte[] bytes = good.Bytes.ToArray();
        bytes[^(SignatureBytes - random.Next(32))] ^= (byte)(1 + random.Next(255));
        return bytes;
    }

    private static ReadOnlyMemory<byte> Noise(SeededRandom random)
    {
        byte[] bytes = new byte[random.Next(300)];
        random.Fill(bytes);
        return bytes;
    }
}
