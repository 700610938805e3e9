// A unary method, taken from the descriptor that protoc embeds beside the messages: names and types stand in the .proto files and nowhere else.
//
// Asking for a method that a service does not have, or with other messages than it has, is our mistake and throws when the table is made, so a typo never
// reaches the wire.
//
// Threading: immutable.

using System;
using Google.Protobuf;
using Google.Protobuf.Reflection;

namespace ParallelVm.Rpcchainvm.Transport;

/// <summary>One unary method of one service.</summary>
internal sealed class RpcMethod<TRequest, TResponse>
    where TRequest : class, IMessage<TRequest>
    where TResponse : class, IMessage<TResponse>
{
    private RpcMethod(string path, MessageParser<TRequest> requests, MessageParser<TResponse> responses)
    {
        Path = path;
        Requests = requests;
        Responses = responses;
    }

    /// <summary><c>/package.Service/Method</c>.</summary>
    public string Path { get; }

    /// <summary>Reads requests; fields that it does not know are dropped.</summary>
    public MessageParser<TRequest> Requests { get; }

    /// <summary>Reads responses; fields that it does not know are dropped.</summary>
    public MessageParser<TResponse> Responses { get; }

    /// <summary>Finds a method.</summary>
    /// <exception cref="ArgumentException">The service has no such method, or with other messages.</exception>
    public static RpcMethod<TRequest, TResponse> Of(ServiceDescriptor service, string name)
    {
        ArgumentNullException.ThrowIfNull(service);
        MethodDescriptor? method = service.FindMethodByName(name);
        if (method is null || method.IsClientStreaming || method.IsServerStreaming
            || method.InputType.Parser is not MessageParser<TRequest> requests || method.OutputType.Parser is not MessageParser<TResponse> responses)
        {
            throw new ArgumentException($"Service {service.FullName} has no unary method {name} from {typeof(TRequest).Name} to {typeof(TResponse).Name}.", nameof(name));
        }

        return new RpcMethod<TRequest, TResponse>($"/{service.FullName}/{name}", requests.WithDiscardUnknownFields(true), responses.WithDiscardUnknownFields(true));
    }
}
