// The token program against a model of a dozen lines: balances in a dictionary.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain.Tests;

public sealed class TokenTests
{
    private static readonly PublicKey Authority = Account(100);

    [Theory, InlineData(1UL), InlineData(7UL), InlineData(20260UL)]
    public void Random_mints_and_transfers_agree_with_the_model_and_conserve_the_supply(ulong seed)
    {
        SeededRandom random = new(seed);
        ProgramHost host = NewHost();
        Dictionary<PublicKey, UInt128> model = [];
        UInt128 supply = 0;
        for (int round = 0; round < 1_500; round++)
        {
            PublicKey from = Account(random.Next(6));
            PublicKey to = Account(random.Next(6));
            ulong amount = random.Chance(1, 20) ? random.NextU64() : (ulong)random.Next(500);
            UInt128 held = model.GetValueOrDefault(from);
            Outcome outcome;
            ushort expected = 0;
            switch (random.Next(8))
            {
                case 0:
                    outcome = host.Run(TokenCalls.Mint(to, amount), Authority);
                    model[to] = model.GetValueOrDefault(to) + amount;
                    supply += amount;
                    break;
                case 1:
                    outcome = host.Run(TokenCalls.Mint(to, amount), from);
                    expected = Abort(TokenAborts.NotAuthority);
                    break;
                case 2:
                    outcome = host.Run(TokenCalls.Transfer(from, to, amount), Authority);
                    expected = Abort(TokenAborts.NotOwner);
                    break;
                default:
                    UInt128 wanted = random.Chance(1, 30) ? UInt128.MaxValue - amount : random.Chance(1, 8) ? held : amount;
                    outcome = host.Run(TokenCalls.Transfer(from, to, wanted), from);
                    if (wanted > held)
                    {
                        expected = Abort(TokenAborts.Overdraft);
                        break;
                    }

                    model[from] = held - wanted;
                    model[to] = model.GetValueOrDefault(to) + wanted;
                    break;
            }

            string where = $"seed {seed} round {round}: {outcome}";
            Assert.True(outcome.Code == expected, where);
            Assert.True(outcome.Halt == (expected == 0 ? Halt.Success : Halt.Revert), where);
            UInt128 sum = 0;
            for (int i = 0; i < 6; i++)
            {
                UInt128 balance = host.Balance(TokenLayout.AccountKey(Account(i)));
                Assert.True(balance == model.GetValueOrDefault(Account(i)), where);
                sum += balance;
            }

            Assert.True(sum == supply && host.Balance(TokenLayout.SupplyKey) == supply, where);
        }
    }

    [Fact]
    public void Transfer_to_oneself_changes_nothing_and_still_needs_the_balance()
    {
        ProgramHost host = NewHost();
        host.Set(TokenLayout.AccountKey(Account(1)), BalanceRecord.Encode(50));
        Assert.Equal(Halt.Success, host.Run(TokenCalls.Transfer(Account(1), Account(1), 50), Account(1)).Halt);
        Assert.Equal((UInt128)50, host.Balance(TokenLayout.AccountKey(Account(1))));
        Assert.Equal(Abort(TokenAborts.Overdraft), host.Run(TokenCalls.Transfer(Account(1), Account(1), 51), Account(1)).Code);
        Assert.Equal((UInt128)50, host.Balance(TokenLayout.AccountKey(Account(1))));
    }

    // Add slots can be aimed at every record of the program: the authority must be out of their reach.
    [Fact]
    public void Nobody_can_pay_into_the_config_or_the_supply()
    {
        ProgramHost host = NewHost();
        host.Set(TokenLayout.AccountKey(Account(1)), BalanceRecord.Encode(50));
        foreach (LocalKey target in new[] { TokenLayout.ConfigKey, TokenLayout.SupplyKey })
        {
            Assert.Equal(Abort(TokenAborts.WrongKey), host.Run(TokenCalls.Transfer(Account(1), new PublicKey(target.Value), 5), Account(1)).Code);
            Assert.Equal(Abort(TokenAborts.WrongKey), host.Run(TokenCalls.Mint(new PublicKey(target.Value), 5), Authority).Code);
        }

        Assert.Equal(TokenLayout.EncodeConfig(Authority), host.Records[TokenLayout.ConfigKey].Value.ToArray());
    }

