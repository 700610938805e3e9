// A transaction: what its payer asks for, which records it may touch, and who signed it.
//
// Wire form (canonical, little-endian):
//
//   message    version u8 | chain id 32 | expiry ms u64 | gas limit u64 | max price u64 | tip u64 | payer 32
//              | co-signer count u8 | count x public key 32
//              | program count u8   | count x program id 32          the first is called
//              | selector u32 | arguments counted | access list | slot count u8 | count x access index u8
//   signatures (1 + co-signer count) x 64                            the payer's first, then in the order of the keys
//
// The id is a hash of the message alone, so a re-signed copy is the same transaction; a signature covers the chain id and
// the id. The co-signers' keys are in the message because a program may ask who signed: two transactions
// of one id run alike.
//
// Invariants
//   T1  Encode of a decoded transaction is the input, byte for byte
//   T2  1..16 programs and 1..8 signers, none twice; at most 64 accesses and 64 slots, every slot names an access
//   T3  at most 64 KiB
//
// Cost: decoding is O(bytes) and one hash; it checks no signature.   Threading: immutable.

using System;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>A decoded transaction with its signatures (not checked by decoding).</summary>
public sealed partial class Transaction
{
    /// <summary>The only format version of fork 0.</summary>
    public const byte Version = 1;

    /// <summary>The longest transaction in bytes.</summary>
    public const int MaxBytes = 64 * 1024;

    /// <summary>The longest program table.</summary>
    public const int MaxPrograms = 16;

    /// <summary>The longest arguments in bytes; those of the system program, which carry code, may be longer.</summary>
    public const int MaxArgumentBytes = 2 * 1024;

    /// <summary>The longest arguments of a call of the system program: 15 chunks of code.</summary>
    public const int MaxSystemArgumentBytes = SystemProgram.MaxPublishBytes;

    /// <summary>The longest slot table.</summary>
    public const int MaxSlots = 64;

    /// <summary>The payer and up to seven more.</summary>
    public const int MaxSigners = 8;

    private const string IdContext = "ParallelVm 2026-11 v1 transaction id";

    private Transaction(ReadOnlyMemory<byte> bytes)
    {
        Bytes = bytes;
    }

    /// <summary>The wire form.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Hash of the message without signatures.</summary>
    public TxId Id { get; private init; }

    /// <summary>The chain it was signed for.</summary>
    public ChainId Chain { get; private init; }

    /// <summary>Last moment (ms since 1970) that a block holding it may carry as its timestamp.</summary>
    public ulong ExpiryMs { get; private init; }

    /// <summary>Upper bound of gas.</summary>
    public ulong GasLimit { get; private init; }

    /// <summary>Highest price per gas that the payer accepts, base fee and tip together.</summary>
    public ulong MaxPrice { get; private init; }

    /// <summary>Tip per gas, as far as <see cref="MaxPrice"/> leaves room.</summary>
    public ulong Tip { get; private init; }

    /// <summary>Who pays and is the caller.</summary>
    public PublicKey Payer => Signers[0];

    /// <summary>The payer, then the co-signers in the order of the message. Not to be changed.</summary>
    public PublicKey[] Signers { get; private init; } = [];

    /// <summary>Program table; the first is called. Not to be changed.</summary>
    public ProgramId[] Programs { get; private init; } = [];

    /// <summary>Which entry of the called program runs.</summary>
    public uint Selector { get; private init; }

    /// <summary>Arguments of the entry, a slice of <see cref="Bytes"/>.</summary>
    public ReadOnlyMemory<byte> Arguments { get; private init; }

    /// <summary>Declared accesses.</summary>
    public AccessList Accesses { get; private init; } = AccessList.Empty;

    /// <summary>Slot -> index into the access list. Not to be changed.</summary>
    public ushort[] SlotTable { get; private init; } = [];

    /// <summary>One per signer, in the order of <see cref="Signers"/>. Not to be changed.</summary>
    public Signature[] Signatures { get; private init; } = [];

