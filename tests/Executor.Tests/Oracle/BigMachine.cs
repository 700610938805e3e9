// The third evaluator: what the laws of docs/opcodes.md and the rules of gas say, over unbounded integers and fresh arrays,
// without a thought for speed. It shares no code with the engines beyond the opcode table and the hash functions, and
// was written without a look at them, so that a mistake is made twice only if the law itself is wrong. Under 600 lines of code.
//
// It also lists every charge of a run: from one full run follows what has to happen at every lower gas limit.
//
// Threading: one machine per run.

using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Numerics;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Oracle;

/// <summary>Runs one case and says everything that an engine has to agree on.</summary>
internal sealed class BigMachine
{
    private const int DataAddress = 0x1000;
    private const int HeapAddress = 0x100_0000;
    private const int PageBytes = 4096;
    private const int RecordBytes = 4096;
    private const int MaxLength = 1 << 20;

    private static readonly BigInteger Word = BigInteger.One << 64;
    private static readonly BigInteger P = SpecialValues.P;
    private static readonly BigInteger HalfWord = BigInteger.One << 63;

    private readonly VmCase _case;
    private readonly List<OpenProgram> _open = [];
    private readonly byte[]?[] _records;
    private readonly bool[] _isTouched;
    private readonly Dictionary<int, UInt128> _adds = [];              // in the order of the first add
    private readonly List<(ProgramId? Program, uint Schema, byte[] Bytes)> _events = [];
    private readonly List<Charge> _charges = [];
    private byte[] _returned = [];
    private ulong _used;
    private int _function;                                          // place in the called program: calls of others count as one place
    private int _at;

    // the instruction that runs: where its frame starts, and its operands in text order
    private int _frame;
    private OpcodeInfo _info = OpcodeTable.Get(Opcode.Nop);
    private uint[] _operands = [];
    private int _next;                                              // the instruction after it
    private int _element;                                           // of the array that its slot starts

    private BigMachine(VmCase subject)
    {
        _case = subject;
        _records = Array.ConvertAll(subject.Before, value => (byte[]?)value?.Clone());
        _isTouched = new bool[_records.Length];
        _used = subject.Message.IntrinsicGas;
    }

    // a program between its first and its last instruction; nothing in it outlives it
    private sealed record OpenProgram(ProgramId Id, Container Code, ContainerEntry Entry, ushort[] Slots, Bytes32 Caller, ReadOnlyMemory<byte> Arguments)
    {
        public ulong[] Cells { get; } = new ulong[VerifierLimits.MaxFrameCells];

        public List<byte> Heap { get; } = [];

        public ulong?[]?[] BlockPrices { get; } = new ulong?[Code.Functions.Length][];
    }

    private OpenProgram Top => _open[^1];

    private sealed class Stop(Halt halt, int code) : Exception
    {
        public Halt Halt { get; } = halt;

        public int Code { get; } = code;
    }

    public static Verdict Run(VmCase subject)
    {
        BigMachine machine = new(subject);
        Halt halt = Halt.Success;
        int code = 0;
        (int missingSlot, AccessMode missingMode) = (-1, AccessMode.Read);
        try
        {
            Message message = subject.Message;
            uint selector = message.Program.Entries[message.EntryIndex].Selector;
            ContainerEntry entry = Array.Find(subject.Container.Entries, row => row.Selector == selector)!;
            (missingSlot, missingMode) = MissingAccess(subject, entry);
            Require(missingSlot < 0, TrapCode.UndeclaredAccess);
            machine.RunProgram(new OpenProgram(message.Programs[0], subject.Container, entry, message.SlotTable, message.Payer.Value, message.Arguments), []);
        }
        catch (Stop stop)
        {
            (halt, code) = (stop.Halt, stop.Code);
        }

        if (code == (int)TrapCode.OutOfGas)
        {
            machine._used = subject.Message.GasLimit;
        }

        if (halt == Halt.Success)
        {
            (machine._function, machine._at) = (0, 0);              // a success has no place
        }

        Outcome outcome = new(halt, (ushort)code, (ushort)machine._function, machine._at, machine._used, missingSlot, missingMode);
        return halt == Halt.Success
            ? new Verdict(outcome, machine._records, machine._isTouched, [.. machine._adds.Select(add => new PendingAdd(add.Key, add.Value))], machine.Output(), machine._charges)
            : new Verdict(outcome, subject.Before, new bool[subject.Before.Length], [], [], machine._charges);
    }

