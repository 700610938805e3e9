// What the executable says of itself, and which files of a plugin folder stop the node.

using System.Text.Json;
using ParallelVm.PluginHost;
using ParallelVm.PluginHost.Commands;

namespace ParallelVm.Rpcchainvm.Tests;

public sealed class PluginFactsTests
{
    [Fact]
    public void The_vm_id_is_the_padded_name()
    {
        Assert.Equal("v3m4wPxaHpvGr8qfMeyK6PRW3idZrPHmYcMTt7oXdK47yurVH", PluginFacts.VmIdOf("xsvm"));        // a constant of AvalancheGo
        Assert.Equal(PluginFacts.VmIdOf("parallelvm"), PluginFacts.VmId);
        Assert.Null(PluginFacts.VmIdOf(new string('x', 33)));
    }

    [Fact]
    public void Tools_find_name_id_version_and_protocol()
    {
        using JsonDocument json = JsonDocument.Parse(PluginFacts.VersionJson(46));
        Assert.Equal(
            ("parallelvm", PluginFacts.VmId, PluginFacts.Version, 46L),
            (json.RootElement.GetProperty("name").GetString(), json.RootElement.GetProperty("vmid").GetString(),
            json.RootElement.GetProperty("version").GetString(), json.RootElement.GetProperty("rpcchainvm").GetInt64()));
    }

    [Theory]
    [InlineData("v3m4wPxaHpvGr8qfMeyK6PRW3idZrPHmYcMTt7oXdK47yurVH", true)]
    [InlineData("v3m4wPxaHpvGr8qfMeyK6PRW3idZrPHmYcMTt7oXdK47yurVH.exe", true)]
    [InlineData(".DS_Store", true)]
    [InlineData("ParallelVm.Chain.dll", false)]
    [InlineData("parallelvm", false)]
    [InlineData("v3m4wPxaHpvGr8qfMeyK6PRW3idZrPHmYcMTt7oXdK47yurVJ", false)]
    [InlineData("settings.json", false)]
    public void A_file_that_is_no_vm_id_stops_the_node(string name, bool isHarmless) => Assert.Equal(isHarmless, InstallCommand.IsHarmless(name));
}
