using System;
using System.IO;

namespace ParallelVm.Loadtest.Tests;

/// <summary>A folder of one test, removed with it.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder()
    {
        Folder = Directory.CreateTempSubdirectory("parallelvm-tests-").FullName;
    }

    public string Folder { get; }

    public string this[string name] => Path.Combine(Folder, name);

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
