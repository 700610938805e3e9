// Every instruction that is more than a few machine instructions, once, for all engines. One shape:
//
//   TrapCode Name(Machine machine, ulong* f, ulong word)        Name is the member of Opcode
//
// f is the first cell of the frame; operands are read from the word. Before the call the engine leaves its gas in machine.Gas and every
// cell that the instruction reads in the frame; after it, gas, Heap and Mapped of the machine are what counts. A trap's code may be a
// revert's: a called program's end is its caller's. A method whose row has no variable charge touches neither gas nor memory map.
//
// Threading: the machine's.   Cost: at each; variable charges are taken before the work is done.

using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor;

/// <summary>The instructions that are not simple.</summary>
internal static unsafe partial class Operations
{
    /// <summary>The operation of an opcode byte; null when an engine does the instruction by itself.</summary>
    public static readonly delegate*<Machine, ulong*, ulong, TrapCode>[] Table = Build();

    /// <summary>Is there an operation for this opcode?</summary>
    public static bool Has(Opcode opcode) => Table[(byte)opcode] != null;

    private static int A(ulong w) => (byte)(w >> 8);

    private static int B(ulong w) => (byte)(w >> 16);

    private static int C(ulong w) => (byte)(w >> 24);

    private static int D(ulong w) => (byte)(w >> 32);

    private static int M(ulong w) => (byte)(w >> 40);

    private static uint Imm(ulong w) => (uint)(w >> 32);

    private static int Low(ulong w) => (ushort)(w >> 32);

    private static int High(ulong w) => (int)(w >> 48);

    private static delegate*<Machine, ulong*, ulong, TrapCode>[] Build()
    {
        delegate*<Machine, ulong*, ulong, TrapCode>[] table = new delegate*<Machine, ulong*, ulong, TrapCode>[256];
        table[(byte)Opcode.MulDiv] = &MulDiv;
        table[(byte)Opcode.MulScale] = &MulScale;
        table[(byte)Opcode.Sqrt] = &Sqrt;
        table[(byte)Opcode.Mulsh] = &Mulsh;
        table[(byte)Opcode.Divsh] = &Divsh;
        table[(byte)Opcode.Dmuld] = &Dmuld;
        table[(byte)Opcode.Ddiv] = &Ddiv;
        table[(byte)Opcode.DmulDiv] = &DmulDiv;
        table[(byte)Opcode.Dsqrt] = &Dsqrt;
        table[(byte)Opcode.Fmul] = &Fmul;
        table[(byte)Opcode.Finv] = &Finv;
        table[(byte)Opcode.Ld1] = &Ld1;
        table[(byte)Opcode.Ld2] = &Ld2;
        table[(byte)Opcode.Ld4] = &Ld4;
        table[(byte)Opcode.Ld8] = &Ld8;
        table[(byte)Opcode.Ldq] = &Ldq;
        table[(byte)Opcode.St1] = &St1;
        table[(byte)Opcode.St2] = &St2;
        table[(byte)Opcode.St4] = &St4;
        table[(byte)Opcode.St8] = &St8;
        table[(byte)Opcode.Stq] = &Stq;
        table[(byte)Opcode.Mcpy] = &Mcpy;
        table[(byte)Opcode.Mset] = &Mset;
        table[(byte)Opcode.Mcmp] = &Mcmp;
        table[(byte)Opcode.Mgrow] = &Mgrow;
        table[(byte)Opcode.Sld8] = &Sld8;
        table[(byte)Opcode.Sst8] = &Sst8;
        table[(byte)Opcode.Sldq] = &Sldq;
        table[(byte)Opcode.Sstq] = &Sstq;
        table[(byte)Opcode.Sldx] = &Sldx;
        table[(byte)Opcode.Sstx] = &Sstx;
        table[(byte)Opcode.Sacc] = &Sacc;
        table[(byte)Opcode.Snew] = &Snew;
        table[(byte)Opcode.Sdel] = &Sdel;
        table[(byte)Opcode.Sexist] = &Sexist;
        table[(byte)Opcode.Scpy] = &Scpy;
        table[(byte)Opcode.Skey] = &Skey;
        table[(byte)Opcode.Slen] = &Slen;
        table[(byte)Opcode.Sown] = &Sown;
        table[(byte)Opcode.Ctx] = &Ctx;
        table[(byte)Opcode.Caller] = &Caller;
        table[(byte)Opcode.Self] = &Self;
        table[(byte)Opcode.Signer] = &Signer;
        table[(byte)Opcode.Arg] = &Arg;
        table[(byte)Opcode.Argq] = &Argq;
        table[(byte)Opcode.Argcpy] = &Argcpy;
        table[(byte)Opcode.Chain] = &Chain;
        table[(byte)Opcode.Emit] = &Emit;
        table[(byte)Opcode.Retd] = &Retd;
        table[(byte)Opcode.Keccak] = &Keccak;
        table[(byte)Opcode.Sha256] = &Sha256;
        table[(byte)Opcode.Blake3] = &Blake3;
        table[(byte)Opcode.Pos2] = &Pos2;
        table[(byte)Opcode.Pos2p] = &Pos2p;
        table[(byte)Opcode.Edver] = &Edver;
        table[(byte)Opcode.Xcall] = &Xcall;
        return table;
    }
}
