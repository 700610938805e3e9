// Suite "crypto". Question: what do signatures and hashes cost on one core, beside the libraries that everybody has?
// Decides: how many transactions a core can admit, and which path of an algorithm is worth its lines.
//
//   ed25519.verify.*    us per signature, ZIP-215. batch64 and batch1024: one SignatureBatch of so many signatures from so many
//                       different keys, none of which was met before, adding (and hashing) included
//   *.knownPayers       the same batch again and again: its keys are decoded already
//   *.oneBad, *.allBad  that batch with one bad signature, and with nothing else: what a flood of bad ones costs
//   ed25519.sign        us per signature of one seed
//   *.libcrypto         OpenSSL's Ed25519, keys and contexts made before; *.libsodium: libsodium's; left out when not there
//   blake3.node64       ns per keyed hash of 64 bytes (two children of a tree), 1,024 at a time
//   blake3.1MiB         GB/s, one message of 1 MiB
//   sha256.64           ns per hash of 64 bytes; its twin is the platform's SHA256.HashData
//   keccak256.64        ns per hash of 64 bytes
//   poseidon2.w8        ns per permutation of eight Goldilocks elements
//
// Messages are the 88 bytes that a transaction's signature covers. Every round checks its answers: a row that got a
// verdict wrong is no row.
//
// Threading: the caller's thread alone.

using System;
using System.Collections.Generic;
using System.Security.Cryptography;
using ParallelVm.Chain;
using ParallelVm.Loadtest.Cli;
using ParallelVm.Loadtest.Reports;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Benches;

/// <summary>Signatures and hashes, one core.</summary>
internal static class CryptoSuite
{
    /// <summary>The suite's name.</summary>
    public const string Name = "crypto";

    private const int BatchMax = 1_024;
    private const int NativeKeys = 256;
    private const int Hashes = 20_000;
    private const int NodeBatches = 100;
    private const int LargeHashes = 16;
    private const int MiB = 1 << 20;

    /// <summary>Measures the suite.</summary>
    public static BenchReport Run(BenchOptions options, Action<int> progress)
    {
        // one set of keys per round, and the round that does not count
        using Ed25519Rows signatures = new(freshSets: options.Runs + 1);
        List<BenchRow> rows = [];
        signatures.AddTo(rows);
        AddHashes(rows);
        BenchReport report = BenchRunner.Run(Name, rows, options.Runs, EnvironmentProbe.Read(), progress);
        return signatures.Missing.Count == 0 ? report : report with { Notes = [.. signatures.Missing] };
    }

    private static void AddHashes(List<BenchRow> rows)
    {
        byte[] block = new byte[64];
        byte[] large = new byte[MiB];
        Bytes32[] pairs = new Bytes32[2 * 1_024];
        Bytes32[] nodes = new Bytes32[1_024];
        Bytes32 key = Blake3.Hash("crypto suite"u8);
        byte[] digest = new byte[32];
        for (int i = 0; i < large.Length; i++)
        {
            large[i] = (byte)(i * 31);
        }

        for (int i = 0; i < pairs.Length; i++)
        {
            pairs[i] = new Bytes32(0, 0, 7, (ulong)i);
        }

        rows.Add(new BenchRow("blake3.node64", "ns", "", () => NsPer(NodeBatches * nodes.Length, () =>
        {
            for (int i = 0; i < NodeBatches; i++)
            {
                Blake3.KeyedPairs(key, pairs, nodes);
            }
        })));
        rows.Add(new BenchRow("blake3.1MiB", "GB/s", "", () => MiB / NsPer(LargeHashes, () =>
        {
            for (int i = 0; i < LargeHashes; i++)
            {
                Blake3.Hash(large, digest);
                large[0] ^= digest[0];
            }
        })));

        // each digest goes into the next input, so nothing can be left out or taken together
        rows.Add(new BenchRow("sha256.64.platform", "ns", "", () => NsPer(Hashes, () =>
        {
            for (int i = 0; i < Hashes; i++)
            {
                SHA256.HashData(block, digest);
                digest.CopyTo(block, 0);
            }
        })));
        rows.Add(new BenchRow("sha256.64", "ns", "sha256.64.platform", () => NsPer(Hashes, () =>
        {
            for (int i = 0; i < Hashes; i++)
            {
                Sha256.Hash(block).CopyTo(block);
            }
        })));
        rows.Add(new BenchRow("keccak256.64", "ns", "", () => NsPer(Hashes, () =>
        {
            for (int i = 0; i < Hashes; i++)
            {
                Keccak256.Hash(block).CopyTo(block);
            }
        })));
        ulong[] state = new ulong[Poseidon2.Width];
        rows.Add(new BenchRow("poseidon2.w8", "ns", "", () => NsPer(Hashes, () =>
        {
            for (int i = 0; i < Hashes; i++)
            {
                Poseidon2.Permute(state);
            }
        })));
    }

