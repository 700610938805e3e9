// The verifier is linear in bytes, on the control flow and the tables that would hurt one that is not: each shape is verified at a
// quarter of the largest size and at the largest, and may take at most ten times as long (linear is four, quadratic sixteen).

using System;
using System.Diagnostics;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Tests;

public sealed class VerifierTimeTests
{
    private const int Functions = Container.MaxInstructions / Container.MaxFunctionLength;

    private static readonly ulong Halt = Code.Op(Opcode.Halt);
    private static readonly ulong Ret = Code.Op(Opcode.Ret);

    public static TheoryData<string> Shapes => ["branches", "loops", "calls", "switches", "sites", "arrays", "moves"];

    [Theory, MemberData(nameof(Shapes))]
    public void Time_grows_with_the_bytes(string shape)
    {
        byte[] small = Make(shape, 4).Encode();
        byte[] large = Make(shape, 1).Encode();
        (TimeSpan first, TimeSpan second) = (TimeSpan.MaxValue, TimeSpan.MaxValue);
        double ratio = double.MaxValue;
        for (int attempt = 0; attempt < 200 && ratio >= 10; attempt++)          // the best so far: code warms up, and machines are busy
        {
            first = Min(first, Time(small));
            second = Min(second, Time(large));
            ratio = attempt < 3 ? ratio : second / first * small.Length / large.Length * 4;
        }

        Assert.True(ratio < 10, $"{shape}: {first.TotalMilliseconds} ms for {small.Length} bytes, {second.TotalMilliseconds} ms for {large.Length}");
    }

    private static TimeSpan Time(byte[] container)
    {
        long started = Stopwatch.GetTimestamp();
        Code.Verify(container);
        return Stopwatch.GetElapsedTime(started);
    }

    private static TimeSpan Min(TimeSpan a, TimeSpan b) => a < b ? a : b;

    /// <summary>A container of that shape, of the largest size divided by a number.</summary>
    internal static Container Make(string shape, int divisor)
    {
        int length = Container.MaxFunctionLength / divisor;
        return shape switch
        {
            "branches" => Repeated(length, (at, last) => at == 0 ? Code.Op(Opcode.Ldi, 0, 0) : Code.Op(Opcode.Jeq, 0, 0, (uint)(at % 2 == 0 ? last : Math.Min(last, at + 2)))),
            "loops" => Repeated(length, Loops),
            "moves" => Repeated(length, (at, _) => at < 8 ? Code.Op(Opcode.Ldi, (uint)at, 0) : Code.Op(at % 2 == 0 ? Opcode.Mov4 : Opcode.Swp, (uint)(at & 4), (uint)(at >> 1 & 4))),
            "arrays" => Repeated(length, (at, _) => at == 0 ? Code.Op(Opcode.Ldi, 0, 0) : Code.Op(Opcode.Sldx, 1, 0, 32, 0, 0)),
            "calls" => Calls(divisor),
            "switches" => Switches(divisor),
            _ => Sites(divisor),
        };
    }

    private static ulong Loops(int at, int last)
    {
        const int Nest = VerifierLimits.MaxLoopDepth;
        int place = (at - 1) % (3 * Nest);
        return at == 0 ? Code.Op(Opcode.Ldi, 0, 0)
            : at - place + (3 * Nest) > last ? Code.Op(Opcode.Nop)
            : place < Nest ? Code.Op(Opcode.Loop, 1)
            : place < 2 * Nest ? Code.Op(Opcode.Jz, 0, (uint)(at + 1))
            : Code.Op(Opcode.Jnz, 0, (uint)(at - place + ((3 * Nest) - 1 - place)));
    }

    private static Container Repeated(int length, Func<int, int, ulong> word)
    {
        ulong[] code = new ulong[Functions * length];
        FunctionHeader[] functions = new FunctionHeader[Functions];
        for (int i = 0; i < code.Length; i++)
        {
            code[i] = i % length == length - 1 ? Halt : word(i % length, length - 1);
        }

        Array.Fill(functions, new FunctionHeader(8, 0, 0, (ushort)length));
        return new Container { Code = code, Functions = functions, Entries = [new ContainerEntry(1, 0, 0, new AccessMode[64])] };
    }

    // every function calls all the later ones it has room for, twice as many entries as needed look at all of them
    private static Container Calls(int divisor)
    {
        int length = Container.MaxInstructions / divisor / 64;
        ulong[] code = new ulong[64 * length];
        FunctionHeader[] functions = new FunctionHeader[64];
        ContainerEntry[] entries = new ContainerEntry[64];
        for (int i = 0; i < 64; i++)
        {
            for (int at = 0; at < length - 1; at++)
            {
                code[(i * length) + at] = i == 63 ? Code.Op(Opcode.Nop) : Code.Op(Opcode.Call, (uint)(i + 1 + (at % (63 - i))), 4);
            }

            code[((i + 1) * length) - 1] = Ret;
            functions[i] = new FunctionHeader(8, 0, 0, (ushort)length);
            entries[i] = new ContainerEntry((uint)i, 0, 0, new AccessMode[64]);
        }

        return new Container { Code = code, Functions = functions, Entries = entries };
    }

    private static Container Switches(int divisor)
    {
        int tables = Container.MaxTables / divisor;
        ulong[] code = new ulong[2 * tables * 2];
        ushort[][] targets = new ushort[tables][];
        FunctionHeader[] functions = new FunctionHeader[tables / 512];
        Array.Fill(functions, new FunctionHeader(8, 0, 0, 2048));
        for (int i = 0; i < tables; i++)
        {
            int at = i % 512 * 4;
            code[4 * i] = at == 0 ? Code.Op(Opcode.Ldi, 0, 0) : Code.Op(Opcode.Nop);
            code[(4 * i) + 1] = Code.Op(Opcode.Switch, 0, (uint)i);
            code[(4 * i) + 2] = Code.Op(Opcode.Nop);
            code[(4 * i) + 3] = at == 2044 ? Halt : Code.Op(Opcode.Nop);
            targets[i] = [(ushort)(at + 3), 2047, 2047, (ushort)(at + 2)];
        }

        return new Container { Code = code, Functions = functions, Tables = targets, Entries = [new ContainerEntry(1, 0, 0, [])] };
    }

    private static Container Sites(int divisor)
    {
        ContainerSite[] sites = new ContainerSite[Container.MaxSites / divisor];
        Array.Fill(sites, new ContainerSite(0, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]));
        ulong[] code = new ulong[sites.Length + 1];
        for (int i = 0; i < sites.Length; i++)
        {
            code[i] = Code.Op(Opcode.Xcall, (uint)i, 0);
        }

        code[^1] = Halt;
        ContainerEntry[] entries = new ContainerEntry[64];
        for (int i = 0; i < entries.Length; i++)
        {
            entries[i] = new ContainerEntry((uint)i, 0, 0, new AccessMode[64]);
        }

        return new Container
        {
            Code = code,
            Programs = [new ProgramId(Bench.Sequence(1))],
            Imports = [new ContainerImport(0, 1, 0, 0, false, new AccessMode[16], [])],
            Sites = sites,
            Functions = [new FunctionHeader(0, 0, 0, (ushort)code.Length)],
            Entries = entries,
        };
    }
}
