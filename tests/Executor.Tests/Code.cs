// A tiny container builder and a bench for one message: what the tests of this room need, and nothing more.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Oracle;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

/// <summary>Instruction words and containers.</summary>
internal static class Code
{
    /// <inheritdoc cref="Words.Op"/>
    public static ulong Op(Opcode opcode, params uint[] values) => Words.Op(opcode, values);

    /// <summary>A container with one function and one entry.</summary>
    public static byte[] Single(ulong[] code, AccessMode[]? slots = null, ulong[]? constants = null, byte[]? data = null, int pages = 4, byte cells = 128) =>
        new Container
        {
            Code = code,
            Constants = constants ?? [],
            Data = data ?? [],
            Functions = [new FunctionHeader(cells, 0, 0, (ushort)code.Length)],
            Entries = [new ContainerEntry(1, 0, (ushort)pages, slots ?? [])],
        }.Encode();

    public static VerifiedProgram Verify(byte[] container)
    {
        Assert.True(Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? program, out Refusal refusal), refusal.ToString());
        return program;
    }

    public static RefusalCode RefusalOf(byte[] container)
    {
        Assert.False(Verifier.TryVerify(container, VerifierLimits.Default, out _, out Refusal refusal));
        return refusal.Code;
    }
}

/// <summary>One message with its records.</summary>
/// <param name="interpreter">What runs it; a new one that runs words when null.</param>
internal sealed class Bench(Interpreter? interpreter = null)
{
    public static readonly BlockContext Block = new(new Height(7), 1_234, new ChainId(Sequence(0x40)), 3, 0);

    public Interpreter Interpreter { get; } = interpreter ?? new();

    public Record[] Records { get; private set; } = [];

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

    /// <summary>Key i has i + 1 in its first byte, so a list in index order is canonical.</summary>
    public static LocalKey Key(int index) => new(Sequence((byte)(index + 1)));

    public Message Message(
        VerifiedProgram program, AccessMode[]? modes = null, ushort[]? slots = null, byte[]? arguments = null, ulong gasLimit = 1_000_000,
        byte[]? owners = null)
    {
        modes ??= [];
        Access[] accesses = new Access[modes.Length];
        for (int i = 0; i < modes.Length; i++)
        {
            accesses[i] = new Access(owners is null ? (byte)0 : owners[i], Key(i), modes[i]);
        }

        Assert.True(AccessList.TryCreate(accesses, 2, out AccessList list, out Refusal refusal, 512), refusal.ToString());
        if (slots is null)
        {
            slots = new ushort[modes.Length];
            for (int i = 0; i < slots.Length; i++)
            {
                slots[i] = (ushort)i;
            }
        }

        Records = new Record[modes.Length];
        for (int i = 0; i < Records.Length; i++)
        {
            Records[i] = new Record();
        }

        PublicKey payer = new(Sequence(0x80));
        return new Message
        {
            Id = new TxId(Bytes32.Zero),
            Programs = [new ProgramId(Sequence(0xA0)), new ProgramId(Sequence(0xB0))],
            Program = program,
            EntryIndex = 0,
            Arguments = arguments ?? [],
            Accesses = list,
            Keys = new StateKey[modes.Length],
            SlotTable = slots,
            Payer = payer,
            PayerKey = default,
            Signers = [payer, new PublicKey(Sequence(0xC0))],
            GasLimit = gasLimit,
            IntrinsicGas = 100,
            MaxPrice = 10,
            Tip = 0,
        };
    }

    public Outcome Run(Message message) => Interpreter.Run(message, Records, Block);

    /// <summary>The return data of a run that emitted nothing.</summary>
    public byte[] Returned()
    {
        ReadOnlySpan<byte> output = Interpreter.Output;
        return output.Length == 0 ? [] : output[6..].ToArray();
    }
}
