// The opcodes of fork 0 as data: one row says everything that is known about an opcode. Decoder, verifier, gas,
// assembler, disassembler and docs/opcodes.md are derived from these rows; only the interpreter's switch states the
// same laws a second time, as code, and the tests hold it to them.
//
// Word: op u8 | a u8 | b u8 | c u8 | imm u32, little-endian. An opcode byte never changes its meaning once a fork that
// holds it is active (ForkRules says which fork holds it). Bytes without a row are invalid. Families of vm.md that are
// reserved (the other u128 and u256 operations, prime fields, M31, the other signatures, SYS) keep their bytes free. ABORT has
// its own byte, so that one byte is one mnemonic.
//
// Gas: the number of a row is fork 0's. One unit is one simple instruction of the interpreter. The number of a row is charged with its basic block;
// "+" prices are variable, charged by the instruction before it does the work (GasTable). Whatever control can run past
// has a price, LOOP too: else code could take time that nobody pays.
//
// Threading: immutable, built once.

using System;
using System.Collections.Generic;
using System.Diagnostics.CodeAnalysis;

namespace ParallelVm.Executor.Bytecode;

#pragma warning disable CS1591 // a member's meaning is the law of its row below
/// <summary>Opcode bytes. The mnemonic is the member's name in capitals.</summary>
public enum Opcode : byte
{
    Trap = 0x00, Loop = 0x01, Jmp = 0x02, Jnz = 0x03, Jz = 0x04, Jeq = 0x05, Jne = 0x06, Jlt = 0x07, Jge = 0x08, Jslt = 0x09, Jsge = 0x0A,
    Switch = 0x0B, Call = 0x0C, Ret = 0x0D, Xcall = 0x0E, Halt = 0x0F,
    Mov = 0x10, Ldi = 0x11, Ldis = 0x12, Ldc = 0x13, Sel = 0x14, Swp = 0x15, Mov2 = 0x16, Mov4 = 0x17, Abort = 0x18,
    Add = 0x20, Sub = 0x21, Mul = 0x22, Div = 0x23, Mod = 0x24, Addi = 0x25, Subi = 0x26, Muli = 0x27,
    Wadd = 0x28, Wsub = 0x29, Wmul = 0x2A, Mulhi = 0x2B, Min = 0x2C, Max = 0x2D, Clz = 0x2E, Popc = 0x2F,
    Sadd = 0x30, Ssub = 0x31, Smul = 0x32, Sdiv = 0x33, Smod = 0x34, Slt = 0x35, Sar = 0x36, Sext = 0x37,
    And = 0x38, Or = 0x39, Xor = 0x3A, Not = 0x3B, Shl = 0x3C, Shr = 0x3D, Shli = 0x3E, Shri = 0x3F,
    Eq = 0x40, Ne = 0x41, Lt = 0x42, Gt = 0x43, Le = 0x44, Ge = 0x45, Eqi = 0x46, Lti = 0x47,
    MulDiv = 0x48, MulScale = 0x49, Sqrt = 0x4A, Mulsh = 0x4B, Divsh = 0x4C, Absd = 0x4D,
    Dadd = 0x50, Dsub = 0x51, Dmul = 0x52, Dmuld = 0x53, Ddiv = 0x54, DmulDiv = 0x56, Dsqrt = 0x57, Dlt = 0x5A, Deq = 0x5B, Dnarrow = 0x5F,
    Qeq = 0x69,
    Fadd = 0x74, Fsub = 0x75, Fmul = 0x76, Fneg = 0x77, Finv = 0x78, Fred = 0x79, Feq = 0x7A,
    Ld1 = 0x80, Ld2 = 0x81, Ld4 = 0x82, Ld8 = 0x83, St1 = 0x84, St2 = 0x85, St4 = 0x86, St8 = 0x87, Ldq = 0x88, Stq = 0x89,
    Mcpy = 0x8A, Mset = 0x8B, Mcmp = 0x8C, Mgrow = 0x8D,
    Sld8 = 0x90, Sst8 = 0x91, Sldq = 0x92, Sstq = 0x93, Sldx = 0x94, Sstx = 0x95, Sacc = 0x96, Snew = 0x97, Sdel = 0x98, Sexist = 0x99, Scpy = 0x9A, Skey = 0x9B,
    Slen = 0x9C, Sown = 0x9D,
    Ctx = 0xA0, Caller = 0xA1, Self = 0xA2, Signer = 0xA3, Arg = 0xA4, Argq = 0xA5, Argcpy = 0xA6, Chain = 0xA7, Emit = 0xA8, Retd = 0xA9,
    Keccak = 0xB0, Sha256 = 0xB1, Blake3 = 0xB2, Pos2 = 0xB3, Pos2p = 0xB4, Edver = 0xB8, Stale = 0xC1, Nop = 0xF0,
}
#pragma warning restore CS1591

