// Ed25519 of the libraries that everybody measures against, by their C interfaces: libcrypto (OpenSSL) and libsodium. Twins of
// the crypto suite and nothing else; no node ever loads them.
//
// A library is looked for by its usual names; when it is not there, TryLoad says so and the suite leaves its rows out.
//
// Made to be fast: keys and contexts are made before anything is timed, so a timed call is the library's own work alone.
//
// Ownership: a NativeEd25519 owns its contexts, keys and its hold of the library, until Dispose. Threading: one thread.
// Source: the manual pages EVP_PKEY_new and EVP_DigestVerifyInit; libsodium's header crypto_sign_ed25519.h.

using System;
using System.Diagnostics.CodeAnalysis;
using System.Runtime.InteropServices;
using ParallelVm.Primitives;

namespace ParallelVm.Loadtest.Benches;

/// <summary>One library, with one signer and the keys of many.</summary>
internal abstract unsafe class NativeEd25519 : IDisposable
{
    private nint _library;

    private protected NativeEd25519(nint library)
    {
        _library = library;
    }

    /// <summary>True when <paramref name="signature"/> is the signature of key number <paramref name="key"/>.</summary>
    public abstract bool Verify(int key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature);

    /// <summary>Signs with the signer's seed.</summary>
    public abstract void Sign(ReadOnlySpan<byte> message, Span<byte> signature);

    /// <summary>Lets go of everything; a second call does nothing.</summary>
    public void Dispose()
    {
        if (_library != 0)
        {
            Free();
            NativeLibrary.Free(_library);
            _library = 0;
        }
    }

    /// <summary>Frees contexts and keys while the library is still held.</summary>
    private protected abstract void Free();

    /// <summary>The first of <paramref name="names"/> that the system has.</summary>
    private protected static bool TryLoad(ReadOnlySpan<string> names, out nint library)
    {
        foreach (string name in names)
        {
            if (NativeLibrary.TryLoad(name, out library))
            {
                return true;
            }
        }

        library = 0;
        return false;
    }
}

/// <summary>OpenSSL's.</summary>
internal sealed unsafe class LibCrypto : NativeEd25519
{
    private const int Ed25519Id = 1087;                 // NID_ED25519

    private static readonly string[] Names = ["libcrypto.so.3", "libcrypto.so.1.1", "libcrypto.so", "libcrypto.3.dylib", "libcrypto-3-x64.dll"];

    private readonly delegate* unmanaged<nint, byte*, nuint, byte*, nuint, int> _verify;
    private readonly delegate* unmanaged<nint, byte*, nuint*, byte*, nuint, int> _sign;
    private readonly delegate* unmanaged<nint, void> _freeKey;
    private readonly delegate* unmanaged<nint, void> _freeContext;
    private readonly nint[] _keys;                      // the signer's last
    private readonly nint[] _contexts;

    private LibCrypto(nint library, PublicKey[] keys, in Bytes32 seed)
        : base(library)
    {
        _verify = (delegate* unmanaged<nint, byte*, nuint, byte*, nuint, int>)NativeLibrary.GetExport(library, "EVP_DigestVerify");
        _sign = (delegate* unmanaged<nint, byte*, nuint*, byte*, nuint, int>)NativeLibrary.GetExport(library, "EVP_DigestSign");
        _freeKey = (delegate* unmanaged<nint, void>)NativeLibrary.GetExport(library, "EVP_PKEY_free");
        _freeContext = (delegate* unmanaged<nint, void>)NativeLibrary.GetExport(library, "EVP_MD_CTX_free");
        _keys = new nint[keys.Length + 1];
        _contexts = new nint[keys.Length + 1];
        bool isReady = true;
        for (int i = 0; i < keys.Length; i++)
        {
            isReady &= TryOpen(library, i, keys[i].Value, "EVP_PKEY_new_raw_public_key", "EVP_DigestVerifyInit");
        }

        isReady &= TryOpen(library, keys.Length, seed, "EVP_PKEY_new_raw_private_key", "EVP_DigestSignInit");
        if (!isReady)
        {
            Dispose();
            throw new InvalidOperationException("libcrypto refuses an Ed25519 key.");
        }
    }

    /// <summary>Finds the library and gives it its keys.</summary>
    /// <exception cref="InvalidOperationException">The library is there and does not take the keys.</exception>
    public static bool TryLoad(PublicKey[] keys, in Bytes32 seed, [NotNullWhen(true)] out LibCrypto? crypto)
    {
        crypto = TryLoad(Names, out nint library) ? new LibCrypto(library, keys, seed) : null;
        return crypto is not null;
    }

