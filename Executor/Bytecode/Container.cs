// A program on the wire: what is deployed, hashed and stored.
//
//   magic "PVX1" | format version u16 = 1 | fork u16 | section count u8 | sections
//   section: id u8 | length u32 | payload                ids ascending, each at most once
//
//   1 CONSTS   count x u64                               left out when empty
//   2 DATA     bytes, mapped read-only at 0x1000         left out when empty
//   3 FUNCS    count x { cells u8 | args u8 | rets u8 | length u16 }     code lies in table order without gaps
//   4 CODE     count x u64 instruction words
//   5 ENTRIES  count x { selector u32 | function u16 | pages u16, bit 15 = view | slots u16 | slots x slot u8 }   ascending by selector
//   6 TABLES   count x { length u16 | length x target u16 }                                      left out when empty, like all that follow
//   7 PROGRAMS count x id 32 bytes                                                                no id twice
//   8 IMPORTS  count x { program u8 | view u8 | args u8 | rets u8 | selector u32 | slots u16 | slots x slot u8 }
//   9 SITES    count x { import u16 | slots u16 | slots x caller's slot u16 }
//
//   slot u8 = mode | owner << 2: who owns the records that are written or added to. 0 is the program whose entry it is, k + 1 is
//   PROGRAMS[k]; a slot that is only read has no owner (0).
//
// There is one encoding per container: what decodes re-encodes to the same bytes. Decoding checks shape and limits only;
// what the code means is the verifier's matter.
//
// Threading: immutable; arrays are owned by the container.   Cost: O(bytes).

using System;
using System.Buffers.Binary;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Bytecode;

/// <summary>A function's row in the FUNCS section.</summary>
/// <param name="Cells">Frame cells, [0, 128].</param>
/// <param name="Args">Leading cells that hold arguments on entry, at most <paramref name="Cells"/>.</param>
/// <param name="Rets">Leading cells that hold results at RET, at most <paramref name="Cells"/>.</param>
/// <param name="Length">Instructions, [1, 8192].</param>
public readonly record struct FunctionHeader(byte Cells, byte Args, byte Rets, ushort Length);

/// <summary>An entry's row in the ENTRIES section.</summary>
/// <param name="Selector">What a transaction names.</param>
/// <param name="Function">Index of the function that runs; it takes no arguments.</param>
/// <param name="MaxPages">Memory pages of 4 KiB that MGROW may map in total.</param>
/// <param name="SlotModes">Mode that each slot needs.</param>
public sealed record ContainerEntry(uint Selector, ushort Function, ushort MaxPages, AccessMode[] SlotModes)
{
    /// <summary>Per slot, who owns what it writes: 0 this program, k + 1 the program PROGRAMS[k]. Empty when all are 0.</summary>
    public byte[] SlotOwners { get; init; } = [];

    /// <summary>The entry only reads and may be called while its program is open already.</summary>
    public bool IsView { get; init; }
}

/// <summary>An entry of another program as this program expects it: a row in the IMPORTS section.</summary>
/// <param name="Program">Index in PROGRAMS.</param>
/// <param name="Selector">The entry's selector.</param>
/// <param name="Args">Cells that it takes.</param>
/// <param name="Rets">Cells that it returns.</param>
/// <param name="IsView">It is a view.</param>
/// <param name="SlotModes">Mode that each of its slots needs.</param>
/// <param name="SlotOwners">As in <see cref="ContainerEntry.SlotOwners"/>; 0 is the imported program.</param>
public sealed record ContainerImport(byte Program, uint Selector, byte Args, byte Rets, bool IsView, AccessMode[] SlotModes, byte[] SlotOwners);

/// <summary>A place that calls an import: a row in the SITES section.</summary>
/// <param name="Import">Index in IMPORTS.</param>
/// <param name="Slots">The caller's slot for each slot of the import.</param>
public sealed record ContainerSite(ushort Import, ushort[] Slots);

/// <summary>A container's sections.</summary>
public sealed partial class Container
{
    /// <summary>"PVX1" read as a little-endian number.</summary>
    public const uint Magic = 0x31585650;

