// The token program from outside: where its records live, what they hold, how its entries are called.
// Programs/token.pvasm is the other half; the offsets and selectors here and there are the same numbers.
//
//   config    local key "pvmtoken config"    authority's public key, 32 bytes
//   supply    local key "pvmtoken supply"    balance record: everything ever minted
//   account   local key = public key         balance record
//
// Keys that start with the eight bytes "pvmtoken" are the program's own: nobody can be paid there, or a payment could change
// who the authority is.

using System;
using System.Buffers.Binary;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

/// <summary>Calls of the token program.</summary>
public static class TokenCalls
{
    /// <summary>Selector of <c>mint</c>.</summary>
    public const uint MintSelector = 1;

    /// <summary>Selector of <c>transfer</c>.</summary>
    public const uint TransferSelector = 2;

    /// <summary>Bytes that both entries take as arguments: the amount.</summary>
    public const int ArgumentBytes = 16;

    /// <summary>The authority mints to an account; at most 2^64 - 1 at once, so that the supply cannot wrap.</summary>
    public static ProgramCall Mint(PublicKey to, ulong amount) => new(
        MintSelector,
        Amount(amount),
        [
            new SlotBinding(TokenLayout.ConfigKey, AccessMode.Read),
            new SlotBinding(TokenLayout.SupplyKey, AccessMode.Add),
            new SlotBinding(TokenLayout.AccountKey(to), AccessMode.Add),
        ]);

    /// <summary>The caller, who must be <paramref name="from"/>, pays an account; paying oneself changes nothing.</summary>
    public static ProgramCall Transfer(PublicKey from, PublicKey to, UInt128 amount) => new(
        TransferSelector,
        Amount(amount),
        [
            new SlotBinding(TokenLayout.AccountKey(from), AccessMode.Write),
            new SlotBinding(TokenLayout.AccountKey(to), AccessMode.Add),
        ]);

    private static byte[] Amount(UInt128 amount)
    {
        byte[] arguments = new byte[ArgumentBytes];
        BinaryPrimitives.WriteUInt128LittleEndian(arguments, amount);
        return arguments;
    }
}

/// <summary>Where the token program keeps its records and what they hold.</summary>
public static class TokenLayout
{
    /// <summary>The record with the authority's public key.</summary>
    public static readonly LocalKey ConfigKey = new(FixedKeys.Named("pvmtoken config"));

    /// <summary>The balance record of everything ever minted.</summary>
    public static readonly LocalKey SupplyKey = new(FixedKeys.Named("pvmtoken supply"));

    /// <summary>The balance record of an account.</summary>
    public static LocalKey AccountKey(PublicKey account) => new(account.Value);

    /// <summary>The config record for an authority.</summary>
    public static byte[] EncodeConfig(PublicKey authority) => authority.Value.ToArray();
}

/// <summary>Values that the token program aborts with; a receipt shows 256 more.</summary>
public static class TokenAborts
{
    /// <summary>The caller is not the authority.</summary>
    public const uint NotAuthority = 1;

    /// <summary>The caller does not own the paying account.</summary>
    public const uint NotOwner = 2;

    /// <summary>The paying account holds less than the amount.</summary>
    public const uint Overdraft = 3;

    /// <summary>A slot names another record than the program's own config or supply, or pays to one of those.</summary>
    public const uint WrongKey = 4;

    /// <summary>An amount to mint of 2^64 or more.</summary>
    public const uint AmountTooLarge = 5;
}
