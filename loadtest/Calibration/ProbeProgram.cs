// A program that does little else than what is measured: a body of instructions, many times over, in a loop.
//
//   all cells defined | n = argument | two pages mapped | operands from constants | loop: body x Copies; n -= 1; goto loop if n > 0
//
// Sources keep their values, so every round costs the same; results go to cells of their own, or, in a dependent chain, over the
// first source, so that each instruction waits for the one before it.
//
// Felts lie in cells [8, 40), words above; records: slots 0 and 1 to write (full, missing), 2 read (full), 3 add, 4 and 5 an
// array of full ones. A callee for XCALL stands by.
//
// Threading: one owner.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Loadtest.Calibration;

/// <summary>What one instruction of a body works on: values of its sources, and its immediates, in operand order.</summary>
/// <param name="Values">Per operand: of a source its word (wide ones repeat it), else the operand itself; cells of results are chosen by the program.</param>
internal sealed record ProbeInstruction(Opcode Opcode, ulong[] Values, bool IsDependent = false);

/// <summary>A measurable program.</summary>
internal sealed class ProbeProgram
{
    /// <summary>Bodies in the loop.</summary>
    public const int Copies = 64;

    /// <summary>Fork 0 at the prices that pay for time.</summary>
    public static readonly ForkSchedule Forks = new(ForkRules.First(OpcodeTable.All, GasPrices.Launch.ForTime));

    private const int FitRuns = 5;                  // a run that was disturbed must not pass for a long one
    private const uint Selector = 1;
    private const uint FirstFelt = 8;
    private const uint EndFelt = 40;
    private const uint Live = 120;
    private const uint HeapCell = 1;

    private static readonly ProgramId Self = new(new Bytes32(0, 0, 0, 0x200));
    private static readonly ProgramId Callee = new(new Bytes32(0, 0, 0, 0x201));
    private static readonly AccessMode[] Modes =
        [AccessMode.Write, AccessMode.Write, AccessMode.Read, AccessMode.Add, AccessMode.Write, AccessMode.Write];

    private readonly List<ulong> _prologue = [];
    private readonly List<ulong> _constants = [0];
    private readonly List<ulong> _body = [];
    private readonly List<ushort[]> _tables = [];
    private readonly Interpreter _interpreter = new();
    private readonly byte[] _arguments = new byte[64];
    private readonly Record[] _records = new Record[6];
    private uint _nextFelt = FirstFelt;
    private uint _nextWord = EndFelt;
    private bool _hasFelts;
    private Message? _message;
    private BlockContext _block;

    /// <summary>Instructions in one round of the loop, by opcode; the loop's own three among them.</summary>
    public Dictionary<Opcode, int> PerRound { get; } = [];

    /// <summary>Rounds of a measured run.</summary>
    public ulong Rounds { get; private set; } = 1;

    /// <summary>Gas of a measured run, what a transaction pays before its first instruction left out.</summary>
    public ulong Gas { get; private set; }

    /// <summary>Makes the program; false when the verifier refuses it, or when it traps on these operands.</summary>
    public static bool TryMake(IReadOnlyList<ProbeInstruction> body, [NotNullWhen(true)] out ProbeProgram? program)
    {
        ProbeProgram made = new();
        program = made;
        foreach (ProbeInstruction instruction in body)
        {
            if (!made.TryAdd(instruction))
            {
                return false;
            }
        }

        return made.TryBuild() && made.TryRun(1, out _);
    }

    /// <summary>Chooses the rounds so that a run takes about as long as asked, if the opcode's limits let it.</summary>
    public void Fit(double microseconds)
    {
        Rounds = 1;
        while (Time(FitRuns) < microseconds * 500 && Rounds < 1 << 20 && TryRun(Rounds * 2, out _))
        {
            Rounds *= 2;
        }

        Invariant.Require(TryRun(Rounds, out ulong gas));
        Gas = gas;
    }

