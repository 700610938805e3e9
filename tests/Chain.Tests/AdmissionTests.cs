using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Chain.Tests;

// Every refusal of a submitted transaction has its own code, and says the value that was wrong.
public class AdmissionTests
{
    private static readonly ProgramId Nobody = new(Blake3.Hash("nobody"u8));

    private static readonly Dictionary<string, (RefusalCode Code, Func<Kit, byte[]> Make)> Cases = new()
    {
        ["nothing"] = (RefusalCode.Truncated, _ => []),
        ["unknown version"] = (RefusalCode.UnknownVersion, kit => [2, .. kit.Increment(0, 0).Bytes[1..].Span]),
        ["truncated"] = (RefusalCode.Truncated, kit => kit.Increment(0, 0).Bytes[..^1].ToArray()),
        ["trailing"] = (RefusalCode.TrailingBytes, kit => [.. kit.Increment(0, 0).Bytes.Span, 0]),
        ["too long"] = (RefusalCode.TooLong, _ => new byte[Transaction.MaxBytes + 1]),
        ["wrong chain"] = (RefusalCode.WrongChain, kit => Signed(new TransactionBuilder(new ChainId(Bytes32.Zero)) { ExpiryMs = kit.Time.NowMs, GasLimit = Kit.Gas, MaxPrice = 9 }.Call(Kit.Counter, 1, []))),
        ["expired"] = (RefusalCode.Expired, kit => Signed(Call(kit, b => b.ExpiryMs = kit.Time.NowMs - 1))),
        ["expires too late"] = (RefusalCode.ExpiryTooFar, kit => Signed(Call(kit, b => b.ExpiryMs = kit.Time.NowMs + 60_001))),
        ["unknown program"] = (RefusalCode.UnknownProgram, kit => Signed(kit.Builder().Call(Nobody, 1, []))),
        ["native is no program here"] = (RefusalCode.UnknownProgram, kit => Signed(kit.Builder().Call(ProgramId.Native, 1, []))),
        ["owner zero is no program"] = (RefusalCode.UnknownProgram, kit => Signed(kit.Builder().Call(default, 1, []))),
        ["unknown entry"] = (RefusalCode.UnknownEntry, kit => Signed(kit.Builder().Call(Kit.Counter, 77, []))),
        ["gas below intrinsic"] = (RefusalCode.GasLimitBelowIntrinsic, kit => Signed(Call(kit, b => b.GasLimit = 1))),
        ["gas too high"] = (RefusalCode.GasLimitTooHigh, kit => Signed(Call(kit, b => b.GasLimit = ChainLimits.Default.MaxTransactionGas + 1))),
        ["price below base fee"] = (RefusalCode.PriceBelowBaseFee, kit => Signed(Call(kit, b => b.MaxPrice = Kit.BaseFee - 1))),
        ["bad signature"] = (RefusalCode.BadSignature, kit => Flipped(kit.Increment(0, 0), 1)),
        ["bad co-signature"] = (RefusalCode.BadSignature, kit => Flipped(Call(kit, _ => { }).Sign(Kit.Accounts[0], Kit.Accounts[1]), 1)),
        ["bad payer signature"] = (RefusalCode.BadSignature, kit => Flipped(Call(kit, _ => { }).Sign(Kit.Accounts[0], Kit.Accounts[1]), 1 + Signature.Size)),
        ["payer has nothing"] = (RefusalCode.PayerUnderfunded, kit => Call(kit, _ => { }).Sign(Kit.Pauper).Bytes.ToArray()),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory, MemberData(nameof(Names))]
    public void Each_refusal_has_its_code_alone_and_in_a_batch(string name)
    {
        using Kit kit = new();
        (RefusalCode code, Func<Kit, byte[]> make) = Cases[name];
        byte[] bytes = make(kit);
        Refusal refusal = kit.Chain.Submit(bytes);
        Assert.True(code == refusal.Code, $"{name}: {refusal}");
        Assert.False(string.IsNullOrWhiteSpace(refusal.Sentence));
        Assert.DoesNotContain('\n', refusal.Sentence);

        Refusal[] batch = kit.Chain.SubmitBatch([kit.Increment(0, 1).Bytes, bytes, kit.Increment(0, 2).Bytes]);
        Assert.Equal([RefusalCode.None, code, RefusalCode.None], Array.ConvertAll(batch, r => r.Code));
        Assert.Equal(2, kit.Chain.MempoolCount);
    }

    [Fact]
    public void The_time_window_is_closed_at_both_ends()
    {
        using Kit kit = new();
        kit.Submit(kit.Increment(0, 0, expiresInMs: 0), kit.Increment(0, 0, expiresInMs: 60_000));
    }

