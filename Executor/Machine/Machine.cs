// The state of one run, which every engine shares: gas, the open activations, records, journal, output. An engine keeps gas and
// cells where it likes while it runs simple instructions; before a call of Operations it leaves both here.
//
// Invariants
//   N1  records change only through the journal, so a failure leaves no trace
//   N2  a record declared Add is never read or written
//   N3  gas used is at most the gas limit; out of gas uses all of it
//
// Threading: one machine per worker, reused.   Cost: no allocation per run once its buffers have grown.

using System;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Executor.Jit;
using ParallelVm.Primitives;

namespace ParallelVm.Executor;

/// <summary>Where a run lives.</summary>
internal sealed unsafe class Machine
{
    /// <summary>What an engine returns when HALT ended the program, as against 0 for RET; other numbers are trap and revert codes.</summary>
    public const int Halted = 0x1_0000;

    /// <summary>Most programs that are open at once, the called one included.</summary>
    public const int MaxPrograms = 8;

    // longer lengths trap, since no more memory can be mapped; charging them as this keeps the product in range
    private const ulong MaxLength = VerifierLimits.MaxMemoryPages * MachineMemory.PageBytes;

    private readonly Activation?[] _activations = new Activation?[MaxPrograms];
    private Record[] _records = new Record[AccessList.MaxAccesses];

    /// <summary>Gas left. An engine with gas in a local stores it here before an operation, and reads it back.</summary>
    public ulong Gas;

    /// <summary>The heap of the active program: first byte and mapped bytes. Any operation that charges for itself may move it.</summary>
    public byte* Heap;

    /// <inheritdoc cref="Heap"/>
    public ulong Mapped;

    /// <summary>Where the active program stopped: an index into the words of its code.</summary>
    public int Place;

    /// <summary>Undo log and adds.</summary>
    public Journal Journal { get; } = new();

    /// <summary>Events and return data.</summary>
    public OutputBuffer Output { get; } = new();

    /// <summary>The program at work.</summary>
    public Activation Active { get; private set; } = null!;

    /// <summary>Its depth: 0 for the called program.</summary>
    public int Depth { get; private set; }

    /// <summary>What runs.</summary>
    public Message Message { get; private set; } = null!;

    /// <summary>The block it runs in.</summary>
    public BlockContext Context { get; private set; }

    /// <summary>The transaction's arguments, for the program that it calls; empty for those that are called from there.</summary>
    public ReadOnlySpan<byte> Arguments => Depth == 0 ? Message.Arguments.Span : default;

    /// <summary>Rules of the block's fork.</summary>
    public ForkRules Rules { get; private set; } = ForkRules.Launch;

    /// <summary>Prices of the block's fork.</summary>
    public GasPrices Prices { get; private set; } = GasPrices.Launch;

    /// <summary>Where compiled code comes from; null for words only. Results are the same.</summary>
    public CodeCache? Code { get; init; }

    /// <summary>Everything is checked again at run time (<see cref="Paranoia"/>); nothing is compiled or watched then.</summary>
    public bool IsParanoid { get; init; }

    /// <summary>Who watches, if somebody does.</summary>
    public ITraceSink? Sink { get; set; }

    /// <summary>Begins a run whose slots are covered: records are in the order of the access list.</summary>
    public void Begin(Message message, ReadOnlySpan<Record> records, in BlockContext context)
    {
        if (_records.Length < records.Length)
        {
            _records = new Record[records.Length];
        }

        records.CopyTo(_records);
        Message = message;
        Context = context;
        Rules = context.Rules;
        Prices = Rules.Prices;
        Gas = message.GasLimit - message.IntrinsicGas;
        Depth = -1;
        Activation first = Open(message.Program.CodeFor(Rules), message.Program.Entries[message.EntryIndex], message.Programs[0], message.Payer.Value);
        for (int slot = 0; slot < message.SlotTable.Length; slot++)
        {
            Bind(first, slot, message.SlotTable[slot]);
        }
    }

