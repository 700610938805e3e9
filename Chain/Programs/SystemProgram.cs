// The program that deploys programs. It is part of the node (a native program), and otherwise a program like any other: it is
// called by transactions, touches only declared records, is charged, and fails with a receipt.
//
//   entry            arguments                                                     declares (owner ProgramId.System)
//   1 publish        1..15 chunks of code, 60 KiB                                  Write each chunk
//   2 deploy         salt 32 | authority 32 | length u32 | chunk keys 32           Write the program, Read each chunk
//   3 upgrade        program 32 | old code hash 32 | length u32 | chunk keys 32    Write the program, Read each chunk
//   4 set authority  program 32 | new authority 32                                 Write the program
//   5 freeze         program 32                                                    Write the program
//
// What is written in block N is active from block N + 1, because a call binds to the state that its block starts from.
// Two deployments of one id in a block: the first stands, the second finds it there. Two upgrades: the second names a code hash
// that is no longer there. Both fail with a receipt.
//
// Invariants
//   Y1  records are written only after every check: there is nothing to take back
//   Y2  gas is a function of the message and the code alone, and charged before the work it pays for
//   Y3  a record's code hash, length and selectors are those of the code in its chunks, which the verifier accepted
//
// Threading: workers.   Cost: publish hashes its bytes; deploy and upgrade verify, linear in the bytes.   Source: ADR 0012.

using System;
using System.Buffers.Binary;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Entries of the system program: what a transaction names as selector.</summary>
public enum SystemEntry : uint
{
    /// <summary>Puts chunks of code into the state.</summary>
    Publish = 1,

    /// <summary>Makes a program of published chunks.</summary>
    Deploy = 2,

    /// <summary>Gives a program other code.</summary>
    Upgrade = 3,

    /// <summary>Names who may upgrade from now on.</summary>
    SetAuthority = 4,

    /// <summary>Gives up upgrading for ever.</summary>
    Freeze = 5,
}

/// <summary>Why the system program reverts: the receipt's code is 256 + this.</summary>
public enum SystemError : ushort
{
    /// <summary>The program exists already.</summary>
    Exists = 1,

    /// <summary>There is no such program.</summary>
    Missing = 2,

    /// <summary>The authority did not sign, or the program is frozen.</summary>
    NotAuthority = 3,

    /// <summary>The program's code is not what the upgrade says it replaces.</summary>
    OtherCode = 4,

    /// <summary>A chunk was never published, or has another length than the code needs.</summary>
    ChunkMissing = 5,

    /// <summary>The verifier refuses the code.</summary>
    CodeRefused = 6,
}

/// <summary>Deploys, upgrades and freezes programs.</summary>
internal sealed class SystemProgram : INativeProgram
{
    /// <summary>The longest arguments of publish, which no other entry of any program may have.</summary>
    public const int MaxPublishBytes = 15 * ProgramRecord.ChunkBytes;

    private const int EntryCount = 5;
    private const int HeadBytes = (2 * Bytes32.Size) + sizeof(uint);

    private readonly ProgramLoader _loader;

    public SystemProgram(ProgramLoader loader)
    {
        _loader = loader;
        Face = MakeFace();
    }

    /// <summary>The entries in the form that messages name them. Its bytecode never runs; if it did, it would trap.</summary>
    public VerifiedProgram Face { get; }

