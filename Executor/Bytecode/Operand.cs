// What an operand of an instruction is, and in which field of the 64-bit word it lies.
//
//   byte 0    1    2    3    4    5    6    7
//        op   a    b    c    [d] [m] [ s    ]        imm = bytes 4..7, little-endian
//                            [ low ] [ high ]
//
// A field that no operand of the opcode uses must be zero, so that an instruction has one encoding.
//
// Threading: immutable values.

namespace ParallelVm.Executor.Bytecode;

/// <summary>Where an operand lies in the instruction word.</summary>
public enum OperandField : byte
{
    /// <summary>Byte 1.</summary>
    A,

    /// <summary>Byte 2.</summary>
    B,

    /// <summary>Byte 3.</summary>
    C,

    /// <summary>Byte 4, the lowest byte of the immediate.</summary>
    D,

    /// <summary>Byte 5.</summary>
    M,

    /// <summary>Bytes 4..5, the low half of the immediate.</summary>
    Low,

    /// <summary>Bytes 6..7, the high half of the immediate.</summary>
    High,

    /// <summary>Bytes 4..7, the whole immediate.</summary>
    Imm,
}

/// <summary>What an operand means; decides its range check at deploy and its text form.</summary>
public enum OperandKind : byte
{
    /// <summary>A cell that is written.</summary>
    Dest,

    /// <summary>An even-aligned pair of cells that is written, low word first.</summary>
    DestPair,

    /// <summary>A 4-aligned quad of cells that is written, lowest word first.</summary>
    DestQuad,

    /// <summary>A cell that is read.</summary>
    Source,

    /// <summary>An even-aligned pair that is read.</summary>
    SourcePair,

    /// <summary>A 4-aligned quad that is read.</summary>
    SourceQuad,

    /// <summary>A cell that is read and written.</summary>
    Update,

    /// <summary>A cell that is written with an element of the Goldilocks field: kind felt.</summary>
    DestFelt,

    /// <summary>A cell of kind felt that is read.</summary>
    SourceFelt,

    /// <summary>A 4-aligned quad that is written with four elements.</summary>
    DestFeltQuad,

    /// <summary>A 4-aligned quad of kind felt that is read.</summary>
    SourceFeltQuad,

    /// <summary>Eight cells of kind felt, 4-aligned, that are read and written.</summary>
    UpdateFelts,

    /// <summary>First cell of a callee's window: its arguments are read there, its results are left there.</summary>
    Window,

    /// <summary>Index of a function.</summary>
    Function,

    /// <summary>Instruction index within the function.</summary>
    Target,

    /// <summary>A switch table of this function.</summary>
    Table,

    /// <summary>A call site: import and slot map.</summary>
    CallSite,

    /// <summary>How many frame cells stay live in a loop, [0, 128].</summary>
    Live,

    /// <summary>First cell of kind felt in a loop; optional in text, 0 when there is none.</summary>
    FeltFirst,

    /// <summary>The cell after the last of kind felt in a loop, at most the live ones; optional in text.</summary>
    FeltEnd,

    /// <summary>A 32-bit number, zero-extended.</summary>
    Unsigned,

    /// <summary>A 32-bit number, sign-extended.</summary>
    Signed,

    /// <summary>A shift count, [0, 64).</summary>
    Shift,

    /// <summary>A shift count of a product or a dividend, [0, 64].</summary>
    WideShift,

    /// <summary>A width in bits: 8, 16 or 32.</summary>
    Width,

    /// <summary>Index into the constant pool.</summary>
    Constant,

    /// <summary>Rounding of a quotient: 0 floor, 1 ceiling, 2 half to even, 3 exact (a remainder traps).</summary>
    Rounding,

    /// <summary>Rounding of a root: 0 floor, 1 ceiling.</summary>
    RootRounding,

    /// <summary>A power of ten to divide by, named by its exponent: 2, 4, 6, 8 or 9.</summary>
    Scale,

    /// <summary>A slot that is read.</summary>
    ReadSlot,

    /// <summary>A slot that is written.</summary>
    WriteSlot,

    /// <summary>A slot that is added to.</summary>
    AddSlot,