/// <summary>Where control goes after an instruction.</summary>
public enum Flow : byte
{
    /// <summary>To the next instruction.</summary>
    Next,

    /// <summary>To the target or the next instruction.</summary>
    Branch,

    /// <summary>To the target only.</summary>
    Jump,

    /// <summary>To one of the targets of a table.</summary>
    Switch,

    /// <summary>Into a function, then to the next instruction.</summary>
    Call,

    /// <summary>Out of the function or the run: nothing follows.</summary>
    End,
}

/// <summary>Everything that is known about one opcode.</summary>
/// <param name="Opcode">Its byte.</param>
/// <param name="Mnemonic">Its name in text.</param>
/// <param name="Flow">Where control goes.</param>
/// <param name="Gas">Fork 0's price, charged with the basic block; CALL adds for the callee's cells, XCALL for the slots it hands over.</param>
/// <param name="Variable">The variable charge in words, empty when there is none.</param>
/// <param name="Traps">What it may trap with, empty when nothing.</param>
/// <param name="Law">What it does, in one line.</param>
/// <param name="Operands">Operands in text order; sources are read before a destination is written.</param>
public sealed record OpcodeInfo(
    Opcode Opcode, string Mnemonic, Flow Flow, uint Gas, string Variable, string Traps, string Law, Operand[] Operands)
{
    /// <summary>Bits of the word that an operand or the opcode uses; the others must be zero.</summary>
    public ulong UsedBits { get; } = BitsOf(Operands);

    private static ulong BitsOf(Operand[] operands)
    {
        ulong bits = 0xFF;
        foreach (Operand operand in operands)
        {
            bits |= operand.Mask;
        }

        return bits;
    }
}

/// <summary>A second name for an opcode with one operand fixed.</summary>
/// <param name="Mnemonic">The second name.</param>
/// <param name="Opcode">The opcode it stands for.</param>
/// <param name="FixedOperand">Index of the operand that is not written.</param>
/// <param name="FixedValue">Its value.</param>
public sealed record OpcodeAlias(string Mnemonic, Opcode Opcode, int FixedOperand, uint FixedValue);

/// <summary>The rows, by byte and by name.</summary>
public static class OpcodeTable
{
    private const string Overflow = "Overflow";
    private const string OverflowZero = "Overflow, DivideByZero";
    private const string Division = "Overflow, DivideByZero, Range (exact)";
    private const string Memory = "MemoryBound, Align";
    private const string HashPrice = "+ per 32 bytes";

