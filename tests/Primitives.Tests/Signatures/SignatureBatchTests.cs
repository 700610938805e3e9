// A batch gives each signature the verdict that it has alone, wherever the bad ones stand.

using System;

namespace ParallelVm.Primitives.Tests.Signatures;

public class SignatureBatchTests
{
    [Fact]
    public void An_empty_batch_is_valid_and_too_few_places_are_refused()
    {
        SignatureBatch batch = new(1);
        Assert.Equal(0, batch.Count);
        Assert.True(batch.Verify([]));
        batch.Add(default, [], default);
        Assert.Throws<ArgumentException>(() => batch.Verify([]));
        batch.Clear();
        Assert.Equal(0, batch.Count);
        Assert.True(batch.Verify([]));
    }
}
