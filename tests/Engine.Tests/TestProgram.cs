// The program of the engine's tests: small entries that between them read, write, add, create, delete, loop, emit,
// and fail in every way. Slots are data-dependent, so a transaction that ran too early leaves other bytes.

using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Engine.Tests;

internal static class TestProgram
{
    public const uint Mix = 1;
    public const uint Create = 2;
    public const uint Delete = 3;
    public const uint Pay = 4;
    public const uint Move = 5;
    public const uint Tell = 6;
    public const uint AddTwice = 7;
    public const uint Divide = 8;
    public const uint Refuse = 9;
    public const uint Last = 9;

    public static VerifiedProgram Verified { get; } = Verify();

    public static AccessMode[] SlotModes(uint selector) => Verified.Entries[Verified.FindEntry(selector)].SlotModes;

    private static VerifiedProgram Verify()
    {
        Assert.True(Assembler.TryAssemble(Source, out byte[] container, out Refusal refusal), refusal.ToString());
        Assert.True(Verifier.TryVerify(container, VerifierLimits.Default, out VerifiedProgram? program, out refusal), refusal.ToString());
        return program!;
    }

    private const string Source = """
        .entry mix selector 1
        .slot a Write
        .slot b Write
        .slot c Read
        .slot d Add
        .entry create selector 2
        .slot a Write
        .entry delete selector 3
        .slot a Write
        .entry pay selector 4
        .slot from Write
        .slot to Add
        .entry move selector 5
        .slot from Write
        .slot into Write
        .entry tell selector 6 pages 1
        .slot x Read
        .slot y Read
        .entry add_twice selector 7
        .slot p Add
        .slot q Add
        .entry divide selector 8
        .slot a Write
        .slot x Read
        .entry refuse selector 9
        .slot a Write
        .slot p Add

        ; a = a * 5 + c + 1, b = a xor b, n rounds; d += c's low bits; refuses some values after writing
        .func mix cells 16
            arg r0, 0
            sld8 r1, mix.a, 0
            sld8 r2, mix.b, 8
            sld8 r3, mix.c, 0
            ldi r4, 5
            ldi r5, 1
            ldi r6, 0
        again:
            loop 7
            jge r6, r0, done
            wmul r1, r1, r4
            wadd r1, r1, r3
            wadd r1, r1, r5
            xor r2, r2, r1
            wadd r6, r6, r5
            jmp again
        done:
            sst8 mix.a, 0, r1
            sst8 mix.b, 8, r2
            ldi r8, 4095
            and r8, r3, r8
            ldi r9, 0
            wadd r8, r8, r5
            sacc mix.d, 0, r8
            arg r10, 8
            and r11, r1, r10
            jnz r11, no
            halt
        no:
            abort r11

        .func create cells 4
            arg r0, 0
            snew create.a, 24
            sst8 create.a, 16, r0
            halt

        .func delete cells 1
            sdel delete.a
            halt

        .func pay cells 8
            arg r0, 0
            arg r1, 8
            sld8 r2, pay.from, 0
            sld8 r3, pay.from, 8
            dsub r2, r2, r0
            sst8 pay.from, 0, r2
            sst8 pay.from, 8, r3
            sacc pay.to, 0, r0
            halt

        ; read both only after the first was written, so that one record behind both slots is right too
        .func move cells 8
            arg r0, 0
            arg r1, 8
            sld8 r2, move.from, 0
            sld8 r3, move.from, 8
            dsub r2, r2, r0
            sst8 move.from, 0, r2
            sst8 move.from, 8, r3
            sld8 r2, into, 0
            sld8 r3, into, 8
            dadd r2, r2, r0
            sst8 into, 0, r2
            sst8 into, 8, r3
            halt

        .func tell cells 8
            ldi r0, 1
            mgrow r1, r0
            sld8 r2, tell.x, 0
            st8 r2, [r1 + 0]
            sld8 r2, y, 8
            st8 r2, [r1 + 8]
            sexist r2, tell.x
            st8 r2, [r1 + 16]
            ldi r3, 24
            emit 7, r1, r3
            arg r4, 0
            retd r1, r4
            halt

        .func add_twice cells 4
            arg r0, 0
            ldi r1, 0
            sacc add_twice.p, 0, r0
            sacc q, 0, r0
            halt

        .func divide cells 4
            sld8 r0, divide.x, 0
            arg r1, 0
            sst8 divide.a, 0, r1
            div r1, r1, r0
            sst8 divide.a, 8, r1
            halt

        .func refuse cells 4
            arg r0, 0
            ldi r1, 0
            sst8 refuse.a, 0, r0
            sacc refuse.p, 0, r0
            abort r0
        """;
}
