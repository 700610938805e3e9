// The third evaluator: what the laws of docs/opcodes.md and the rules of gas say, over unbounded integers and fresh arrays,
// without a thought for speed. It shares no code with the engines beyond the opcode table and the hash functions, and
// was written without a look at them, so that a mistake is made twice only if the law itself is wrong.
//
// It also lists every charge of a run: from one full run follows what has to happen at every lower gas limit.
//
// Threading: one machine per run.

using System;
using System.Collections.Generic;
using System.Globalization;
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
    private static readonly BigInteger HalfWord = BigInteger.One << 63;

    private readonly VmCase _case;
    private readonly Container _code;
    private readonly ContainerEntry _entry;
    private readonly ulong[] _cells = new ulong[VerifierLimits.MaxFrameCells];
    private readonly List<byte> _heap = [];
    private readonly byte[]?[] _records;
    private readonly bool[] _isTouched;
    private readonly List<PendingAdd> _adds = [];
    private readonly List<(uint Schema, byte[] Bytes)> _events = [];
    private readonly List<Charge> _charges = [];
    private readonly ulong?[][] _blockPrices;
    private byte[] _returned = [];
    private ulong _used;
    private int _function;
    private int _at;

    // the instruction that runs: where its frame starts, and its operands in text order
    private int _frame;
    private OpcodeInfo _info = OpcodeTable.Get(Opcode.Nop);
    private uint[] _operands = [];

    private BigMachine(VmCase subject)
    {
        _case = subject;
        _code = subject.Container;
        uint selector = subject.Message.Program.Entries[subject.Message.EntryIndex].Selector;
        _entry = Array.Find(_code.Entries, entry => entry.Selector == selector)!;
        _records = Array.ConvertAll(subject.Before, value => (byte[]?)value?.Clone());
        _isTouched = new bool[_records.Length];
        _blockPrices = new ulong?[_code.Functions.Length][];
        _used = subject.Message.IntrinsicGas;
    }

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
            (missingSlot, missingMode) = machine.MissingAccess();
            if (missingSlot >= 0)
            {
                throw Trap(TrapCode.UndeclaredAccess);
            }

            machine.RunFunction(machine._entry.Function, 0);
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
            ? new Verdict(outcome, machine._records, machine._isTouched, machine._adds, machine.Output(), machine._charges)
            : new Verdict(outcome, subject.Before, new bool[subject.Before.Length], [], [], machine._charges);
    }

    // Every slot needs an access whose mode covers the entry's; what is written or added to belongs to the program.
    private (int Slot, AccessMode Mode) MissingAccess()
    {
        ushort[] slots = _case.Message.SlotTable;
        if (slots.Length != _entry.SlotModes.Length || _code.Functions[_entry.Function].Args != 0)
        {
            throw Trap(TrapCode.BadArgument);
        }

        for (int slot = 0; slot < slots.Length; slot++)
        {
            Access access = _case.Message.Accesses.Accesses[slots[slot]];
            AccessMode needed = _entry.SlotModes[slot];
            bool covers = access.Mode == AccessMode.Write || access.Mode == needed;
            if (!covers || (needed != AccessMode.Read && access.ProgramIndex != 0))
            {
                return (slot, needed);
            }
        }

        return (-1, AccessMode.Read);
    }

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
    private void PayWords(BigInteger length, ulong price) => Pay((BigInteger.Min(length, MaxLength) + 31) / 32 * price);

    private ReadOnlySpan<ulong> CodeOf(int function)
    {
        int start = 0;
        for (int i = 0; i < function; i++)
        {
            start += _code.Functions[i].Length;
        }

        return _code.Code.AsSpan(start, _code.Functions[function].Length);
    }

    // At each leader the price of its block: all rows up to the next leader, calls with their frames.
    private ulong?[] BlockPrices(int function)
    {
        if (_blockPrices[function] is not null)
        {
            return _blockPrices[function];
        }

        ReadOnlySpan<ulong> code = CodeOf(function);
        ulong?[] prices = new ulong?[code.Length + 1];
        prices[0] = 0;
        for (int at = 0; at < code.Length; at++)
        {
            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)code[at]);
            foreach (Operand operand in info.Operands)
            {
                if (operand.Kind == OperandKind.Target)
                {
                    prices[operand.Read(code[at])] = 0;
                }
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
            OpcodeInfo info = OpcodeTable.Get((Opcode)(byte)code[at]);
            prices[leader] += _case.Block.Rules.GasOf(info.Opcode) + (info.Flow == Flow.Call ? _code.Functions[code[at] >> 32].Cells / 8UL : 0);
        }

        return _blockPrices[function] = prices;
    }

    private void RunFunction(int function, int frame)
    {
        ulong[] code = CodeOf(function).ToArray();
        ulong?[] prices = BlockPrices(function);
        for (int at = 0; ; at++)
        {
            (_function, _at, _frame) = (function, at, frame);
            if (prices[at] is ulong price)
            {
                Pay(price);
            }

            _info = OpcodeTable.Get((Opcode)(byte)code[at]);
            _operands = Array.ConvertAll(_info.Operands, operand => operand.Read(code[at]));
            switch (_info.Opcode)
            {
                case Opcode.Ret:
                    return;
                case Opcode.Halt:
                    throw new Stop(Halt.Success, 0);
                case Opcode.Abort:
                    throw new Stop(Halt.Revert, (int)BigInteger.Min(65535, 256 + U(0)));
                case Opcode.Trap:
                    throw Trap(_operands[0] == 0 ? TrapCode.Unreachable : (TrapCode)_operands[0]);
                case Opcode.Call:
                    RunFunction((int)_operands[0], frame + (int)_operands[1]);
                    break;
                default:
                    if (!Branches.TryGetValue(_info.Opcode, out Func<BigMachine, bool>? isTaken))
                    {
                        Laws[_info.Opcode](this);
                    }
                    else if (isTaken(this))
                    {
                        at = (int)_operands[^1] - 1;
                    }

                    break;
            }
        }
    }

    private static readonly Dictionary<Opcode, Func<BigMachine, bool>> Branches = new()
    {
        [Opcode.Jmp] = _ => true,
        [Opcode.Jnz] = m => m.U(0) != 0,
        [Opcode.Jz] = m => m.U(0) == 0,
        [Opcode.Jeq] = m => m.U(0) == m.U(1),
        [Opcode.Jne] = m => m.U(0) != m.U(1),
        [Opcode.Jlt] = m => m.U(0) < m.U(1),
        [Opcode.Jge] = m => m.U(0) >= m.U(1),
        [Opcode.Jslt] = m => m.S(0) < m.S(1),
        [Opcode.Jsge] = m => m.S(0) >= m.S(1),
    };

    private static readonly Dictionary<Opcode, Action<BigMachine>> Laws = new()
    {
        [Opcode.Loop] = static _ => { },
        [Opcode.Nop] = static _ => { },
        [Opcode.Mov] = m => m.Set(m.U(1)),
        [Opcode.Ldi] = m => m.Set(m._operands[1]),
        [Opcode.Ldis] = m => m.Set(Wrapped((int)m._operands[1])),
        [Opcode.Ldc] = m => m.Set(m._code.Constants[m._operands[1]]),
        [Opcode.Sel] = m => m.Set(m.U(3) != 0 ? m.U(1) : m.U(2)),
        [Opcode.Swp] = m => (m._cells[m.Cell(0)], m._cells[m.Cell(1)]) = (m._cells[m.Cell(1)], m._cells[m.Cell(0)]),
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
        [Opcode.Smod] = m =>
        {
            Require(m.S(1) / NotZero(m.S(2)) < HalfWord, TrapCode.Overflow);
            m.SetSigned(BigInteger.Remainder(m.S(1), m.S(2)));
        },

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
        [Opcode.Mset] = m =>
        {
            m.PayWords(m.U(2), m.Prices.CopyWord);
            byte[] filled = new byte[(int)BigInteger.Min(m.U(2), MaxLength + 1)];
            Array.Fill(filled, (byte)(m.U(1) % 256));
            m.Write(m.U(0), filled);
        },
        [Opcode.Mgrow] = m =>
        {
            Require(m.U(1) <= m._entry.MaxPages - (m._heap.Count / PageBytes), TrapCode.Limit);
            int pages = (int)m.U(1);
            m.Pay(pages * (BigInteger)m.Prices.Page);
            m.Set(HeapAddress + m._heap.Count);
            m._heap.AddRange(new byte[pages * PageBytes]);
        },
        [Opcode.Keccak] = m => m.SetQuad(Keccak256.Hash(m.ReadPaid(m.U(1), m.U(2), m.Prices.KeccakWord))),
        [Opcode.Sha256] = m => m.SetQuad(Sha256.Hash(m.ReadPaid(m.U(1), m.U(2), m.Prices.Sha256Word))),
        [Opcode.Blake3] = m => m.SetQuad(Blake3.Hash(m.ReadPaid(m.U(1), m.U(2), m.Prices.Blake3Word))),
        [Opcode.Emit] = m =>
        {
            byte[] said = m.ReadPaid(m.U(1), m.U(2), m.Prices.OutputWord);
            m._events.Add((m._operands[0], said));
            int total = 0;
            m._events.ForEach(item => total += item.Bytes.Length);
            Require(m._events.Count <= 64 && total <= 8 * 1024, TrapCode.Limit);
        },
        [Opcode.Retd] = m =>
        {
            m._returned = m.ReadPaid(m.U(0), m.U(1), m.Prices.OutputWord);
            Require(m._returned.Length <= 1024, TrapCode.Limit);
        },

        // context
        [Opcode.Ctx] = m => m.Set((ContextId)m._operands[1] switch
        {
            ContextId.Height => m._case.Block.Height.Value,
            ContextId.TimestampMs => m._case.Block.TimestampMs,
            ContextId.BaseFee => m._case.Block.BaseFee,
            ContextId.Fork => m._case.Block.Fork,
            ContextId.SlotCount => (ulong)m._entry.SlotModes.Length,
            ContextId.ArgumentLength => (ulong)m._case.Message.Arguments.Length,
            _ => (ulong)m._case.Message.Signers.Length,
        }),
        [Opcode.Caller] = m => m.SetQuad(m._case.Message.Payer.Value),
        [Opcode.Self] = m => m.SetQuad(m._case.Message.Programs[0].Value),
        [Opcode.Chain] = m => m.SetQuad(m._case.Block.Chain.Value),
        [Opcode.Signer] = m =>
        {
            Require(m._operands[1] < m._case.Message.Signers.Length, TrapCode.BadArgument);
            m.SetQuad(m._case.Message.Signers[m._operands[1]].Value);
        },
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
        [Opcode.Sacc] = m => m.Accumulate((UInt128)m.U(2, 2)),
        [Opcode.Snew] = m =>
        {
            Require(m.Record is null, TrapCode.Schema);
            m.Put(0, new byte[m._operands[1]]);
        },
        [Opcode.Sdel] = m =>
        {
            Require(m.Record is not null, TrapCode.Schema);
            m.Record = null;
        },
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
    private int Index => _case.Message.SlotTable[_operands[Array.FindIndex(_info.Operands, operand => operand.IsSlot)]];

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
            int known = _adds.FindIndex(add => add.AccessIndex == Index);
            if (known < 0)
            {
                known = _adds.Count;
                _adds.Add(new PendingAdd(Index, 0));
            }

            _adds[known] = new PendingAdd(Index, unchecked(_adds[known].Amount + amount));
            return;
        }

        byte[] record = Field(Record, 0, Math.Max(16, Record?.Length ?? 0));
        Bytes((Number(record.AsSpan(0, 16)) + amount) % (BigInteger.One << 128), 16).CopyTo(record, 0);
        Record = record;
    }

    private byte[] Output()
    {
        if (_events.Count == 0 && _returned.Length == 0)
        {
            return [];
        }

        CanonicalWriter writer = new();
        writer.WriteU16((ushort)_events.Count);
        foreach ((uint schema, byte[] bytes) in _events)
        {
            writer.WriteU32(schema);
            writer.WriteCounted(bytes);
        }

        writer.WriteCounted(_returned);
        return writer.ToArray();
    }

    // operands as numbers, and results
    private int Cell(int operand) => _frame + (int)_operands[operand];

    private BigInteger U(int operand, int words = 1)
    {
        BigInteger value = 0;
        for (int i = words - 1; i >= 0; i--)
        {
            value = (value << 64) + _cells[Cell(operand) + i];
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
            _cells[Cell(0) + i] = (ulong)(value % Word);
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
        Require(offset + length <= _case.Message.Arguments.Length, TrapCode.BadArgument);
        return _case.Message.Arguments.Slice((int)offset, (int)length).ToArray();
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
        if (address >= DataAddress && address + length <= DataAddress + _code.Data.Length)
        {
            return _code.Data.AsSpan((int)address - DataAddress, (int)length).ToArray();
        }

        Require(address >= HeapAddress && address + length <= HeapAddress + _heap.Count, TrapCode.MemoryBound);
        return [.. _heap.GetRange((int)address - HeapAddress, (int)length)];
    }

    private void Write(BigInteger address, byte[] bytes)
    {
        Require(address >= HeapAddress && address + bytes.Length <= HeapAddress + _heap.Count, TrapCode.MemoryBound);
        for (int i = 0; i < bytes.Length; i++)
        {
            _heap[(int)address - HeapAddress + i] = bytes[i];
        }
    }
}
