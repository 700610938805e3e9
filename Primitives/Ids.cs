// The ids of the field, each its own type, so that a height is never passed where a gas amount is meant.
// All are immutable values that compare by content; 32-byte ones order as their bytes do.

using System;

namespace ParallelVm.Primitives;

/// <summary>Where a record lives: the keyed hash of (owner program, local key). Path in the tree and key in the store.</summary>
public readonly record struct StateKey(Bytes32 Value) : IComparable<StateKey>
{
    /// <inheritdoc/>
    public int CompareTo(StateKey other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override int GetHashCode() => Value.GetHashCode();

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>The id of a program; also the owner of the keys below it.</summary>
public readonly record struct ProgramId(Bytes32 Value) : IComparable<ProgramId>
{
    /// <summary>Owner of the native balances; the program that genesis puts there moves the native token. 31 zero bytes, then 1.</summary>
    public static readonly ProgramId Native = new(new Bytes32(0, 0, 0, 1));

    /// <summary>The program that deploys programs, and owner of their records and code. 31 zero bytes, then 2.</summary>
    public static readonly ProgramId System = new(new Bytes32(0, 0, 0, 2));

    /// <inheritdoc/>
    public int CompareTo(ProgramId other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>A record's key below its owner program.</summary>
public readonly record struct LocalKey(Bytes32 Value) : IComparable<LocalKey>
{
    /// <inheritdoc/>
    public int CompareTo(LocalKey other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>An Ed25519 public key in its 32-byte encoding; an account's address.</summary>
public readonly record struct PublicKey(Bytes32 Value) : IComparable<PublicKey>
{
    /// <inheritdoc/>
    public int CompareTo(PublicKey other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>An Ed25519 signature: R in the first half, S in the second.</summary>
public readonly record struct Signature(Bytes32 R, Bytes32 S)
{
    /// <summary>Length in bytes.</summary>
    public const int Size = 64;

    /// <summary>Reads the first 64 bytes of <paramref name="source"/>.</summary>
    public static Signature From(ReadOnlySpan<byte> source) => new(Bytes32.From(source), Bytes32.From(source[Bytes32.Size..]));

    /// <summary>Writes the 64 bytes to the start of <paramref name="target"/>.</summary>
    public void CopyTo(Span<byte> target)
    {
        R.CopyTo(target);
        S.CopyTo(target[Bytes32.Size..]);
    }
}

/// <summary>The id of a chain: hash of its genesis.</summary>
public readonly record struct ChainId(Bytes32 Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>The id of a transaction: hash of its message without signatures.</summary>
public readonly record struct TxId(Bytes32 Value) : IComparable<TxId>
{
    /// <inheritdoc/>
    public int CompareTo(TxId other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>The id of a block: SHA-256 of its bytes.</summary>
public readonly record struct BlockId(Bytes32 Value) : IComparable<BlockId>
{
    /// <inheritdoc/>
    public int CompareTo(BlockId other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>The 32-byte commitment to a whole state.</summary>
public readonly record struct StateRoot(Bytes32 Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value.ToString();
}

/// <summary>A block's distance from genesis, which has height 0.</summary>
public readonly record struct Height(ulong Value) : IComparable<Height>
{
    /// <summary>The height of a child.</summary>
    public Height Next => new(Value + 1);

    /// <inheritdoc/>
    public int CompareTo(Height other) => Value.CompareTo(other.Value);

    /// <inheritdoc/>
    public override string ToString() => Value.ToString(System.Globalization.CultureInfo.InvariantCulture);
}

/// <summary>A place in a batch, from 0: the serial order.</summary>
public readonly record struct TxIndex(int Value) : IComparable<TxIndex>
{
    /// <inheritdoc/>
    public int CompareTo(TxIndex other) => Value.CompareTo(other.Value);
}