    /// <summary>Runs the active program from a function on: the one place where an engine is chosen.</summary>
    /// <returns>0, <see cref="Halted"/>, or a trap or revert code with <see cref="Place"/> set.</returns>
    public int Execute(int function)
    {
        if (IsParanoid)
        {
            Active.Shadow.Begin(Active, function, Gas);
            return SwitchLoop.Run<Untraced, Checked>(this, function, Active.Frame);
        }

        if (Sink is null && Gas <= long.MaxValue && Code?.Find(Active.Code)?.Find(function) is CompiledFunction compiled)
        {
            return compiled(this, Active.Frame);
        }

        if (Sink is null)
        {
            return SwitchLoop.Run<Untraced, Unchecked>(this, function, Active.Frame);
        }

        Activation active = Active;
        Sink.Enter(Depth, active.Program, active.Code.Program, active.Entry, active.Slots.AsSpan(0, active.Entry.SlotModes.Length));
        int code = SwitchLoop.Run<Traced, Unchecked>(this, function, active.Frame);
        EndStep((ushort)code);
        Sink.Leave((ushort)code);
        return code;
    }

    /// <summary>Lets a slot of an activation name an access.</summary>
    public void Bind(Activation activation, int slot, ushort access)
    {
        activation.Slots[slot] = access;
        activation.Records[slot] = _records[access];
    }

    /// <summary>Opens a program over the active one.</summary>
    public Activation Open(LoadedCode code, ProgramEntry entry, in ProgramId program, in Bytes32 caller)
    {
        Depth++;
        Active = _activations[Depth] ??= new Activation();
        Active.Open(code, entry, in program, in caller);
        Mapped = 0;
        return Active;
    }

    /// <summary>Closes the active program and goes back to its caller.</summary>
    public void Close()
    {
        Depth--;
        Active = _activations[Depth]!;
        Heap = Active.Memory.Heap;
        Mapped = (ulong)Active.Memory.Mapped;
    }

    /// <summary>Is a program of this id open?</summary>
    public bool IsOpen(in ProgramId program)
    {
        for (int i = 0; i <= Depth; i++)
        {
            if (_activations[i]!.Program == program)
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>Appends an event; one of a program that the transaction does not call itself carries that program's id.</summary>
    public bool Emit(uint schema, ReadOnlySpan<byte> bytes) =>
        Depth == 0 ? Output.TryEmit(schema, bytes) : Output.TryEmit(schema, Active.Program, bytes);

    /// <summary>Sets the return data, which are the called program's: those of programs that it calls are checked and dropped.</summary>
    public bool Return(ReadOnlySpan<byte> bytes) => Depth == 0 ? Output.TryReturn(bytes) : bytes.Length <= OutputBuffer.MaxReturnBytes;

    /// <summary>Takes a charge per 32 bytes; false when the gas does not cover it.</summary>
    public bool TryCharge(ulong length, ulong pricePerWord) => TryTake(GasPrices.PerWord(Math.Min(length, MaxLength), pricePerWord));

    /// <summary>Takes a charge; false when the gas does not cover it.</summary>
    public bool TryTake(ulong charge)
    {
        if (charge > Gas)
        {
            return false;
        }

        Gas -= charge;
        return true;
    }

    /// <summary>Maps pages of the active program, which may have them.</summary>
    public ulong Grow(int pages)
    {
        ulong address = Active.Memory.Grow(pages);
        Heap = Active.Memory.Heap;
        Mapped = (ulong)Active.Memory.Mapped;
        return address;
    }

    /// <summary>Shows the sink an instruction that is about to run.</summary>
    public void BeginStep(int at, ulong gas, ulong* frame)
    {
        Activation active = Active;
        LoadedCode code = active.Code;
        int function = code.FunctionOf(at);
        ulong word = code.CanonicalWord(function, code.Origins[at]);
        active.Step = new TraceStep(Depth, function, code.Origins[at], word, code.PriceOf(word), gas);
        active.StepFrame = frame;
        active.HasOpenStep = true;
        Sink!.Before(active.Step, new ReadOnlySpan<ulong>(frame, Container.MaxCells), active.Memory);
    }

    /// <summary>Shows the sink that the open instruction of the active program is done.</summary>
    public void EndStep(ushort code)
    {
        Activation active = Active;
        if (active.HasOpenStep)
        {
            active.HasOpenStep = false;
            Sink!.After(active.Step, new ReadOnlySpan<ulong>(active.StepFrame, Container.MaxCells), Gas, code);
        }
    }
}
