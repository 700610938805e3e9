// Runs one message at a time: binds its slots, runs the called entry, and keeps or drops what it did.
//
//   bind     every slot must be covered by the access list, before the first instruction
//   run      SwitchLoop, or another engine that is judged by it
//   end      success seals output and adds; anything else rolls the records back
//
// Threading: one interpreter per worker, reused.   Cost: no allocation per run once its buffers have grown.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Jit;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>Runs one message at a time.</summary>
public sealed class Interpreter
{
#if PARANOID
    private const bool IsParanoidBuild = true;
#else
    private const bool IsParanoidBuild = false;
#endif

    private readonly Machine _machine;

    /// <summary>A machine that runs words, or compiled code where there is some.</summary>
    /// <param name="code">Where compiled code comes from; null for words only. Results are the same.</param>
    /// <param name="isParanoid">Checks at run time everything that the verifier has excluded, and compiles nothing. Results are the same.</param>
    public Interpreter(CodeCache? code = null, bool isParanoid = IsParanoidBuild) => _machine = new Machine { Code = code, IsParanoid = isParanoid };

    /// <summary>After success: one entry per access declared Add that was added to. Valid until the next run.</summary>
    public ReadOnlySpan<PendingAdd> Adds => _machine.Journal.Adds;

    /// <summary>After success: events and return data in canonical form (see <see cref="OutputBuffer"/>), empty otherwise. Valid until the next run.</summary>
    public ReadOnlySpan<byte> Output => _machine.Output.Written;

    /// <summary>Runs a message to its end.</summary>
    /// <param name="message">What runs; its intrinsic gas is at most its gas limit.</param>
    /// <param name="records">One record per access, in the order of the access list.</param>
    /// <param name="context">The block it runs in.</param>
    /// <param name="sink">Watches every instruction; the outcome is the same with and without it.</param>
    /// <returns>How it ended. On anything but success every record is as it was.</returns>
    public Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext context, ITraceSink? sink = null)
    {
        ArgumentNullException.ThrowIfNull(message);
        Invariant.Require(records.Length == message.Accesses.Count);
        Invariant.Require(message.IntrinsicGas <= message.GasLimit);
        ProgramEntry entry = message.Program.Entries[message.EntryIndex];
        Journal journal = _machine.Journal;
        OutputBuffer output = _machine.Output;
        journal.Begin(records.Length);
        output.Clear();
        if (!TryBind(message, entry, out Outcome refused))
        {
            return refused;
        }

        _machine.Sink = sink;
        _machine.Begin(message, records, in context);
        int code = _machine.Execute(entry.Function);
        if (code is 0 or Machine.Halted)
        {
            output.Seal();
            return new Outcome(Halt.Success, 0, 0, 0, message.GasLimit - _machine.Gas, -1, AccessMode.Read);
        }

        journal.Rollback();
        output.Clear();
        Halt halt = code >= (int)TrapCode.UserBase ? Halt.Revert : Halt.Trap;
        ulong used = code == (int)TrapCode.OutOfGas ? message.GasLimit : message.GasLimit - _machine.Gas;           // N3
        LoadedCode run = _machine.Active.Code;
        int place = _machine.Place;
        return new Outcome(halt, (ushort)code, (ushort)run.FunctionOf(place), run.Origins[place], used, -1, AccessMode.Read);
    }

    // Before the first instruction, so that a run never meets a slot that it may not use.
    private static bool TryBind(Message message, ProgramEntry entry, out Outcome refused)
    {
        if (message.SlotTable.Length != entry.SlotModes.Length || entry.Args != 0)
        {
            refused = new Outcome(Halt.Trap, (ushort)TrapCode.BadArgument, 0, 0, message.IntrinsicGas, -1, AccessMode.Read);
            return false;
        }

        Scope scope = new(message.Accesses.Accesses, message.SlotTable);
        for (int slot = 0; slot < entry.SlotModes.Length; slot++)
        {
            bool isAllowed = entry.SlotOwners.Length == 0 || entry.SlotOwners[slot] is not ProgramId owner
                ? scope.Allows(slot, entry.SlotModes[slot], 0)
                : IsHandedOver(message, message.Accesses[message.SlotTable[slot]], entry.SlotModes[slot], owner);
            if (!isAllowed)
            {
                refused = new Outcome(
                    Halt.Trap, (ushort)TrapCode.UndeclaredAccess, 0, 0, message.IntrinsicGas, slot, entry.SlotModes[slot]);
                return false;
            }
        }

        refused = default;
        return true;
    }

    // a slot for another program to write: the access has to be that program's
    private static bool IsHandedOver(Message message, in Access access, AccessMode needed, in ProgramId owner) =>
        AccessModes.Covers(access.Mode, needed) && message.Programs[access.ProgramIndex] == owner;
}
