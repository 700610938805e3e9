// Published vectors of trees of the same shape, run through the tree itself. The files say where they come from.

using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using ParallelVm.Primitives;

namespace ParallelVm.Faster.Tests;

public sealed class MerkleVectorTests
{
    [Fact]
    public void Nineteen_sparse_merkle_cases_of_fuel_have_their_roots() =>
        Assert.Equal(19, Run("fuel-sparse-merkle.txt", Sha256TreeHash.Fuel, FuelChange));

    [Fact]
    public void Three_vectors_of_penumbra_jmt_have_their_roots() =>
        Assert.Equal(3, Run("penumbra-jmt.txt", Sha256TreeHash.Jmt, JmtChange));

    private static PathChange FuelChange(string[] words)
    {
        Assert.Contains(words[0], new[] { "set", "delete" });
        string value = words[0] == "set" && words.Length > 2 ? words[2] : "";
        StateKey path = new(Bytes32.From(Convert.FromHexString(words[1])));
        return new PathChange(path, value.Length == 0 ? default : Sha256.Hash(Encoding.UTF8.GetBytes(value)));
    }

    private static PathChange JmtChange(string[] words)
    {
        Assert.Equal("put", words[0]);
        StateKey path = new(Sha256.Hash(Convert.FromHexString(words[1])));
        return new PathChange(path, Sha256.Hash(Convert.FromHexString(words[2])));
    }

    /// <summary>Step by step and, at the end of a case, all keys at once.</summary>
    private static int Run(string file, ITreeHash hash, Func<string[], PathChange> changeOf)
    {
        MerkleTree tree = MerkleTree.Create(hash);
        PlainTree twin = new(hash);
        string name = "";
        int cases = 0;
        foreach (string line in Lines(file))
        {
            string[] words = line.Split(' ', 3);
            if (words[0] == "case")
            {
                name = line;
                tree = MerkleTree.Create(hash);
                twin = new PlainTree(hash);
            }
            else if (words[0] == "root")
            {
                Bytes32 expected = Bytes32.From(Convert.FromHexString(words[1]));
                Assert.True(expected == tree.Hash, $"{name}: step by step gives {tree.Hash}");
                List<PathChange> all = [];
                foreach ((StateKey path, Bytes32 value) in twin.Keys)
                {
                    all.Add(new PathChange(path, value));
                }

                Assert.True(expected == MerkleTree.Build(hash, all.ToArray()).Hash, $"{name}: at once");
                Assert.True(expected == twin.Root, $"{name}: twin");
                cases++;
            }
            else
            {
                PathChange change = changeOf(words);
                twin.Apply([change]);
                tree = tree.Update(new[] { change });
            }
        }

        return cases;
    }

    private static List<string> Lines(string file)
    {
        using Stream stream = typeof(MerkleVectorTests).Assembly.GetManifestResourceStream(file)!;
        using StreamReader reader = new(stream);
        List<string> lines = [];
        while (reader.ReadLine() is { } line)
        {
            if (line.Length > 0 && line[0] != '#')
            {
                lines.Add(line);
            }
        }

        return lines;
    }
}