    [Fact]
    public void Mint_takes_only_the_programs_own_config_and_supply()
    {
        ProgramHost host = NewHost();
        ProgramCall mint = TokenCalls.Mint(Account(1), 5);

        // the thief's own balance record in place of the config
        ProgramCall otherConfig = mint with { Slots = [new SlotBinding(TokenLayout.AccountKey(Account(2)), AccessMode.Read), mint.Slots[1], mint.Slots[2]] };
        Assert.Equal(Abort(TokenAborts.WrongKey), host.Run(otherConfig, Account(2)).Code);

        // the same key below a program of the thief's, where the config names the thief
        host.ForeignRecord.Set(TokenLayout.EncodeConfig(Account(2)));
        Assert.Equal(Abort(TokenAborts.WrongKey), host.Run(mint, Account(2), foreignSlot: 0).Code);

        ProgramCall otherSupply = mint with { Slots = [mint.Slots[0], new SlotBinding(TokenLayout.AccountKey(Account(2)), AccessMode.Add), mint.Slots[2]] };
        Assert.Equal(Abort(TokenAborts.WrongKey), host.Run(otherSupply, Authority).Code);

        byte[] large = new byte[TokenCalls.ArgumentBytes];
        large[8] = 1;
        Assert.Equal(Abort(TokenAborts.AmountTooLarge), host.Run(mint with { Arguments = large }, Authority).Code);
        Assert.Equal((UInt128)0, host.Balance(TokenLayout.AccountKey(Account(1))));
    }

    // A missing config reads as zeros; the key of 32 zero bytes has a signature that verifies for every message.
    [Fact]
    public void Nobody_mints_where_there_is_no_config()
    {
        ProgramHost host = new(ReferencePrograms.Token);
        Assert.Equal(Abort(TokenAborts.NotAuthority), host.Run(TokenCalls.Mint(Account(1), 5), new PublicKey(Bytes32.Zero)).Code);
    }

    [Fact]
    public void Missing_arguments_trap_and_change_nothing()
    {
        ProgramHost host = NewHost();
        host.Set(TokenLayout.AccountKey(Account(1)), BalanceRecord.Encode(50));
        Outcome outcome = host.Run(TokenCalls.Transfer(Account(1), Account(2), 5) with { Arguments = new byte[15] }, Account(1));
        Assert.Equal((Halt.Trap, (ushort)TrapCode.BadArgument), (outcome.Halt, outcome.Code));
        Assert.Equal((UInt128)50, host.Balance(TokenLayout.AccountKey(Account(1))));
    }

    // Pinned loosely: a transfer that became twice as dear, or free, is a change somebody should have meant.
    [Fact]
    public void Transfer_costs_about_what_it_did()
    {
        ProgramHost host = NewHost();
        host.Set(TokenLayout.AccountKey(Account(1)), BalanceRecord.Encode(50));
        host.Set(TokenLayout.AccountKey(Account(2)), BalanceRecord.Encode(50));
        Outcome outcome = host.Run(TokenCalls.Transfer(Account(1), Account(2), 5), Account(1));
        Assert.Equal(Halt.Success, outcome.Halt);
        Assert.InRange(outcome.GasUsed, 50UL, 150UL);
    }

    private static ProgramHost NewHost()
    {
        ProgramHost host = new(ReferencePrograms.Token);
        host.Set(TokenLayout.ConfigKey, TokenLayout.EncodeConfig(Authority));
        return host;
    }

    private static PublicKey Account(int number) => new(Blake3.Hash([(byte)number]));

    private static ushort Abort(uint value) => (ushort)((uint)TrapCode.UserBase + value);
}
