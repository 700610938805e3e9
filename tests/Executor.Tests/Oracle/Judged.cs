// Opcodes that the third evaluator and the generator know. A row that is not judged yet has its own law test (NewOpcodeTests).

using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor.Oracle;

internal static class Judged
{
    /// <summary>Is the opcode drawn and judged?</summary>
    public static bool Knows(Opcode opcode) => opcode is not (Opcode.Switch or Opcode.Xcall or Opcode.Mulsh or Opcode.Divsh
        or (>= Opcode.Fadd and <= Opcode.Feq) or Opcode.Mcmp or Opcode.Sldx or Opcode.Sstx or Opcode.Pos2 or Opcode.Pos2p or Opcode.Edver);

    /// <summary>How many they are.</summary>
    public static int Count
    {
        get
        {
            int count = 0;
            foreach (OpcodeInfo info in OpcodeTable.All)
            {
                count += Knows(info.Opcode) ? 1 : 0;
            }

            return count;
        }
    }
}
