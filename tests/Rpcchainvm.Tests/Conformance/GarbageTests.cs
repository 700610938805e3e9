// Every field of every request filled with what no node sends, by the descriptors, so that no field is forgotten when one is added.
//
// Laws, whatever the bytes: a call ends; it ends in a reply that a node accepts (ids of 32 bytes, times that exist, or err) or in a status with a sentence; calls
// that carry peers' messages never fail; the process does not hold itself for broken; and afterwards the chain grows as if nothing had been.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading;
using System.Threading.Tasks;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;
using ParallelVm.Primitives;
using ParallelVm.Rpcchainvm.Protos.Vm;
using ParallelVm.Rpcchainvm.Tests.Vm;
using ParallelVm.Rpcchainvm.Transport;

namespace ParallelVm.Rpcchainvm.Tests.Conformance;

public sealed class GarbageTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private static readonly ServiceDescriptor Service = VmReflection.Descriptor.Services[0];
    private static readonly string[] NeverFail = ["Connected", "Disconnected", "AppRequest", "AppRequestFailed", "AppResponse", "AppGossip", "Version", "Gather", "StateSyncEnabled"];
    private static readonly int[] Lengths = [0, 1, 8, 19, 20, 21, 31, 32, 33, 48, 64, 96, 300, 5_000];

    [Theory, InlineData(1), InlineData(2)]
    public async Task No_field_of_any_request_breaks_the_process_or_a_rule_of_its_reply(int seed)
    {
        SeededRandom random = new((ulong)seed);
        await using VmKit kit = await VmKit.OpenAsync();
        BuildBlockResponse accepted = await kit.GrowAsync(2);
        BuildBlockResponse processing = await kit.BuildAsync(2);
        await kit.VerifyAsync(processing.Bytes);
        ByteString[] known = [accepted.Id, accepted.Bytes, accepted.ParentId, processing.Bytes, ByteString.CopyFrom(VmKit.NodeId)];
        HashSet<string> fields = [];
        for (int round = 0; round < 40; round++)
        {
            foreach (MethodDescriptor method in Service.Methods)
            {
                if (method.Name is "Shutdown" or "WaitForEvent" || (method.Name is "BlockAccept" or "BlockReject" && round % 2 == 1))
                {
                    continue;
                }

                IMessage request = method.InputType.Parser.ParseFrom(ByteString.Empty);
                Fill(request, random, known, fields);
                string what = $"seed {seed} round {round} {method.Name} {request}";
                try
                {
                    CheckReply(await AskAsync(kit, method, request).WaitAsync(Patience), what);
                }
                catch (RpcException refused)
                {
                    Assert.False(NeverFail.Contains(method.Name), $"{what}: {refused.Message}");
                    Assert.True(refused.Detail.Length > 0, what);
                    Assert.True(refused.Code is not (RpcCode.Internal or RpcCode.Unimplemented), $"{what}: {refused.Message}");
                }

                Assert.True(kit.Broken is null, $"{what}: {kit.Broken}");
            }
        }

        int all = Service.Methods.Where(static method => method.Name is not ("Shutdown" or "WaitForEvent")).Sum(static method => method.InputType.Fields.InDeclarationOrder().Count);
        Assert.True(fields.Count >= all, $"{fields.Count} of {all} fields were filled");
        await kit.GoAsync();
        await kit.PreferAsync(accepted.Id);
        BuildBlockResponse next = await kit.GrowAsync();
        Assert.Equal((2UL, accepted.Id), (next.Height, next.ParentId));
    }

    // Initialize is asked once in a process, so what is odd has a process of its own that was never opened.
    [Theory, InlineData(3)]
    public async Task Garbage_in_a_field_of_initialize_is_refused_and_opens_nothing(int seed)
    {
        SeededRandom random = new((ulong)seed);
        await using VmKit kit = await VmKit.StartAsync();
        string[] fixedLength = ["subnet_id", "chain_id", "node_id", "public_key", "x_chain_id", "c_chain_id", "avax_asset_id"];
        foreach (FieldDescriptor field in InitializeRequest.Descriptor.Fields.InDeclarationOrder().Where(static field => field.FieldType == FieldType.Bytes))
        {
            int good = ((ByteString)field.Accessor.GetValue(kit.Request())).Length;
            foreach (int length in Lengths.Where(length => length != good && (length != 0 || field.Name is not ("upgrade_bytes" or "config_bytes"))))
            {
                InitializeRequest request = kit.Request();
                byte[] bytes = new byte[length];
                random.Fill(bytes);
                field.Accessor.SetValue(request, ByteString.CopyFrom(bytes));
                RpcException refused = await kit.FailsAsync<InitializeRequest, InitializeResponse>("Initialize", request);
                Assert.True(refused.Code == RpcCode.InvalidArgument, $"seed {seed} {field.Name} of {length} bytes: {refused.Message}");
                Assert.True(!fixedLength.Contains(field.Name) || refused.Detail.Contains(field.Name, StringComparison.Ordinal), refused.Detail);
            }
        }

        foreach (string address in (string[])["nonsense", ":", "a b:1", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "http://127.0.0.1:1"])
        {
            foreach (Action<InitializeRequest> oddity in (Action<InitializeRequest>[])[request => request.DbServerAddr = address, request => request.ServerAddr = address])
            {
                InitializeRequest request = kit.Request();
                oddity(request);
                RpcException refused = await kit.FailsAsync<InitializeRequest, InitializeResponse>("Initialize", request).WaitAsync(Patience);
                Assert.True(refused.Code == RpcCode.InvalidArgument, $"{address}: {refused.Message}");
            }
        }

        Assert.Null(kit.Broken);
        Assert.Equal(0UL, (await kit.InitializeAsync()).Height);
    }

    private static async Task<IMessage> AskAsync(VmKit kit, MethodDescriptor method, IMessage request)
    {
        MethodInfo call = typeof(VmKit).GetMethod(nameof(VmKit.CallAsync))!.MakeGenericMethod(method.InputType.ClrType, method.OutputType.ClrType);
        Task task = (Task)call.Invoke(kit, [method.Name, request, CancellationToken.None])!;
        await task;
        return (IMessage)task.GetType().GetProperty("Result")!.GetValue(task)!;
    }

    // What the node demands of an answer: see "hard validity rules" of the sheet's section 4.
    private static void CheckReply(IMessage reply, string what)
    {
        FieldDescriptor? err = reply.Descriptor.FindFieldByName("err");
        bool isError = err is not null && Convert.ToInt32(err.Accessor.GetValue(reply), System.Globalization.CultureInfo.InvariantCulture) != 0;
        foreach (FieldDescriptor field in reply.Descriptor.Fields.InDeclarationOrder())
        {
            object? value = field.Accessor.GetValue(reply);
            if (field.FieldType == FieldType.Bytes && !field.IsRepeated && (field.Name == "id" || field.Name.EndsWith("_id", StringComparison.Ordinal)))
            {
                Assert.True(((ByteString)value!).Length == (isError ? 0 : Bytes32.Size), $"{what}: {reply}");
            }

            if (field.FieldType == FieldType.Message && field.MessageType == Timestamp.Descriptor)
            {
                Assert.True(isError ? value is null : value is Timestamp { Seconds: >= -62_135_596_800 and <= 253_402_300_799, Nanos: >= 0 and <= 999_999_999 }, $"{what}: {reply}");
            }
        }
    }

    private static void Fill(IMessage message, SeededRandom random, ByteString[] known, HashSet<string> fields)
    {
        foreach (FieldDescriptor field in message.Descriptor.Fields.InDeclarationOrder())
        {
            if (random.Chance(1, 8))
            {
                continue;
            }

            fields.Add(field.FullName);
            if (field.IsRepeated)
            {
                System.Collections.IList list = (System.Collections.IList)field.Accessor.GetValue(message);
                for (int i = random.Next(5); i > 0; i--)
                {
                    list.Add(Value(field, random, known, fields));
                }
            }
            else
            {
                field.Accessor.SetValue(message, Value(field, random, known, fields));
            }
        }
    }

    private static object Value(FieldDescriptor field, SeededRandom random, ByteString[] known, HashSet<string> fields)
    {
        switch (field.FieldType)
        {
            case FieldType.Bytes:
                return BytesOf(random, known);
            case FieldType.String:
                return new string((char)(32 + random.Next(0x500)), random.Next(40));
            case FieldType.UInt32:
                return random.Chance(1, 2) ? (uint)random.Next(4) : uint.MaxValue - (uint)random.Next(4);
            case FieldType.UInt64:
                return random.Chance(1, 2) ? (ulong)random.Next(4) : random.NextU64();
            case FieldType.Int32 or FieldType.SInt32:
                return random.Chance(1, 2) ? random.Next(4) - 2 : random.Chance(1, 2) ? int.MinValue : int.MaxValue;
            case FieldType.Int64:
                return random.Chance(1, 2) ? random.Next(4) - 2L : (long)random.NextU64();
            case FieldType.Bool:
                return random.Chance(1, 2);
            case FieldType.Enum:
                return System.Enum.ToObject(field.EnumType.ClrType, random.Chance(1, 2) ? random.Next(5) : random.Next(int.MaxValue));
            case FieldType.Message:
                IMessage inner = field.MessageType.Parser.ParseFrom(ByteString.Empty);
                Fill(inner, random, known, fields);
                return inner;
            default:
                throw new InvalidOperationException($"{field.FullName} is a {field.FieldType}: say how it is filled.");
        }
    }

    private static ByteString BytesOf(SeededRandom random, ByteString[] known)
    {
        byte[] bytes;
        if (random.Chance(1, 3))
        {
            bytes = known[random.Next(known.Length)].ToByteArray();
            if (random.Chance(1, 2))
            {
                bytes[random.Next(bytes.Length)] ^= (byte)(1 << random.Next(8));
            }

            return ByteString.CopyFrom(random.Chance(1, 4) ? bytes[..random.Next(bytes.Length)] : bytes);
        }

        bytes = new byte[Lengths[random.Next(Lengths.Length)]];
        if (random.Chance(3, 4))
        {
            random.Fill(bytes);
        }

        return ByteString.CopyFrom(bytes);
    }
}