    private static double NsPer(int count, Action work)
    {
        TimeProvider time = TimeProvider.System;
        long start = time.GetTimestamp();
        work();
        return time.GetElapsedTime(start).TotalNanoseconds / count;
    }

    /// <summary>Signed messages, and the rows about them.</summary>
    private sealed class Ed25519Rows : IDisposable
    {
        private readonly Signed[] _known;               // the set that comes again and again
        private readonly Signed[] _fresh;               // BatchMax + 64 per round: each is verified once, by one row
        private readonly SignatureBatch _batch = new(BatchMax);
        private readonly bool[] _valid = new bool[BatchMax];
        private byte[]? _chained;                       // where every signer's chain of signatures has to end
        private readonly Bytes32 _seed = Blake3.Hash("crypto suite signer"u8);
        private readonly LibCrypto? _crypto;
        private readonly LibSodium? _sodium;
        private int _used;
        private int _badAt;

        public Ed25519Rows(int freshSets)
        {
            _known = Make(BatchMax, 0);
            _fresh = Make(freshSets * (BatchMax + (FreshBatches64 * 64)), BatchMax);
            PublicKey[] keys = new PublicKey[NativeKeys];
            for (int i = 0; i < keys.Length; i++)
            {
                keys[i] = _known[i].Key;
            }

            if (!LibCrypto.TryLoad(keys, _seed, out _crypto))
            {
                Missing.Add("no libcrypto: ed25519.verify.libcrypto and ed25519.sign.libcrypto are left out, and their ratios");
            }

            if (!LibSodium.TryLoad(keys, _seed, out _sodium))
            {
                Missing.Add("no libsodium: ed25519.verify.libsodium and ed25519.sign.libsodium are left out");
            }
        }

        /// <summary>What the report has to say about rows that are not there.</summary>
        public List<string> Missing { get; } = [];

        /// <summary>Batches of 64 in one measurement.</summary>
        private static int FreshBatches64 => 4;

        public void AddTo(List<BenchRow> rows)
        {
            string verifyTwin = _crypto is null ? "" : "ed25519.verify.libcrypto";
            string signTwin = _crypto is null ? "" : "ed25519.sign.libcrypto";
            AddNative(rows, _crypto, "libcrypto");
            AddNative(rows, _sodium, "libsodium");
            rows.Add(new BenchRow("ed25519.verify.single", "us", verifyTwin, VerifySingly));
            rows.Add(new BenchRow("ed25519.verify.batch64", "us", verifyTwin, () => VerifyFresh(64, FreshBatches64)));
            rows.Add(new BenchRow("ed25519.verify.batch1024", "us", verifyTwin, () => VerifyFresh(BatchMax, 1)));
            rows.Add(new BenchRow("ed25519.verify.batch1024.knownPayers", "us", verifyTwin, () => VerifyBatch(_known)));
            rows.Add(new BenchRow("ed25519.verify.batch1024.oneBad", "us", "ed25519.verify.batch1024.knownPayers", () => VerifyBad(1)));
            rows.Add(new BenchRow("ed25519.verify.batch1024.allBad", "us", "ed25519.verify.single", () => VerifyBad(BatchMax)));
            rows.Add(new BenchRow("ed25519.sign", "us", signTwin, () => Sign((message, target) => Ed25519.Sign(_seed, message).CopyTo(target))));
        }