    /// <summary>The format version.</summary>
    public const ushort FormatVersion = 1;

    /// <summary>The largest container in bytes.</summary>
    public const int MaxBytes = 1 << 20;

    /// <summary>The most constants.</summary>
    public const int MaxConstants = 4096;

    /// <summary>The most bytes of DATA.</summary>
    public const int MaxDataBytes = 64 * 1024;

    /// <summary>The most functions.</summary>
    public const int MaxFunctions = 1024;

    /// <summary>The most instructions of one function.</summary>
    public const int MaxFunctionLength = 8192;

    /// <summary>The most instructions of all functions.</summary>
    public const int MaxInstructions = 65536;

    /// <summary>The most entries.</summary>
    public const int MaxEntries = 64;

    /// <summary>The most slots of one entry in any network; a verifier's limits may be lower.</summary>
    public const int MaxSlots = 512;

    /// <summary>The most frame cells of a function.</summary>
    public const int MaxCells = 128;

    /// <summary>The most switch tables.</summary>
    public const int MaxTables = 4096;

    /// <summary>The most targets of all switch tables.</summary>
    public const int MaxTableTargets = 16384;

    /// <summary>The most other programs.</summary>
    public const int MaxPrograms = 32;

    /// <summary>The most imports.</summary>
    public const int MaxImports = 64;

    /// <summary>The most call sites.</summary>
    public const int MaxSites = 256;

    /// <summary>The most slots of all imports, and of all call sites.</summary>
    public const int MaxMappedSlots = 4096;

    private const ushort ViewBit = 0x8000;
    private const int FunctionBytes = 5;
    private const int SectionHeaderBytes = 5;

    private enum Section : byte
    {
        Constants = 1,
        Data = 2,
        Functions = 3,
        Code = 4,
        Entries = 5,
        Tables = 6,
        Programs = 7,
        Imports = 8,
        Sites = 9,
    }

    /// <summary>Fork whose rules the code was written for.</summary>
    public ushort Fork { get; init; }

    /// <summary>The constant pool.</summary>
    public ulong[] Constants { get; init; } = [];

    /// <summary>Read-only bytes.</summary>
    public byte[] Data { get; init; } = [];

    /// <summary>The functions, in code order.</summary>
    public FunctionHeader[] Functions { get; init; } = [];

    /// <summary>The instruction words of all functions, one after another.</summary>
    public ulong[] Code { get; init; } = [];

    /// <summary>The entries, ascending by selector.</summary>
    public ContainerEntry[] Entries { get; init; } = [];

    /// <summary>The switch tables: targets, the default last.</summary>
    public ushort[][] Tables { get; init; } = [];

    /// <summary>Other programs that this one names.</summary>
    public ProgramId[] Programs { get; init; } = [];

    /// <summary>Entries of other programs.</summary>
    public ContainerImport[] Imports { get; init; } = [];

    /// <summary>Places that call them.</summary>
    public ContainerSite[] Sites { get; init; } = [];

    /// <summary>The canonical bytes. Encoding checks nothing: a wrong container is refused when it is decoded.</summary>
    public byte[] Encode()
    {
        CanonicalWriter writer = new(64 + (Code.Length * 8) + Data.Length);
        writer.WriteU32(Magic);
        writer.WriteU16(FormatVersion);
        writer.WriteU16(Fork);
        bool[] hasOptional = [Constants.Length > 0, Data.Length > 0, Tables.Length > 0, Programs.Length > 0, Imports.Length > 0, Sites.Length > 0];
        writer.WriteU8((byte)(3 + Array.FindAll(hasOptional, has => has).Length));
        if (Constants.Length > 0)
        {
            WriteWords(writer, Section.Constants, Constants);
        }

        if (Data.Length > 0)
        {
            WriteHeader(writer, Section.Data, Data.Length);
            writer.WriteBytes(Data);
        }

        WriteHeader(writer, Section.Functions, Functions.Length * FunctionBytes);
        foreach (FunctionHeader function in Functions)
        {
            writer.WriteU8(function.Cells);
            writer.WriteU8(function.Args);
            writer.WriteU8(function.Rets);
            writer.WriteU16(function.Length);
        }

        WriteWords(writer, Section.Code, Code);
        WriteSection(writer, Section.Entries, Entries, WriteEntry);
        if (Tables.Length > 0)
        {
            WriteSection(writer, Section.Tables, Tables, static (rows, table) => WriteShorts(rows, table));
        }

        if (Programs.Length > 0)
        {
            WriteSection(writer, Section.Programs, Programs, static (rows, program) => rows.WriteBytes32(program.Value));
        }

        if (Imports.Length > 0)
        {
            WriteSection(writer, Section.Imports, Imports, WriteImport);
        }

        if (Sites.Length > 0)
        {
            WriteSection(writer, Section.Sites, Sites, WriteSite);
        }

        return writer.ToArray();
    }

