// A transaction that fails takes back every add that it made: exactly those, whoever else adds to the same keys at the same time, on whichever
// worker. Programs are drawn: some adds, then an ending, good or bad. The oracle runs nothing: it adds up what was drawn, in batch order.

using System;
using System.Buffers.Binary;
using System.Collections.Generic;
using System.Text;
using ParallelVm.AccessLists;
using ParallelVm.Engine.Tests.Controlled;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Engine.Tests;

public sealed class AddRollbackTests
{
    private const int HotKeys = 3;
    private const int Entries = 24;
    private const int AddsMax = 6;
    private const uint ReadSelector = 1_000;
    private const uint WriteSelector = 2_000;           // and + 1 for the one that fails after writing
    private const string GoodEnding = "    halt";

    private static readonly ProgramId Owner = new(new Bytes32(11, 0, 0, 1));
    private static readonly PublicKey Payer = new(new Bytes32(31, 0, 0, 0));
    private static readonly string[] BadEndings = ["    abort r0", "    div r4, r0, r5\n    halt", "top:\n    loop 2\n    jmp top", "    arg r6, 16\n    halt"];

    // Every width under a drawn schedule, some on threads.
    [Theory, InlineData(1), InlineData(2), InlineData(3)]
    public void A_failed_transaction_leaves_no_add_behind_and_takes_no_other_with_it(int seed)
    {
        using ParallelEngine serial = new(TimeProvider.System, 1, salt: 1, JitMode.Off);
        using ParallelEngine controlled = new(TimeProvider.System, 8, salt: 2, JitMode.Off) { AlwaysParallel = true };
        using ParallelEngine threads = new(TimeProvider.System, 8, salt: 3, JitMode.Off) { AlwaysParallel = true };
        SeededRandom random = new((ulong)seed);
        int failed = 0;
        for (int round = 0; round < 40; round++)
        {
            Adder[] adders = DrawAdders(random);
            VerifiedProgram program = Assemble(adders);
            World world = new(0);
            (Message[] batch, Dictionary<LocalKey, UInt128> expected, int bad) = DrawBatch(random, world, program, adders);
            failed += bad;
            BlockContext context = World.Context(1);
            Check(serial.Execute(batch, in context, world.State, world.Rules, 1), bad, world, expected, $"seed {seed} round {round} serial");
            for (int workers = 2; workers <= 8; workers++)
            {
                string where = $"seed {seed} round {round} workers {workers}";
                controlled.Driver = new SeededDriver(((ulong)seed << 32) + (ulong)((round * 8) + workers), hasPriorities: round % 2 == 1);
                Check(controlled.Execute(batch, in context, world.State, world.Rules, workers), bad, world, expected, where);
                if (workers % 3 == 2)
                {
                    Check(threads.Execute(batch, in context, world.State, world.Rules, workers), bad, world, expected, where + ", threads");
                }
            }
        }

        Assert.True(failed > 800, $"{failed} failed");
    }

    private static void Check(BatchResult result, int bad, World world, Dictionary<LocalKey, UInt128> expected, string where)
    {
        int failed = 0;
        foreach (Receipt receipt in result.Receipts.Span)
        {
            failed += receipt.Succeeded ? 0 : 1;
        }

        Assert.True(failed == bad, $"{where}: {failed} of {bad} failed");
        Span<byte> value = stackalloc byte[4096];
        foreach ((LocalKey key, UInt128 sum) in expected)
        {
            int length = result.Post.Read(world.Hashing.KeyOf(Owner, key), value);
            Assert.True(length == 16 && BinaryPrimitives.ReadUInt128LittleEndian(value) == sum, $"{where}: key {key}, {length} bytes");
        }
    }