    private static readonly OpcodeInfo[] Rows =
    [
        // control
        Row(Opcode.Trap, Flow.End, 0, "imm", "trap with a system code; 0 is 16 Unreachable", [new(OperandKind.Trap, OperandField.Imm)]),
        Row(Opcode.Loop, Flow.Next, 1, "", "loop header: the only place a branch may go back to; cells from `live` on are undefined from here, those in [first, end) are felts on every way in, the others plain words", [new(OperandKind.Live, OperandField.A), new(OperandKind.FeltFirst, OperandField.B), new(OperandKind.FeltEnd, OperandField.C)]),
        Row(Opcode.Jmp, Flow.Jump, 2, "", "goto t", [Target]),
        Row(Opcode.Jnz, Flow.Branch, 2, "", "goto t if a != 0", [Src(OperandField.A), Target]),
        Row(Opcode.Jz, Flow.Branch, 2, "", "goto t if a = 0", [Src(OperandField.A), Target]),
        Row(Opcode.Jeq, Flow.Branch, 2, "", "goto t if a = b", [Src(OperandField.A), Src(OperandField.B), Target]),
        Row(Opcode.Jne, Flow.Branch, 2, "", "goto t if a != b", [Src(OperandField.A), Src(OperandField.B), Target]),
        Row(Opcode.Jlt, Flow.Branch, 2, "", "goto t if a < b, unsigned", [Src(OperandField.A), Src(OperandField.B), Target]),
        Row(Opcode.Jge, Flow.Branch, 2, "", "goto t if a >= b, unsigned", [Src(OperandField.A), Src(OperandField.B), Target]),
        Row(Opcode.Jslt, Flow.Branch, 2, "", "goto t if a < b, two's complement", [Src(OperandField.A), Src(OperandField.B), Target]),
        Row(Opcode.Jsge, Flow.Branch, 2, "", "goto t if a >= b, two's complement", [Src(OperandField.A), Src(OperandField.B), Target]),
        Row(Opcode.Switch, Flow.Switch, 5, "", "goto target a of the table, or to its last one when a is beyond; all lie ahead, and a table serves one SWITCH", [Src(OperandField.A), new(OperandKind.Table, OperandField.Imm)]),
        Row(Opcode.Call, Flow.Call, 2, "", "call f with its window at cell a: arguments from a on, results from a on; cells after the results are undefined then", [new(OperandKind.Function, OperandField.Imm), new(OperandKind.Window, OperandField.A)], "+ callee's cells / 8"),
        Row(Opcode.Ret, Flow.End, 1, "", "back to the caller; in the entry's own activation the same as HALT", []),
        Row(Opcode.Xcall, Flow.Next, 22, "Schema, Reenter, Depth, what the callee traps with", "call an entry of another program through a call site: arguments from cell a on, results from a on (cells after them are undefined then), its slots are the caller's by the site's map; Schema when there is no such program or entry or its signature differs, Reenter when it is open already and the entry is no view, Depth beyond 8 open programs", [new(OperandKind.CallSite, OperandField.Imm), new(OperandKind.Window, OperandField.A)], "+ per slot of the entry"),
        Row(Opcode.Halt, Flow.End, 0, "", "end with success", []),
        Row(Opcode.Abort, Flow.End, 0, "user", "end with revert, code min(65535, 256 + a)", [Src(OperandField.A)]),

        // moves
        Row(Opcode.Mov, Flow.Next, 1, "", "a = b", [Dst, Src(OperandField.B)]),
        Row(Opcode.Ldi, Flow.Next, 1, "", "a = imm, zero-extended", [Dst, new(OperandKind.Unsigned, OperandField.Imm)]),
        Row(Opcode.Ldis, Flow.Next, 1, "", "a = imm, sign-extended", [Dst, new(OperandKind.Signed, OperandField.Imm)]),
        Row(Opcode.Ldc, Flow.Next, 1, "", "a = constant k of the pool", [Dst, new(OperandKind.Constant, OperandField.Imm)]),
        Row(Opcode.Sel, Flow.Next, 1, "", "a = d != 0 ? b : c", [Dst, Src(OperandField.B), Src(OperandField.C), Src(OperandField.D)]),
        Row(Opcode.Swp, Flow.Next, 1, "", "exchange a and b", [new(OperandKind.Update, OperandField.A), new(OperandKind.Update, OperandField.B)]),
        Row(Opcode.Mov2, Flow.Next, 1, "", "pair a = pair b", [Dst2, Src2(OperandField.B)]),
        Row(Opcode.Mov4, Flow.Next, 2, "", "quad a = quad b", [Dst4, Src4(OperandField.B)]),

        // unsigned arithmetic
        Binary(Opcode.Add, 1, Overflow, "a = b + c"),
        Binary(Opcode.Sub, 1, Overflow, "a = b - c; traps when c > b"),
        Binary(Opcode.Mul, 1, Overflow, "a = b * c"),
        Binary(Opcode.Div, 2, "DivideByZero", "a = b / c, floor"),
        Binary(Opcode.Mod, 2, "DivideByZero", "a = b mod c"),
        Immediate(Opcode.Addi, Overflow, "a = b + imm"),
        Immediate(Opcode.Subi, Overflow, "a = b - imm; traps when imm > b"),
        Immediate(Opcode.Muli, Overflow, "a = b * imm"),
        Binary(Opcode.Wadd, 1, "", "a = b + c modulo 2^64"),
        Binary(Opcode.Wsub, 1, "", "a = b - c modulo 2^64"),
        Binary(Opcode.Wmul, 1, "", "a = b * c modulo 2^64"),
        Binary(Opcode.Mulhi, 1, "", "a = the high 64 bits of b * c"),
        Binary(Opcode.Min, 1, "", "a = the smaller of b and c"),
        Binary(Opcode.Max, 1, "", "a = the larger of b and c"),
        Unary(Opcode.Clz, 1, "", "a = leading zero bits of b; 64 for 0"),
        Unary(Opcode.Popc, 1, "", "a = one bits of b"),

        // two's complement arithmetic
        Binary(Opcode.Sadd, 1, Overflow, "a = b + c, signed"),
        Binary(Opcode.Ssub, 1, Overflow, "a = b - c, signed"),
        Binary(Opcode.Smul, 2, Overflow, "a = b * c, signed"),
        Binary(Opcode.Sdiv, 2, OverflowZero, "a = b / c, signed, truncated; -2^63 / -1 overflows"),
        Binary(Opcode.Smod, 2, OverflowZero, "a = b - c * (b / c truncated), signed; -2^63 mod -1 overflows"),
        Binary(Opcode.Slt, 1, "", "a = b < c signed ? 1 : 0"),
        Binary(Opcode.Sar, 1, "", "a = b shifted right by c, sign-filled; a count >= 64 fills with the sign"),
        Row(Opcode.Sext, Flow.Next, 1, "", "a = the low 8, 16 or 32 bits of b, sign-extended", [Dst, Src(OperandField.B), new(OperandKind.Width, OperandField.Imm)]),

        // bits
        Binary(Opcode.And, 1, "", "a = b and c"),
        Binary(Opcode.Or, 1, "", "a = b or c"),
        Binary(Opcode.Xor, 1, "", "a = b xor c"),
        Unary(Opcode.Not, 1, "", "a = not b"),
        Binary(Opcode.Shl, 1, "", "a = b shifted left by c; 0 for counts >= 64"),
        Binary(Opcode.Shr, 1, "", "a = b shifted right by c, zero-filled; 0 for counts >= 64"),
        Row(Opcode.Shli, Flow.Next, 1, "", "a = b shifted left by imm", [Dst, Src(OperandField.B), new(OperandKind.Shift, OperandField.Imm)]),
        Row(Opcode.Shri, Flow.Next, 1, "", "a = b shifted right by imm", [Dst, Src(OperandField.B), new(OperandKind.Shift, OperandField.Imm)]),

        // comparisons
        Binary(Opcode.Eq, 1, "", "a = b = c ? 1 : 0"),
        Binary(Opcode.Ne, 1, "", "a = b != c ? 1 : 0"),
        Binary(Opcode.Lt, 1, "", "a = b < c ? 1 : 0, unsigned"),
        Binary(Opcode.Gt, 1, "", "a = b > c ? 1 : 0, unsigned"),
        Binary(Opcode.Le, 1, "", "a = b <= c ? 1 : 0, unsigned"),
        Binary(Opcode.Ge, 1, "", "a = b >= c ? 1 : 0, unsigned"),
        Immediate(Opcode.Eqi, "", "a = b = imm ? 1 : 0"),
        Immediate(Opcode.Lti, "", "a = b < imm ? 1 : 0, unsigned"),

        // fixed point
        Row(Opcode.MulDiv, Flow.Next, 6, Division, "a = b * c / d over the 128-bit product, rounded by m; zero d first, then a quotient beyond 2^64-1, then a remainder in exact mode", [Dst, Src(OperandField.B), Src(OperandField.C), Src(OperandField.D), new(OperandKind.Rounding, OperandField.M)]),
        Row(Opcode.MulScale, Flow.Next, 6, "Overflow, Range (exact)", "a = b * c / 10^k over the 128-bit product, rounded by m; never traps for c <= 10^k unless exact", [Dst, Src(OperandField.B), Src(OperandField.C), new(OperandKind.Scale, OperandField.D), new(OperandKind.Rounding, OperandField.M)]),
        Row(Opcode.Sqrt, Flow.Next, 16, "", "a = square root of b, floor or ceiling", [Dst, Src(OperandField.B), new(OperandKind.RootRounding, OperandField.M)]),
        Row(Opcode.Mulsh, Flow.Next, 6, "Overflow, Range (exact)", "a = b * c / 2^s over the 128-bit product, rounded by m; a quotient beyond 2^64-1 first, then a remainder in exact mode", [Dst, Src(OperandField.B), Src(OperandField.C), new(OperandKind.WideShift, OperandField.D), new(OperandKind.Rounding, OperandField.M)]),
        Row(Opcode.Divsh, Flow.Next, 6, Division, "a = b * 2^s / c, rounded by m; traps in the order of MULDIV", [Dst, Src(OperandField.B), Src(OperandField.C), new(OperandKind.WideShift, OperandField.D), new(OperandKind.Rounding, OperandField.M)]),
        Binary(Opcode.Absd, 1, "", "a = larger of b, c less the smaller"),

        // 128-bit pairs
        Row(Opcode.Dadd, Flow.Next, 2, Overflow, "pair a = b + c", [Dst2, Src2(OperandField.B), Src2(OperandField.C)]),
        Row(Opcode.Dsub, Flow.Next, 2, Overflow, "pair a = b - c; traps when c > b", [Dst2, Src2(OperandField.B), Src2(OperandField.C)]),
        Row(Opcode.Dmul, Flow.Next, 1, "", "pair a = cell b * cell c", [Dst2, Src(OperandField.B), Src(OperandField.C)]),
        Row(Opcode.Dmuld, Flow.Next, 5, Overflow, "pair a = b * c", [Dst2, Src2(OperandField.B), Src2(OperandField.C)]),
        Row(Opcode.Ddiv, Flow.Next, 20, "DivideByZero", "pair a = b / c, floor", [Dst2, Src2(OperandField.B), Src2(OperandField.C)]),
        Row(Opcode.DmulDiv, Flow.Next, 20, Division, "pair a = b * c / d over the 256-bit product, rounded by m; traps in the order of MULDIV", [Dst2, Src2(OperandField.B), Src2(OperandField.C), Src2(OperandField.D), new(OperandKind.Rounding, OperandField.M)]),
        Row(Opcode.Dsqrt, Flow.Next, 42, "", "cell a = square root of pair b, floor", [Dst, Src2(OperandField.B)]),
        Row(Opcode.Dlt, Flow.Next, 1, "", "cell a = b < c ? 1 : 0, unsigned", [Dst, Src2(OperandField.B), Src2(OperandField.C)]),
        Row(Opcode.Deq, Flow.Next, 1, "", "cell a = b = c ? 1 : 0", [Dst, Src2(OperandField.B), Src2(OperandField.C)]),
        Row(Opcode.Dnarrow, Flow.Next, 1, Overflow, "cell a = pair b; traps beyond 2^64-1", [Dst, Src2(OperandField.B)]),
        Row(Opcode.Qeq, Flow.Next, 2, "", "cell a = quad b = quad c ? 1 : 0", [Dst, Src4(OperandField.B), Src4(OperandField.C)]),

        // Goldilocks field, p = 2^64 - 2^32 + 1: a cell of kind felt holds a number below p, which the verifier follows
        Row(Opcode.Fadd, Flow.Next, 1, "", "felt a = b + c modulo p", [Felt, FeltSrc(OperandField.B), FeltSrc(OperandField.C)]),
        Row(Opcode.Fsub, Flow.Next, 1, "", "felt a = b - c modulo p", [Felt, FeltSrc(OperandField.B), FeltSrc(OperandField.C)]),
        Row(Opcode.Fmul, Flow.Next, 3, "", "felt a = b * c modulo p", [Felt, FeltSrc(OperandField.B), FeltSrc(OperandField.C)]),
        Row(Opcode.Fneg, Flow.Next, 1, "", "felt a = -b modulo p", [Felt, FeltSrc(OperandField.B)]),
        Row(Opcode.Finv, Flow.Next, 190, "DivideByZero", "felt a = 1 / b modulo p", [Felt, FeltSrc(OperandField.B)]),
        Row(Opcode.Fred, Flow.Next, 1, "", "felt a = word b modulo p", [Felt, Src(OperandField.B)]),
        Row(Opcode.Feq, Flow.Next, 1, "", "a = felt b = felt c ? 1 : 0", [Dst, FeltSrc(OperandField.B), FeltSrc(OperandField.C)]),

        // memory: address = cell b + imm; a cell beyond 2^32-1 is outside memory
        Load(Opcode.Ld1, 2, "a = the byte at b + imm"),
        Load(Opcode.Ld2, 2, "a = the 2 bytes at b + imm, little-endian, 2-aligned"),
        Load(Opcode.Ld4, 6, "a = the 4 bytes at b + imm, little-endian, 4-aligned"),
        Load(Opcode.Ld8, 6, "a = the 8 bytes at b + imm, little-endian, 8-aligned"),
        Store(Opcode.St1, "the byte at b + imm = a modulo 2^8"),
        Store(Opcode.St2, "the 2 bytes at b + imm = a modulo 2^16, 2-aligned"),
        Store(Opcode.St4, "the 4 bytes at b + imm = a modulo 2^32, 4-aligned"),
        Store(Opcode.St8, "the 8 bytes at b + imm = a, 8-aligned"),
        Row(Opcode.Ldq, Flow.Next, 8, Memory, "quad a = the 32 bytes at b + imm, word k = bytes 8k..8k+7 little-endian, 8-aligned", [Dst4, Src(OperandField.B), new(OperandKind.Unsigned, OperandField.Imm)]),
        Row(Opcode.Stq, Flow.Next, 5, Memory, "the 32 bytes at b + imm = quad a, 8-aligned", [Src4(OperandField.A), Src(OperandField.B), new(OperandKind.Unsigned, OperandField.Imm)]),
        Row(Opcode.Mcpy, Flow.Next, 5, "MemoryBound", "copy c bytes from address b to address a as if through a buffer", [Src(OperandField.A), Src(OperandField.B), Src(OperandField.C)], "+ per 32 bytes"),
        Row(Opcode.Mset, Flow.Next, 3, "MemoryBound", "fill c bytes at address a with b modulo 2^8", [Src(OperandField.A), Src(OperandField.B), Src(OperandField.C)], "+ per 32 bytes"),
        Row(Opcode.Mcmp, Flow.Next, 5, "MemoryBound", "compare d bytes at addresses b and c as unsigned bytes: a = 0 when equal, else 1 or -1 as the first that differs is larger or smaller at b", [Dst, Src(OperandField.B), Src(OperandField.C), Src(OperandField.D)], "+ per 32 bytes"),
        Row(Opcode.Mgrow, Flow.Next, 4, "Limit", "map b more zeroed pages; a = address of the first of them; traps beyond the entry's pages", [Dst, Src(OperandField.B)], "+ per page"),

        // state by slot: bytes beyond a record's length read as zeros
        Row(Opcode.Sld8, Flow.Next, 16, "", "a = the 8 bytes of the slot's record at off, little-endian", [Dst, Slot(OperandKind.ReadSlot), new(OperandKind.WordOffset, OperandField.High)]),
        Row(Opcode.Sst8, Flow.Next, 10, "", "the 8 bytes of the slot's record at off = a; creates the record and extends it with zeros when needed", [Slot(OperandKind.WriteSlot), new(OperandKind.WordOffset, OperandField.High), Src(OperandField.A)], "+ new record, + new bytes"),
        Row(Opcode.Sldq, Flow.Next, 28, "", "quad a = the 32 bytes of the slot's record at off", [Dst4, Slot(OperandKind.ReadSlot), new(OperandKind.QuadOffset, OperandField.High)]),
        Row(Opcode.Sstq, Flow.Next, 12, "", "the 32 bytes of the slot's record at off = quad a; creates and extends like SST8", [Slot(OperandKind.WriteSlot), new(OperandKind.QuadOffset, OperandField.High), Src4(OperandField.A)], "+ new record, + new bytes"),
        Row(Opcode.Sldx, Flow.Next, 9, "SlotBound", "a = the 8 bytes at off of the record of slot `array + b`; traps unless b is below the array's length", [Dst, Slot(OperandKind.ReadArray), new(OperandKind.ArrayLength, OperandField.C), Src(OperandField.B), new(OperandKind.WordOffset, OperandField.High)]),
        Row(Opcode.Sstx, Flow.Next, 12, "SlotBound", "the 8 bytes at off of the record of slot `array + b` = a; traps unless b is below the array's length; creates and extends like SST8", [Slot(OperandKind.WriteArray), new(OperandKind.ArrayLength, OperandField.C), Src(OperandField.B), new(OperandKind.WordOffset, OperandField.High), Src(OperandField.A)], "+ new record, + new bytes"),
        Row(Opcode.Sacc, Flow.Next, 4, "", "the slot's accumulator += pair b modulo 2^128; creates the record, or extends it to 16 bytes, when needed: whoever declares Add has paid for that, whether it is needed or not, and under a Write access it is charged like SST8", [Slot(OperandKind.AddSlot), new(OperandKind.AccumulatorOffset, OperandField.High), Src2(OperandField.B)], "+ new record, + new bytes (Write)"),
        Row(Opcode.Snew, Flow.Next, 16, "Schema", "create the slot's record with `length` zero bytes; traps when it exists", [Slot(OperandKind.WriteSlot), new(OperandKind.RecordLength, OperandField.High)], "+ new record, + new bytes"),
        Row(Opcode.Sdel, Flow.Next, 16, "Schema", "delete the slot's record; traps when there is none", [Slot(OperandKind.WriteSlot)]),
        Row(Opcode.Sexist, Flow.Next, 1, "", "a = the slot's record exists ? 1 : 0", [Dst, Slot(OperandKind.ReadSlot)]),
        Row(Opcode.Scpy, Flow.Next, 25, "MemoryBound, SlotBound", "copy c bytes between memory at address a and the record at offset b; direction 0 to memory, 1 to the record", [Src(OperandField.A), Src(OperandField.B), Src(OperandField.C), Slot(OperandKind.CopySlot), new(OperandKind.Direction, OperandField.High)], "+ per 32 bytes, + new record, + new bytes"),
        Row(Opcode.Skey, Flow.Next, 3, "", "quad a = the slot's local key", [Dst4, Slot(OperandKind.AnySlot)]),
        Row(Opcode.Slen, Flow.Next, 1, "", "a = length of the slot's record, 0 when there is none", [Dst, Slot(OperandKind.ReadSlot)]),
        Row(Opcode.Sown, Flow.Next, 3, "", "quad a = id of the program that owns the slot's key", [Dst4, Slot(OperandKind.AnySlot)]),

        // context, arguments, output
        Row(Opcode.Ctx, Flow.Next, 3, "", "a = a number of the context: 0 height, 1 time ms, 2 base fee, 3 fork, 4 slots, 5 argument bytes, 6 signers", [Dst, new(OperandKind.Context, OperandField.Imm)]),
        Row(Opcode.Caller, Flow.Next, 2, "", "quad a = the payer's public key; in a program called by another, the id of that program", [Dst4]),
        Row(Opcode.Self, Flow.Next, 2, "", "quad a = id of the running program", [Dst4]),
        Row(Opcode.Signer, Flow.Next, 2, "BadArgument", "quad a = public key of signer i, the payer is 0", [Dst4, new(OperandKind.Unsigned, OperandField.Imm)]),
        Row(Opcode.Arg, Flow.Next, 3, "BadArgument", "a = the 8 argument bytes at off, little-endian", [Dst, new(OperandKind.Unsigned, OperandField.Imm)]),
        Row(Opcode.Argq, Flow.Next, 5, "BadArgument", "quad a = the 32 argument bytes at off", [Dst4, new(OperandKind.Unsigned, OperandField.Imm)]),
        Row(Opcode.Argcpy, Flow.Next, 5, "BadArgument, MemoryBound", "copy c argument bytes from offset b to address a", [Src(OperandField.A), Src(OperandField.B), Src(OperandField.C)], "+ per 32 bytes"),
        Row(Opcode.Chain, Flow.Next, 2, "", "quad a = the chain id", [Dst4]),
        Row(Opcode.Emit, Flow.Next, 7, "Limit, MemoryBound", "append an event of schema imm with the b bytes at address a", [new(OperandKind.Unsigned, OperandField.Imm), Src(OperandField.A), Src(OperandField.B)], "+ per 32 bytes"),
        Row(Opcode.Retd, Flow.Next, 5, "Limit, MemoryBound", "the return data are the b bytes at address a; the last RETD counts", [Src(OperandField.A), Src(OperandField.B)], "+ per 32 bytes"),

        // hashes
        Row(Opcode.Keccak, Flow.Next, 260, "MemoryBound", "quad a = Keccak-256 of the c bytes at address b", [Dst4, Src(OperandField.B), Src(OperandField.C)], HashPrice),
        Row(Opcode.Sha256, Flow.Next, 45, "MemoryBound", "quad a = SHA-256 of the c bytes at address b", [Dst4, Src(OperandField.B), Src(OperandField.C)], HashPrice),
        Row(Opcode.Blake3, Flow.Next, 100, "MemoryBound", "quad a = BLAKE3 of the c bytes at address b", [Dst4, Src(OperandField.B), Src(OperandField.C)], HashPrice),

        Row(Opcode.Pos2, Flow.Next, 750, "", "felt quad a = Poseidon2 compression of the felt quads b and c: the first four elements of the permutation of both", [new(OperandKind.DestFeltQuad, OperandField.A), new(OperandKind.SourceFeltQuad, OperandField.B), new(OperandKind.SourceFeltQuad, OperandField.C)]),
        Row(Opcode.Pos2p, Flow.Next, 750, "", "Poseidon2 permutation of width 8 of the felts a..a+7, in place", [new(OperandKind.UpdateFelts, OperandField.A)]),
        Row(Opcode.Edver, Flow.Next, 25_000, "MemoryBound", "a = the 128 bytes at address b, public key (32) | signature (64) | message (32), are a valid Ed25519 signature under ZIP-215 ? 1 : 0", [Dst, Src(OperandField.B)]),

        // misc
        Row(Opcode.Stale, Flow.Next, 1, "Stale", "trap unless a = b: a witnessed argument no longer matches", [Src(OperandField.A), Src(OperandField.B)]),
        Row(Opcode.Nop, Flow.Next, 1, "", "nothing", []),
    ];

