// What signatures give, as text: keys, signatures and verdicts of a fixed set. It must not depend on the instruction sets.

using System;
using System.Text;

namespace ParallelVm.Primitives.Tests.Signatures;

internal static class SignatureProbe
{
    private const int Count = 200;

    public static string Run()
    {
        StringBuilder text = new();
        SeededRandom random = new(31);
        SignatureBatch batch = new();
        StringBuilder alone = new();
        SignedMessage[] good = SignedMessage.Many(Count, seed: 32);
        for (int i = 0; i < Count; i++)
        {
            byte[] all = [.. good[i].Key.Value.ToArray(), .. good[i].Signature.R.ToArray(), .. good[i].Signature.S.ToArray()];
            text.Append(Convert.ToHexStringLower(all)).Append('\n');
            if (random.Chance(1, 3))
            {
                int bit = random.Next(8 * all.Length);
                all[bit >> 3] ^= (byte)(1 << (bit & 7));
            }
            else if (random.Chance(1, 5))
            {
                Mutations.SmallOrder[random.Next(14)].CopyTo(all);
                Mutations.SmallOrder[random.Next(14)].CopyTo(all.AsSpan(32));
                all.AsSpan(64).Clear();
            }

            PublicKey key = new(Bytes32.From(all));
            Signature signature = Signature.From(all.AsSpan(32));
            batch.Add(key, good[i].Message, signature);
            alone.Append(Ed25519.Verify(key, good[i].Message, signature) ? 'V' : '-');
        }

        bool[] valid = new bool[Count];
        batch.Verify(valid);
        text.Append(alone).Append('\n');
        text.Append(string.Concat(Array.ConvertAll(valid, v => v ? 'V' : '-'))).Append('\n');
        return text.ToString();
    }
}

public sealed class SignatureInstructionSetTests
{
    public static TheoryData<string> Levels => InstructionSets.Levels;

    [Theory, MemberData(nameof(Levels))]
    public void Signatures_are_the_same_with_instruction_sets_off(string level) => InstructionSets.ProveEqual("signatures", level);
}