        public void Dispose()
        {
            _crypto?.Dispose();
            _sodium?.Dispose();
        }

        private void AddNative(List<BenchRow> rows, NativeEd25519? library, string name)
        {
            if (library is not null)
            {
                rows.Add(new BenchRow("ed25519.verify." + name, "us", "", () => VerifyBy(library)));
                rows.Add(new BenchRow("ed25519.sign." + name, "us", "", () => Sign(library.Sign)));
            }
        }

        private double VerifyBy(NativeEd25519 library) => UsPer(NativeKeys, () =>
        {
            for (int i = 0; i < NativeKeys; i++)
            {
                Invariant.Require(library.Verify(i, _known[i].Message, _known[i].SignatureBytes));
            }
        });

        private double VerifySingly() => UsPer(NativeKeys, () =>
        {
            for (int i = 0; i < NativeKeys; i++)
            {
                Invariant.Require(Ed25519.Verify(_known[i].Key, _known[i].Message, _known[i].Signature));
            }
        });

        private double VerifyFresh(int size, int batches)
        {
            double sum = 0;
            for (int i = 0; i < batches; i++)
            {
                sum += VerifyBatch(_fresh.AsSpan(_used, size));
                _used += size;
            }

            return sum / batches;
        }

        // the bad one is elsewhere each time: which half it lies in decides what finding it costs
        private double VerifyBad(int count)
        {
            Signed[] signed = [.. _known];
            for (int i = 0; i < count; i++)
            {
                ref Signed bad = ref signed[((_badAt * 389) + i) % signed.Length];
                bad = bad with { Signature = bad.Signature with { S = signed[(_badAt + i + 1) % signed.Length].Signature.S } };
            }

            _badAt++;
            double us = VerifyBatch(signed, isGood: false);
            Invariant.Require(_valid.AsSpan().Count(false) == count);
            return us;
        }

        private double VerifyBatch(ReadOnlySpan<Signed> signed, bool isGood = true)
        {
            TimeProvider time = TimeProvider.System;
            long start = time.GetTimestamp();
            _batch.Clear();
            foreach (ref readonly Signed one in signed)
            {
                _batch.Add(one.Key, one.Message, one.Signature);
            }

            Invariant.Require(_batch.Verify(_valid) == isGood);
            return time.GetElapsedTime(start).TotalMicroseconds / signed.Length;
        }

        private static double UsPer(int count, Action work) => NsPer(count, work) / 1_000;

        // RFC 8032 leaves no choice to a signer, so all of them write the same bytes; each signature is the next message's start
        private double Sign(Signer sign)
        {
            byte[] message = (byte[])_known[0].Message.Clone();
            byte[] signature = new byte[Signature.Size];
            double us = UsPer(NativeKeys, () =>
            {
                for (int i = 0; i < NativeKeys; i++)
                {
                    sign(message, signature);
                    signature.CopyTo(message, 0);
                }
            });
            _chained ??= signature;
            Invariant.Require(_chained.AsSpan().SequenceEqual(signature));
            return us;
        }

        private static Signed[] Make(int count, int first)
        {
            Signed[] made = new Signed[count];
            ChainId chain = new(Blake3.Hash("crypto suite chain"u8));
            for (int i = 0; i < count; i++)
            {
                SigningKey key = new(new Bytes32(0x62, 0, 0, (ulong)(first + i)));
                byte[] message = new byte[SigningPayload.Length];
                SigningPayload.Write(chain, new TxId(new Bytes32(0, 1, 0, (ulong)(first + i))), message);
                Signature signature = key.Sign(message);
                byte[] bytes = new byte[Signature.Size];
                signature.CopyTo(bytes);
                made[i] = new Signed(key.PublicKey, message, signature, bytes);
            }

            return made;
        }

        private delegate void Signer(ReadOnlySpan<byte> message, Span<byte> signature);

        private readonly record struct Signed(PublicKey Key, byte[] Message, Signature Signature, byte[] SignatureBytes);
    }
}