    /// <summary>The least of some runs, in nanoseconds.</summary>
    public double Time(int runs)
    {
        BitConverter.TryWriteBytes(_arguments, Rounds);
        TimeProvider time = TimeProvider.System;
        double least = double.MaxValue;
        for (int i = 0; i < runs; i++)
        {
            long start = time.GetTimestamp();
            _interpreter.Run(_message!, _records, in _block);
            least = Math.Min(least, time.GetElapsedTime(start).TotalNanoseconds);
        }

        return least;
    }

    private bool TryRun(ulong rounds, out ulong gas)
    {
        BitConverter.TryWriteBytes(_arguments, rounds);
        Outcome outcome = _interpreter.Run(_message!, _records, in _block);
        gas = outcome.GasUsed - _message!.IntrinsicGas;
        return outcome.Halt == Halt.Success;
    }

    // an instruction of the body, with cells and constants for its sources; false when the cells are used up
    private bool TryAdd(ProbeInstruction instruction)
    {
        OpcodeInfo info = OpcodeTable.Get(instruction.Opcode);
        uint[] operands = new uint[info.Operands.Length];
        uint firstSource = 0;
        for (int i = info.Operands.Length - 1; i >= 0; i--)
        {
            OperandKind kind = info.Operands[i].Kind;
            (int cells, bool isSource, bool isFelt) = Shape(kind);
            if (cells == 0)
            {
                operands[i] = (uint)instruction.Values[i];
                continue;
            }

            bool sharesCell = !isSource && instruction.IsDependent && firstSource != 0 && cells == Shape(info.Operands[1].Kind).Cells;
            operands[i] = sharesCell ? firstSource : Allocate(cells, isFelt && isSource);
            if (operands[i] + cells > Live)
            {
                return false;
            }

            if (isSource)
            {
                firstSource = operands[i];
                for (uint cell = operands[i]; cell < operands[i] + cells; cell++)
                {
                    _prologue.Add(Word(Opcode.Ldc, cell, Constant(instruction.Values[i])));
                    _hasFelts |= isFelt;
                }
            }
        }

        _body.Add(Word(info.Opcode, operands));
        return true;
    }

    private uint Allocate(int cells, bool isFelt)
    {
        ref uint next = ref isFelt ? ref _nextFelt : ref _nextWord;
        uint aligned = (next + (uint)Math.Min(cells, 4) - 1) / (uint)Math.Min(cells, 4) * (uint)Math.Min(cells, 4);
        next = aligned + (uint)cells;
        return isFelt && next > EndFelt ? Live : aligned;
    }

    private uint Constant(ulong value)
    {
        int known = _constants.IndexOf(value);
        if (known < 0)
        {
            known = _constants.Count;
            _constants.Add(value);
        }

        return (uint)known;
    }

    private bool TryBuild()
    {
        List<ulong> code = [];
        for (uint cell = 0; cell < Live; cell++)
        {
            code.Add(Word(Opcode.Ldi, cell, 0));
        }

        code.AddRange([Word(Opcode.Arg, 0, 0), Word(Opcode.Ldi, 2, 2), Word(Opcode.Mgrow, HeapCell, 2)]);
        code.AddRange(_prologue);
        for (uint cell = FirstFelt; _hasFelts && cell < EndFelt; cell++)
        {
            code.Add(Word(Opcode.Fred, cell, cell));
        }

        int head = code.Count;
        code.Add(Word(Opcode.Loop, Live, _hasFelts ? FirstFelt : 0, _hasFelts ? EndFelt : 0));
        for (int copy = 0; copy < Copies; copy++)
        {
            foreach (ulong word in _body)
            {
                code.Add(WithTarget(word, code.Count + 1));
            }
        }

        code.AddRange([Word(Opcode.Subi, 0, 0, 1), Word(Opcode.Jnz, 0, (uint)head), Word(Opcode.Halt)]);
        for (int at = head; at < code.Count - 1; at++)
        {
            Opcode opcode = (Opcode)(byte)code[at];
            PerRound[opcode] = PerRound.GetValueOrDefault(opcode) + 1;
        }

        Container container = new()
        {
            Code = [.. code, Word(Opcode.Ret)],
            Constants = [.. _constants],
            Tables = [.. _tables],
            Functions = [new FunctionHeader(128, 0, 0, (ushort)code.Count), new FunctionHeader(8, 0, 0, 1)],
            Programs = [Callee],
            Imports = [new ContainerImport(0, Selector, 0, 0, false, [AccessMode.Read], [])],
            Sites = [new ContainerSite(0, [2])],
            Entries = [new ContainerEntry(Selector, 0, 2, Modes)],
        };
        Container callee = new()
        {
            Code = [Word(Opcode.Ret)],
            Functions = [new FunctionHeader(8, 0, 0, 1)],
            Entries = [new ContainerEntry(Selector, 0, 0, [AccessMode.Read])],
        };
        return code.Count <= Container.MaxFunctionLength
            && Verifier.TryVerify(container.Encode(), VerifierLimits.Default, out VerifiedProgram? program, out _)
            && Verifier.TryVerify(callee.Encode(), VerifierLimits.Default, out VerifiedProgram? other, out _)
            && Bind(program, new ProgramTable { [Self] = program, [Callee] = other });
    }