    /// <inheritdoc/>
    public Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext context)
    {
        Call call = new(message, records);
        return (SystemEntry)(message.EntryIndex + 1) switch
        {
            SystemEntry.Publish => Publish(ref call, context.Rules.Prices),
            SystemEntry.Deploy => Deploy(ref call, in context),
            SystemEntry.Upgrade => Upgrade(ref call, in context),
            SystemEntry.SetAuthority => SetAuthority(ref call, context.Rules.Prices),
            _ => Freeze(ref call, context.Rules.Prices),
        };
    }

    /// <summary>The program that a successful transaction changed.</summary>
    /// <returns>False for publish, which changes none.</returns>
    public static bool TryFindChanged(Transaction transaction, out ProgramId id)
    {
        ReadOnlySpan<byte> arguments = transaction.Arguments.Span;
        id = default;
        if (transaction.Selector == (uint)SystemEntry.Publish)
        {
            return false;
        }

        Bytes32 first = Bytes32.From(arguments);                            // it succeeded, so they are whole
        id = transaction.Selector == (uint)SystemEntry.Deploy ? ProgramRecord.IdOf(transaction.Payer, first) : new ProgramId(first);
        return true;
    }

    private static Outcome Publish(ref Call call, GasPrices prices)
    {
        ReadOnlySpan<byte> code = call.Arguments;
        if (code.IsEmpty)
        {
            return call.Trap(TrapCode.BadArgument);
        }

        if (!call.TryCharge(ActivationGas.Publish(prices, code.Length)))
        {
            return call.Trap(TrapCode.OutOfGas);
        }

        int chunks = ProgramRecord.ChunksOf(code.Length);
        Span<int> places = stackalloc int[MaxPublishBytes / ProgramRecord.ChunkBytes];
        for (int i = 0; i < chunks; i++)
        {
            if (!call.TryFind(ProgramRecord.ChunkKeyOf(ProgramRecord.ChunkOf(code, i)), AccessMode.Write, i, out places[i], out Outcome undeclared))
            {
                return undeclared;
            }
        }

        for (int i = 0; i < chunks; i++)
        {
            call.Write(places[i], ProgramRecord.ChunkOf(code, i));          // Y1; the bytes that are there already, if any are
        }

        return call.Succeed();
    }

    private Outcome Deploy(ref Call call, in BlockContext context)
    {
        if (!call.TryReadCodeArguments(out Bytes32 salt, out Bytes32 authority, out int length))
        {
            return call.Trap(TrapCode.BadArgument);
        }

        ProgramId id = ProgramRecord.IdOf(call.Payer, salt);
        if (!call.TryFind(new LocalKey(id.Value), AccessMode.Write, 0, out int place, out Outcome failed))
        {
            return failed;
        }

        if (call.Records[place].Exists)
        {
            return call.Revert(SystemError.Exists);
        }

        if (!TryActivate(ref call, in context, new PublicKey(authority), length, out ProgramRecord? record, out failed))
        {
            return failed;
        }

        call.Write(place, record!.Encode());
        return call.Succeed();
    }

    private Outcome Upgrade(ref Call call, in BlockContext context)
    {
        if (!call.TryReadCodeArguments(out Bytes32 id, out Bytes32 oldHash, out int length))
        {
            return call.Trap(TrapCode.BadArgument);
        }

        if (!call.TryFindOwn(id, out int place, out ProgramRecord? old, out Outcome failed))
        {
            return failed;
        }

        if (old!.CodeHash != oldHash)
        {
            return call.Revert(SystemError.OtherCode);
        }

        if (!TryActivate(ref call, in context, old.Authority, length, out ProgramRecord? record, out failed))
        {
            return failed;
        }

        call.Write(place, record!.Encode());
        return call.Succeed();
    }

    private static Outcome SetAuthority(ref Call call, GasPrices prices)
    {
        ReadOnlySpan<byte> arguments = call.Arguments;
        if (arguments.Length != 2 * Bytes32.Size || Bytes32.From(arguments[Bytes32.Size..]) == Bytes32.Zero)
        {
            return call.Trap(TrapCode.BadArgument);                         // zero is what Freeze is for
        }

        return ChangeAuthority(ref call, prices, new PublicKey(Bytes32.From(arguments[Bytes32.Size..])));
    }

    private static Outcome Freeze(ref Call call, GasPrices prices) =>
        call.Arguments.Length == Bytes32.Size ? ChangeAuthority(ref call, prices, default) : call.Trap(TrapCode.BadArgument);

    private static Outcome ChangeAuthority(ref Call call, GasPrices prices, in PublicKey authority)
    {
        if (!call.TryCharge(ActivationGas.Record(prices)))
        {
            return call.Trap(TrapCode.OutOfGas);
        }

        if (!call.TryFindOwn(Bytes32.From(call.Arguments), out int place, out ProgramRecord? record, out Outcome failed))
        {
            return failed;
        }

        call.Write(place, (record! with { Authority = authority }).Encode());
        return call.Succeed();
    }

    // Code from its chunks, through the verifier, to the record that is to be written.
    private bool TryActivate(
        ref Call call, in BlockContext context, in PublicKey authority, int length, out ProgramRecord? record, out Outcome failed)
    {
        record = null;
        if (!call.TryCharge(ActivationGas.Verify(context.Rules.Prices, length)))
        {
            failed = call.Trap(TrapCode.OutOfGas);
            return false;
        }

        LocalKey[] chunks = new LocalKey[ProgramRecord.ChunksOf(length)];
        byte[] code = new byte[length];
        for (int i = 0; i < chunks.Length; i++)
        {
            chunks[i] = new LocalKey(Bytes32.From(call.Arguments[(HeadBytes + (i * Bytes32.Size))..]));
            if (!call.TryFind(chunks[i], AccessMode.Read, 1 + i, out int place, out failed))
            {
                return false;
            }

            ReadOnlySpan<byte> chunk = call.Records[place].Value;
            Span<byte> target = code.AsSpan(i * ProgramRecord.ChunkBytes);
            if (chunk.Length != Math.Min(ProgramRecord.ChunkBytes, target.Length))
            {
                failed = call.Revert(SystemError.ChunkMissing);             // or a program's record, which is none
                return false;
            }

            chunk.CopyTo(target);
        }

        Bytes32 codeHash = Blake3.Hash(code);
        if (!_loader.TryVerify(code, codeHash, context.Fork, out VerifiedProgram? program, out _))
        {
            failed = call.Revert(SystemError.CodeRefused);
            return false;
        }

        if (!call.TryCharge(ActivationGas.Compile(program)))
        {
            failed = call.Trap(TrapCode.OutOfGas);
            return false;
        }

        uint[] selectors = Array.ConvertAll(program.Entries, static entry => entry.Selector);
        record = new ProgramRecord(context.Fork, context.Height.Next, authority, codeHash, length, selectors, chunks);
        failed = default;
        return true;
    }

    private static VerifiedProgram MakeFace()
    {
        ContainerEntry[] entries = new ContainerEntry[EntryCount];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = new ContainerEntry((uint)i + 1, 0, 0, []);
        }

        byte[] container = new Container { Functions = [new FunctionHeader(0, 0, 0, 1)], Code = [0], Entries = entries }.Encode();
        bool isLegal = Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? face, out Refusal refusal);
        return isLegal ? face! : throw new InvariantException($"The system program's own face is refused: {refusal}");
    }

    /// <summary>One run: its gas, its records, and how it ends.</summary>
    private ref struct Call(Message message, ReadOnlySpan<Record> records)
    {
        private ulong _left = message.GasLimit - message.IntrinsicGas;

        public readonly ReadOnlySpan<byte> Arguments => message.Arguments.Span;

        public readonly PublicKey Payer => message.Payer;

        public ReadOnlySpan<Record> Records { get; } = records;

        public bool TryCharge(ulong gas)
        {
            if (gas > _left)
            {
                _left = 0;
                return false;
            }

            _left -= gas;
            return true;
        }

        /// <summary>Two 32-byte fields, a code length, and as many chunk keys as that needs.</summary>
        public readonly bool TryReadCodeArguments(out Bytes32 first, out Bytes32 second, out int length)
        {
            ReadOnlySpan<byte> arguments = Arguments;
            first = default;
            second = default;
            length = 0;
            if (arguments.Length < HeadBytes)
            {
                return false;
            }

            first = Bytes32.From(arguments);
            second = Bytes32.From(arguments[Bytes32.Size..]);
            uint said = BinaryPrimitives.ReadUInt32LittleEndian(arguments[(2 * Bytes32.Size)..]);
            if (said is 0 or > ProgramRecord.MaxChunks * ProgramRecord.ChunkBytes)
            {
                return false;
            }

            length = (int)said;
            return arguments.Length == HeadBytes + (ProgramRecord.ChunksOf(length) * Bytes32.Size);
        }

        /// <summary>The place of a record below the system program that is declared for this use.</summary>
        /// <param name="slot">What a receipt calls it: 0 for the program, 1 + i for chunk i of it; i for chunk i of publish.</param>
        public readonly bool TryFind(in LocalKey key, AccessMode mode, int slot, out int place, out Outcome undeclared)
        {
            place = message.Accesses.IndexOf(0, key);
            bool isCovered = place >= 0 && AccessModes.Covers(message.Accesses[place].Mode, mode);
            undeclared = isCovered ? default : End(Halt.Trap, (ushort)TrapCode.UndeclaredAccess, slot, mode);
            return isCovered;
        }

        /// <summary>An existing program whose authority signed.</summary>
        public readonly bool TryFindOwn(in Bytes32 id, out int place, out ProgramRecord? record, out Outcome failed)
        {
            record = null;
            if (!TryFind(new LocalKey(id), AccessMode.Write, 0, out place, out failed))
            {
                return false;
            }

            if (!Records[place].Exists || id == ProgramRecord.ChunkKeyOf(Records[place].Value).Value)
            {
                failed = Revert(SystemError.Missing);                       // nothing, or a chunk
                return false;
            }

            record = ProgramRecord.Decode(Records[place].Value);
            if (record.IsFrozen || Array.IndexOf(message.Signers, record.Authority) < 0)
            {
                failed = Revert(SystemError.NotAuthority);
                return false;
            }

            return true;
        }

        public readonly void Write(int place, ReadOnlySpan<byte> value)
        {
            Records[place].Set(value);
            Records[place].IsTouched = true;
        }

        public readonly Outcome Succeed() => End(Halt.Success, 0, -1, AccessMode.Read);

        public readonly Outcome Trap(TrapCode code) => End(Halt.Trap, (ushort)code, -1, AccessMode.Read);

        public readonly Outcome Revert(SystemError error) => End(Halt.Revert, (ushort)((ushort)TrapCode.UserBase + (ushort)error), -1, AccessMode.Read);

        private readonly Outcome End(Halt halt, ushort code, int slot, AccessMode mode) =>
            new(halt, code, 0, 0, message.GasLimit - _left, slot, mode);
    }
}
