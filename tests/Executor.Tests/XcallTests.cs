// Calls of other programs: what goes in and out, what a callee may touch, what is refused at deploy, what traps, and that a failure
// anywhere leaves nothing behind.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class XcallTests
{
    private static readonly ulong Halt = Code.Op(Opcode.Halt);
    private static readonly ulong Ret = Code.Op(Opcode.Ret);

    // the ids that Bench.Message puts into its program table
    private static readonly ProgramId Home = new(Bench.Sequence(0xA0));
    private static readonly ProgramId Other = new(Bench.Sequence(0xB0));

    private sealed class Programs : Dictionary<ProgramId, VerifiedProgram>, IProgramSource
    {
        public bool TryFind(ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program) => TryGetValue(id, out program);
    }

    // Other: entry 5 takes (x, y), adds x to slot 0 at offset 0 and returns x * y; its slot 1 is read
    private static Container Callee(params ulong[] body) => new()
    {
        Functions = [new FunctionHeader(8, 2, 1, (ushort)(body.Length + 3))],
        Code = [.. body, Code.Op(Opcode.Sst8, 0, 0, 0), Code.Op(Opcode.Mul, 0, 0, 1), Ret],
        Entries = [new ContainerEntry(5, 0, 4, [AccessMode.Write, AccessMode.Read])],
    };

    private static ContainerImport Import => new(0, 5, 2, 1, false, [AccessMode.Write, AccessMode.Read], []);

    // Home: slot 0 is its own, slot 1 Other's to write, slot 2 read; calls with (6, 7) and stores the product in slot 0
    private static Container Caller(ContainerImport? import = null, ushort[]? map = null, byte[]? owners = null) => new()
    {
        Programs = [Other],
        Imports = [import ?? Import],
        Sites = [new ContainerSite(0, map ?? [1, 2])],
        Functions = [new FunctionHeader(8, 0, 0, 5)],
        Code = [Code.Op(Opcode.Ldi, 4, 6), Code.Op(Opcode.Ldi, 5, 7), Code.Op(Opcode.Xcall, 0, 4), Code.Op(Opcode.Sst8, 0, 0, 4), Halt],
        Entries = [new ContainerEntry(1, 0, 0, [AccessMode.Write, AccessMode.Write, AccessMode.Read]) { SlotOwners = owners ?? [0, 1, 0] }],
    };

    private static (Outcome Outcome, Bench Bench) Run(Container caller, Container? callee, ulong gas = 1_000_000, byte[]? owners = null)
    {
        Bench bench = new();
        Programs programs = [];
        if (callee is not null)
        {
            programs.Add(Other, Code.Verify(callee.Encode()));
        }

        VerifiedProgram home = Code.Verify(caller.Encode());
        programs.Add(Home, home);
        Message message = bench.Message(home, [AccessMode.Write, AccessMode.Read, AccessMode.Write], [0, 2, 1], gasLimit: gas, owners: owners ?? [0, 0, 1]);
        Outcome outcome = bench.Interpreter.Run(message, bench.Records, Bench.Block with { Programs = programs });
        Bench paranoid = new(new Interpreter(isParanoid: true));
        message = paranoid.Message(home, [AccessMode.Write, AccessMode.Read, AccessMode.Write], [0, 2, 1], gasLimit: gas, owners: owners ?? [0, 0, 1]);
        Assert.Equal(outcome, paranoid.Interpreter.Run(message, paranoid.Records, Bench.Block with { Programs = programs }));
        return (outcome, bench);
    }

    private static ulong Word(Record record) => record.Exists ? BitConverter.ToUInt64(record.Value[..8]) : ulong.MaxValue;

    [Fact]
    public void Arguments_go_in_results_come_back_and_slots_are_the_callers()
    {
        (Outcome outcome, Bench bench) = Run(Caller(), Callee());
        Assert.Equal(Executor.Halt.Success, outcome.Halt);
        Assert.Equal((42UL, 6UL), (Word(bench.Records[0]), Word(bench.Records[2])));
        GasPrices prices = GasPrices.Launch;
        ulong rows = 0;
        foreach (Opcode opcode in new[] { Opcode.Ldi, Opcode.Ldi, Opcode.Xcall, Opcode.Sst8, Opcode.Halt, Opcode.Sst8, Opcode.Add, Opcode.Ret })
        {
            rows += OpcodeTable.Get(opcode).Gas;                            // both bodies
        }

        Assert.Equal(100 + rows + (2 * prices.CallSlot) + (2 * (prices.NewRecord + (8 * prices.NewByte))), outcome.GasUsed);
    }

    [Fact]
    public void Every_limit_below_the_use_is_out_of_gas_and_leaves_nothing()
    {
        ulong used = Run(Caller(), Callee()).Outcome.GasUsed;
        for (ulong limit = 100; limit < used; limit += 7)
        {
            (Outcome outcome, Bench bench) = Run(Caller(), Callee(), limit);
            Assert.Equal((Executor.Halt.Trap, (ushort)TrapCode.OutOfGas, limit), (outcome.Halt, outcome.Code, outcome.GasUsed));
            Assert.All(bench.Records, record => Assert.False(record.Exists || record.IsTouched));
        }
    }

    [Fact]
    public void A_callee_that_fails_ends_the_transaction_at_the_call_and_leaves_nothing()
    {
        foreach ((ulong[] body, int code) in new (ulong[], int)[]
        {
            ([Code.Op(Opcode.Ldi, 2, 9), Code.Op(Opcode.Jnz, 2, 3), Code.Op(Opcode.Nop), Code.Op(Opcode.Nop), Code.Op(Opcode.Ldi, 3, 0), Code.Op(Opcode.Sst8, 0, 8, 2), Code.Op(Opcode.Div, 2, 2, 3)], (int)TrapCode.DivideByZero),
            ([Code.Op(Opcode.Arg, 2, 0)], (int)TrapCode.BadArgument),       // arguments are the called program's
            ([Code.Op(Opcode.Jz, 0, 2), Code.Op(Opcode.Abort, 1)], 256 + 7),
        })
        {
            (Outcome outcome, Bench bench) = Run(Caller(), Callee(body));
            Assert.Equal((code, 0, 2), (outcome.Code, outcome.Function, outcome.Instruction));
            Assert.All(bench.Records, record => Assert.False(record.Exists || record.IsTouched));
        }
    }

    [Fact]
    public void Memory_frame_and_caller_are_the_callees_own_and_come_back()
    {
        // the caller maps a page and writes to it before and reads after; the callee maps its own, sees zeros there, and its caller is Home
        Container callee = Callee(
            Code.Op(Opcode.Ldi, 2, 1),
            Code.Op(Opcode.Mgrow, 2, 2),
            Code.Op(Opcode.Ld8, 3, 2, 0),
            Code.Op(Opcode.St8, 1, 2, 0),
            Code.Op(Opcode.Add, 0, 0, 3),
            Code.Op(Opcode.Caller, 4),
            Code.Op(Opcode.Sstq, 0, 8, 4),
            Code.Op(Opcode.Self, 4),
            Code.Op(Opcode.Sstq, 0, 40, 4));
        Container caller = new()
        {
            Programs = [Other],
            Imports = [Import],
            Sites = [new ContainerSite(0, [1, 2])],
            Functions = [new FunctionHeader(8, 0, 0, 12)],
            Code =
            [
                Code.Op(Opcode.Ldi, 0, 1),
                Code.Op(Opcode.Mgrow, 1, 0),
                Code.Op(Opcode.Ldi, 2, 77),
                Code.Op(Opcode.St8, 2, 1, 0),
                Code.Op(Opcode.Ldi, 4, 6),
                Code.Op(Opcode.Ldi, 5, 7),
                Code.Op(Opcode.Xcall, 0, 4),
                Code.Op(Opcode.Ld8, 3, 1, 0),
                Code.Op(Opcode.Add, 3, 3, 4),
                Code.Op(Opcode.Add, 3, 3, 2),
                Code.Op(Opcode.Sst8, 0, 0, 3),
                Halt,
            ],
            Entries = [new ContainerEntry(1, 0, 1, [AccessMode.Write, AccessMode.Write, AccessMode.Read]) { SlotOwners = [0, 1, 0] }],
        };
        (Outcome outcome, Bench bench) = Run(caller, callee);
        Assert.Equal(Executor.Halt.Success, outcome.Halt);
        Assert.Equal((77UL + 42 + 77, 6UL), (Word(bench.Records[0]), Word(bench.Records[2])));
        Assert.Equal(Home.Value, Bytes32.From(bench.Records[2].Value[8..40]));
        Assert.Equal(Other.Value, Bytes32.From(bench.Records[2].Value[40..72]));
    }

    // the slot that goes over for writing must be declared as the callee's, and the access behind it must be
    [Fact]
    public void Nothing_can_be_handed_over_that_the_caller_lacks()
    {
        ContainerImport adds = Import with { SlotModes = [AccessMode.Add, AccessMode.Read] };
        (string Rule, Container Container)[] refused =
        [
            ("a read slot to write", Caller(map: [2, 2])),
            ("an own slot to write", Caller(map: [0, 2])),
            ("a slot that is not there", Caller(map: [1, 3])),
            ("an own slot to add to", Caller(adds, [0, 2])),
            ("a slot of the callee's, written by the caller", Caller(owners: [1, 1, 0])),
        ];
        foreach ((string rule, Container container) in refused)
        {
            Assert.True(Code.RefusalOf(container.Encode()) == RefusalCode.SlotNotAllowed, rule);
        }

        Code.Verify(Caller(adds).Encode());                                 // Write covers Add
        Assert.Equal((ushort)TrapCode.UndeclaredAccess, Run(Caller(), Callee(), owners: [0, 0, 0]).Outcome.Code);
        Assert.Equal(RefusalCode.BadImport, Code.RefusalOf(Caller(Import with { Program = 1 }).Encode()));
        Assert.Equal(RefusalCode.BadImport, Code.RefusalOf(Caller(map: [1]).Encode()));
        Assert.Equal(RefusalCode.BadImport, Code.RefusalOf(Caller(Import with { IsView = true }).Encode()));
        Assert.Equal(RefusalCode.BadImport, Code.RefusalOf(Caller(Import with { SlotOwners = [1, 0] }).Encode()));
        Assert.Equal(RefusalCode.UndefinedCell, Code.RefusalOf(Caller(Import with { Args = 3 }).Encode()));
        Assert.Equal(RefusalCode.OperandOutOfRange, Code.RefusalOf(Caller(Import with { Args = 5 }).Encode()));
    }

    [Fact]
    public void A_callee_that_is_not_what_the_import_says_is_not_called()
    {
        Assert.Equal((ushort)TrapCode.Schema, Run(Caller(), null).Outcome.Code);
        ContainerImport[] wrong =
        [
            Import with { Selector = 6 },
            Import with { Args = 1 },
            Import with { Rets = 2 },
            Import with { SlotModes = [AccessMode.Add, AccessMode.Read] },
        ];
        foreach (ContainerImport import in wrong)
        {
            (Outcome outcome, _) = Run(Caller(import), Callee());
            Assert.True(outcome is { Code: (ushort)TrapCode.Schema, Instruction: 2 }, import.ToString());
        }

        Container halts = new()
        {
            Functions = [new FunctionHeader(8, 2, 1, 3)],
            Code = [Code.Op(Opcode.Jz, 0, 2), Halt, Ret],
            Entries = [new ContainerEntry(5, 0, 4, [AccessMode.Write, AccessMode.Read])],
        };
        Assert.Equal((ushort)TrapCode.Schema, Run(Caller(), halts).Outcome.Code);           // HALT would leave its result undefined
    }

    // Other calls back into Home: refused, unless Home's entry is a view
    [Theory, InlineData(false, TrapCode.Reenter), InlineData(true, TrapCode.None)]
    public void A_program_that_is_open_is_entered_again_only_through_a_view(bool isView, TrapCode expected)
    {
        Container home = new()
        {
            Programs = [Other],
            Imports = [new ContainerImport(0, 5, 0, 1, false, [AccessMode.Read], [])],
            Sites = [new ContainerSite(0, [0])],
            Functions = [new FunctionHeader(4, 0, 0, 3), new FunctionHeader(4, 0, 1, 2)],
            Code = [Code.Op(Opcode.Xcall, 0, 0), Code.Op(Opcode.Sst8, 0, 8, 0), Halt, Code.Op(Opcode.Sld8, 0, 0, 0), Ret],
            Entries = [new ContainerEntry(1, 0, 0, [AccessMode.Write]), new ContainerEntry(2, 1, 0, [AccessMode.Read]) { IsView = isView }],
        };
        Container other = new()
        {
            Programs = [Home],
            Imports = [new ContainerImport(0, 2, 0, 1, isView, [AccessMode.Read], [])],
            Sites = [new ContainerSite(0, [0])],
            Functions = [new FunctionHeader(4, 0, 1, 2)],
            Code = [Code.Op(Opcode.Xcall, 0, 0), Ret],
            Entries = [new ContainerEntry(5, 0, 0, [AccessMode.Read])],
        };
        Bench bench = new();
        Programs programs = new() { [Home] = Code.Verify(home.Encode()), [Other] = Code.Verify(other.Encode()) };
        Message message = bench.Message(programs[Home], [AccessMode.Write]);
        bench.Records[0].Set([9, 0, 0, 0, 0, 0, 0, 0]);
        Outcome outcome = bench.Interpreter.Run(message, bench.Records, Bench.Block with { Programs = programs });
        Assert.Equal((ushort)expected, outcome.Code);
        Assert.Equal(isView ? [9, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0] : new byte[] { 9, 0, 0, 0, 0, 0, 0, 0 }, bench.Records[0].Value.ToArray());
    }

    [Fact]
    public void A_view_only_reads()
    {
        Container view = new()
        {
            Functions = [new FunctionHeader(4, 0, 0, 1)],
            Code = [Halt],
            Entries = [new ContainerEntry(1, 0, 0, [AccessMode.Add]) { IsView = true }],
        };
        Assert.Equal(RefusalCode.BadEntry, Code.RefusalOf(view.Encode()));
    }

    // a chain of programs, each calling the next: eight are open at most
    [Theory, InlineData(8, TrapCode.None), InlineData(9, TrapCode.Depth)]
    public void Eight_programs_are_open_at_most(int length, TrapCode expected)
    {
        Bench bench = new();
        Programs programs = [];
        for (int i = 0; i < length; i++)
        {
            bool isLast = i == length - 1;
            Container link = new()
            {
                Programs = isLast ? [] : [new ProgramId(Bench.Sequence((byte)(i + 1)))],
                Imports = isLast ? [] : [new ContainerImport(0, 1, 0, 0, false, [], [])],
                Sites = isLast ? [] : [new ContainerSite(0, [])],
                Functions = [new FunctionHeader(4, 0, 0, 2)],
                Code = [isLast ? Code.Op(Opcode.Nop) : Code.Op(Opcode.Xcall, 0, 0), Halt],
                Entries = [new ContainerEntry(1, 0, 0, [])],
            };
            programs.Add(i == 0 ? Home : new ProgramId(Bench.Sequence((byte)i)), Code.Verify(link.Encode()));
        }

        Outcome outcome = bench.Interpreter.Run(bench.Message(programs[Home]), bench.Records, Bench.Block with { Programs = programs });
        Assert.Equal((ushort)expected, outcome.Code);
        Assert.Equal(100UL + ((ulong)(length - 1) * OpcodeTable.Get(Opcode.Xcall).Gas) + (expected == TrapCode.None ? 1UL : 0), outcome.GasUsed);
    }

    [Fact]
    public void An_event_names_its_program_unless_it_is_the_called_one_and_return_data_are_the_called_ones()
    {
        ulong[] say = [Code.Op(Opcode.Ldi, 2, 0x1000), Code.Op(Opcode.Ldi, 3, 1), Code.Op(Opcode.Emit, 8, 2, 3), Code.Op(Opcode.Retd, 2, 3)];
        Container callee = new()
        {
            Data = [0xEE],
            Functions = [new FunctionHeader(8, 0, 0, 5)],
            Code = [.. say, Halt],
            Entries = [new ContainerEntry(5, 0, 0, [])],
        };
        Container caller = new()
        {
            Data = [0xCC],
            Programs = [Other],
            Imports = [new ContainerImport(0, 5, 0, 0, false, [], [])],
            Sites = [new ContainerSite(0, [])],
            Functions = [new FunctionHeader(8, 0, 0, 6)],
            Code = [.. say, Code.Op(Opcode.Xcall, 0, 4), Halt],
            Entries = [new ContainerEntry(1, 0, 0, [])],
        };
        Bench bench = new();
        Programs programs = new() { [Other] = Code.Verify(callee.Encode()) };
        Message message = bench.Message(Code.Verify(caller.Encode()));
        Assert.Equal(0, bench.Interpreter.Run(message, bench.Records, Bench.Block with { Programs = programs }).Code);
        byte[] id = new byte[32];
        Other.Value.CopyTo(id);
        byte[] expected = [2, 0, 8, 0, 0, 0, 1, 0, 0, 0, 0xCC, 8, 0, 0, 0, 1, 0, 1, 0, .. id, 0xEE, 1, 0, 0, 0, 0xCC];
        Assert.Equal(expected, bench.Interpreter.Output.ToArray());
    }
}
