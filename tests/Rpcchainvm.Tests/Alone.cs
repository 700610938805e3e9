// Tests that measure what the whole process holds or how long it takes: nothing runs beside them.

namespace ParallelVm.Rpcchainvm.Tests;

[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class Alone
{
    public const string Name = "alone";
}
