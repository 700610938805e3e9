// A call of another program. The caller's site says which entry of which program it expects and which of its own slots stand for the
// entry's; the verifier has seen to it that the map grants nothing that the caller lacks. Here the callee is found as it was at
// the start of the block, its signature is compared with the expected one, and it runs with frame, memory and slots of its own.
//
//   order of traps: Schema (no such program or entry, or another signature), Reenter, Depth, then what the callee ends with
//
// A trap or ABORT of the callee is the caller's: nothing catches it, and the place in the receipt is the call's. HALT and RET both come
// back here. Gas is one counter.

using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

internal static unsafe partial class Operations
{
    public static TrapCode Xcall(Machine machine, ulong* f, ulong w)
    {
        Activation caller = machine.Active;
        Container container = caller.Code.Program.Container;
        ContainerSite site = container.Sites[(int)Imm(w)];
        ContainerImport import = container.Imports[site.Import];
        ProgramId id = container.Programs[import.Program];
        if (machine.Context.Programs is not IProgramSource programs
            || !programs.TryFind(id, out VerifiedProgram? callee)
            || !caller.Code.TryLink(site.Import, callee, out ProgramEntry entry))
        {
            return TrapCode.Schema;
        }

        if (!entry.IsView && machine.IsOpen(id))
        {
            return TrapCode.Reenter;
        }

        if (machine.Depth + 1 == Machine.MaxPrograms)
        {
            return TrapCode.Depth;
        }

        Activation opened = machine.Open(callee.CodeFor(machine.Rules), entry, in id, caller.Program.Value);
        for (int i = 0; i < site.Slots.Length; i++)
        {
            machine.Bind(opened, i, caller.Slots[site.Slots[i]]);
        }

        ulong* window = f + A(w);
        ulong* frame = opened.Frame;
        for (int i = 0; i < import.Args; i++)
        {
            frame[i] = window[i];
        }

        int code = machine.Execute(entry.Function);
        machine.Close();
        if (code is not (0 or Machine.Halted))
        {
            return (TrapCode)code;
        }

        for (int i = 0; i < import.Rets; i++)
        {
            window[i] = frame[i];
        }

        return TrapCode.None;
    }
}
