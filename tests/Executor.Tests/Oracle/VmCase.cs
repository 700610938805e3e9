// One run as every engine gets it: a message, the containers behind its programs, what the records hold before.
//
// Threading: immutable; runs of one case may happen at the same time.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Oracle;

/// <summary>Everything that decides a run.</summary>
/// <param name="Message">What runs.</param>
/// <param name="Container">The container that the message's program was made from.</param>
/// <param name="Before">Value of each access's record, null when it is missing.</param>
/// <param name="Block">The block around it.</param>
internal sealed record VmCase(Message Message, Container Container, byte[]?[] Before, BlockContext Block)
{
    /// <summary>The programs that calls of other programs find: what stands behind the block's source, as containers.</summary>
    public IReadOnlyDictionary<ProgramId, Container> Programs { get; init; } = new Dictionary<ProgramId, Container>();

    /// <summary>The program that is called.</summary>
    public static readonly ProgramId Self = new(Sequence(0xA0));

    private static readonly PublicKey Payer = new(Sequence(0x80));
    private static readonly BlockContext AnyBlock = new(new Height(7), 1_234, new ChainId(Sequence(0x40)), 3, 0);

    /// <summary>A call of the first entry by two signers; access i has the key i + 1, i + 2, ...</summary>
    /// <param name="owned">Accesses from this one on are of records of the second program.</param>
    /// <param name="programs">The second program and others, by their ids; the called one is among them without being named.</param>
    public static VmCase Of(
        Container container, VerifiedProgram program, AccessMode[] modes, ushort[] slots, byte[]?[] before, byte[] arguments, ulong gasLimit,
        int owned = int.MaxValue, params ReadOnlySpan<(ProgramId Id, Container Container, VerifiedProgram Program)> programs)
    {
        Access[] accesses = new Access[modes.Length];
        for (int i = 0; i < modes.Length; i++)
        {
            accesses[i] = new Access((byte)(i < owned ? 0 : 1), new LocalKey(Sequence((byte)(i + 1))), modes[i]);
        }

        ProgramTable table = new() { [Self] = program };
        Dictionary<ProgramId, Container> containers = new() { [Self] = container };
        foreach ((ProgramId id, Container other, VerifiedProgram verified) in programs)
        {
            table.Add(id, verified);
            containers.Add(id, other);
        }

        ProgramId[] ids = programs.Length == 0 ? [Self] : [Self, programs[0].Id];
        if (!AccessList.TryCreate(accesses, ids.Length, out AccessList list, out Refusal refusal))
        {
            throw new ArgumentException(refusal.ToString(), nameof(modes));
        }

        Message message = new()
        {
            Id = new TxId(Bytes32.Zero),
            Programs = ids,
            Program = program,
            EntryIndex = 0,
            Arguments = arguments,
            Accesses = list,
            Keys = new StateKey[modes.Length],
            SlotTable = slots,
            Payer = Payer,
            PayerKey = default,
            Signers = [Payer, new PublicKey(Sequence(0xC0))],
            GasLimit = gasLimit,
            IntrinsicGas = 0,
            MaxPrice = 0,
            Tip = 0,
        };
        return new VmCase(message, container, before, AnyBlock with { Programs = table }) { Programs = containers };
    }

    private sealed class ProgramTable : Dictionary<ProgramId, VerifiedProgram>, IProgramSource
    {
        public bool TryFind(ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program) => TryGetValue(id, out program);
    }

    /// <summary>The same message with another limit.</summary>
    public static Message WithLimit(Message message, ulong gasLimit) => new()
    {
        Id = message.Id,
        Programs = message.Programs,
        Program = message.Program,
        EntryIndex = message.EntryIndex,
        Arguments = message.Arguments,
        Accesses = message.Accesses,
        Keys = message.Keys,
        SlotTable = message.SlotTable,
        Payer = message.Payer,
        PayerKey = message.PayerKey,
        Signers = message.Signers,
        GasLimit = gasLimit,
        IntrinsicGas = message.IntrinsicGas,
        MaxPrice = message.MaxPrice,
        Tip = message.Tip,
    };

    /// <summary>Thirty-two bytes first, first + 1, ...</summary>
    public static Bytes32 Sequence(byte first)
    {
        byte[] bytes = new byte[32];
        for (int i = 0; i < bytes.Length; i++)
        {
            bytes[i] = (byte)(first + i);
        }

        return Bytes32.From(bytes);
    }
}

/// <summary>A charge of a run: what had been used after it, and who took it.</summary>
internal readonly record struct Charge(ulong Total, ushort Function, int Instruction);

/// <summary>What the evaluator says of a run.</summary>
/// <param name="Outcome">How it ended.</param>
/// <param name="After">Value of each access's record after it, adds not applied; null when missing.</param>
/// <param name="IsTouched">Which records were written.</param>
/// <param name="Adds">Sums for records that were only added to, in the order of the first add.</param>
/// <param name="Output">Events and return data in canonical form.</param>
/// <param name="Charges">Every charge in order; ascending totals.</param>
internal sealed record Verdict(Outcome Outcome, byte[]?[] After, bool[] IsTouched, List<PendingAdd> Adds, byte[] Output, List<Charge> Charges)
{
    /// <summary>What has to happen at another limit, by the charges of this run, which never ran out: out of gas at the first
    /// charge that the limit does not cover, with the whole limit used and no trace left.</summary>
    public Verdict AtLimit(VmCase subject, ulong limit)
    {
        foreach (Charge charge in Charges)
        {
            if (charge.Total > limit)
            {
                Outcome outcome = new(Halt.Trap, (ushort)TrapCode.OutOfGas, charge.Function, charge.Instruction, limit, -1, AccessMode.Read);
                return new Verdict(outcome, subject.Before, new bool[subject.Before.Length], [], [], []);
            }
        }

        return this;
    }
}
