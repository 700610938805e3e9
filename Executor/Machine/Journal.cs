// The undo log of one transaction, and the adds that it hands over when it succeeds.
//
// Writes go to the record in place, because the conflict graph gave the transaction the record alone; the first write to a record
// saves its image here. A failure restores the images; a success forgets them. Adds to keys declared Add never touch the record:
// they are summed here per access, modulo 2^128, and the engine folds them.
//
// Invariants
//   J1  a record is saved at most once per transaction, before its first change
//   J2  after Rollback every record equals its image: bytes, length, existence, touched flag
//
// Threading: owned by one interpreter.   Cost: no allocation once the arrays have grown.

using System;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>What a successful transaction adds to a key that it declared Add.</summary>
/// <param name="AccessIndex">Index into the message's access list.</param>
/// <param name="Amount">Sum of the transaction's adds to it, modulo 2^128.</param>
public readonly record struct PendingAdd(int AccessIndex, UInt128 Amount);

/// <summary>Before-images and pending adds of the running transaction.</summary>
internal sealed class Journal
{
    private readonly record struct Image(Record Record, int Offset, int Length, bool Existed, bool WasTouched);

    private Image[] _images = new Image[16];
    private int _imageCount;
    private byte[] _bytes = new byte[4096];
    private int _byteCount;
    private PendingAdd[] _adds = new PendingAdd[16];
    private int _addCount;
    private uint[] _savedIn = new uint[64];
    private (uint Run, int Add)[] _addOf = new (uint, int)[64];             // by access: where its sum is, in the run that says so
    private uint _run;

    /// <summary>One entry per access that was added to.</summary>
    public ReadOnlySpan<PendingAdd> Adds => _adds.AsSpan(0, _addCount);

    /// <summary>Starts a transaction with that many accesses.</summary>
    public void Begin(int accesses)
    {
        if (_savedIn.Length < accesses)
        {
            Array.Resize(ref _savedIn, accesses);
            Array.Resize(ref _addOf, accesses);
        }

        _imageCount = 0;
        _byteCount = 0;
        _addCount = 0;
        if (++_run == 0)
        {
            Array.Clear(_savedIn);
            Array.Clear(_addOf);
            _run = 1;
        }
    }

    /// <summary>Saves a record before it changes and marks it touched.</summary>
    public void Touch(int access, Record record)
    {
        if (_savedIn[access] == _run)
        {
            return;                                                         // J1
        }

        _savedIn[access] = _run;
        ReadOnlySpan<byte> value = record.Value;
        if (_byteCount + value.Length > _bytes.Length)
        {
            Array.Resize(ref _bytes, Math.Max(_byteCount + value.Length, _bytes.Length * 2));
        }

        if (_imageCount == _images.Length)
        {
            Array.Resize(ref _images, _images.Length * 2);
        }

        value.CopyTo(_bytes.AsSpan(_byteCount));
        _images[_imageCount++] = new Image(record, _byteCount, value.Length, record.Exists, record.IsTouched);
        _byteCount += value.Length;
        record.IsTouched = true;
    }

    /// <summary>Adds to a key that is declared Add.</summary>
    public void Add(int access, UInt128 amount)
    {
        ref (uint Run, int Add) known = ref _addOf[access];
        if (known.Run == _run)
        {
            ref PendingAdd add = ref _adds[known.Add];
            add = new PendingAdd(access, unchecked(add.Amount + amount));
            return;
        }

        if (_addCount == _adds.Length)
        {
            Array.Resize(ref _adds, _adds.Length * 2);
        }

        known = (_run, _addCount);
        _adds[_addCount++] = new PendingAdd(access, amount);
    }

    /// <summary>Restores every saved record and forgets the adds.</summary>
    public void Rollback()
    {
        for (int i = _imageCount - 1; i >= 0; i--)
        {
            ref readonly Image image = ref _images[i];
            if (image.Existed)
            {
                image.Record.Set(_bytes.AsSpan(image.Offset, image.Length));
            }
            else
            {
                image.Record.Remove();
            }

            image.Record.IsTouched = image.WasTouched;
            Invariant.Audit(image.Record.Value.SequenceEqual(_bytes.AsSpan(image.Offset, image.Length)));       // J2
        }

        _imageCount = 0;
        _addCount = 0;
    }
}
