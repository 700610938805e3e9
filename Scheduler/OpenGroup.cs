// The group of a key that accesses join: readers between two others, adders, or one writer alone. Whoever walks a batch in order
// and keeps time per key (WorkSpan, ConflictAnalysis, ParallelGate) asks it when a new group begins.
//
// Threading: a value of its owner.

using ParallelVm.AccessLists;

namespace ParallelVm.Scheduler;

/// <summary>Which kind of group is open on a key; none at first.</summary>
internal struct OpenGroup
{
    private byte _kind;         // 0 = untouched; else 1 + mode

    /// <summary>Takes the key's next access, and says whether it begins a group: it conflicts with the one before it, or is the first.</summary>
    public bool BeginsWith(AccessMode mode)
    {
        byte kind = (byte)(1 + (byte)mode);
        bool begins = _kind != kind || mode == AccessMode.Write;
        _kind = kind;
        return begins;
    }
}
