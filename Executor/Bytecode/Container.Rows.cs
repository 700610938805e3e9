// The sections whose rows differ in length: entries, switch tables, and what a program says about others.
//
// Checked here are shapes and limits; whether a row's indexes name something, and whether the caller may hand over what a site
// hands over, is the verifier's matter.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

public sealed partial class Container
{
    private static void WriteSection<T>(CanonicalWriter writer, Section section, T[] rows, Action<CanonicalWriter, T> write)
    {
        CanonicalWriter payload = new();
        foreach (T row in rows)
        {
            write(payload, row);
        }

        WriteHeader(writer, section, payload.Length);
        writer.WriteBytes(payload.Written);
    }

    private static void WriteEntry(CanonicalWriter rows, ContainerEntry entry)
    {
        rows.WriteU32(entry.Selector);
        rows.WriteU16(entry.Function);
        rows.WriteU16((ushort)(entry.MaxPages | (entry.IsView ? ViewBit : 0)));
        WriteSlots(rows, entry.SlotModes, entry.SlotOwners);
    }

    private static void WriteImport(CanonicalWriter rows, ContainerImport import)
    {
        rows.WriteU8(import.Program);
        rows.WriteU8((byte)(import.IsView ? 1 : 0));
        rows.WriteU8(import.Args);
        rows.WriteU8(import.Rets);
        rows.WriteU32(import.Selector);
        WriteSlots(rows, import.SlotModes, import.SlotOwners);
    }

    private static void WriteSite(CanonicalWriter rows, ContainerSite site)
    {
        rows.WriteU16(site.Import);
        WriteShorts(rows, site.Slots);
    }

    private static void WriteShorts(CanonicalWriter rows, ushort[] values)
    {
        rows.WriteU16((ushort)values.Length);
        foreach (ushort value in values)
        {
            rows.WriteU16(value);
        }
    }

    private static void WriteSlots(CanonicalWriter rows, AccessMode[] modes, byte[] owners)
    {
        rows.WriteU16((ushort)modes.Length);
        for (int i = 0; i < modes.Length; i++)
        {
            rows.WriteU8((byte)((byte)modes[i] | (owners.Length == 0 ? 0 : owners[i] << 2)));
        }
    }

    private static bool TryReadEntries(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out ContainerEntry[] entries)
    {
        List<ContainerEntry> read = [];
        CanonicalReader rows = new(payload);
        while (rows.Ok && rows.Remaining > 0)
        {
            uint selector = rows.ReadU32();
            ushort function = rows.ReadU16();
            ushort pages = rows.ReadU16();
            if (!TryReadSlots(ref rows, $"Entry {selector:x8}", out AccessMode[] modes, out byte[] owners))
            {
                break;
            }

            if (read.Count == MaxEntries)
            {
                rows.Refuse(RefusalCode.BadEntry, $"ENTRIES has more than {MaxEntries} rows.");
            }
            else if (read.Count > 0 && read[^1].Selector >= selector)
            {
                rows.Refuse(RefusalCode.BadEntry, $"Entry {selector:x8} follows {read[^1].Selector:x8}; selectors ascend and none comes twice.");
            }

            read.Add(new ContainerEntry(selector, function, (ushort)(pages & ~ViewBit), modes) { SlotOwners = owners, IsView = (pages & ViewBit) != 0 });
        }

        return End(ref reader, in rows, read, out entries);
    }

    private static bool TryReadTables(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out ushort[][] tables)
    {
        List<ushort[]> read = [];
        CanonicalReader rows = new(payload);
        int targets = 0;
        while (rows.Ok && rows.Remaining > 0 && TryReadShorts(ref rows, MaxTableTargets - targets, "targets in all switch tables", out ushort[] table))
        {
            if (read.Count == MaxTables || table.Length == 0)
            {
                rows.Refuse(RefusalCode.BadSection, $"TABLES has more than {MaxTables} rows, or one without a target.");
            }

            targets += table.Length;
            read.Add(table);
        }

        return End(ref reader, in rows, read, out tables);
    }

    private static bool TryReadPrograms(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out ProgramId[] programs)
    {
        List<ProgramId> read = [];
        CanonicalReader rows = new(payload);
        while (rows.Ok && rows.Remaining > 0)
        {
            ProgramId program = new(rows.ReadBytes32());
            if (rows.Ok && (read.Count == MaxPrograms || read.Contains(program)))
            {
                rows.Refuse(RefusalCode.BadImport, $"PROGRAMS has more than {MaxPrograms} rows, or {program} twice.");
            }

            read.Add(program);
        }

        return End(ref reader, in rows, read, out programs);
    }

