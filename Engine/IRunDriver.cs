// The seam through which one thread plays all workers: a test decides who goes next, and the engine's own code goes.

namespace ParallelVm.Engine;

/// <summary>In place of threads.</summary>
internal interface IRunDriver
{
    /// <summary>Steps workers of a run that is at its start until all are over.</summary>
    void Drive<TTarget>(ParallelRun<TTarget> run, int workers)
        where TTarget : IRunTarget;

    /// <summary>Which of <paramref name="count"/> goes next: a worker for a piece of a pass.</summary>
    int Choose(int count);
}