    /// <summary>Decodes a copy of <paramref name="bytes"/>. Never throws for what the bytes hold.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out Transaction? transaction, out Refusal refusal)
    {
        if (bytes.Length > MaxBytes)
        {
            transaction = null;
            refusal = TooLong(bytes.Length);
            return false;
        }

        return TryDecodeInPlace(bytes.ToArray(), out transaction, out refusal);
    }

    /// <summary>Decodes without copying: the transaction keeps a view of <paramref name="bytes"/>, which nobody changes any more.</summary>
    public static bool TryDecodeInPlace(ReadOnlyMemory<byte> bytes, [NotNullWhen(true)] out Transaction? transaction, out Refusal refusal)
    {
        transaction = null;
        if (bytes.Length > MaxBytes)
        {
            refusal = TooLong(bytes.Length);
            return false;
        }

        CanonicalReader reader = new(bytes.Span);
        byte version = reader.ReadU8();
        if (version != Version)
        {
            reader.Refuse(RefusalCode.UnknownVersion, $"Transaction version {version} is unknown; this node knows version {Version}.");
        }

        ChainId chain = new(reader.ReadBytes32());
        ulong expiryMs = reader.ReadU64();
        ulong gasLimit = reader.ReadU64();
        ulong maxPrice = reader.ReadU64();
        ulong tip = reader.ReadU64();
        PublicKey[] signers = ReadSigners(ref reader);
        ProgramId[] programs = ReadPrograms(ref reader);
        uint selector = reader.ReadU32();
        int argumentsLength = reader.ReadCounted(programs is [var called, ..] && called == ProgramId.System ? MaxSystemArgumentBytes : MaxArgumentBytes).Length;
        int argumentsStart = reader.Position - argumentsLength;
        if (!reader.Ok || !AccessList.TryDecode(ref reader, programs.Length, out AccessList accesses))
        {
            refusal = reader.Refusal;
            return false;
        }

        ushort[] slotTable = ReadSlotTable(ref reader, accesses.Count);
        int messageLength = reader.Position;
        Signature[] signatures = ReadSignatures(ref reader, signers.Length);
        if (!reader.TryEnd(out refusal))
        {
            return false;
        }

        transaction = new Transaction(bytes)
        {
            Id = IdOf(bytes.Span[..messageLength]),
            Chain = chain,
            ExpiryMs = expiryMs,
            GasLimit = gasLimit,
            MaxPrice = maxPrice,
            Tip = tip,
            Signers = signers,
            Programs = programs,
            Selector = selector,
            Arguments = bytes.Slice(argumentsStart, argumentsLength),
            Accesses = accesses,
            SlotTable = slotTable,
            Signatures = signatures,
        };
        return true;
    }

    /// <summary>Writes the wire form from the fields; T1 says that it equals <see cref="Bytes"/>.</summary>
    public void Encode(CanonicalWriter writer)
    {
        ArgumentNullException.ThrowIfNull(writer);
        WriteMessage(writer, Chain, ExpiryMs, GasLimit, MaxPrice, Tip, Signers, Programs, Selector, Arguments.Span, Accesses, SlotTable);
        foreach (Signature signature in Signatures)
        {
            signature.CopyTo(writer.Reserve(Signature.Size));
        }
    }

    /// <summary>The id of the transaction that has these message bytes.</summary>
    internal static TxId IdOf(ReadOnlySpan<byte> message) => new(Blake3.DeriveKey(IdContext, message));

