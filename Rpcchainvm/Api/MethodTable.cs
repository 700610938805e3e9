// All methods, in the order of the reference page.

using ParallelVm.Rpcchainvm.Api.Methods;

namespace ParallelVm.Rpcchainvm.Api;

/// <summary>The methods of <c>/rpc</c>.</summary>
internal static class MethodTable
{
    /// <summary>The rows.</summary>
    public static RpcMethod[] All { get; } = [.. ChainMethods.All, .. TransactionMethods.All, .. StateMethods.All, .. CallMethods.All];
}
