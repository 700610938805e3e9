// Bytes that claim to be containers: noise, noise behind a valid header, well-formed sections with senseless code, and valid
// programs with a few fields or bytes changed.
//
// Threading: pure; everything is drawn from the generator handed in.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Executor.Oracle;

internal static class HostileContainers
{
    /// <summary>Bytes that nobody made by construction.</summary>
    public static byte[] Noise(SeededRandom random)
    {
        int kind = random.Next(4);
        if (kind >= 2)
        {
            return Senseless(random).Encode();
        }

        byte[] bytes = new byte[random.Next(200)];
        random.Fill(bytes);
        byte[] header = [(byte)'P', (byte)'V', (byte)'X', (byte)'1', 1, 0, 0, 0, 3, 3, 5, 0, 0, 0];
        if (kind == 1 && bytes.Length > header.Length)
        {
            header.CopyTo(bytes, 0);
        }

        return bytes;
    }

    /// <summary>A valid program with one to three fields of words changed, or with damaged bytes.</summary>
    public static byte[] Mutant(SeededRandom random)
    {
        Container container = ProgramGenerator.Make(random, random.Chance(1, 2));
        int changes = 1 + random.Next(3);
        if (random.Chance(1, 2))
        {
            for (int i = 0; i < changes; i++)
            {
                ref ulong word = ref container.Code[random.Next(container.Code.Length)];
                int field = 8 * random.Next(8);
                word = (word & ~(0xFFUL << field)) | ((ulong)random.Next(random.Chance(1, 2) ? 256 : 40) << field);
            }

            return container.Encode();
        }

        byte[] bytes = container.Encode();
        for (int i = 0; i < changes; i++)
        {
            int at = random.Chance(1, 2) ? random.Next(bytes.Length) : bytes.Length - 1 - random.Next(Math.Min(40, bytes.Length));
            bytes[at] = (byte)random.Next(random.Chance(1, 2) ? 256 : 8);
        }

        return bytes;
    }

    // every word decodes, but operands, control flow and cells are as they fall; half of them have a frame, a beginning and
    // an end that give the rest a chance
    private static Container Senseless(SeededRandom random)
    {
        bool isKind = random.Chance(1, 2);
        FunctionHeader[] functions = new FunctionHeader[1 + random.Next(3)];
        int length = 0;
        for (int i = 0; i < functions.Length; i++)
        {
            ushort own = (ushort)(1 + random.Next(6));
            functions[i] = new FunctionHeader((byte)(isKind ? 24 : random.Next(24)), (byte)(isKind ? 0 : random.Next(2)), (byte)random.Next(2), own);
            length += own;
        }

        ulong[] code = new ulong[length];
        for (int i = 0; i < length; i++)
        {
            OpcodeInfo info = OpcodeTable.All[random.Next(OpcodeTable.All.Length)];
            code[i] = (byte)info.Opcode;
            foreach (Operand operand in info.Operands)
            {
                code[i] = operand.Write(code[i], random.Chance(1, 30) ? (uint)random.NextU64() : (uint)random.Next(random.Chance(1, 2) ? 3 : 9));
            }
        }

        int start = 0;
        foreach (FunctionHeader function in functions)
        {
            if (isKind)
            {
                code[start] = Words.Op(Opcode.Ldi, (uint)random.Next(3), 0x100_0000);
                code[start + function.Length - 1] = Words.Op(Opcode.Ret);
            }

            start += function.Length;
        }

        AccessMode[] modes = new AccessMode[isKind ? 9 : random.Next(6)];
        for (int i = 0; i < modes.Length; i++)
        {
            modes[i] = isKind ? AccessMode.Write : (AccessMode)random.Next(3);
        }

        return new Container
        {
            Constants = random.Chance(1, 2) ? [random.NextU64()] : [],
            Functions = functions,
            Code = code,
            Entries = [new ContainerEntry(1, (ushort)(isKind ? 0 : random.Next(2)), (ushort)random.Next(3), modes)],
        };
    }
}
