// How a call ends: one of gRPC's seventeen codes and a sentence, on the wire as the headers grpc-status and grpc-message.
//
//   grpc-status: 2
//   grpc-message: no block now      UTF-8, where every byte outside ' '..'~', and '%', is written %XX
//
// Codes are gRPC's public numbers. AvalancheGo looks at nothing but success or failure.
//
// A message is cut to MessageMax bytes: headers have limits on the other side. Decoding is total: what is not %XX stands for itself.

using System;
using System.Globalization;
using System.Text;

namespace ParallelVm.Rpcchainvm.Transport;

/// <summary>gRPC's status codes.</summary>
internal enum RpcCode
{
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

/// <summary>A call that ended in another status than Ok; on the serving side: the status to end it with.</summary>
internal sealed class RpcException(RpcCode code, string detail, Exception? inner = null) : Exception($"{code}: {detail}", inner)
{
    /// <summary>The status.</summary>
    public RpcCode Code { get; } = code;

    /// <summary>The sentence alone.</summary>
    public string Detail { get; } = detail;
}

/// <summary>The header forms of a status.</summary>
internal static class RpcStatus
{
    public const string CodeHeader = "grpc-status";
    public const string MessageHeader = "grpc-message";
    public const string TimeoutHeader = "grpc-timeout";
    public const string EncodingHeader = "grpc-encoding";
    public const string ContentType = "application/grpc";

    /// <summary>Bytes of a message that are sent at most, before they are escaped.</summary>
    public const int MessageMax = 2048;

    /// <summary>The header form of a sentence.</summary>
    public static string Escape(string message)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(message);
        int length = Math.Min(bytes.Length, MessageMax);
        while (length < bytes.Length && length > 0 && (bytes[length] & 0xC0) == 0x80)
        {
            length--;                                               // not in the middle of a character
        }

        StringBuilder text = new(length);
        foreach (byte b in bytes.AsSpan(0, length))
        {
            if (b is >= 0x20 and <= 0x7E and not (byte)'%')
            {
                text.Append((char)b);
            }
            else
            {
                text.Append('%').Append(b.ToString("X2", CultureInfo.InvariantCulture));
            }
        }

        return text.ToString();
    }

    /// <summary>The sentence of a header.</summary>
    public static string Unescape(string header)
    {
        byte[] bytes = new byte[Encoding.UTF8.GetMaxByteCount(header.Length)];
        int length = 0;
        for (int i = 0; i < header.Length;)
        {
            if (header[i] == '%' && i + 2 < header.Length && char.IsAsciiHexDigit(header[i + 1]) && char.IsAsciiHexDigit(header[i + 2]))
            {
                bytes[length++] = byte.Parse(header.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
                i += 3;
            }
            else
            {
                int run = char.IsHighSurrogate(header[i]) && i + 1 < header.Length ? 2 : 1;
                length += Encoding.UTF8.GetBytes(header.AsSpan(i, run), bytes.AsSpan(length));
                i += run;
            }
        }

        return Encoding.UTF8.GetString(bytes, 0, length);
    }

    /// <summary>The header form of a deadline: whole units, at most eight digits.</summary>
    public static string FormatTimeout(TimeSpan left)
    {
        long micros = Math.Max(1, left.Ticks / TimeSpan.TicksPerMicrosecond);
        return micros < 100_000_000
            ? string.Create(CultureInfo.InvariantCulture, $"{micros}u")
            : string.Create(CultureInfo.InvariantCulture, $"{Math.Min(99_999_999, micros / 1_000_000)}S");
    }

    /// <summary>Reads a deadline header.</summary>
    /// <returns>False for what is none: the caller then refuses the call.</returns>
    public static bool TryParseTimeout(string header, out TimeSpan left)
    {
        left = default;
        if (header.Length is < 2 or > 9 || !ulong.TryParse(header.AsSpan(0, header.Length - 1), NumberStyles.None, CultureInfo.InvariantCulture, out ulong value))
        {
            return false;
        }

        double ticks = header[^1] switch
        {
            'H' => TimeSpan.TicksPerHour,
            'M' => TimeSpan.TicksPerMinute,
            'S' => TimeSpan.TicksPerSecond,
            'm' => TimeSpan.TicksPerMillisecond,
            'u' => TimeSpan.TicksPerMicrosecond,
            'n' => TimeSpan.TicksPerMicrosecond / 1000.0,
            _ => -1,
        };
        left = TimeSpan.FromTicks((long)(value * ticks));
        return ticks > 0;
    }

    /// <summary>What a plain HTTP answer means, from something that does not speak gRPC.</summary>
    public static RpcCode OfHttp(int status) => status switch
    {
        400 => RpcCode.Internal,
        401 => RpcCode.Unauthenticated,
        403 => RpcCode.PermissionDenied,
        404 => RpcCode.Unimplemented,
        429 or 502 or 503 or 504 => RpcCode.Unavailable,
        _ => RpcCode.Unknown,
    };
}
