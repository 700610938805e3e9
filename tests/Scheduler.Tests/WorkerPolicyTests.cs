// The policy's promises.

using ParallelVm.AccessLists;

namespace ParallelVm.Scheduler.Tests;

public sealed class WorkerPolicyTests
{
    [Theory]
    [InlineData(1_000, 1_000, 64, 1)]           // a serial chain
    [InlineData(1_299, 1_000, 64, 1)]           // little to gain
    [InlineData(1_300, 1_000, 64, 2)]
    [InlineData(10_000, 1_000, 64, 10)]         // more than can be busy are not asked
    [InlineData(10_000, 1_000, 4, 4)]
    [InlineData(0, 0, 4, 1)]
    [InlineData(ulong.MaxValue, 1, 8, 8)]
    public void As_many_workers_as_can_be_busy(ulong work, ulong span, int workers, int expected) =>
        Assert.Equal(expected, WorkerPolicy.WorkersFor(work, span, workers));

    [Fact]
    public void Pieces_are_never_empty_and_end_as_single_chains()
    {
        for (int left = 0; left < 5_000; left += 7)
        {
            Assert.InRange(WorkerPolicy.PieceLength(left), 1, WorkerPolicy.PieceMax);
        }

        Assert.Equal(1, WorkerPolicy.PieceLength(8));
    }

    // The most urgent wins; of equal ones the nearest.
    [Theory]
    [InlineData(-1, -1, -1, WorkerChoice.Others)]
    [InlineData(3, -1, -1, WorkerChoice.Hand)]
    [InlineData(3, 3, 3, WorkerChoice.Hand)]
    [InlineData(3, 4, 4, WorkerChoice.Shelf)]
    [InlineData(3, 3, 4, WorkerChoice.Row)]
    [InlineData(-1, 3, 3, WorkerChoice.Shelf)]
    [InlineData(-1, 3, 4, WorkerChoice.Row)]
    [InlineData(-1, -1, 0, WorkerChoice.Row)]
    public void The_most_urgent_comes_first(int hand, int shelf, int row, WorkerChoice expected) =>
        Assert.Equal(expected, WorkerPolicy.Choose(hand, shelf, row));

    [Theory]
    [InlineData(0, 5, false)]
    [InlineData(1, 0, false)]                   // the last one is not carried out and back again
    [InlineData(1, 1, true)]
    [InlineData(2, 0, true)]
    public void Who_has_more_than_it_can_run_lays_some_out(int inHand, int hungry, bool expected) =>
        Assert.Equal(expected, WorkerPolicy.LaysOut(inHand, hungry));

    // Four independent transactions, each a chain as the cut is 1; levels 1, 2, 4 and 8.
    [Fact]
    public void A_thief_goes_to_the_most_urgent_of_its_neighbours_and_past_eight_only_for_anything_at_all()
    {
        ConflictGraph graph = new(1);
        graph.Build(new BatchShape().Add(1, (0, AccessMode.Write)).Add(2, (1, AccessMode.Write)).Add(4, (2, AccessMode.Write)).Add(8, (3, AccessMode.Write)).View());
        ReadyShelves shelves = new();
        shelves.Begin(graph, 32);
        Assert.Equal(-1, WorkerPolicy.ChooseNeighbour(shelves, 3, 32));
        LayOut(20, 3);
        Assert.Equal(20, WorkerPolicy.ChooseNeighbour(shelves, 3, 32));
        LayOut(5, 0);
        LayOut(9, 1);
        Assert.Equal(9, WorkerPolicy.ChooseNeighbour(shelves, 3, 32));
        LayOut(1, 2);
        Assert.Equal(1, WorkerPolicy.ChooseNeighbour(shelves, 30, 32));         // around the end
        Assert.True(shelves.TryTake(3, 9) && !shelves.TryTake(3, 9));
        Assert.Equal(5, WorkerPolicy.ChooseNeighbour(shelves, 3, 32));

        void LayOut(int worker, int chain)
        {
            shelves.Push(worker, chain);
            shelves.LayOut(worker, all: false);
        }
    }
}