    // Every slot needs an access whose mode covers the entry's; what is written or added to belongs to whom the entry says.
    private static (int Slot, AccessMode Mode) MissingAccess(VmCase subject, ContainerEntry entry)
    {
        Message message = subject.Message;
        Require(message.SlotTable.Length == entry.SlotModes.Length && subject.Container.Functions[entry.Function].Args == 0, TrapCode.BadArgument);
        for (int slot = 0; slot < entry.SlotModes.Length; slot++)
        {
            Access access = message.Accesses.Accesses[message.SlotTable[slot]];
            AccessMode needed = entry.SlotModes[slot];
            bool covers = access.Mode == AccessMode.Write || access.Mode == needed;
            bool isOwners = message.Programs[access.ProgramIndex] == (OwnerOf(subject.Container, entry.SlotOwners, slot) ?? message.Programs[0]);
            if (!covers || (needed != AccessMode.Read && !isOwners))
            {
                return (slot, needed);
            }
        }

        return (-1, AccessMode.Read);
    }

    private static ProgramId? OwnerOf(Container container, byte[] owners, int slot) =>
        owners.Length == 0 || owners[slot] == 0 ? null : container.Programs[owners[slot] - 1];

    private GasPrices Prices => _case.Block.Rules.Prices;

    private static Stop Trap(TrapCode code) => new(Halt.Trap, (int)code);

    private static void Require(bool holds, TrapCode otherwise)
    {
        if (!holds)
        {
            throw Trap(otherwise);
        }
    }

    // A charge of nothing is none.
    private void Pay(BigInteger gas)
    {
        if (gas == 0)
        {
            return;
        }

        Require(gas <= _case.Message.GasLimit - _used, TrapCode.OutOfGas);
        _used += (ulong)gas;
        _charges.Add(new Charge(_used, (ushort)_function, _at));
    }

    // a longer length than any memory has costs like that one, and is found out of bounds afterwards
    private int PayWords(BigInteger length, ulong price)
    {
        Pay((BigInteger.Min(length, MaxLength) + 31) / 32 * price);
        return (int)BigInteger.Min(length, MaxLength + 1);
    }

    private static ReadOnlySpan<ulong> CodeOf(Container container, int function)
    {
        int start = 0;
        for (int i = 0; i < function; i++)
        {
            start += container.Functions[i].Length;
        }

        return container.Code.AsSpan(start, container.Functions[function].Length);
    }

    // At each leader the price of its block: all rows up to the next leader, calls with their frames and slots.
    private ulong?[] BlockPrices(int function, ulong[] code)
    {
        if (Top.BlockPrices[function] is ulong?[] known)
        {
            return known;
        }

        ulong?[] prices = new ulong?[code.Length + 1];
        prices[0] = 0;
        for (int at = 0; at < code.Length; at++)
        {
            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)code[at]);
            foreach (Operand operand in info.Operands)
            {
                uint value = operand.Read(code[at]);
                ushort[] targets = operand.Kind == OperandKind.Target ? [(ushort)value] : operand.Kind == OperandKind.Table ? Top.Code.Tables[value] : [];
                Array.ForEach(targets, target => prices[target] = 0);
            }