    private static readonly OpcodeInfo?[] ByByte = IndexByByte();
    private static readonly Dictionary<string, OpcodeInfo> ByName = IndexByName();

    /// <summary>All rows, ascending by byte.</summary>
    public static ReadOnlySpan<OpcodeInfo> All => Rows;

    /// <summary>Second names: MULPERCENT and MULBPS are MULSCALE by 10^2 and 10^4.</summary>
    public static IReadOnlyList<OpcodeAlias> Aliases { get; } =
    [
        new("MULPERCENT", Opcode.MulScale, 3, 2),
        new("MULBPS", Opcode.MulScale, 3, 4),
    ];

    /// <summary>The row of a byte, or null when the byte is no opcode in this fork.</summary>
    public static OpcodeInfo? Find(byte opcode) => ByByte[opcode];

    /// <summary>The row of an opcode.</summary>
    public static OpcodeInfo Get(Opcode opcode) => ByByte[(byte)opcode]!;

    /// <summary>The row of a mnemonic in capitals (aliases are not rows).</summary>
    public static bool TryFind(string mnemonic, [NotNullWhen(true)] out OpcodeInfo? info) => ByName.TryGetValue(mnemonic, out info);

    private static Operand Target => new(OperandKind.Target, OperandField.Imm);

    private static Operand Dst => new(OperandKind.Dest, OperandField.A);