    // Adders, among them now and then a reader, that writes down what it saw, and a writer, which may fail too. Sums wrap.
    private static (Message[] Batch, Dictionary<LocalKey, UInt128> Expected, int Failed) DrawBatch(SeededRandom random, World world, VerifiedProgram program, Adder[] adders)
    {
        Dictionary<LocalKey, UInt128> sums = [];
        for (int key = 0; key < HotKeys; key++)
        {
            sums[Hot(key)] = (UInt128)(1_000 * (key + 1));      // as World's genesis has them
        }

        int failed = 0;
        Message[] batch = new Message[40 + random.Next(60)];
        for (int tx = 0; tx < batch.Length; tx++)
        {
            LocalKey p = Hot(random.Next(HotKeys));
            LocalKey q = random.Chance(1, 6) ? p : Hot(random.Next(HotKeys));
            (ulong low, ulong high) = (random.NextU64(), random.NextU64());
            byte[] arguments = World.Arguments(low, high);
            UInt128 amount = new(high, low);
            if (random.Chance(1, 12))
            {
                LocalKey seen = new(new Bytes32(77, 0, 0, (ulong)tx));
                sums[seen] = sums[p];
                batch[tx] = Make(ReadSelector, [(Owner, p, AccessMode.Read), (Owner, seen, AccessMode.Write)]);
            }
            else if (random.Chance(1, 16))
            {
                bool isGood = random.Chance(1, 2);
                sums[p] = isGood ? amount : sums[p];
                failed += isGood ? 0 : 1;
                batch[tx] = Make(WriteSelector + (isGood ? 0u : 1u), [(Owner, p, AccessMode.Write)]);
            }
            else
            {
                int entry = random.Next(adders.Length);
                (int toP, int toQ, string ending) = adders[entry];
                bool isGood = ending == GoodEnding;
                sums[p] = unchecked(sums[p] + (isGood ? amount * (UInt128)toP : 0));
                sums[q] = unchecked(sums[q] + (isGood ? amount * (UInt128)toQ : 0));
                failed += isGood ? 0 : 1;
                batch[tx] = Make((uint)entry + 1, [(Owner, p, AccessMode.Add), (Owner, q, AccessMode.Add)]);
            }

            Message Make(uint selector, (ProgramId, LocalKey, AccessMode)[] slots) =>
                world.Make(Owner, selector, arguments, slots, Payer, 6_000, World.BaseFee, 0, program);
        }

        return (batch, sums, failed);
    }

    private static Adder[] DrawAdders(SeededRandom random)
    {
        Adder[] adders = new Adder[Entries];
        for (int entry = 0; entry < adders.Length; entry++)
        {
            adders[entry] = new Adder(random.Next(AddsMax), random.Next(AddsMax), random.Chance(1, 2) ? GoodEnding : BadEndings[random.Next(BadEndings.Length)]);
        }

        return adders;
    }

    private static VerifiedProgram Assemble(Adder[] adders)
    {
        StringBuilder source = new();
        for (int entry = 0; entry < adders.Length; entry++)
        {
            source.AppendLine($".entry e{entry} selector {entry + 1}\n.slot p Add\n.slot q Add");
        }

        source.AppendLine($".entry see selector {ReadSelector}\n.slot of Read\n.slot seen Write");
        source.AppendLine($".entry set selector {WriteSelector}\n.slot at Write\n.entry spoil selector {WriteSelector + 1}\n.slot at Write");
        for (int entry = 0; entry < adders.Length; entry++)
        {
            (int toP, int toQ, string ending) = adders[entry];
            source.AppendLine($".func e{entry} cells 8\n    arg r0, 0\n    arg r1, 8\n    ldi r5, 0");
            for (int add = 0; add < Math.Max(toP, toQ); add++)
            {
                source.Append(add < toP ? $"    sacc e{entry}.p, 0, r0\n" : "").Append(add < toQ ? $"    sacc e{entry}.q, 0, r0\n" : "");
            }

            source.AppendLine(ending);
        }

        source.AppendLine(".func see cells 4\n    sld8 r0, of, 0\n    sld8 r1, of, 8\n    snew seen, 16\n    sst8 seen, 0, r0\n    sst8 seen, 8, r1\n    halt");
        foreach ((string name, string ending) in new[] { ("set", "halt"), ("spoil", "abort r0") })
        {
            source.AppendLine($".func {name} cells 4\n    arg r0, 0\n    arg r1, 8\n    sst8 {name}.at, 0, r0\n    sst8 {name}.at, 8, r1\n    {ending}");
        }

        Assert.True(Assembler.TryAssemble(source.ToString(), out byte[] container, out Refusal refusal), $"{refusal}\n{source}");
        Assert.True(Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? program, out refusal), $"{refusal}\n{source}");
        return program!;
    }

    // Those of World that genesis has, from 1 on: the first has the value 1,000.
    private static LocalKey Hot(int key) => new(new Bytes32(21, 0, 0, (ulong)key + 1));

    // How often it adds to its first and to its second slot, and how it ends.
    private readonly record struct Adder(int ToFirst, int ToSecond, string Ending);
}