    [Fact]
    public void A_lowered_limit_of_genesis_is_kept()
    {
        ChainLimits limits = ChainLimits.Default with { MaxTransactionBytes = 400, MaxAccesses = 1, MaxArgumentBytes = 2 };
        using Kit kit = new(limits: limits);
        Assert.Equal(RefusalCode.TooLong, kit.Chain.Submit(kit.Builder().Call(Kit.Counter, 1, new byte[3]).Sign(Kit.Accounts[0]).Bytes.Span).Code);
        TransactionBuilder two = kit.Builder().Call(Kit.Counter, 1, []).Slot(Kit.Counter, Kit.Key(1), AccessMode.Write).Declare(Kit.Counter, Kit.Key(2), AccessMode.Read);
        Assert.Equal(RefusalCode.TooManyAccesses, kit.Chain.Submit(two.Sign(Kit.Accounts[0]).Bytes.Span).Code);
        Transaction large = kit.Builder().Call(Kit.Counter, 1, []).Sign(Kit.Accounts[0], Kit.Accounts[1], Kit.Accounts[2], Kit.Accounts[3]);
        Assert.Equal(RefusalCode.TooLong, kit.Chain.Submit(large.Bytes.Span).Code);
        kit.Submit(kit.Increment(0, 0));
    }

    [Fact]
    public void The_same_transaction_is_a_duplicate_while_it_waits_and_after_it_was_accepted_re_signed_or_not()
    {
        using Kit kit = new();
        Transaction transaction = kit.Increment(0, 0);
        byte[] reSigned = Flipped(transaction, 1);
        kit.Submit(transaction);
        Assert.Equal(RefusalCode.DuplicateTransaction, kit.Chain.Submit(transaction.Bytes.Span).Code);
        Assert.Equal(RefusalCode.DuplicateTransaction, kit.Chain.Submit(reSigned).Code);
        kit.BuildAndAccept();
        Assert.Equal(0, kit.Chain.MempoolCount);
        Assert.Equal(RefusalCode.DuplicateTransaction, kit.Chain.Submit(transaction.Bytes.Span).Code);
        Assert.Equal(RefusalCode.DuplicateTransaction, kit.Chain.Submit(reSigned).Code);
    }

    [Fact]
    public void A_batch_may_hold_a_duplicate_of_itself()
    {
        using Kit kit = new();
        ReadOnlyMemory<byte> one = kit.Increment(0, 0).Bytes;
        Refusal[] refusals = kit.Chain.SubmitBatch([one, one]);
        Assert.Equal([RefusalCode.None, RefusalCode.DuplicateTransaction], Array.ConvertAll(refusals, r => r.Code));
    }

    [Fact]
    public void A_batch_tells_the_id_of_every_transaction_refused_or_not_and_none_of_what_is_no_transaction()
    {
        using Kit kit = new();
        Transaction good = kit.Increment(0, 0);
        Transaction expired = kit.Increment(0, 1, expiresInMs: 120_000);
        byte[] forged = kit.Increment(0, 2).Bytes.ToArray();
        forged[^1] ^= 1;
        TxId[] ids = [new(new Bytes32(1, 2, 3, 4)), default, default, default, default];
        Refusal[] refusals = kit.Chain.SubmitBatch([new byte[9], good.Bytes, good.Bytes, expired.Bytes, forged], ids);
        Assert.Equal([true, false, true, true, true], Array.ConvertAll(refusals, static refusal => refusal.IsRefused));
        Assert.Equal([default, good.Id, good.Id, expired.Id, kit.Increment(0, 2).Id], ids);

        Assert.True(kit.Chain.Submit(forged, out TxId id).IsRefused);
        Assert.Equal(ids[4], id);
        Assert.True(kit.Chain.Submit(new byte[9], out id).IsRefused);
        Assert.Equal(default, id);
        Assert.Throws<ArgumentException>(() => kit.Chain.SubmitBatch([good.Bytes, good.Bytes], new TxId[1]));
    }

    [Fact]
    public void A_payer_cannot_promise_more_than_it_has()
    {
        using Kit kit = new();
        ulong price = (ulong)(Kit.Funds / Kit.Gas / 2) + 1;      // two such transactions cost more than the payer has
        kit.Submit(kit.Increment(0, 0, tip: price - Kit.BaseFee));
        Assert.Equal(RefusalCode.PayerUnderfunded, kit.Chain.Submit(kit.Increment(0, 1, tip: price - Kit.BaseFee).Bytes.Span).Code);
        kit.Submit(kit.Increment(1, 1, tip: price - Kit.BaseFee));
    }

    private static TransactionBuilder Call(Kit kit, Action<TransactionBuilder> change)
    {
        TransactionBuilder builder = kit.Builder();
        change(builder);
        return builder.Call(Kit.Counter, CounterCalls.IncrementSelector, []).Slot(Kit.Counter, Kit.Key(0), AccessMode.Write);
    }

    private static byte[] Signed(TransactionBuilder builder) => builder.Sign(Kit.Accounts[0]).Bytes.ToArray();

    private static byte[] Flipped(Transaction transaction, int fromEnd)
    {
        byte[] bytes = transaction.Bytes.ToArray();
        bytes[^fromEnd] ^= 1;
        return bytes;
    }
}
