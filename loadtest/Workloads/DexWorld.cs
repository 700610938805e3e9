// The chain that every load runs on, as a function of the seed: accounts, a token, sixteen pools, and the genesis that
// puts them there. Two processes with one seed agree on the chain id, so a data folder needs to remember the seed only.
//
//   asset 0 --pool 0-- asset 1        every pool trades asset 0 against an asset of its own
//           --pool 1-- asset 2 ...    every account holds all assets in the pool program's vault
//
// Threading: immutable.   Cost: one key derivation per account, about 0.1 ms each.

using System;
using System.Collections.Generic;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Primitives.State;
using ParallelVm.Toolchain;

namespace ParallelVm.Loadtest.Workloads;

/// <summary>Accounts, pools and genesis of a load.</summary>
internal sealed class DexWorld
{
    /// <summary>Accounts that send and receive.</summary>
    public const int AccountCount = 512;

    /// <summary>Pools.</summary>
    public const int PoolCount = 16;

    /// <summary>Time of block 0; the load's chain has its own clock, which starts here.</summary>
    public const ulong GenesisTimeMs = 1_700_000_000_000;

    private const ulong BaseFee = 10;
    private const ulong Plenty = 1_000_000_000_000_000;

    private const string AccountContext = "ParallelVm 2026-11 v1 loadtest account";
    private const string AssetContext = "ParallelVm 2026-11 v1 loadtest asset";

    private readonly SigningKey[] _accounts = new SigningKey[AccountCount];
    private readonly Bytes32[] _assets = new Bytes32[PoolCount + 1];
    private readonly LocalKey[] _pools = new LocalKey[PoolCount];

    /// <summary>Makes the world of a seed.</summary>
    public DexWorld(ulong seed)
    {
        Seed = seed;
        for (int i = 0; i < _accounts.Length; i++)
        {
            _accounts[i] = new SigningKey(Derive(AccountContext, seed, i));
        }

        for (int i = 0; i < _assets.Length; i++)
        {
            _assets[i] = Derive(AssetContext, 0, i);
        }

        for (int i = 0; i < _pools.Length; i++)
        {
            _pools[i] = AmmLayout.PoolKey(_assets[0], _assets[i + 1]);
        }

        Genesis = MakeGenesis();
    }

    /// <summary>The program that moves the token.</summary>
    public static ProgramId Token { get; } = new(new Bytes32(0, 0, 0, 0x100));

    /// <summary>The program of the pools.</summary>
    public static ProgramId Amm { get; } = new(new Bytes32(0, 0, 0, 0x101));

    /// <summary>What all of it is derived from.</summary>
    public ulong Seed { get; }

    /// <summary>The chain's genesis.</summary>
    public Genesis Genesis { get; }

    /// <summary>The key of an account.</summary>
    public SigningKey Account(int index) => _accounts[index];

    /// <summary>Where a pool lives, and what it trades.</summary>
    public (LocalKey Key, Bytes32 AssetA, Bytes32 AssetB) Pool(int index) => (_pools[index], _assets[0], _assets[index + 1]);

    /// <summary>Every record that the load touches, with what a person calls it.</summary>
    public IEnumerable<(StateKey Key, string Name)> NamedRecords()
    {
        StateHashing hashing = Genesis.Hashing;
        for (int pool = 0; pool < PoolCount; pool++)
        {
            yield return (hashing.KeyOf(Amm, _pools[pool]), $"pool {pool}");
            yield return (hashing.KeyOf(Amm, AmmLayout.VolumeKey(_pools[pool])), $"pool {pool} volume");
        }

        for (int account = 0; account < AccountCount; account++)
        {
            PublicKey owner = _accounts[account].PublicKey;
            yield return (hashing.KeyOf(Token, TokenLayout.AccountKey(owner)), $"account {account} token");
            for (int asset = 0; asset < _assets.Length; asset++)
            {
                yield return (hashing.KeyOf(Amm, AmmLayout.BalanceKey(owner, _assets[asset])), $"account {account} asset {asset}");
            }
        }
    }

    private static Bytes32 Derive(string context, ulong seed, int index)
    {
        CanonicalWriter material = new(16);
        material.WriteU64(seed);
        material.WriteU64((ulong)index);
        return Blake3.DeriveKey(context, material.Written);
    }

    private Genesis MakeGenesis()
    {
        List<GenesisRecord> records = [];
        List<GenesisBalance> balances = [];
        foreach (SigningKey account in _accounts)
        {
            balances.Add(new GenesisBalance(account.PublicKey, (UInt128)Plenty * Plenty));
            records.Add(new GenesisRecord(Token, TokenLayout.AccountKey(account.PublicKey), BalanceRecord.Encode(Plenty)));
            foreach (Bytes32 asset in _assets)
            {
                records.Add(new GenesisRecord(Amm, AmmLayout.BalanceKey(account.PublicKey, asset), BalanceRecord.Encode(Plenty)));
            }
        }

        for (int i = 0; i < _pools.Length; i++)
        {
            PoolRecord pool = new(_assets[0], _assets[i + 1], ReserveA: Plenty, ReserveB: Plenty, Shares: Plenty, FeeBps: 30);
            records.Add(new GenesisRecord(Amm, _pools[i], pool.Encode()));
        }

        GenesisSpec spec = new()
        {
            Name = "loadtest",
            TimestampMs = GenesisTimeMs,
            BaseFee = BaseFee,
            Treasury = new PublicKey(Derive(AccountContext, Seed, AccountCount)),
            Programs = [new GenesisProgram(Token, ReferencePrograms.Token), new GenesisProgram(Amm, ReferencePrograms.Amm)],
            Records = records,
            Balances = balances,
        };
        return Genesis.TryCreate(spec, out Genesis? genesis, out Refusal refusal)
            ? genesis
            : throw new InvariantException($"The load's own genesis is refused: {refusal}");
    }
}