    private static bool TryReadImports(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out ContainerImport[] imports)
    {
        List<ContainerImport> read = [];
        CanonicalReader rows = new(payload);
        int slots = 0;
        while (rows.Ok && rows.Remaining > 0)
        {
            byte program = rows.ReadU8();
            byte view = rows.ReadU8();
            byte args = rows.ReadU8();
            byte rets = rows.ReadU8();
            uint selector = rows.ReadU32();
            if (!TryReadSlots(ref rows, $"Import {read.Count}", out AccessMode[] modes, out byte[] owners))
            {
                break;
            }

            slots += modes.Length;
            if (read.Count == MaxImports || slots > MaxMappedSlots || view > 1 || args > MaxCells || rets > MaxCells)
            {
                rows.Refuse(
                    RefusalCode.BadImport,
                    $"Import {read.Count} is one too many, or brings the slots to {slots}, or has {args} arguments, {rets} results and view {view}: out of range.");
            }

            read.Add(new ContainerImport(program, selector, args, rets, view == 1, modes, owners));
        }

        return End(ref reader, in rows, read, out imports);
    }

    private static bool TryReadSites(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out ContainerSite[] sites)
    {
        List<ContainerSite> read = [];
        CanonicalReader rows = new(payload);
        int slots = 0;
        while (rows.Ok && rows.Remaining > 0)
        {
            ushort import = rows.ReadU16();
            if (!TryReadShorts(ref rows, MaxMappedSlots - slots, "slots of all call sites", out ushort[] map))
            {
                break;
            }

            if (read.Count == MaxSites)
            {
                rows.Refuse(RefusalCode.BadImport, $"SITES has more than {MaxSites} rows.");
            }

            slots += map.Length;
            read.Add(new ContainerSite(import, map));
        }

        return End(ref reader, in rows, read, out sites);
    }

    private static bool TryReadSlots(ref CanonicalReader rows, string what, out AccessMode[] modes, out byte[] owners)
    {
        ushort count = rows.ReadU16();
        ReadOnlySpan<byte> bytes = rows.ReadBytes(count);
        modes = [];
        owners = [];
        if (!rows.Ok)
        {
            return false;
        }

        if (count > MaxSlots)
        {
            return rows.Refuse(RefusalCode.BadEntry, $"{what} has {count} slots; at most {MaxSlots} are allowed.");
        }

        modes = new AccessMode[count];
        for (int i = 0; i < count; i++)
        {
            byte mode = (byte)(bytes[i] & 3);
            int owner = bytes[i] >> 2;
            if (!AccessModes.IsDefined(mode) || owner > MaxPrograms || (owner != 0 && mode == (byte)AccessMode.Read))
            {
                return rows.Refuse(
                    RefusalCode.UnknownAccessMode,
                    $"Slot {i} of {what} is {bytes[i]}: mode {mode} of owner {owner}; modes are 0 Read, 1 Write, 2 Add, and what is only read has no owner.");
            }

            modes[i] = (AccessMode)mode;
            if (owner != 0)
            {
                owners = owners.Length == 0 ? new byte[count] : owners;
                owners[i] = (byte)owner;
            }
        }

        return true;
    }

    private static bool TryReadShorts(ref CanonicalReader rows, int max, string what, out ushort[] values)
    {
        int count = rows.ReadU16();
        values = [];
        if (rows.Ok && count > max)
        {
            return rows.Refuse(RefusalCode.BadSection, $"There are {count - max} too many {what}.");
        }

        if (count * 2 > rows.Remaining)
        {
            return rows.Refuse(RefusalCode.Truncated, $"{count} numbers are announced; {rows.Remaining} bytes are left.");
        }

        values = new ushort[count];
        for (int i = 0; i < count; i++)
        {
            values[i] = rows.ReadU16();
        }

        return rows.Ok;
    }

    private static bool End<T>(ref CanonicalReader reader, ref readonly CanonicalReader rows, List<T> read, out T[] result)
    {
        result = [.. read];
        return rows.Ok || reader.Refuse(rows.Refusal.Code, rows.Refusal.Sentence);
    }
}
