// Containers whose control flow is as bad as the rules allow: what a verifier that is not linear would choke on. All are
// accepted but for the last, which is refused in its very last function, so that everything before it has been checked.
//
//   ladder        every instruction a branch forward: every instruction a leader and a join
//   farJoin       every instruction a branch to the same last one
//   assignments   each join meets another set of defined cells
//   loops         loops six deep, one after another
//   backBranches  thousands of branches back to one header
//   calls         1,024 functions in 16 layers, each calling the next layer all over, each with slots of its own
//   entries       64 entries over one graph of calls and slots
//   lateRefusal   the ladder, and a loop that overlaps another at the end
//
// Deterministic: no draw.   Cost: O(instructions).   Threading: pure.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Toolchain;

/// <summary>Containers that are hard to verify.</summary>
public static class AdversarialPrograms
{
    private const int Layers = 16;

    /// <summary>The whole corpus at one size.</summary>
    /// <param name="instructions">Instructions of each container, [1024, 65536].</param>
    public static IReadOnlyList<(string Name, byte[] Container)> Corpus(int instructions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(instructions, 1024);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(instructions, Container.MaxInstructions);
        return
        [
            ("ladder", Build(instructions, Ladder)),
            ("farJoin", Build(instructions, static code => FillBranches(code, static (at, last) => last))),
            ("assignments", Build(instructions, Assignments)),
            ("loops", Build(instructions, Loops)),
            ("backBranches", Build(instructions, BackBranches)),
            ("calls", Calls(instructions, entries: 1)),
            ("entries", Calls(instructions, Container.MaxEntries)),
            ("lateRefusal", LateRefusal(instructions)),
        ];
    }

    private static ulong Word(Opcode opcode, int a = 0, int b = 0, int imm = 0) =>
        (byte)opcode | ((ulong)a << 8) | ((ulong)b << 16) | ((ulong)(uint)imm << 32);

    private static byte[] Build(int instructions, Action<ulong[]> fill) => Encode(Functions(instructions, fill));

    private static List<ulong[]> Functions(int instructions, Action<ulong[]> fill)
    {
        List<ulong[]> functions = [];
        for (int left = instructions; left > 0; left -= functions[^1].Length)
        {
            ulong[] code = new ulong[Math.Min(left, Container.MaxFunctionLength)];
            fill(code);
            functions.Add(code);
        }

        return functions;
    }

    private static byte[] Encode(List<ulong[]> functions, int entries = 1, int slots = 0)
    {
        AccessMode[] modes = new AccessMode[slots];
        Array.Fill(modes, AccessMode.Write);
        List<ulong> code = [];
        functions.ForEach(code.AddRange);
        ContainerEntry[] rows = new ContainerEntry[entries];
        for (int i = 0; i < entries; i++)
        {
            rows[i] = new ContainerEntry((uint)i, 0, 0, modes);
        }

        return new Container
        {
            Code = [.. code],
            Functions = [.. functions.ConvertAll(static words => new FunctionHeader(Container.MaxCells, 0, 0, (ushort)words.Length))],
            Entries = rows,
        }.Encode();
    }

    private static void FillBranches(ulong[] code, Func<int, int, int> target)
    {
        int last = code.Length - 1;
        code[0] = Word(Opcode.Ldi);
        for (int at = 1; at < last; at++)
        {
            code[at] = Word(Opcode.Jnz, imm: target(at, last));
        }

        code[last] = Word(Opcode.Ret);
    }

    // strides that differ from one to the next, so that branches cross in every way
    private static void Ladder(ulong[] code) => FillBranches(code, static (at, last) => Math.Min(last, at + 1 + (at * 7919 % 1021)));

    private static void Assignments(ulong[] code)
    {
        Ladder(code);
        for (int at = 1; at < code.Length - 1; at += 2)
        {
            code[at] = Word(Opcode.Ldi, 1 + (at / 2 % (Container.MaxCells - 1)), imm: at);
        }
    }

    private static void Loops(ulong[] code)
    {
        const int Depth = VerifierLimits.MaxLoopDepth;
        Array.Fill(code, Word(Opcode.Nop));
        code[0] = Word(Opcode.Ldi);
        for (int at = 1; at + (2 * Depth) < code.Length; at += 2 * Depth)
        {
            for (int i = 0; i < Depth; i++)
            {
                code[at + i] = Word(Opcode.Loop, 1);
                code[at + (2 * Depth) - 1 - i] = Word(Opcode.Jnz, imm: at + i);
            }
        }

        code[^1] = Word(Opcode.Ret);
    }

    private static void BackBranches(ulong[] code)
    {
        FillBranches(code, static (_, _) => 1);
        code[1] = Word(Opcode.Loop, 1);
    }

    // function f of layer n calls functions of layer n + 1, never the same one twice in a row
    private static byte[] Calls(int instructions, int entries)
    {
        int perFunction = instructions / Container.MaxFunctions;
        int perLayer = Container.MaxFunctions / Layers;
        int slots = VerifierLimits.Default.MaxSlots;
        List<ulong[]> functions = [];
        for (int function = 0; function < Container.MaxFunctions; function++)
        {
            ulong[] code = new ulong[Math.Max(2, perFunction)];
            int layer = function / perLayer;
            code[0] = Word(Opcode.Sexist, imm: function % slots);
            for (int at = 1; at < code.Length - 1; at++)
            {
                int callee = ((layer + 1) * perLayer) + ((function + (at * 31)) % perLayer);
                code[at] = layer == Layers - 1 ? Word(Opcode.Sexist, imm: at % slots) : Word(Opcode.Call, 1, imm: callee);
            }

            code[^1] = Word(Opcode.Ret);
            functions.Add(code);
        }

        return Encode(functions, entries, slots);
    }

    private static byte[] LateRefusal(int instructions)
    {
        List<ulong[]> functions = Functions(instructions - 6, Ladder);
        functions.Add(
        [
            Word(Opcode.Ldi), Word(Opcode.Loop, 1), Word(Opcode.Loop, 1), Word(Opcode.Jnz, imm: 1), Word(Opcode.Jnz, imm: 2), Word(Opcode.Ret),
        ]);
        return Encode(functions);
    }
}
