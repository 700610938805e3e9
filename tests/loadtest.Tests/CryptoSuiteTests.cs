using System;
using System.IO;
using System.Linq;
using System.Text.Json;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Benches;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Tests;

public sealed class CryptoSuiteTests
{
    private static readonly SigningKey Key = new(Blake3.Hash("native twin"u8));
    private static readonly Bytes32 Seed = Blake3.Hash("native twin"u8);

    [Fact]
    public void Every_row_is_measured_and_a_row_without_its_library_is_missed_aloud()
    {
        using TemporaryFolder folder = new();
        string path = folder["crypto.json"];
        Invocation invocation = Invocation.Of("bench", "crypto", "--runs", "1", "--json", path);
        Assert.True(invocation.ExitCode == ExitCodes.Success, invocation.Output + invocation.Error);
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(path));
        JsonElement[] rows = [.. document.RootElement.GetProperty("rows").EnumerateArray()];
        string[] names = [.. rows.Select(row => row.GetProperty("name").GetString()!)];
        string[] expected =
        [
            "ed25519.verify.single", "ed25519.verify.batch64", "ed25519.verify.batch1024", "ed25519.verify.batch1024.knownPayers", "ed25519.verify.batch1024.oneBad", "ed25519.verify.batch1024.allBad", "ed25519.sign",
            "blake3.node64", "blake3.1MiB", "sha256.64", "sha256.64.platform", "keccak256.64", "poseidon2.w8",
        ];
        Assert.Empty(expected.Except(names));
        Assert.All(rows, row => Assert.True(row.GetProperty("value").GetDouble() > 0, row.ToString()));
        foreach (string library in new[] { "libcrypto", "libsodium" })
        {
            Assert.True(
                names.Contains("ed25519.verify." + library) && names.Contains("ed25519.sign." + library)
                || invocation.Output.Contains($"note: no {library}", StringComparison.Ordinal),
                $"{library} is neither measured nor missed");
        }

        if (names.Contains("ed25519.verify.libcrypto"))
        {
            Assert.All(rows.Where(row => row.GetProperty("name").GetString() is
                "ed25519.verify.single" or "ed25519.verify.batch64" or "ed25519.verify.batch1024" or "ed25519.sign"), row =>
                Assert.EndsWith(".libcrypto", row.GetProperty("twin").GetString(), StringComparison.Ordinal));
        }
    }

    // The twins do the same work: they sign the same bytes, and they know a bad signature when they see one.
    [Fact]
    public void Native_libraries_sign_and_verify_as_we_do()
    {
        NativeEd25519?[] libraries =
        [
            LibCrypto.TryLoad([Key.PublicKey], Seed, out LibCrypto? crypto) ? crypto : null,
            LibSodium.TryLoad([Key.PublicKey], Seed, out LibSodium? sodium) ? sodium : null,
        ];
        byte[] ours = new byte[Signature.Size];
        byte[] theirs = new byte[Signature.Size];
        byte[] message = new byte[SigningPayload.Length];
        foreach (NativeEd25519? library in libraries)
        {
            for (int round = 0; library is not null && round < 3; round++)
            {
                message[0] = (byte)round;
                Key.Sign(message).CopyTo(ours);
                library.Sign(message, theirs);
                Assert.Equal(ours, theirs);
                Assert.True(library.Verify(0, message, ours));
                ours[round] ^= 1;
                Assert.False(library.Verify(0, message, ours));
            }

            library?.Dispose();
            library?.Dispose();
        }
    }
}