    /// <summary>Reads canonical bytes; never throws on them.</summary>
    public static bool TryDecode(ReadOnlySpan<byte> bytes, out Container container, out Refusal refusal)
    {
        container = new Container();
        CanonicalReader reader = new(bytes);
        if (bytes.Length > MaxBytes)
        {
            reader.Refuse(RefusalCode.TooLong, $"The container has {bytes.Length} bytes; at most {MaxBytes} are allowed.");
            refusal = reader.Refusal;
            return false;
        }

        bool decoded = TryReadSections(ref reader, out Container? result);
        bool ended = reader.TryEnd(out refusal);
        if (!decoded || !ended || result is null)
        {
            return false;
        }

        container = result;
        return true;
    }

    private static bool TryReadSections(ref CanonicalReader reader, out Container? container)
    {
        container = null;
        uint magic = reader.ReadU32();
        ushort version = reader.ReadU16();
        ushort fork = reader.ReadU16();
        int count = reader.ReadU8();
        if (reader.Ok && magic != Magic)
        {
            return reader.Refuse(RefusalCode.NotAContainer, $"A container starts with \"PVX1\"; this starts with {magic:x8}.");
        }

        if (reader.Ok && version != FormatVersion)
        {
            return reader.Refuse(RefusalCode.UnknownVersion, $"Container format {version} is not known; this is {FormatVersion}.");
        }

        ulong[] constants = [];
        byte[] data = [];
        FunctionHeader[] functions = [];
        ulong[] code = [];
        ContainerEntry[] entries = [];
        ushort[][] tables = [];
        ProgramId[] programs = [];
        ContainerImport[] imports = [];
        ContainerSite[] sites = [];
        byte previous = 0;
        bool hasEntries = false;
        for (int i = 0; i < count && reader.Ok; i++)
        {
            byte id = reader.ReadU8();
            uint length = reader.ReadU32();
            if (!reader.Ok)
            {
                return false;
            }

            if (id is 0 or > (byte)Section.Sites)
            {
                return reader.Refuse(RefusalCode.UnknownSection, $"Section {id} is not known.");
            }

            if (id <= previous)
            {
                return reader.Refuse(RefusalCode.SectionOrder, $"Section {id} follows section {previous}; ids ascend and none comes twice.");
            }

            if (length == 0 && id != (byte)Section.Entries)
            {
                return reader.Refuse(RefusalCode.SectionOrder, $"Section {id} is empty; an empty section is left out, or required.");
            }

            if (length > (uint)reader.Remaining)
            {
                return reader.Refuse(RefusalCode.Truncated, $"Section {id} says {length} bytes; {reader.Remaining} are left.");
            }

            previous = id;
            hasEntries |= id == (byte)Section.Entries;
            ReadOnlySpan<byte> payload = reader.ReadBytes((int)length);
            bool ok = (Section)id switch
            {
                Section.Constants => TryReadWords(ref reader, payload, MaxConstants, "constants", out constants),
                Section.Data => TryReadData(ref reader, payload, out data),
                Section.Functions => TryReadFunctions(ref reader, payload, out functions),
                Section.Code => TryReadWords(ref reader, payload, MaxInstructions, "instructions", out code),
                Section.Entries => TryReadEntries(ref reader, payload, out entries),
                Section.Tables => TryReadTables(ref reader, payload, out tables),
                Section.Programs => TryReadPrograms(ref reader, payload, out programs),
                Section.Imports => TryReadImports(ref reader, payload, out imports),
                _ => TryReadSites(ref reader, payload, out sites),
            };
            if (!ok)
            {
                return false;
            }
        }

        if (reader.Ok && (functions.Length == 0 || code.Length == 0 || !hasEntries))
        {
            return reader.Refuse(RefusalCode.SectionOrder, "A container needs the sections FUNCS, CODE and ENTRIES.");
        }

        int total = 0;
        foreach (FunctionHeader function in functions)
        {
            total += function.Length;
        }

        if (reader.Ok && total != code.Length)
        {
            return reader.Refuse(RefusalCode.BadFunction, $"The functions have {total} instructions, the code has {code.Length}.");
        }

        container = new Container
        {
            Fork = fork,
            Constants = constants,
            Data = data,
            Functions = functions,
            Code = code,
            Entries = entries,
            Tables = tables,
            Programs = programs,
            Imports = imports,
            Sites = sites,
        };
        return reader.Ok;
    }

