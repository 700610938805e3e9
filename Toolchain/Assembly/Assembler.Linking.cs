// Tables, imports and call sites: names become indexes.

using System.Collections.Generic;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

public static partial class Assembler
{
    // a container that holds nothing but these sections
    private static bool TryEncodeLinks(SourceProgram program, out Container links, out Refusal refusal)
    {
        links = new Container();
        refusal = Refusal.None;
        ushort[][] tables = new ushort[program.Tables.Count][];
        for (int i = 0; i < tables.Length; i++)
        {
            SourceTable table = program.Tables[i];
            if (!TryShorts(table.Line, "label", table.Targets, table.Function?.Labels, out tables[i], out refusal))
            {
                return false;
            }
        }

        ContainerImport[] imports = new ContainerImport[program.Imports.Count];
        for (int i = 0; i < imports.Length; i++)
        {
            SourceImport import = program.Imports[i];
            if (!TryIndex(import.Line, "program", import.Program, program.ProgramNames, byte.MaxValue, out int index, out refusal)
                || !TryOwners(program, import.Line, import.Slots, out byte[] owners, out refusal))
            {
                return false;
            }

            imports[i] = new ContainerImport(
                (byte)index, import.Selector, (byte)import.Arguments, (byte)import.Results, import.IsView, [.. import.Slots.Modes], owners);
        }

        ContainerSite[] sites = new ContainerSite[program.Sites.Count];
        for (int i = 0; i < sites.Length; i++)
        {
            SourceSite site = program.Sites[i];
            if (!TryIndex(site.Line, "import", site.Import, program.ImportNames, ushort.MaxValue, out int index, out refusal)
                || !TryShorts(site.Line, "slot", site.Slots, program.SlotNames, out ushort[] slots, out refusal))
            {
                return false;
            }

            sites[i] = new ContainerSite((ushort)index, slots);
        }

        links = new Container { Tables = tables, Programs = [.. program.Programs], Imports = imports, Sites = sites };
        return true;
    }

    // by name a program's place + 1, by number what the container holds; empty when all are the program itself
    private static bool TryOwners(SourceProgram program, int line, SourceSlots slots, out byte[] owners, out Refusal refusal)
    {
        refusal = Refusal.None;
        owners = [];
        for (int i = 0; i < slots.Owners.Count; i++)
        {
            SourceOperand written = slots.Owners[i];
            if (!TryIndex(line, "program", written, program.ProgramNames, Container.MaxPrograms, out int owner, out refusal))
            {
                return false;
            }

            owner += written.IsWord ? 1 : 0;
            if (owner != 0)
            {
                owners = owners.Length == 0 ? new byte[slots.Owners.Count] : owners;
                owners[i] = (byte)owner;
            }
        }

        return true;
    }

    private static bool TryShorts(
        int line, string what, SourceOperand[] written, Dictionary<string, int>? names, out ushort[] values, out Refusal refusal)
    {
        refusal = Refusal.None;
        values = new ushort[written.Length];
        for (int i = 0; i < values.Length; i++)
        {
            if (!TryIndex(line, what, written[i], names, ushort.MaxValue, out int value, out refusal))
            {
                return false;
            }

            values[i] = (ushort)value;
        }

        return true;
    }

    private static bool TryIndex(int line, string what, SourceOperand written, Dictionary<string, int>? names, int max, out int index, out Refusal refusal)
    {
        refusal = Refusal.None;
        index = 0;
        if (written.IsWord)
        {
            return (names is not null && names.TryGetValue(written.Word, out index) && index >= 0)
                || Refuse(RefusalCode.AssemblyUnknownName, line, $"no {what} is called {written.Shown}, or more than one is", out refusal);
        }

        if (written.Number < 0 || written.Number > max)
        {
            return Refuse(RefusalCode.AssemblyRange, line, $"the {what} {written.Number} is outside 0 to {max}", out refusal);
        }

        index = (int)written.Number;
        return true;
    }
}
