// The linear memory of one activation: nothing at page 0, the program's DATA read-only at 0x1000, the heap from 0x1000000 on,
// grown in pages of 4 KiB by MGROW and zero when it is mapped.
//
// Pages are cleared when they are mapped, and only those that an earlier run has used: a run that maps nothing pays nothing.
//
// Threading: owned by one machine.   Cost: 1 MiB at most, taken as it is needed and kept.

using System;
using System.Runtime.CompilerServices;
using ParallelVm.Executor.Bytecode;

namespace ParallelVm.Executor;

/// <summary>Memory of a worker's machine, reused run after run.</summary>
internal sealed unsafe class MachineMemory : ITraceMemory
{
    /// <summary>Where DATA is mapped.</summary>
    public const ulong DataAddress = 0x1000;

    /// <summary>Where the heap starts.</summary>
    public const ulong HeapAddress = 0x100_0000;

    /// <summary>Bytes of a page.</summary>
    public const int PageBytes = 4096;

    // SAFETY: pinned, so that Heap stays valid until the next Grow or Reset
    private byte[] _heap = [];
    private byte[] _data = [];
    private int _used;
    private int _maxPages;

    /// <summary>Mapped bytes of the heap.</summary>
    public int Mapped { get; private set; }

    /// <summary>The first byte of the heap; changes when the heap grows.</summary>
    public byte* Heap { get; private set; }

    /// <summary>Starts a run: no heap, the program's data.</summary>
    public void Reset(byte[] data, int maxPages)
    {
        _data = data;
        _maxPages = maxPages;
        Mapped = 0;
    }

    /// <summary>True when <paramref name="pages"/> more may be mapped.</summary>
    public bool CanGrow(ulong pages) => pages <= (ulong)(_maxPages - (Mapped / PageBytes));

    /// <summary>Maps zeroed pages; <see cref="CanGrow"/> holds.</summary>
    /// <returns>Address of the first of them.</returns>
    public ulong Grow(int pages)
    {
        ulong address = HeapAddress + (ulong)Mapped;
        int end = Mapped + (pages * PageBytes);
        if (end > _heap.Length)
        {
            byte[] larger = GC.AllocateArray<byte>(Math.Min(Math.Max(end, _heap.Length * 2), VerifierLimits.MaxMemoryPages * PageBytes), pinned: true);
            _heap.AsSpan(0, Mapped).CopyTo(larger);
            _heap = larger;
            _used = Mapped;                                                 // the rest is new, and zero
            Heap = (byte*)Unsafe.AsPointer(ref larger[0]);
        }

        int dirty = Math.Min(end, _used);
        if (dirty > Mapped)
        {
            _heap.AsSpan(Mapped, dirty - Mapped).Clear();
        }

        _used = Math.Max(_used, end);
        Mapped = end;
        return address;
    }

    /// <summary>The bytes at an address, for reading; false outside mapped memory.</summary>
    public bool TryRead(ulong address, ulong length, out ReadOnlySpan<byte> bytes)
    {
        if (TryWrite(address, length, out Span<byte> heap))
        {
            bytes = heap;
            return true;
        }

        if (address >= DataAddress && length <= (ulong)_data.Length && address - DataAddress <= (ulong)_data.Length - length)
        {
            bytes = _data.AsSpan((int)(address - DataAddress), (int)length);
            return true;
        }

        bytes = default;
        return false;
    }

    /// <summary>The bytes at an address, for writing; false outside the heap.</summary>
    public bool TryWrite(ulong address, ulong length, out Span<byte> bytes)
    {
        if (address >= HeapAddress && length <= (ulong)Mapped && address - HeapAddress <= (ulong)Mapped - length)
        {
            bytes = _heap.AsSpan((int)(address - HeapAddress), (int)length);
            return true;
        }

        bytes = default;
        return false;
    }
}