    private static bool TryReadWords(ref CanonicalReader reader, ReadOnlySpan<byte> payload, int max, string what, out ulong[] words)
    {
        words = [];
        if (payload.Length % 8 != 0 || payload.Length / 8 > max)
        {
            return reader.Refuse(RefusalCode.BadSection, $"{payload.Length} bytes are no {what}: a multiple of 8 and at most {max * 8} are expected.");
        }

        words = new ulong[payload.Length / 8];
        for (int i = 0; i < words.Length; i++)
        {
            words[i] = BinaryPrimitives.ReadUInt64LittleEndian(payload[(i * 8)..]);
        }

        return true;
    }

    private static bool TryReadData(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out byte[] data)
    {
        data = [];
        if (payload.Length > MaxDataBytes)
        {
            return reader.Refuse(RefusalCode.BadSection, $"DATA has {payload.Length} bytes; at most {MaxDataBytes} are allowed.");
        }

        data = payload.ToArray();
        return true;
    }

    private static bool TryReadFunctions(ref CanonicalReader reader, ReadOnlySpan<byte> payload, out FunctionHeader[] functions)
    {
        functions = [];
        if (payload.Length % FunctionBytes != 0 || payload.Length / FunctionBytes > MaxFunctions)
        {
            return reader.Refuse(
                RefusalCode.BadSection, $"FUNCS has {payload.Length} bytes: a multiple of {FunctionBytes} and at most {MaxFunctions} rows are expected.");
        }

        functions = new FunctionHeader[payload.Length / FunctionBytes];
        for (int i = 0; i < functions.Length; i++)
        {
            ReadOnlySpan<byte> row = payload.Slice(i * FunctionBytes, FunctionBytes);
            FunctionHeader header = new(row[0], row[1], row[2], BinaryPrimitives.ReadUInt16LittleEndian(row[3..]));
            if (header.Cells > MaxCells || header.Args > header.Cells || header.Rets > header.Cells || header.Length is 0 or > MaxFunctionLength)
            {
                return reader.Refuse(
                    RefusalCode.BadFunction,
                    $"Function {i} has {header.Cells} cells, {header.Args} arguments, {header.Rets} results, {header.Length} instructions: out of range.");
            }

            functions[i] = header;
        }

        return true;
    }

    private static void WriteWords(CanonicalWriter writer, Section section, ulong[] words)
    {
        WriteHeader(writer, section, words.Length * 8);
        foreach (ulong word in words)
        {
            writer.WriteU64(word);
        }
    }

    private static void WriteHeader(CanonicalWriter writer, Section section, int length)
    {
        Span<byte> header = writer.Reserve(SectionHeaderBytes);
        header[0] = (byte)section;
        BinaryPrimitives.WriteInt32LittleEndian(header[1..], length);
    }
}
