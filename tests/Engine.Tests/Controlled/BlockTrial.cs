// One random block, the plain loop, and the same block at every width: receipts, diff, root, gas and fees have to be the same bytes. Blocks
// follow each other on a state that is drawn anew every 25 blocks; a block and its schedules are named by one number each.

using System;
using System.Threading;
using ParallelVm.Executor;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;

namespace ParallelVm.Engine.Tests.Controlled;

internal sealed class BlockTrial : IDisposable
{
    private const ulong BlocksPerState = 25;
    private const int SmallTxMax = 10;
    private const int LargeTxMax = 64;
    private const int SpinMax = 400;

    private static readonly int[] Widths = [2, 3, 4, 8, 16, 32, 64];
    private static readonly int[] ThreadWidths = [2, 3, 8];

    private readonly ParallelEngine _serial = new(TimeProvider.System, 1, salt: 1, JitMode.Off);
    private readonly ParallelEngine _controlled = new(TimeProvider.System, 64, salt: 2, JitMode.Off) { AlwaysParallel = true };
    private readonly ParallelEngine _threads = new(TimeProvider.System, 8, salt: 3, JitMode.Off) { AlwaysParallel = true };
    private readonly SeededRandom[] _delays = new SeededRandom[8];
    private World _world = new(0);
    private int _invalid;

    /// <summary>Steps of controlled schedules so far.</summary>
    public long Steps { get; private set; }

    /// <summary>Parallel executions so far.</summary>
    public long Executions { get; private set; }

    /// <summary>Every width, one thread: coin flips on even blocks, priorities on odd ones.</summary>
    public void RunControlled(ulong block)
    {
        Message[] batch = Draw(block, out BlockContext context, out BatchResult expected);
        foreach (int workers in Widths)
        {
            ulong seed = (block * 128) + (ulong)workers;
            SeededDriver driver = new(seed, hasPriorities: block % 2 == 1);
            _controlled.Driver = driver;
            Compare(_controlled, batch, in context, workers, expected, $"block {block} workers {workers} seed {seed}");
            Steps += driver.Steps;
        }

        _world.State = (MemoryState)expected.Post;
    }

    /// <summary>A few widths, threads, each held up for a drawn while before each step.</summary>
    public void RunDelayed(ulong block)
    {
        Message[] batch = Draw(block, out BlockContext context, out BatchResult expected);
        for (int worker = 0; worker < _delays.Length; worker++)
        {
            _delays[worker] = new SeededRandom((block * 64) + (ulong)worker);
        }

        _threads.BeforeStep = Delay;
        foreach (int workers in ThreadWidths)
        {
            Compare(_threads, batch, in context, workers, expected, $"block {block} workers {workers}, delayed");
        }

        _world.State = (MemoryState)expected.Post;
    }

    public void Dispose()
    {
        _serial.Dispose();
        _controlled.Dispose();
        _threads.Dispose();
    }

    private Message[] Draw(ulong block, out BlockContext context, out BatchResult expected)
    {
        if (block % BlocksPerState == 0)
        {
            _world = new World(block);
        }

        SeededRandom sizes = new(block);
        Message[] batch = _world.Draw(1 + sizes.Next(block % 50 == 0 ? LargeTxMax : SmallTxMax));
        context = World.Context(block + 1);
        expected = SerialFictionTests.ExecuteValid(_serial, _world, ref batch, in context, ref _invalid);
        return batch;
    }

    private void Compare(ParallelEngine engine, Message[] batch, in BlockContext context, int workers, BatchResult expected, string where)
    {
        Assert.True(engine.TryExecute(batch, in context, _world.State, _world.Rules, workers, out BatchResult? actual, out BatchFault fault), $"{where}: {fault}");
        SerialFictionTests.AssertEqual(expected, actual, where);
        Executions++;
    }

    private void Delay(int worker)
    {
        SeededRandom random = _delays[worker];
        if (random.Chance(1, 3))
        {
            Thread.SpinWait(random.Next(SpinMax));
        }

        if (random.Chance(1, 50))
        {
            Thread.Yield();
        }
    }
}
