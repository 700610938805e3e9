// What one transaction of the load wants to do, before it is bytes.

namespace ParallelVm.Loadtest.Workloads;

/// <summary>What is called.</summary>
internal enum IntentKind
{
    /// <summary>A transfer of the token.</summary>
    Transfer,

    /// <summary>A swap on a pool.</summary>
    Swap,
}

/// <summary>How a transaction is made to fail.</summary>
internal enum IntentFailure
{
    /// <summary>It should succeed.</summary>
    None,

    /// <summary>A swap that asks for more than the pool gives.</summary>
    Slippage,

    /// <summary>A transfer of more than the sender has.</summary>
    Overdraft,

    /// <summary>A gas limit that covers the intrinsic gas and little more.</summary>
    OutOfGas,

    /// <summary>A key declared in a weaker mode than the program needs.</summary>
    UndeclaredAccess,
}

/// <summary>One transaction of the load.</summary>
/// <param name="Index">Place among the transactions offered for its block; with the height it makes the transaction unique.</param>
/// <param name="Sender">Account that signs and pays, [0, accounts).</param>
/// <param name="Recipient">Account that a transfer credits, never the sender.</param>
/// <param name="Pool">Pool that a swap goes to, [0, pools).</param>
/// <param name="IsReverse">A swap of the pool's second token for its first.</param>
/// <param name="Amount">Token units, [1, 1000].</param>
internal readonly record struct Intent(
    int Index, IntentKind Kind, IntentFailure Failure, int Sender, int Recipient, int Pool, bool IsReverse, ulong Amount);
