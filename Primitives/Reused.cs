// Arrays that serve one batch after the other: they grow to the largest and are then never allocated again.

using System;

namespace ParallelVm.Primitives;

/// <summary>Growing of arrays whose contents are of one batch.</summary>
public static class Reused
{
    /// <summary>Makes room for <paramref name="length"/> elements. What was in the array is lost when it grows, and of an earlier batch when it does not.</summary>
    public static void Room<T>(ref T[] array, int length)
    {
        ArgumentNullException.ThrowIfNull(array);
        if (array.Length < length)
        {
            array = new T[Math.Max(length, array.Length * 2)];
        }
    }
}
