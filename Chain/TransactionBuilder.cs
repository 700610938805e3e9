// Makes signed transactions: what wallets, tests and the load generator use. A client says per slot which record
// it means; the builder makes the program table, sorts the accesses, joins the modes of slots that name one record, and
// fills the slot table.
//
//   Transaction transfer = new TransactionBuilder(chain)
//       { ExpiryMs = now + 30_000, GasLimit = 20_000, MaxPrice = 10, Tip = 1 }
//       .Call(token, selector, arguments)
//       .Slot(token, from, AccessMode.Write)
//       .Slot(token, to, AccessMode.Add)
//       .Sign(key);
//
// What it makes decodes: Sign runs the decoder over its own bytes and refuses what the decoder refuses.
//
// Threading: one thread.   Cost: one signature per signer, about 0.1 ms each.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Collects the parts of one transaction and signs it.</summary>
/// <param name="chain">The chain that the transaction is for.</param>
public sealed class TransactionBuilder(ChainId chain)
{
    private readonly List<ProgramId> _programs = [];
    private readonly List<Access> _slots = [];
    private readonly List<Access> _declared = [];
    private uint _selector;
    private byte[] _arguments = [];

    /// <summary>Last moment (ms since 1970) to enter a block; at most 60 s after the block's time.</summary>
    public ulong ExpiryMs { get; set; }

    /// <summary>Upper bound of gas.</summary>
    public ulong GasLimit { get; set; }

    /// <summary>Highest price per gas, base fee and tip together.</summary>
    public ulong MaxPrice { get; set; }

    /// <summary>Tip per gas.</summary>
    public ulong Tip { get; set; }

    /// <summary>Names the program and entry to call. Before any slot, since the called program is first in the table.</summary>
    /// <exception cref="InvalidOperationException">A slot or a call was given before.</exception>
    public TransactionBuilder Call(ProgramId program, uint selector, ReadOnlySpan<byte> arguments)
    {
        if (_programs.Count != 0)
        {
            throw new InvalidOperationException("Call comes first and once: the called program is the first of the program table.");
        }

        _programs.Add(program);
        _selector = selector;
        _arguments = arguments.ToArray();
        return this;
    }

    /// <summary>Binds the entry's next slot to a record.</summary>
    /// <param name="owner">The program that owns the record.</param>
    public TransactionBuilder Slot(ProgramId owner, LocalKey key, AccessMode mode)
    {
        _slots.Add(new Access(ProgramIndexOf(owner), key, mode));
        return this;
    }

    /// <summary>Binds the entry's next slots to records of the called program, in order.</summary>
    /// <param name="slots">One access per slot, with program index 0.</param>
    public TransactionBuilder Slots(ReadOnlySpan<Access> slots)
    {
        _slots.AddRange(slots);
        return this;
    }

    /// <summary>Declares a record without binding a slot to it: paid for and scheduled, but out of the program's reach.</summary>
    public TransactionBuilder Declare(ProgramId owner, LocalKey key, AccessMode mode)
    {
        _declared.Add(new Access(ProgramIndexOf(owner), key, mode));
        return this;
    }

    /// <summary>Encodes and signs.</summary>
    /// <param name="payer">Pays, and signs first.</param>
    /// <param name="coSigners">Up to seven more.</param>
    /// <returns>False with the decoder's refusal when the parts do not make a legal transaction.</returns>
    public bool TrySign(
        ISigner payer, ReadOnlySpan<ISigner> coSigners, [NotNullWhen(true)] out Transaction? transaction, out Refusal refusal)
    {
        ArgumentNullException.ThrowIfNull(payer);
        transaction = null;
        Access[] accesses = AccessList.Normalise([.. _declared, .. _slots]);
        if (!AccessList.TryCreate(accesses, _programs.Count, out AccessList list, out refusal) || !TryCount(coSigners.Length, out refusal))
        {
            return false;
        }

        PublicKey[] signers = new PublicKey[1 + coSigners.Length];
        signers[0] = payer.PublicKey;
        for (int i = 0; i < coSigners.Length; i++)
        {
            signers[i + 1] = coSigners[i].PublicKey;
        }

        ushort[] slotTable = new ushort[_slots.Count];
        for (int i = 0; i < slotTable.Length; i++)
        {
            slotTable[i] = (ushort)list.IndexOf(_slots[i].ProgramIndex, _slots[i].Key);
        }

        CanonicalWriter writer = new(512);
        Transaction.WriteMessage(
            writer, chain, ExpiryMs, GasLimit, MaxPrice, Tip, signers, _programs.ToArray(), _selector, _arguments, list, slotTable);
        TxId id = Transaction.IdOf(writer.Written);
        Span<byte> payload = stackalloc byte[SigningPayload.Length];
        SigningPayload.Write(chain, id, payload);
        payer.Sign(payload).CopyTo(writer.Reserve(Signature.Size));
        foreach (ISigner coSigner in coSigners)
        {
            coSigner.Sign(payload).CopyTo(writer.Reserve(Signature.Size));
        }

        return Transaction.TryDecodeInPlace(writer.ToArray(), out transaction, out refusal);
    }

    /// <summary>Encodes and signs; for parts that are known to be legal.</summary>
    /// <exception cref="ArgumentException">They are not; the message holds the refusal.</exception>
    public Transaction Sign(ISigner payer, params ReadOnlySpan<ISigner> coSigners) =>
        TrySign(payer, coSigners, out Transaction? transaction, out Refusal refusal)
            ? transaction
            : throw new ArgumentException(refusal.ToString(), nameof(payer));

    // Counts that do not fit their byte on the wire are refused here; all else is left to the decoder.
    private bool TryCount(int coSigners, out Refusal refusal)
    {
        refusal = Refusal.None;
        if (coSigners > Transaction.MaxSigners - 1)
        {
            refusal = new Refusal(RefusalCode.TooManySigners, $"{coSigners} signers beside the payer; at most {Transaction.MaxSigners - 1} are allowed.");
        }
        else if (_slots.Count > Transaction.MaxSlots)
        {
            refusal = new Refusal(RefusalCode.SlotTableTooLong, $"{_slots.Count} slots; at most {Transaction.MaxSlots} are allowed.");
        }
        else if (_programs.Count > Transaction.MaxPrograms)
        {
            refusal = new Refusal(RefusalCode.TooManyPrograms, $"{_programs.Count} programs; at most {Transaction.MaxPrograms} are allowed.");
        }

        return !refusal.IsRefused;
    }

    private byte ProgramIndexOf(ProgramId owner)
    {
        int index = _programs.IndexOf(owner);
        if (index < 0)
        {
            index = _programs.Count;
            _programs.Add(owner);
        }

        return (byte)Math.Min(index, byte.MaxValue);
    }
}
