// Protos/ against the sheet: no number, type, label, name or path differs, and no service offers more or less.

using System;
using System.Collections.Generic;
using System.Linq;
using Google.Protobuf.Reflection;

namespace ParallelVm.Rpcchainvm.Tests.Conformance;

public sealed class WireSheetTests
{
    private static readonly FileDescriptor[] Files =
    [
        Protos.Vm.VmReflection.Descriptor, Protos.VmRuntime.RuntimeReflection.Descriptor, Protos.Rpcdb.RpcdbReflection.Descriptor,
        Protos.AppSender.AppsenderReflection.Descriptor, Protos.ValidatorState.ValidatorstateReflection.Descriptor, Protos.Warp.WarpReflection.Descriptor,
        Protos.AliasReader.AliasreaderReflection.Descriptor, Protos.SharedMemory.SharedmemoryReflection.Descriptor, Protos.Http.HttpReflection.Descriptor,
        Protos.HttpResponseWriter.ResponsewriterReflection.Descriptor, Protos.IoReader.ReaderReflection.Descriptor, Protos.IoWriter.WriterReflection.Descriptor,
        Protos.NetConn.ConnReflection.Descriptor, Protos.Prometheus.MetricsReflection.Descriptor, Protos.Sdk.SdkReflection.Descriptor,
    ];

    [Fact]
    public void Every_service_method_message_and_number_is_the_sheets()
    {
        Dictionary<string, SortedSet<string>> services = [];
        SortedSet<string>? methods = null;
        int checkedLines = 0;
        foreach (string line in WireSheet.Text.Split('\n').Select(static line => line.Trim()).Where(static line => line.Length > 0))
        {
            string[] words = line.Split(' ', 3);
            switch (words[0])
            {
                case "service":
                    services.Add(words[1], methods = []);
                    break;
                case "message":
                    Assert.Equal(line, $"message {words[1]} = {string.Join(", ", MessageOf(words[1]).Fields.InFieldNumberOrder().Select(FieldOf))}");
                    break;
                case "enum":
                    EnumDescriptor found = EnumOf(words[1]);
                    Assert.Equal(line, $"enum {words[1]} = {string.Join(", ", found.Values.Select(static value => $"{value.Number} {value.Name}"))}");
                    break;
                default:
                    methods!.Add(line);
                    break;
            }

            checkedLines++;
        }

        Assert.True(checkedLines > 190, $"{checkedLines} lines");
        Assert.Equal(services.Keys.Order(StringComparer.Ordinal), Files.SelectMany(static file => file.Services).Select(static service => service.FullName).Order(StringComparer.Ordinal));
        foreach (ServiceDescriptor service in Files.SelectMany(static file => file.Services))
        {
            IEnumerable<string> found = service.Methods.Select(static method => $"{method.Name} {NameOf(method.InputType)} -> {NameOf(method.OutputType)}");
            Assert.Equal(services[service.FullName], new SortedSet<string>(found));
            Assert.DoesNotContain(service.Methods, static method => method.IsClientStreaming || method.IsServerStreaming);
        }
    }

    private static MessageDescriptor MessageOf(string name) => All(Files.SelectMany(static file => file.MessageTypes)).Single(message => message.FullName == name);

    private static EnumDescriptor EnumOf(string name) =>
        Files.SelectMany(static file => file.EnumTypes).Concat(All(Files.SelectMany(static file => file.MessageTypes)).SelectMany(static message => message.EnumTypes))
            .Single(one => one.FullName == name);

    private static IEnumerable<MessageDescriptor> All(IEnumerable<MessageDescriptor> messages) => messages.SelectMany(static message => All(message.NestedTypes).Prepend(message));

    private static string NameOf(MessageDescriptor message) => message.FullName switch
    {
        "google.protobuf.Empty" => "E",
        "google.protobuf.Timestamp" => "TS",
        "google.protobuf.Duration" => "D",
        _ => message.Name,
    };

    private static string FieldOf(FieldDescriptor field) =>
        $"{field.FieldNumber} {field.Name} {(field.IsRepeated ? "*" : field.HasPresence && field.FieldType != FieldType.Message ? "?" : "")}{TypeOf(field)}";

    private static string TypeOf(FieldDescriptor field) => field.FieldType switch
    {
        FieldType.Bytes => "b",
        FieldType.String => "s",
        FieldType.UInt32 => "u4",
        FieldType.UInt64 => "u8",
        FieldType.Int32 => "i4",
        FieldType.Int64 => "i8",
        FieldType.SInt32 => "z4",
        FieldType.Bool => "bool",
        FieldType.Double => "d",
        FieldType.Enum => field.EnumType.Name,
        FieldType.Message => NameOf(field.MessageType),
        _ => field.FieldType.ToString(),
    };
}
