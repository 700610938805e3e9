// A small chain's genesis, transactions and one block: the valid inputs that the mutator damages.

using System;
using ParallelVm.Chain;
using ParallelVm.Primitives;
using ParallelVm.Toolchain;

namespace ParallelVm.Fuzz;

internal static class Sample
{
    private static readonly SigningKey Alice = new(new Bytes32(1, 0, 0, 0));
    private static readonly SigningKey Bob = new(new Bytes32(2, 0, 0, 0));

    public static readonly Genesis Genesis = MakeGenesis();

    public static readonly Transaction[] Transactions = MakeTransactions();

    public static readonly Block Block = Block.Create(
        new BlockHeader(default, new Height(1), 1_000, 0, new StateRoot(new Bytes32(1, 2, 3, 4)), new Bytes32(5, 6, 7, 8)),
        Transactions);

    private static Genesis MakeGenesis()
    {
        GenesisSpec spec = new()
        {
            Name = "fuzz",
            TimestampMs = 1,
            BaseFee = 1,
            Treasury = Bob.PublicKey,
            Programs = [new GenesisProgram(ProgramId.Native, ReferencePrograms.Token)],
            Balances = [new GenesisBalance(Alice.PublicKey, 1_000_000)],
            Records = [new GenesisRecord(ProgramId.Native, new LocalKey(new Bytes32(9, 9, 9, 9)), [1, 2, 3])],
        };
        return Genesis.TryCreate(spec, out Genesis? genesis, out Refusal refusal)
            ? genesis
            : throw new InvalidOperationException(refusal.ToString());
    }

    private static Transaction[] MakeTransactions()
    {
        Transaction[] made = new Transaction[4];
        for (int i = 0; i < made.Length; i++)
        {
            ProgramCall call = TokenCalls.Transfer(Alice.PublicKey, Bob.PublicKey, (UInt128)(i + 1));
            TransactionBuilder builder = new(Genesis.ChainId) { ExpiryMs = 30_000, GasLimit = 100_000, MaxPrice = 5, Tip = (ulong)i };
            builder.Call(ProgramId.Native, call.Selector, call.Arguments);
            foreach (SlotBinding slot in call.Slots)
            {
                builder.Slot(ProgramId.Native, slot.Key, slot.Mode);
            }

            made[i] = i < 2 ? builder.Sign(Alice) : builder.Sign(Alice, Bob);
        }

        return made;
    }
}