    private static Operand Dst2 => new(OperandKind.DestPair, OperandField.A);

    private static Operand Dst4 => new(OperandKind.DestQuad, OperandField.A);

    private static Operand Felt => new(OperandKind.DestFelt, OperandField.A);

    private static Operand FeltSrc(OperandField field) => new(OperandKind.SourceFelt, field);

    private static Operand Src(OperandField field) => new(OperandKind.Source, field);

    private static Operand Src2(OperandField field) => new(OperandKind.SourcePair, field);

    private static Operand Src4(OperandField field) => new(OperandKind.SourceQuad, field);

    private static Operand Slot(OperandKind kind) => new(kind, OperandField.Low);

    private static OpcodeInfo Row(Opcode opcode, Flow flow, uint gas, string traps, string law, Operand[] operands, string variable = "") =>
        new(opcode, opcode.ToString().ToUpperInvariant(), flow, gas, variable, traps, law, operands);

    private static OpcodeInfo Binary(Opcode opcode, uint gas, string traps, string law) =>
        Row(opcode, Flow.Next, gas, traps, law, [Dst, Src(OperandField.B), Src(OperandField.C)]);

    private static OpcodeInfo Unary(Opcode opcode, uint gas, string traps, string law) =>
        Row(opcode, Flow.Next, gas, traps, law, [Dst, Src(OperandField.B)]);