    private bool Bind(VerifiedProgram program, ProgramTable programs)
    {
        (LocalKey, AccessMode)[] slots = new (LocalKey, AccessMode)[Modes.Length];
        for (int i = 0; i < slots.Length; i++)
        {
            slots[i] = (new LocalKey(new Bytes32((ulong)i, 0, 0, 0)), Modes[i]);
        }

        PublicKey payer = new(new Bytes32(1, 0, 0, 1));
        _message = Message.ForCall(new StateHashing(default), new TxId(Bytes32.Zero), Self, program, Selector, _arguments, slots, payer, 1UL << 40);
        _block = new BlockContext(new Height(1), 1, default, 0, 0) { Programs = programs, Forks = Forks };
        for (int slot = 0; slot < slots.Length; slot++)
        {
            Record record = new();
            if (slot is not (1 or 3))
            {
                record.Set(new byte[StateLimits.MaxRecordBytes]);
            }

            _records[_message.SlotTable[slot]] = record;
        }

        return true;
    }

    // branches go on with the next instruction, whether they are taken or not
    private ulong WithTarget(ulong word, int next)
    {
        OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)word);
        foreach (Operand operand in info.Operands)
        {
            if (operand.Kind == OperandKind.Target)
            {
                return operand.Write(word, (uint)next);
            }

            if (operand.Kind == OperandKind.Table)
            {
                _tables.Add([(ushort)next, (ushort)next]);
                return operand.Write(word, (uint)_tables.Count - 1);
            }
        }

        return word;
    }

    /// <summary>Cells of an operand, whether they are read, and whether they are felts; no cells for everything else.</summary>
    public static (int Cells, bool IsSource, bool IsFelt) Shape(OperandKind kind) => kind switch
    {
        OperandKind.Source or OperandKind.Update => (1, true, false),
        OperandKind.SourcePair => (2, true, false),
        OperandKind.SourceQuad => (4, true, false),
        OperandKind.SourceFelt => (1, true, true),
        OperandKind.SourceFeltQuad => (4, true, true),
        OperandKind.UpdateFelts => (8, true, true),
        OperandKind.Dest => (1, false, false),
        OperandKind.DestPair => (2, false, false),
        OperandKind.DestQuad => (4, false, false),
        OperandKind.DestFelt => (1, false, true),
        OperandKind.DestFeltQuad => (4, false, true),
        _ => (0, false, false),
    };

    /// <summary>An instruction's word: its operands in the order of its row.</summary>
    public static ulong Word(Opcode opcode, params ReadOnlySpan<uint> values)
    {
        OpcodeInfo info = OpcodeTable.Get(opcode);
        ulong word = (byte)opcode;
        for (int i = 0; i < values.Length; i++)
        {
            word = info.Operands[i].Write(word, values[i]);
        }

        return word;
    }

    private sealed class ProgramTable : Dictionary<ProgramId, VerifiedProgram>, IProgramSource
    {
        public bool TryFind(ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program) => TryGetValue(id, out program);
    }
}
