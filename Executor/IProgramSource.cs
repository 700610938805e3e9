// Where calls of other programs find their code.
//
// The answer is that of the start of the block and stays the same to its end: a deployment or an upgrade in a block is seen by the
// next one. So the order in which a batch's transactions run cannot show, and no code is replaced under a caller.

using System.Diagnostics.CodeAnalysis;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>The programs of a block.</summary>
public interface IProgramSource
{
    /// <summary>The program's code as it was when the block began; false when there is none.</summary>
    /// <remarks>Called from any worker, and for every call of a program: a lookup, no work.</remarks>
    bool TryFind(ProgramId id, [NotNullWhen(true)] out VerifiedProgram? program);
}
