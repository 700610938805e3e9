// A program that is part of the node instead of bytecode: what a chain has to do itself, yet as a transaction does it, under
// the same access list, gas, receipts and schedule. The engine runs it where it would run bytecode.
//
// Contract of Run: a pure function of its arguments. It reads and writes only records that the access list declares in a mode
// that covers the use, and writes them only when it will succeed: there is no journal to take a write back.

using System;

namespace ParallelVm.Executor;

/// <summary>A program of the chain itself.</summary>
public interface INativeProgram
{
    /// <summary>Runs one message to its end.</summary>
    /// <param name="message">Its intrinsic gas is at most its gas limit.</param>
    /// <param name="records">One record per access, in the order of the access list; a written one is marked touched.</param>
    /// <param name="context">The block it runs in.</param>
    /// <returns>How it ended, with gas used between intrinsic gas and gas limit. On anything but success every record is as it was.</returns>
    /// <remarks>Called by workers, several messages at once.</remarks>
    Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext context);
}