            if (info.Flow is not (Flow.Next or Flow.Call))
            {
                prices[at + 1] = 0;
            }
        }

        int leader = 0;
        for (int at = 0; at < code.Length; at++)
        {
            leader = prices[at] is null ? leader : at;
            Opcode opcode = (Opcode)(byte)code[at];
            prices[leader] += _case.Block.Rules.GasOf(opcode) + opcode switch
            {
                Opcode.Call => Top.Code.Functions[code[at] >> 32].Cells / 8UL * Prices.CallCells,
                Opcode.Xcall => (ulong)Top.Code.Sites[code[at] >> 32].Slots.Length * Prices.CallSlot,
                _ => 0,
            };
        }

        return Top.BlockPrices[function] = prices;
    }

    // A program on cells and memory of its own. HALT ends it; what it leaves in its first cells is the result.
    private ulong[] RunProgram(OpenProgram program, ulong[] arguments)
    {
        _open.Add(program);
        arguments.CopyTo(program.Cells, 0);
        try
        {
            RunFunction(program.Entry.Function, 0);
        }
        catch (Stop stop) when (stop.Halt == Halt.Success)
        {
        }

        _open.RemoveAt(_open.Count - 1);
        return program.Cells[..program.Code.Functions[program.Entry.Function].Rets];
    }

    private void RunFunction(int function, int frame)
    {
        ulong[] code = CodeOf(Top.Code, function).ToArray();
        ulong?[] prices = BlockPrices(function, code);
        for (int at = 0; ;)
        {
            (_function, _at) = _open.Count == 1 ? (function, at) : (_function, _at);
            _frame = frame;
            if (prices[at] is ulong price)
            {
                Pay(price);
            }

            _info = OpcodeTable.Get((Opcode)(byte)code[at]);
            _element = 0;
            _operands = Array.ConvertAll(_info.Operands, operand => operand.Read(code[at]));
            if (_info.Opcode == Opcode.Ret)
            {
                return;
            }

            _next = at + 1;
            Laws[_info.Opcode](this);
            at = _next;
        }
    }

    private static readonly Dictionary<Opcode, Action<BigMachine>> Laws = new()
    {
        [Opcode.Trap] = m => throw Trap(m._operands[0] == 0 ? TrapCode.Unreachable : (TrapCode)m._operands[0]),
        [Opcode.Halt] = _ => throw new Stop(Halt.Success, 0),
        [Opcode.Abort] = m => throw new Stop(Halt.Revert, (int)BigInteger.Min(65535, 256 + m.U(0))),
        [Opcode.Jmp] = m => m.Jump(true),
        [Opcode.Jnz] = m => m.Jump(m.U(0) != 0),
        [Opcode.Jz] = m => m.Jump(m.U(0) == 0),
        [Opcode.Jeq] = m => m.Jump(m.U(0) == m.U(1)),
        [Opcode.Jne] = m => m.Jump(m.U(0) != m.U(1)),
        [Opcode.Jlt] = m => m.Jump(m.U(0) < m.U(1)),
        [Opcode.Jge] = m => m.Jump(m.U(0) >= m.U(1)),
        [Opcode.Jslt] = m => m.Jump(m.S(0) < m.S(1)),
        [Opcode.Jsge] = m => m.Jump(m.S(0) >= m.S(1)),
        [Opcode.Switch] = m => m._next = m.Top.Code.Tables[m._operands[1]][(int)BigInteger.Min(m.U(0), m.Top.Code.Tables[m._operands[1]].Length - 1)],
        [Opcode.Call] = m =>
        {
            int next = m._next;
            m.RunFunction((int)m._operands[0], m._frame + (int)m._operands[1]);
            m._next = next;
        },
        [Opcode.Xcall] = m => m.CallProgram(m.Top.Code.Sites[m._operands[0]]),
        [Opcode.Loop] = static _ => { },
        [Opcode.Nop] = static _ => { },
        [Opcode.Mov] = m => m.Set(m.U(1)),
        [Opcode.Ldi] = m => m.Set(m._operands[1]),
        [Opcode.Ldis] = m => m.Set(Wrapped((int)m._operands[1])),
        [Opcode.Ldc] = m => m.Set(m.Top.Code.Constants[m._operands[1]]),
        [Opcode.Sel] = m => m.Set(m.U(3) != 0 ? m.U(1) : m.U(2)),
        [Opcode.Swp] = m => (m.Top.Cells[m.Cell(0)], m.Top.Cells[m.Cell(1)]) = (m.Top.Cells[m.Cell(1)], m.Top.Cells[m.Cell(0)]),
        [Opcode.Mov2] = m => m.Set(m.U(1, 2), 2),
        [Opcode.Mov4] = m => m.Set(m.U(1, 4), 4),

        // arithmetic: what does not fit, traps
        [Opcode.Add] = m => m.SetChecked(m.U(1) + m.U(2)),
        [Opcode.Sub] = m => m.SetChecked(m.U(1) - m.U(2)),
        [Opcode.Mul] = m => m.SetChecked(m.U(1) * m.U(2)),
        [Opcode.Div] = m => m.Set(m.U(1) / NotZero(m.U(2))),
        [Opcode.Mod] = m => m.Set(m.U(1) % NotZero(m.U(2))),
        [Opcode.Addi] = m => m.SetChecked(m.U(1) + m._operands[2]),
        [Opcode.Subi] = m => m.SetChecked(m.U(1) - m._operands[2]),
        [Opcode.Muli] = m => m.SetChecked(m.U(1) * m._operands[2]),
        [Opcode.Wadd] = m => m.Set(Wrapped(m.U(1) + m.U(2))),
        [Opcode.Wsub] = m => m.Set(Wrapped(m.U(1) - m.U(2))),
        [Opcode.Wmul] = m => m.Set(Wrapped(m.U(1) * m.U(2))),
        [Opcode.Mulhi] = m => m.Set(m.U(1) * m.U(2) / Word),
        [Opcode.Min] = m => m.Set(BigInteger.Min(m.U(1), m.U(2))),
        [Opcode.Max] = m => m.Set(BigInteger.Max(m.U(1), m.U(2))),
        [Opcode.Absd] = m => m.Set(BigInteger.Abs(m.U(1) - m.U(2))),
        [Opcode.Sadd] = m => m.SetSigned(m.S(1) + m.S(2)),
        [Opcode.Ssub] = m => m.SetSigned(m.S(1) - m.S(2)),
        [Opcode.Smul] = m => m.SetSigned(m.S(1) * m.S(2)),
        [Opcode.Sdiv] = m => m.SetSigned(m.S(1) / NotZero(m.S(2))),
        [Opcode.Smod] = m => m.SetSigned(m.S(1) / NotZero(m.S(2)) < HalfWord ? BigInteger.Remainder(m.S(1), m.S(2)) : HalfWord),

        // bits and comparisons
        [Opcode.Sext] = m => m.SetSigned(SignedOf(m.U(1) % (BigInteger.One << (int)m._operands[2]), (int)m._operands[2])),
        [Opcode.Clz] = m => m.Set(64 - (long)m.U(1).GetBitLength()),
        [Opcode.Popc] = m => m.Set(m.U(1).ToString("b", CultureInfo.InvariantCulture).AsSpan().Count('1')),
        [Opcode.And] = m => m.Set(m.U(1) & m.U(2)),
        [Opcode.Or] = m => m.Set(m.U(1) | m.U(2)),
        [Opcode.Xor] = m => m.Set(m.U(1) ^ m.U(2)),
        [Opcode.Not] = m => m.Set(Word - 1 - m.U(1)),
        [Opcode.Shl] = m => m.Set(Wrapped(m.U(1) << Count(m.U(2)))),
        [Opcode.Shr] = m => m.Set(m.U(1) >> Count(m.U(2))),
        [Opcode.Sar] = m => m.Set(Wrapped(m.S(1) >> Count(m.U(2)))),
        [Opcode.Shli] = m => m.Set(Wrapped(m.U(1) << (int)m._operands[2])),
        [Opcode.Shri] = m => m.Set(m.U(1) >> (int)m._operands[2]),
        [Opcode.Slt] = m => m.Set(m.S(1) < m.S(2)),
        [Opcode.Eq] = m => m.Set(m.U(1) == m.U(2)),
        [Opcode.Ne] = m => m.Set(m.U(1) != m.U(2)),
        [Opcode.Lt] = m => m.Set(m.U(1) < m.U(2)),
        [Opcode.Gt] = m => m.Set(m.U(1) > m.U(2)),
        [Opcode.Le] = m => m.Set(m.U(1) <= m.U(2)),
        [Opcode.Ge] = m => m.Set(m.U(1) >= m.U(2)),
        [Opcode.Eqi] = m => m.Set(m.U(1) == m._operands[2]),
        [Opcode.Lti] = m => m.Set(m.U(1) < m._operands[2]),
        [Opcode.Stale] = m => Require(m.U(0) == m.U(1), TrapCode.Stale),

        // fixed point
        [Opcode.MulDiv] = m => m.SetQuotient(m.U(1) * m.U(2), m.U(3), m._operands[4]),
        [Opcode.MulScale] = m => m.SetQuotient(m.U(1) * m.U(2), BigInteger.Pow(10, (int)m._operands[3]), m._operands[4]),
        [Opcode.Mulsh] = m => m.SetQuotient(m.U(1) * m.U(2), BigInteger.One << (int)m._operands[3], m._operands[4]),
        [Opcode.Divsh] = m => m.SetQuotient(m.U(1) << (int)m._operands[3], m.U(2), m._operands[4]),
        [Opcode.Sqrt] = m => m.Set(Root(m.U(1), m._operands[2] == 1)),

        // pairs and quads
        [Opcode.Dadd] = m => m.SetChecked(m.U(1, 2) + m.U(2, 2), 2),
        [Opcode.Dsub] = m => m.SetChecked(m.U(1, 2) - m.U(2, 2), 2),
        [Opcode.Dmul] = m => m.Set(m.U(1) * m.U(2), 2),
        [Opcode.Dmuld] = m => m.SetChecked(m.U(1, 2) * m.U(2, 2), 2),
        [Opcode.Ddiv] = m => m.Set(m.U(1, 2) / NotZero(m.U(2, 2)), 2),
        [Opcode.DmulDiv] = m => m.SetQuotient(m.U(1, 2) * m.U(2, 2), m.U(3, 2), m._operands[4], 2),
        [Opcode.Dsqrt] = m => m.Set(Root(m.U(1, 2), false)),
        [Opcode.Dlt] = m => m.Set(m.U(1, 2) < m.U(2, 2)),
        [Opcode.Deq] = m => m.Set(m.U(1, 2) == m.U(2, 2)),
        [Opcode.Dnarrow] = m => m.SetChecked(m.U(1, 2)),
        [Opcode.Qeq] = m => m.Set(m.U(1, 4) == m.U(2, 4)),

        // the Goldilocks field
        [Opcode.Fadd] = m => m.Set((m.U(1) + m.U(2)) % P),
        [Opcode.Fsub] = m => m.Set((m.U(1) + P - m.U(2)) % P),
        [Opcode.Fmul] = m => m.Set(m.U(1) * m.U(2) % P),
        [Opcode.Fneg] = m => m.Set((P - m.U(1)) % P),
        [Opcode.Finv] = m => m.Set(BigInteger.ModPow(NotZero(m.U(1)), P - 2, P)),
        [Opcode.Fred] = m => m.Set(m.U(1) % P),
        [Opcode.Feq] = m => m.Set(m.U(1) == m.U(2)),
        [Opcode.Pos2] = m => Poseidon2.Compress(m.Felts(1, 4), m.Felts(2, 4), m.Felts(0, 4)),
        [Opcode.Pos2p] = m => Poseidon2.Permute(m.Felts(0, 8)),

        // memory
        [Opcode.Ld1] = m => m.Set(Number(m.Load(m.U(1) + m._operands[2], 1))),
        [Opcode.Ld2] = m => m.Set(Number(m.Load(m.U(1) + m._operands[2], 2))),
        [Opcode.Ld4] = m => m.Set(Number(m.Load(m.U(1) + m._operands[2], 4))),
        [Opcode.Ld8] = m => m.Set(Number(m.Load(m.U(1) + m._operands[2], 8))),
        [Opcode.Ldq] = m => m.Set(Number(m.Load(m.U(1) + m._operands[2], 32)), 4),
        [Opcode.St1] = m => m.Store(m.U(1) + m._operands[2], Bytes(m.U(0), 8)[..1]),
        [Opcode.St2] = m => m.Store(m.U(1) + m._operands[2], Bytes(m.U(0), 8)[..2]),
        [Opcode.St4] = m => m.Store(m.U(1) + m._operands[2], Bytes(m.U(0), 8)[..4]),
        [Opcode.St8] = m => m.Store(m.U(1) + m._operands[2], Bytes(m.U(0), 8)),
        [Opcode.Stq] = m => m.Store(m.U(1) + m._operands[2], Bytes(m.U(0, 4), 32)),
        [Opcode.Mcpy] = m => m.Write(m.U(0), m.ReadPaid(m.U(1), m.U(2), m.Prices.CopyWord)),
        [Opcode.Mset] = m => m.Write(m.U(0), Enumerable.Repeat((byte)(m.U(1) % 256), m.PayWords(m.U(2), m.Prices.CopyWord)).ToArray()),
        [Opcode.Mcmp] = m => m.Set(Wrapped(Math.Sign(m.ReadPaid(m.U(1), m.U(3), m.Prices.CopyWord).AsSpan().SequenceCompareTo(m.Read(m.U(2), m.U(3)))))),
        [Opcode.Mgrow] = m =>
        {
            Require(m.U(1) <= m.Top.Entry.MaxPages - (m.Top.Heap.Count / PageBytes), TrapCode.Limit);
            int pages = (int)m.U(1);
            m.Pay(pages * (BigInteger)m.Prices.Page);
            m.Set(HeapAddress + m.Top.Heap.Count);
            m.Top.Heap.AddRange(new byte[pages * PageBytes]);
        },
        [Opcode.Keccak] = m => m.SetQuad(Keccak256.Hash(m.ReadPaid(m.U(1), m.U(2), m.Prices.KeccakWord))),
        [Opcode.Sha256] = m => m.SetQuad(Sha256.Hash(m.ReadPaid(m.U(1), m.U(2), m.Prices.Sha256Word))),
        [Opcode.Blake3] = m => m.SetQuad(Blake3.Hash(m.ReadPaid(m.U(1), m.U(2), m.Prices.Blake3Word))),
        [Opcode.Edver] = m => m.Set(m.Read(m.U(1), 128) is byte[] signed
            && Ed25519.Verify(new PublicKey(Bytes32.From(signed.AsSpan(0, 32))), signed.AsSpan(96), Signature.From(signed.AsSpan(32, 64)))),
        [Opcode.Emit] = m =>
        {
            byte[] said = m.ReadPaid(m.U(1), m.U(2), m.Prices.OutputWord);
            m._events.Add((m._open.Count == 1 ? null : m.Top.Id, m._operands[0], said));
            Require(m._events.Count <= 64 && m._events.Sum(item => item.Bytes.Length) <= 8 * 1024, TrapCode.Limit);
        },
        [Opcode.Retd] = m =>
        {
            byte[] data = m.ReadPaid(m.U(0), m.U(1), m.Prices.OutputWord);
            Require(data.Length <= 1024, TrapCode.Limit);
            m._returned = m._open.Count == 1 ? data : m._returned;
        },

        // context
        [Opcode.Ctx] = m => m.Set((ContextId)m._operands[1] switch
        {
            ContextId.Height => m._case.Block.Height.Value,
            ContextId.TimestampMs => m._case.Block.TimestampMs,
            ContextId.BaseFee => m._case.Block.BaseFee,
            ContextId.Fork => m._case.Block.Fork,
            ContextId.SlotCount => (ulong)m.Top.Entry.SlotModes.Length,
            ContextId.ArgumentLength => (ulong)m.Top.Arguments.Length,
            _ => (ulong)m._case.Message.Signers.Length,
        }),
        [Opcode.Caller] = m => m.SetQuad(m.Top.Caller),
        [Opcode.Self] = m => m.SetQuad(m.Top.Id.Value),
        [Opcode.Chain] = m => m.SetQuad(m._case.Block.Chain.Value),
        [Opcode.Signer] = m => m.SetQuad(m._operands[1] < m._case.Message.Signers.Length ? m._case.Message.Signers[m._operands[1]].Value : throw Trap(TrapCode.BadArgument)),
        [Opcode.Arg] = m => m.Set(Number(m.Argument(m._operands[1], 8))),
        [Opcode.Argq] = m => m.Set(Number(m.Argument(m._operands[1], 32)), 4),
        [Opcode.Argcpy] = m =>
        {
            m.PayWords(m.U(2), m.Prices.CopyWord);
            m.Write(m.U(0), m.Argument(m.U(1), m.U(2)));
        },

        // state: the record of the slot is index X of the access list
        [Opcode.Sld8] = m => m.Set(Number(Field(m.Record, (int)m._operands[2], 8))),
        [Opcode.Sldq] = m => m.Set(Number(Field(m.Record, (int)m._operands[2], 32)), 4),
        [Opcode.Sst8] = m => m.Put((int)m._operands[1], Bytes(m.U(2), 8)),
        [Opcode.Sstq] = m => m.Put((int)m._operands[1], Bytes(m.U(2, 4), 32)),
        [Opcode.Sldx] = m => m.Set(Number(Field(m.At(3), (int)m._operands[4], 8))),
        [Opcode.Sstx] = m =>
        {
            m.At(2);
            m.Put((int)m._operands[3], Bytes(m.U(4), 8));
        },
        [Opcode.Sacc] = m => m.Accumulate((UInt128)m.U(2, 2)),
        [Opcode.Snew] = m => m.Put(0, m.Record is null ? new byte[m._operands[1]] : throw Trap(TrapCode.Schema)),
        [Opcode.Sdel] = m => m.Record = m.Record is null ? throw Trap(TrapCode.Schema) : null,
        [Opcode.Sexist] = m => m.Set(m.Record is not null),
        [Opcode.Slen] = m => m.Set(m.Record?.Length ?? 0),
        [Opcode.Skey] = m => m.SetQuad(m.Access.Key.Value),
        [Opcode.Sown] = m => m.SetQuad(m._case.Message.Programs[m.Access.ProgramIndex].Value),
        [Opcode.Scpy] = m =>
        {
            m.PayWords(m.U(2), m.Prices.CopyWord);
            Require(m.U(1) + m.U(2) <= RecordBytes, TrapCode.SlotBound);
            if (m._operands[4] == 0)
            {
                m.Write(m.U(0), Field(m.Record, (int)m.U(1), (int)m.U(2)));
            }
            else
            {
                m.Put((int)m.U(1), m.Read(m.U(0), m.U(2)));
            }
        },
    };

    /// <summary>Index of the access that the instruction's slot names.</summary>
    private int Index => Top.Slots[_operands[Array.FindIndex(_info.Operands, operand => operand.IsSlot)] + _element];

    private void Jump(bool isTaken) => _next = isTaken ? (int)_operands[^1] : _next;

    // the record of the array's element that a cell names
    private byte[]? At(int operand)
    {
        Require(U(operand) < _operands[operand - 1], TrapCode.SlotBound);
        _element = (int)U(operand);
        return Record;
    }

    private void CallProgram(ContainerSite site)
    {
        ContainerImport import = Top.Code.Imports[site.Import];
        ProgramId id = Top.Code.Programs[import.Program];
        Container? code = _case.Programs.GetValueOrDefault(id);
        ContainerEntry? entry = code is null ? null : Array.Find(code.Entries, row => row.Selector == import.Selector);
        Require(entry is not null && IsAsImported(import, code!, entry), TrapCode.Schema);
        Require(entry!.IsView || !_open.Exists(open => open.Id == id), TrapCode.Reenter);
        Require(_open.Count < 8, TrapCode.Depth);
        (int first, int next) = (Cell(1), _next);
        ushort[] slots = Array.ConvertAll(site.Slots, slot => Top.Slots[slot]);
        ulong[] results = RunProgram(
            new OpenProgram(id, code!, entry, slots, Top.Id.Value, default), Top.Cells[first..(first + import.Args)]);
        results.CopyTo(Top.Cells, first);
        _next = next;
    }

    // the same arguments, results, kind, and per slot mode and owner; and no HALT that would leave results undefined
    private bool IsAsImported(ContainerImport import, Container code, ContainerEntry entry)
    {
        FunctionHeader header = code.Functions[entry.Function];
        bool isSame = header.Args == import.Args && header.Rets == import.Rets && entry.IsView == import.IsView && entry.SlotModes.AsSpan().SequenceEqual(import.SlotModes);
        for (int slot = 0; isSame && slot < entry.SlotModes.Length; slot++)
        {
            isSame = OwnerOf(code, entry.SlotOwners, slot) == OwnerOf(Top.Code, import.SlotOwners, slot);
        }

        return isSame && (header.Rets == 0 || !MayHalt(code, entry.Function));
    }

    private static bool MayHalt(Container code, int function) => Array.Exists(
        CodeOf(code, function).ToArray(),
        word => (byte)word == (byte)Opcode.Halt || ((byte)word == (byte)Opcode.Call && MayHalt(code, (int)(word >> 32))));

    private Span<ulong> Felts(int operand, int count) => Top.Cells.AsSpan(Cell(operand), count);

    private Access Access => _case.Message.Accesses.Accesses[Index];

    private byte[]? Record
    {
        get => _records[Index];
        set => (_records[Index], _isTouched[Index]) = (value, true);
    }

    private void Put(int offset, byte[] bytes)
    {
        byte[]? record = Record;
        int grown = Math.Max(0, offset + bytes.Length - (record?.Length ?? 0));
        BigInteger price = (record is null ? Prices.NewRecord : 0) + ((BigInteger)grown * Prices.NewByte);
        Pay(price);
        byte[] larger = Field(record, 0, (record?.Length ?? 0) + grown);
        bytes.CopyTo(larger, offset);
        Record = larger;
    }

    private void Accumulate(UInt128 amount)
    {
        if (Access.Mode == AccessMode.Add)
        {
            _adds[Index] = unchecked(_adds.GetValueOrDefault(Index) + amount);
            return;
        }

        Put(0, Bytes((Number(Field(Record, 0, 16)) + amount) % (BigInteger.One << 128), 16));
    }

    private byte[] Output()
    {
        CanonicalWriter writer = new();
        writer.WriteU16((ushort)_events.Count);
        foreach ((ProgramId? program, uint schema, byte[] bytes) in _events)
        {
            writer.WriteU32(schema);
            writer.WriteU32((uint)bytes.Length | (program is null ? 0 : 0x10000u));
            writer.WriteBytes([.. program?.Value.ToArray() ?? [], .. bytes]);
        }

        writer.WriteCounted(_returned);
        return _events.Count == 0 && _returned.Length == 0 ? [] : writer.ToArray();
    }

    // operands as numbers, and results
    private int Cell(int operand) => _frame + (int)_operands[operand];

    private BigInteger U(int operand, int words = 1)
    {
        BigInteger value = 0;
        for (int i = words - 1; i >= 0; i--)
        {
            value = (value << 64) + Top.Cells[Cell(operand) + i];
        }

        return value;
    }

    private BigInteger S(int operand) => SignedOf(U(operand), 64);

    private static BigInteger SignedOf(BigInteger value, int bits) => value >> (bits - 1) == 0 ? value : value - (BigInteger.One << bits);

    private static BigInteger Wrapped(BigInteger value) => ((value % Word) + Word) % Word;

    private static BigInteger NotZero(BigInteger divisor)
    {
        Require(divisor != 0, TrapCode.DivideByZero);
        return divisor;
    }

    // a count of 64 and more does what 64 does
    private static int Count(BigInteger count) => (int)BigInteger.Min(64, count);

    private void Set(bool value) => Set(value ? 1 : 0);

    private void Set(BigInteger value, int words = 1)
    {
        for (int i = 0; i < words; i++)
        {
            Top.Cells[Cell(0) + i] = (ulong)(value % Word);
            value >>= 64;
        }

        if (value != 0)
        {
            throw new InvalidOperationException("A result does not fit its cells, and the law has no trap for it.");
        }
    }

    private void SetQuad(in Bytes32 bytes) => Set(Number(bytes.ToArray()), 4);

    private void SetChecked(BigInteger value, int words = 1)
    {
        Require(value >= 0 && value < BigInteger.One << (64 * words), TrapCode.Overflow);
        Set(value, words);
    }

    private void SetSigned(BigInteger value)
    {
        Require(value >= -HalfWord && value < HalfWord, TrapCode.Overflow);
        Set(Wrapped(value));
    }

    private void SetQuotient(BigInteger numerator, BigInteger denominator, uint rounding, int words = 1)
    {
        BigInteger quotient = BigInteger.DivRem(numerator, NotZero(denominator), out BigInteger rest);
        bool up = rounding switch
        {
            1 => rest > 0,
            2 => 2 * rest > denominator || (2 * rest == denominator && !quotient.IsEven),
            _ => false,
        };
        quotient += up ? 1 : 0;
        Require(quotient < BigInteger.One << (64 * words), TrapCode.Overflow);
        Require(rounding != 3 || rest == 0, TrapCode.Range);
        Set(quotient, words);
    }

    private static BigInteger Root(BigInteger square, bool isCeiling)
    {
        BigInteger root = 0;
        for (BigInteger bit = BigInteger.One << 64; bit > 0; bit >>= 1)
        {
            root += (root + bit) * (root + bit) <= square ? bit : 0;
        }

        return isCeiling && root * root < square ? root + 1 : root;
    }

    // bytes
    private static BigInteger Number(ReadOnlySpan<byte> bytes) => new(bytes, isUnsigned: true);

    private static byte[] Bytes(BigInteger value, int length)
    {
        byte[] bytes = new byte[length];
        value.TryWriteBytes(bytes, out _, isUnsigned: true);
        return bytes;
    }

    private static byte[] Field(byte[]? record, int offset, int length)
    {
        byte[] field = new byte[length];
        for (int i = 0; i < length && offset + i < record?.Length; i++)
        {
            field[i] = record[offset + i];
        }

        return field;
    }

    private byte[] Argument(BigInteger offset, BigInteger length)
    {
        Require(offset + length <= Top.Arguments.Length, TrapCode.BadArgument);
        return Top.Arguments.Slice((int)offset, (int)length).ToArray();
    }

    // bounds before alignment
    private byte[] Load(BigInteger address, int length)
    {
        byte[] bytes = Read(address, length);
        Require(address % Math.Min(8, length) == 0, TrapCode.Align);
        return bytes;
    }

    private void Store(BigInteger address, byte[] bytes)
    {
        Write(address, bytes);
        Require(address % Math.Min(8, bytes.Length) == 0, TrapCode.Align);
    }

    // even no bytes lie somewhere: at a mapped address or right behind the last one
    private byte[] ReadPaid(BigInteger address, BigInteger length, ulong price)
    {
        PayWords(length, price);
        return Read(address, length);
    }

    private byte[] Read(BigInteger address, BigInteger length)
    {
        if (address >= DataAddress && address + length <= DataAddress + Top.Code.Data.Length)
        {
            return Top.Code.Data.AsSpan((int)address - DataAddress, (int)length).ToArray();
        }

        Require(address >= HeapAddress && address + length <= HeapAddress + Top.Heap.Count, TrapCode.MemoryBound);
        return [.. Top.Heap.GetRange((int)address - HeapAddress, (int)length)];
    }

    private void Write(BigInteger address, byte[] bytes)
    {
        Require(address >= HeapAddress && address + bytes.Length <= HeapAddress + Top.Heap.Count, TrapCode.MemoryBound);
        for (int i = 0; i < bytes.Length; i++)
        {
            Top.Heap[(int)address - HeapAddress + i] = bytes[i];
        }
    }
}
