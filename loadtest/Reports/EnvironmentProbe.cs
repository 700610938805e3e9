// Where a report was taken. Every field has an answer on every machine; a source that is missing gives "unknown",
// never a failure, because a report without a processor name is worth more than no report.

using System;
using System.IO;
using System.Reflection;
using System.Runtime;
using System.Runtime.InteropServices;

namespace ParallelVm.Loadtest.Reports;

/// <summary>Asks the machine.</summary>
internal static class EnvironmentProbe
{
    private const string Unknown = "unknown";

    /// <summary>Reads the facts once; they do not change while a process lives.</summary>
    public static EnvironmentInfo Read() => new(
        Cpu(),
        Environment.ProcessorCount,
        RuntimeInformation.OSDescription,
        RuntimeInformation.FrameworkDescription,
        (GCSettings.IsServerGC ? "server" : "workstation") + (GCSettings.LatencyMode == GCLatencyMode.Batch ? "" : " concurrent"),
        Commit());

    private static string Cpu()
    {
        try
        {
            foreach (string line in File.ReadLines("/proc/cpuinfo"))
            {
                int colon = line.IndexOf(':', StringComparison.Ordinal);
                if (colon > 0 && line.StartsWith("model name", StringComparison.Ordinal))
                {
                    return line[(colon + 1)..].Trim();
                }
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // no such file outside Linux; the environment may know
        }

        return Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }

    // The SDK appends "+<revision>" to the informational version when the build ran inside a git work tree.
    private static string Commit()
    {
        string? version = typeof(EnvironmentProbe).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion;
        int plus = version?.IndexOf('+', StringComparison.Ordinal) ?? -1;
        return plus >= 0 && plus + 1 < version!.Length ? version[(plus + 1)..] : Unknown;
    }
}