    private static OpcodeInfo Immediate(Opcode opcode, string traps, string law) =>
        Row(opcode, Flow.Next, 1, traps, law, [Dst, Src(OperandField.B), new(OperandKind.Unsigned, OperandField.Imm)]);

    private static OpcodeInfo Load(Opcode opcode, uint gas, string law) =>
        Row(opcode, Flow.Next, gas, Memory, law, [Dst, Src(OperandField.B), new(OperandKind.Unsigned, OperandField.Imm)]);

    private static OpcodeInfo Store(Opcode opcode, string law) =>
        Row(opcode, Flow.Next, 2, Memory, law, [Src(OperandField.A), Src(OperandField.B), new(OperandKind.Unsigned, OperandField.Imm)]);

    private static OpcodeInfo?[] IndexByByte()
    {
        OpcodeInfo?[] byByte = new OpcodeInfo?[256];
        Array.Sort(Rows, static (x, y) => x.Opcode.CompareTo(y.Opcode));
        foreach (OpcodeInfo row in Rows)
        {
            byByte[(byte)row.Opcode] = row;
        }

        return byByte;
    }

    private static Dictionary<string, OpcodeInfo> IndexByName()
    {
        Dictionary<string, OpcodeInfo> byName = new(StringComparer.Ordinal);
        foreach (OpcodeInfo row in Rows)
        {
            byName.Add(row.Mnemonic, row);
        }

        return byName;
    }
}
