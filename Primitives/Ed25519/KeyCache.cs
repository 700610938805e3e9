// Public keys that were decoded lately. A payer comes again and again, and decoding its key is a square root.
//
// One place per key by its bytes, the later key takes it: no list, no clock, bounded by construction. A key that another keeps driving
// out costs its square root again and nothing else; no verdict depends on what is in here.
// Memory: 152 bytes * 4,096, once per owner.   Threading: one owner.

using System;

namespace ParallelVm.Primitives;

/// <summary>A bounded map from encodings to points.</summary>
internal sealed class KeyCache
{
    private const int Places = 4096;

    private readonly Entry[] _entries = new Entry[Places];

    /// <summary>The point of <paramref name="encoding"/>, when it was put and nothing has taken its place.</summary>
    public bool TryGet(in Bytes32 encoding, ref Niels point)
    {
        ref readonly Entry entry = ref _entries[Place(encoding)];
        if (!entry.IsSet || entry.Encoding != encoding)
        {
            return false;
        }

        point = entry.Point;
        return true;
    }

    /// <summary>Keeps a decoded key.</summary>
    public void Put(in Bytes32 encoding, in Niels point)
    {
        ref Entry entry = ref _entries[Place(encoding)];
        entry.Encoding = encoding;
        entry.Point = point;
        entry.IsSet = true;
    }

    /// <summary>Forgets all keys.</summary>
    public void Clear() => Array.Clear(_entries);

    private static int Place(in Bytes32 encoding) => (int)((encoding.W1 * 0x9E3779B97F4A7C15) >> 52);

    private struct Entry
    {
        public Bytes32 Encoding;
        public Niels Point;
        public bool IsSet;
    }
}