    /// <summary>A slot of which only the name is used: any mode will do.</summary>
    AnySlot,

    /// <summary>First slot of an array that is read.</summary>
    ReadArray,

    /// <summary>First slot of an array that is written.</summary>
    WriteArray,

    /// <summary>A slot that is read or written, as the <see cref="Direction"/> operand of the same instruction says.</summary>
    CopySlot,

    /// <summary>Slots of an array, [1, 32]; they follow the first.</summary>
    ArrayLength,

    /// <summary>0 from the record to memory, 1 from memory to the record.</summary>
    Direction,

    /// <summary>Byte offset of an 8-byte field in a record: a multiple of 8, at most 4088.</summary>
    WordOffset,

    /// <summary>Byte offset of a 32-byte field in a record: a multiple of 8, at most 4064.</summary>
    QuadOffset,

    /// <summary>Byte offset of an accumulator in a record: 0 in fork 0.</summary>
    AccumulatorOffset,

    /// <summary>Length of a record, [0, 4096].</summary>
    RecordLength,

    /// <summary>Which number of the context: see <see cref="ContextId"/>.</summary>
    Context,

    /// <summary>A trap code that code may raise by itself: 0 (same as 16) or [2, 16].</summary>
    Trap,
}

/// <summary>One operand of an opcode.</summary>
/// <param name="Kind">What it means.</param>
/// <param name="Field">Where it lies.</param>
public readonly record struct Operand(OperandKind Kind, OperandField Field)
{
    /// <summary>The operand's bits in an instruction word, zero-extended.</summary>
    public uint Read(ulong word) => Field switch
    {
        OperandField.A => (byte)(word >> 8),
        OperandField.B => (byte)(word >> 16),
        OperandField.C => (byte)(word >> 24),
        OperandField.D => (byte)(word >> 32),
        OperandField.M => (byte)(word >> 40),
        OperandField.Low => (ushort)(word >> 32),
        OperandField.High => (ushort)(word >> 48),
        _ => (uint)(word >> 32),
    };

    /// <summary>The bits this operand may occupy in a word.</summary>
    public ulong Mask => Field switch
    {
        OperandField.A => 0xFFUL << 8,
        OperandField.B => 0xFFUL << 16,
        OperandField.C => 0xFFUL << 24,
        OperandField.D => 0xFFUL << 32,
        OperandField.M => 0xFFUL << 40,
        OperandField.Low => 0xFFFFUL << 32,
        OperandField.High => 0xFFFFUL << 48,
        _ => 0xFFFFFFFFUL << 32,
    };

    /// <summary>The word with this operand set; bits of <paramref name="value"/> beyond the field are dropped.</summary>
    public ulong Write(ulong word, uint value)
    {
        ulong mask = Mask;
        int shift = System.Numerics.BitOperations.TrailingZeroCount(mask);
        return (word & ~mask) | (((ulong)value << shift) & mask);
    }

    /// <summary>True for cells, pairs, quads and windows: text form <c>rN</c>.</summary>
    public bool IsCell => Kind <= OperandKind.Window;

    /// <summary>True for every kind of slot.</summary>
    public bool IsSlot => Kind is >= OperandKind.ReadSlot and <= OperandKind.CopySlot;

    /// <summary>True for operands that may be left out at the end of a line when they are 0.</summary>
    public bool IsOptional => Kind is OperandKind.FeltFirst or OperandKind.FeltEnd;
}

/// <summary>Numbers that CTX reads.</summary>
public enum ContextId : byte
{
    /// <summary>Height of the block.</summary>
    Height = 0,

    /// <summary>The block's time in milliseconds since 1970.</summary>
    TimestampMs = 1,

    /// <summary>Base fee per gas.</summary>
    BaseFee = 2,

    /// <summary>Active fork.</summary>
    Fork = 3,

    /// <summary>Slots of the called entry.</summary>
    SlotCount = 4,

    /// <summary>Length of the arguments in bytes.</summary>
    ArgumentLength = 5,

    /// <summary>Signers of the transaction, the payer included.</summary>
    SignerCount = 6,
}
