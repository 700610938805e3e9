// What code costs before it runs: bytes that come into the state, bytes that the verifier reads, and instructions that the JIT
// will have to compile, whether it ever does or not, because every node may.
//
//   publish   per chunk a new record, per byte a new byte and its hash
//   verify    2,000 + per byte 12, copied and hashed, and the program's record
//   compile   per instruction 9,000 (22.5 us at 2.5 ns a gas) in functions that the JIT takes
//
// Linear in bytes and instructions, and the same whether a chunk or a program was there before.
// Threading: pure.   Source: vm.md section 4.4.

using System;
using ParallelVm.Executor;
using ParallelVm.Primitives.State;

namespace ParallelVm.Chain;

/// <summary>Gas of the system program, beside what every transaction pays.</summary>
public static class ActivationGas
{
    private const ulong Base = 2_000;
    private const ulong VerifyByte = 12;
    private const ulong CompileInstruction = 9_000;

    // the shapes that a JIT has to take: prices do not follow a node's own settings
    private const int CompiledInstructionsMax = 512;
    private const int CompiledBlocksMax = 128;

    /// <summary>Writing a program's record: as if it were new and of full length.</summary>
    public static ulong Record(GasPrices prices) => prices.NewRecord + (StateLimits.MaxRecordBytes * prices.NewByte);

    /// <summary>Publishing so many bytes.</summary>
    public static ulong Publish(GasPrices prices, int bytes) =>
        ((ulong)ProgramRecord.ChunksOf(bytes) * prices.NewRecord)
        + ((ulong)bytes * prices.NewByte)
        + GasPrices.PerWord((ulong)bytes, prices.Blake3Word);

    /// <summary>Verifying a container of so many bytes and writing its record.</summary>
    public static ulong Verify(GasPrices prices, int bytes) =>
        Base + ((ulong)bytes * VerifyByte) + GasPrices.PerWord((ulong)bytes, prices.CopyWord + prices.Blake3Word) + Record(prices);

    /// <summary>Compiling a program.</summary>
    public static ulong Compile(VerifiedProgram program)
    {
        ArgumentNullException.ThrowIfNull(program);
        ulong instructions = 0;
        foreach (FunctionShape function in program.Functions)
        {
            bool isCompiled = function.Instructions <= CompiledInstructionsMax && function.Blocks <= CompiledBlocksMax;
            instructions += isCompiled ? (ulong)function.Instructions : 0;
        }

        return instructions * CompileInstruction;
    }
}
