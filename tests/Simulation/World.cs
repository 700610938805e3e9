// The simulated chain's accounts and programs, and what its users do: transfers, swaps, counters, programs that they publish, deploy,
// upgrade, freeze and call, and mistakes of every kind. Users do not look at the state, so many of these come too early, too
// late, or from the wrong hand.

using System;
using System.Collections.Generic;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Simulation;

internal sealed class World
{
    public const ulong StartMs = 1_700_000_000_000;

    private const int AccountCount = 12;
    private static readonly ProgramId Amm = new(new Bytes32(0, 0, 0, 0x101));
    private static readonly ProgramId Counter = new(new Bytes32(0, 0, 0, 0x102));
    private static readonly Bytes32 AssetA = new(1, 1, 1, 1);
    private static readonly Bytes32 AssetB = new(2, 2, 2, 2);

    // programs that differ in what one call adds, so that whoever runs the wrong one gets another root
    private static readonly byte[][] Steppers = [Stepper(3), Stepper(5), Stepper(7)];
    private static readonly byte[] NoProgram = [1, 2, 3];
    private const int DeployerCount = 3;

    private readonly SigningKey[] _accounts = new SigningKey[AccountCount];
    private readonly LocalKey _pool = AmmLayout.PoolKey(AssetA, AssetB);

    public World(ulong seed)
    {
        List<GenesisBalance> balances = [];
        List<GenesisRecord> records = [];
        for (int i = 0; i < AccountCount; i++)
        {
            _accounts[i] = new SigningKey(new Bytes32(seed, (ulong)i, 3, 4));
            // the last account is nearly broke, so that reservations fail too
            balances.Add(new GenesisBalance(_accounts[i].PublicKey, i == AccountCount - 1 ? 900_000u : 2_000_000_000_000u));
            records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(_accounts[i].PublicKey, AssetA), BalanceRecord.Encode(1_000_000)));
            records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(_accounts[i].PublicKey, AssetB), BalanceRecord.Encode(1_000_000)));
        }

        records.Add(new GenesisRecord(Amm, _pool, new PoolRecord(AssetA, AssetB, 0, 0, 0, 30).Encode()));
        GenesisSpec spec = new()
        {
            Name = $"simulation {seed}",
            TimestampMs = StartMs,
            BaseFee = 1,
            Treasury = _accounts[0].PublicKey,
            Programs =
            [
                new GenesisProgram(ProgramId.Native, ReferencePrograms.Token),
                new GenesisProgram(Amm, ReferencePrograms.Amm),
                new GenesisProgram(Counter, ReferencePrograms.Counter),
            ],
            Records = records,
            Balances = balances,
        };
        Genesis = Genesis.TryCreate(spec, out Genesis? genesis, out Refusal refusal)
            ? genesis
            : throw new InvariantException(refusal.ToString());
    }

    public Genesis Genesis { get; }

    /// <summary>Whether the program was there from the start.</summary>
    public static bool IsOfGenesis(ProgramId program) => program == ProgramId.Native || program == Amm || program == Counter;

    /// <summary>A signed transaction; about a third of them fail when they run, and some are refused before.</summary>
    public byte[] NextTransaction(SeededRandom random, ulong nowMs)
    {
        if (random.Chance(1, 4))
        {
            return NextOfPrograms(random, nowMs);
        }

        SigningKey sender = _accounts[random.Next(AccountCount)];
        SigningKey other = _accounts[random.Next(AccountCount)];
        (ProgramId program, ProgramCall call) = random.Next(6) switch
        {
            0 or 1 => (ProgramId.Native, TokenCalls.Transfer(sender.PublicKey, other.PublicKey, AmountOf(random))),
            2 => (Amm, AmmCalls.Swap(
                sender.PublicKey, _pool, AssetA, AssetB, (ulong)random.Next(5000), (ulong)random.Next(3000), (SwapDirection)random.Next(2))),
            3 => (Amm, AmmCalls.AddLiquidity(sender.PublicKey, _pool, AssetA, AssetB, (ulong)random.Next(20_000), (ulong)random.Next(20_000), 0)),
            4 => (Amm, AmmCalls.RemoveLiquidity(sender.PublicKey, _pool, AssetA, AssetB, (ulong)random.Next(9_000), 0, 0)),
            _ => (Counter, random.Chance(1, 2) ? CounterCalls.Increment(_pool) : CounterCalls.IncrementAdd(_pool)),
        };
        TransactionBuilder builder = Priced(random, nowMs);
        builder.Call(program, call.Selector, call.Arguments);
        foreach (SlotBinding slot in call.Slots)
        {
            // now and then a mode that is too weak: the touch is undeclared and the receipt says so
            builder.Slot(program, slot.Key, random.Chance(1, 25) ? AccessLists.AccessMode.Read : slot.Mode);
        }

        return builder.Sign(sender).Bytes.ToArray();
    }

    // A few deployers and salts, so that one's deployments, upgrades and calls meet.
    private byte[] NextOfPrograms(SeededRandom random, ulong nowMs)
    {
        SigningKey owner = _accounts[random.Next(DeployerCount)];
        SigningKey sender = random.Chance(1, 10) ? _accounts[random.Next(AccountCount)] : owner;
        Bytes32 salt = new(0, 0, 0, (ulong)random.Next(2));
        ProgramId program = ProgramRecord.IdOf(owner.PublicKey, salt);
        byte[] code = random.Chance(1, 20) ? NoProgram : Steppers[random.Next(Steppers.Length)];
        TransactionBuilder builder = Priced(random, nowMs);
        builder = random.Next(16) switch
        {
            0 or 1 => SystemCalls.Publish(builder, code, 0),
            2 or 3 => SystemCalls.Deploy(builder, sender.PublicKey, salt, sender.PublicKey, code),
            4 or 5 or 6 => SystemCalls.Upgrade(builder, program, Blake3.Hash(Steppers[random.Next(Steppers.Length)]), code),
            7 => SystemCalls.SetAuthority(builder, program, _accounts[random.Next(DeployerCount)].PublicKey),
            8 when random.Chance(1, 10) => SystemCalls.Freeze(builder, program),
            _ => builder.Call(program, CounterCalls.IncrementSelector, []).Slot(program, _pool, AccessLists.AccessMode.Write),
        };
        return builder.Sign(sender).Bytes.ToArray();
    }

    private TransactionBuilder Priced(SeededRandom random, ulong nowMs) => new(Genesis.ChainId)
    {
        ExpiryMs = nowMs + 1 + (ulong)random.Next(50_000),
        GasLimit = random.Chance(1, 6) ? (ulong)(25_000 + random.Next(5_000)) : 200_000,
        MaxPrice = 1 + (ulong)random.Next(4),
        Tip = (ulong)random.Next(3),
    };

    private static byte[] Stepper(int step) =>
        Assembler.TryAssemble(
            $".entry main selector {CounterCalls.IncrementSelector}\n.slot counter Write\n.func main cells 2\n sld8 r0, counter, 0\n ldi r1, {step}\n"
            + " add r0, r0, r1\n sst8 counter, 0, r0\n ldi r1, 0\n sst8 counter, 8, r1\n halt\n",
            out byte[] container,
            out Refusal refusal)
            ? container
            : throw new InvariantException(refusal.ToString());

    private static UInt128 AmountOf(SeededRandom random) =>
        random.Chance(1, 8) ? (UInt128)random.NextU64() << 32 : (UInt128)random.Next(1_000_000);
}
