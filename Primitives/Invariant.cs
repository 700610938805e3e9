// What must hold, said where it must hold. A broken invariant is our own defect, never the input's:
// the exception is caught by nobody below the process, because a node that cannot trust itself must not vote.

using System;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;

namespace ParallelVm.Primitives;

/// <summary>Our own invariant is broken. The process stops; nothing below the host catches this.</summary>
public sealed class InvariantException(string message) : Exception(message);

/// <summary>Checks of what must hold. Each prints its own expression and place.</summary>
public static class Invariant
{
    /// <summary>An O(1) check, on in every build.</summary>
    /// <exception cref="InvariantException"><paramref name="condition"/> is false.</exception>
    public static void Require(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (!condition)
        {
            Fail(expression, file, line);
        }
    }

    /// <summary>A check that may cost O(n): on in Debug builds and the simulator's.</summary>
    /// <exception cref="InvariantException"><paramref name="condition"/> is false.</exception>
    [Conditional("DEBUG"), Conditional("AUDIT")]
    public static void Audit(
        [DoesNotReturnIf(false)] bool condition,
        [CallerArgumentExpression(nameof(condition))] string expression = "",
        [CallerFilePath] string file = "",
        [CallerLineNumber] int line = 0)
    {
        if (!condition)
        {
            Fail(expression, file, line);
        }
    }

    [DoesNotReturn, MethodImpl(MethodImplOptions.NoInlining)]
    private static void Fail(string expression, string file, int line) =>
        throw new InvariantException($"Invariant broken: {expression} ({System.IO.Path.GetFileName(file)}:{line})");
}