    /// <summary>Writes the message: everything before the signatures.</summary>
    internal static void WriteMessage(
        CanonicalWriter writer,
        ChainId chain,
        ulong expiryMs,
        ulong gasLimit,
        ulong maxPrice,
        ulong tip,
        ReadOnlySpan<PublicKey> signers,
        ReadOnlySpan<ProgramId> programs,
        uint selector,
        ReadOnlySpan<byte> arguments,
        AccessList accesses,
        ReadOnlySpan<ushort> slotTable)
    {
        writer.WriteU8(Version);
        writer.WriteBytes32(chain.Value);
        writer.WriteU64(expiryMs);
        writer.WriteU64(gasLimit);
        writer.WriteU64(maxPrice);
        writer.WriteU64(tip);
        writer.WriteBytes32(signers[0].Value);
        writer.WriteU8((byte)(signers.Length - 1));
        foreach (PublicKey coSigner in signers[1..])
        {
            writer.WriteBytes32(coSigner.Value);
        }

        writer.WriteU8((byte)programs.Length);
        foreach (ProgramId program in programs)
        {
            writer.WriteBytes32(program.Value);
        }

        writer.WriteU32(selector);
        writer.WriteCounted(arguments);
        accesses.Encode(writer);
        writer.WriteU8((byte)slotTable.Length);
        foreach (ushort access in slotTable)
        {
            writer.WriteU8((byte)access);
        }
    }

    private static PublicKey[] ReadSigners(ref CanonicalReader reader)
    {
        PublicKey payer = new(reader.ReadBytes32());
        int coSigners = reader.ReadU8();
        if (coSigners > MaxSigners - 1)
        {
            reader.Refuse(RefusalCode.TooManySigners, $"The transaction has {coSigners} signers beside the payer; at most {MaxSigners - 1} are allowed.");
            coSigners = 0;
        }

        PublicKey[] signers = new PublicKey[1 + coSigners];
        signers[0] = payer;
        for (int i = 1; i < signers.Length; i++)
        {
            signers[i] = new PublicKey(reader.ReadBytes32());
            if (reader.Ok && signers.AsSpan(0, i).Contains(signers[i]))
            {
                reader.Refuse(RefusalCode.DuplicateSigner, $"Signer {i} ({signers[i]}) stands twice.");
            }
        }

        return signers;
    }

    private static ProgramId[] ReadPrograms(ref CanonicalReader reader)
    {
        int count = reader.ReadU8();
        if (count == 0)
        {
            reader.Refuse(RefusalCode.NoProgram, "The program table is empty; its first program is the one that is called.");
        }

        if (count > MaxPrograms)
        {
            reader.Refuse(RefusalCode.TooManyPrograms, $"The program table holds {count} programs; at most {MaxPrograms} are allowed.");
            count = 0;
        }

        ProgramId[] programs = new ProgramId[count];
        for (int i = 0; i < count; i++)
        {
            programs[i] = new ProgramId(reader.ReadBytes32());
            if (reader.Ok && programs.AsSpan(0, i).Contains(programs[i]))
            {
                reader.Refuse(RefusalCode.DuplicateProgram, $"Program {i} ({programs[i]}) stands twice in the program table.");
            }
        }

        return programs;
    }

    private static ushort[] ReadSlotTable(ref CanonicalReader reader, int accessCount)
    {
        int count = reader.ReadU8();
        if (count > MaxSlots)
        {
            reader.Refuse(RefusalCode.SlotTableTooLong, $"The slot table holds {count} slots; at most {MaxSlots} are allowed.");
            count = 0;
        }

        ushort[] slots = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            slots[i] = reader.ReadU8();
            if (reader.Ok && slots[i] >= accessCount)
            {
                reader.Refuse(RefusalCode.SlotOutOfRange, $"Slot {i} names access {slots[i]} of a list of {accessCount}.");
            }
        }

        return slots;
    }

    private static Signature[] ReadSignatures(ref CanonicalReader reader, int count)
    {
        Signature[] signatures = new Signature[count];
        for (int i = 0; i < count; i++)
        {
            ReadOnlySpan<byte> bytes = reader.ReadBytes(Signature.Size);
            if (reader.Ok)
            {
                signatures[i] = Signature.From(bytes);
            }
        }

        return signatures;
    }

    private static Refusal TooLong(int length) =>
        new(RefusalCode.TooLong, $"The transaction is {length} bytes long; at most {MaxBytes} are allowed.");
}
