// The client's side of deployment: calls of the system program, ready to be priced and signed.
//
//   foreach (transaction) Publish(builder, code, part)      in any order, all accepted in blocks before the next
//   Deploy(builder, deployer, salt, authority, code)        active from the block after
//
// Threading: pure.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Chain;

/// <summary>Builds calls of the system program.</summary>
public static class SystemCalls
{
    /// <summary>How many publish transactions a code needs.</summary>
    public static int PublishParts(ReadOnlySpan<byte> code) => (code.Length + SystemProgram.MaxPublishBytes - 1) / SystemProgram.MaxPublishBytes;

    /// <summary>Publishes one part of a code.</summary>
    /// <param name="part">In [0, <see cref="PublishParts"/>).</param>
    public static TransactionBuilder Publish(TransactionBuilder builder, ReadOnlySpan<byte> code, int part)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ReadOnlySpan<byte> bytes = code[(part * SystemProgram.MaxPublishBytes)..];
        bytes = bytes[..Math.Min(bytes.Length, SystemProgram.MaxPublishBytes)];
        builder.Call(ProgramId.System, (uint)SystemEntry.Publish, bytes);
        return Declare(builder, ProgramRecord.ChunkKeysOf(bytes), AccessMode.Write);
    }

    /// <summary>Deploys published code as <see cref="ProgramRecord.IdOf"/> of deployer and salt.</summary>
    /// <param name="deployer">Who will pay and sign.</param>
    /// <param name="authority">Who may upgrade; zero for nobody, ever.</param>
    public static TransactionBuilder Deploy(TransactionBuilder builder, PublicKey deployer, in Bytes32 salt, PublicKey authority, ReadOnlySpan<byte> code) =>
        WithCode(builder, SystemEntry.Deploy, ProgramRecord.IdOf(deployer, salt), salt, authority.Value, code);

    /// <summary>Gives a program published code in the place of what it has. The authority signs.</summary>
    /// <param name="oldCodeHash">BLAKE3 of the container that is replaced.</param>
    public static TransactionBuilder Upgrade(TransactionBuilder builder, ProgramId program, in Bytes32 oldCodeHash, ReadOnlySpan<byte> code) =>
        WithCode(builder, SystemEntry.Upgrade, program, program.Value, oldCodeHash, code);

    /// <summary>Names another authority. The old one signs.</summary>
    public static TransactionBuilder SetAuthority(TransactionBuilder builder, ProgramId program, PublicKey authority) =>
        WithoutCode(builder, SystemEntry.SetAuthority, program, [.. program.Value.ToArray(), .. authority.Value.ToArray()]);

    /// <summary>Lets nobody upgrade any more. The authority signs.</summary>
    public static TransactionBuilder Freeze(TransactionBuilder builder, ProgramId program) =>
        WithoutCode(builder, SystemEntry.Freeze, program, program.Value.ToArray());

    private static TransactionBuilder WithCode(
        TransactionBuilder builder, SystemEntry entry, ProgramId program, in Bytes32 first, in Bytes32 second, ReadOnlySpan<byte> code)
    {
        ArgumentNullException.ThrowIfNull(builder);
        LocalKey[] chunks = ProgramRecord.ChunkKeysOf(code);
        CanonicalWriter arguments = new();
        arguments.WriteBytes32(first);
        arguments.WriteBytes32(second);
        arguments.WriteU32((uint)code.Length);
        foreach (LocalKey chunk in chunks)
        {
            arguments.WriteBytes32(chunk.Value);
        }

        builder.Call(ProgramId.System, (uint)entry, arguments.Written);
        builder.Declare(ProgramId.System, new LocalKey(program.Value), AccessMode.Write);
        return Declare(builder, chunks, AccessMode.Read);
    }

    private static TransactionBuilder WithoutCode(TransactionBuilder builder, SystemEntry entry, ProgramId program, byte[] arguments)
    {
        ArgumentNullException.ThrowIfNull(builder);
        return builder
            .Call(ProgramId.System, (uint)entry, arguments)
            .Declare(ProgramId.System, new LocalKey(program.Value), AccessMode.Write);
    }

    private static TransactionBuilder Declare(TransactionBuilder builder, LocalKey[] chunks, AccessMode mode)
    {
        foreach (LocalKey chunk in chunks)
        {
            builder.Declare(ProgramId.System, chunk, mode);                 // equal chunks become one access
        }

        return builder;
    }
}