    /// <inheritdoc/>
    public override bool Verify(int key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        // SAFETY: the context lives until Dispose, and both spans are pinned for the call, which only reads them.
        fixed (byte* text = message, tag = signature)
        {
            return _verify(_contexts[key], tag, (nuint)signature.Length, text, (nuint)message.Length) == 1;
        }
    }

    /// <inheritdoc/>
    public override void Sign(ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(signature.Length, Signature.Size);
        nuint length = Signature.Size;

        // SAFETY: the library writes at most `length` bytes, which the target has.
        fixed (byte* text = message, target = signature)
        {
            Invariant.Require(_sign(_contexts[^1], target, &length, text, (nuint)message.Length) == 1);
        }
    }

    private protected override void Free()
    {
        foreach (nint context in _contexts)
        {
            _freeContext(context);                      // takes zero
        }

        foreach (nint key in _keys)
        {
            _freeKey(key);
        }
    }

    private bool TryOpen(nint library, int index, in Bytes32 bytes, string newKey, string initialise)
    {
        var create = (delegate* unmanaged<int, nint, byte*, nuint, nint>)NativeLibrary.GetExport(library, newKey);
        var newContext = (delegate* unmanaged<nint>)NativeLibrary.GetExport(library, "EVP_MD_CTX_new");
        var start = (delegate* unmanaged<nint, nint, nint, nint, nint, int>)NativeLibrary.GetExport(library, initialise);
        byte* raw = stackalloc byte[Bytes32.Size];
        bytes.CopyTo(new Span<byte>(raw, Bytes32.Size));

        // SAFETY: the library copies the key; what it returns is freed by Free.
        _keys[index] = create(Ed25519Id, 0, raw, Bytes32.Size);
        _contexts[index] = newContext();
        return _keys[index] != 0 && _contexts[index] != 0 && start(_contexts[index], 0, 0, 0, _keys[index]) == 1;
    }
}

/// <summary>libsodium's.</summary>
internal sealed unsafe class LibSodium : NativeEd25519
{
    private static readonly string[] Names = ["libsodium.so.23", "libsodium.so.26", "libsodium.so", "libsodium.dylib", "libsodium.dll"];

    private readonly delegate* unmanaged<byte*, byte*, ulong, byte*, int> _verify;
    private readonly delegate* unmanaged<byte*, ulong*, byte*, ulong, byte*, int> _sign;
    private readonly byte[] _keys;                      // 32 bytes each
    private readonly byte[] _secret = new byte[2 * Bytes32.Size];

    private LibSodium(nint library, PublicKey[] keys, in Bytes32 seed)
        : base(library)
    {
        _verify = (delegate* unmanaged<byte*, byte*, ulong, byte*, int>)NativeLibrary.GetExport(library, "crypto_sign_ed25519_verify_detached");
        _sign = (delegate* unmanaged<byte*, ulong*, byte*, ulong, byte*, int>)NativeLibrary.GetExport(library, "crypto_sign_ed25519_detached");
        _keys = new byte[keys.Length * Bytes32.Size];
        for (int i = 0; i < keys.Length; i++)
        {
            keys[i].Value.CopyTo(_keys.AsSpan(i * Bytes32.Size));
        }

        seed.CopyTo(_secret);                           // its secret key is the seed with the public key behind it
        Ed25519.PublicKeyOf(seed).Value.CopyTo(_secret.AsSpan(Bytes32.Size));
        Invariant.Require(((delegate* unmanaged<int>)NativeLibrary.GetExport(library, "sodium_init"))() >= 0);
    }

    /// <summary>Finds the library and gives it its keys.</summary>
    public static bool TryLoad(PublicKey[] keys, in Bytes32 seed, [NotNullWhen(true)] out LibSodium? sodium)
    {
        sodium = TryLoad(Names, out nint library) ? new LibSodium(library, keys, seed) : null;
        return sodium is not null;
    }

    /// <inheritdoc/>
    public override bool Verify(int key, ReadOnlySpan<byte> message, ReadOnlySpan<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(signature.Length, Signature.Size);

        // SAFETY: the library reads 64 bytes of signature, 32 of key and the message, all pinned for the call.
        fixed (byte* text = message, tag = signature, raw = _keys.AsSpan(key * Bytes32.Size, Bytes32.Size))
        {
            return _verify(tag, text, (ulong)message.Length, raw) == 0;
        }
    }

    /// <inheritdoc/>
    public override void Sign(ReadOnlySpan<byte> message, Span<byte> signature)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(signature.Length, Signature.Size);
        ulong length;

        // SAFETY: the library writes 64 bytes, which the target has.
        fixed (byte* text = message, target = signature, secret = _secret)
        {
            Invariant.Require(_sign(target, &length, text, (ulong)message.Length, secret) == 0);
        }
    }

    private protected override void Free()
    {
    }
}
