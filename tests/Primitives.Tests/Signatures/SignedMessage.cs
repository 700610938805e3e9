// Valid signatures for the tests to start from.

namespace ParallelVm.Primitives.Tests.Signatures;

internal sealed record SignedMessage(PublicKey Key, byte[] Message, Signature Signature)
{
    /// <summary><paramref name="count"/> signatures by as many keys, messages of 1 to 63 bytes.</summary>
    public static SignedMessage[] Many(int count, ulong seed)
    {
        SeededRandom random = new(seed);
        SignedMessage[] all = new SignedMessage[count];
        for (int i = 0; i < count; i++)
        {
            Bytes32 secret = new(random.NextU64(), random.NextU64(), random.NextU64(), random.NextU64());
            byte[] message = new byte[1 + random.Next(63)];
            random.Fill(message);
            all[i] = new SignedMessage(Ed25519.PublicKeyOf(secret), message, Ed25519.Sign(secret, message));
        }

        return all;
    }
}
