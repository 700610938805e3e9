// Reads the vector files that are embedded in this assembly: one case a line, fields by spaces, # begins a comment.

using System.Collections.Generic;
using System.IO;
using System.Reflection;

namespace ParallelVm.Primitives.Tests;

internal static class Vectors
{
    public static IEnumerable<string[]> Read(string name)
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!;
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is string line)
        {
            if (line.Length != 0 && line[0] != '#')
            {
                yield return line.Split(' ');
            }
        }
    }
}
