// The engines under judgement, and the judge: every engine runs a case on records of its own, and has to end like the third
// evaluator in outcome (result, trap and place, gas), records, adds and output. Memory and cells are compared by programs
// that show them in their records.
//
// An engine joins by one line in All.   Threading: one owner per instance; engines and records are reused from case to
// case, so what a run leaves behind shows in the next one.

using System;
using System.Globalization;
using System.Text;
using ParallelVm.Executor.Jit;

namespace ParallelVm.Executor.Oracle;

/// <summary>An engine as the judge sees it.</summary>
internal abstract class Engine(string name)
{
    /// <summary>What a difference says.</summary>
    public string Name { get; } = name;

    /// <summary>Events and return data of the last run.</summary>
    public abstract ReadOnlySpan<byte> Output { get; }

    /// <summary>Adds of the last run.</summary>
    public abstract ReadOnlySpan<PendingAdd> Adds { get; }

    /// <summary>Has a price per program (compilation), so that a judge of many short-lived programs may give it a part of them.</summary>
    public virtual bool IsDear => false;

    /// <summary>Has a price per run, so that a sweep over limits gives it every eighth.</summary>
    public virtual bool IsSlow => false;

    public abstract Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext block);
}

internal sealed class InterpreterEngine() : Engine("interpreter")
{
    private readonly Interpreter _interpreter = new();

    public override ReadOnlySpan<byte> Output => _interpreter.Output;

    public override ReadOnlySpan<PendingAdd> Adds => _interpreter.Adds;

    public override Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext block) => _interpreter.Run(message, records, block);
}

/// <summary>The interpreter that checks everything again and overwrites what is undefined.</summary>
internal sealed class ParanoidEngine() : Engine("paranoid")
{
    private readonly Interpreter _interpreter = new(isParanoid: true);

    public override bool IsSlow => true;

    public override ReadOnlySpan<byte> Output => _interpreter.Output;

    public override ReadOnlySpan<PendingAdd> Adds => _interpreter.Adds;

    public override Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext block) => _interpreter.Run(message, records, block);
}

/// <summary>Compiled code, as soon as there is any: a program is compiled before its first run, and a failed compile fails the test.</summary>
internal sealed class JitEngine() : Engine("jit")
{
    private readonly Interpreter _interpreter = new(new CodeCache(new CodeCacheOptions { FailsOnFault = true }, new JitAtOnce(), TimeProvider.System));

    public override bool IsDear => true;

    public override ReadOnlySpan<byte> Output => _interpreter.Output;

    public override ReadOnlySpan<PendingAdd> Adds => _interpreter.Adds;

    public override Outcome Run(Message message, ReadOnlySpan<Record> records, in BlockContext block) => _interpreter.Run(message, records, block);
}

/// <summary>The judge.</summary>
/// <param name="dearEvery">A dear engine gets every nth case; 1 is all of them.</param>
internal sealed class Engines(int dearEvery = 1)
{
    /// <summary>Every engine that has to agree.</summary>
    public static readonly Func<Engine>[] All = [() => new InterpreterEngine(), () => new ParanoidEngine(), () => new JitEngine()];

    private readonly Engine[] _engines = Array.ConvertAll(All, make => make());
    private Record[] _records = [];
    private int _cases;

    /// <summary>Runs a case everywhere.</summary>
    /// <returns>The evaluator's verdict, and the first difference in one line, or null.</returns>
    public (Verdict Verdict, string? Difference) Judge(VmCase subject)
    {
        Verdict verdict = BigMachine.Run(subject);
        _cases++;
        return (verdict, DifferenceAt(subject, subject.Message, verdict));
    }

    /// <summary>Runs the case judged last with another message and compares with what is expected.</summary>
    public string? DifferenceAt(VmCase subject, Message message, Verdict expected)
    {
        while (_records.Length < subject.Before.Length)
        {
            _records = [.. _records, new Record()];
        }

        for (int i = 0; i < _engines.Length; i++)
        {
            bool takesPart = (!_engines[i].IsDear || _cases % dearEvery == 0)
                && (!_engines[i].IsSlow || ReferenceEquals(message, subject.Message) || message.GasLimit % 8 == 0);
            if (takesPart && RunOne(_engines[i], subject, message, expected) is string difference)
            {
                return $"{_engines[i].Name} at limit {message.GasLimit}: {difference}";
            }
        }

        return null;
    }

    private string? RunOne(Engine engine, VmCase subject, Message message, Verdict expected)
    {
        Span<Record> records = _records.AsSpan(0, subject.Before.Length);
        for (int i = 0; i < records.Length; i++)
        {
            records[i].IsTouched = false;
            records[i].Remove();
            if (subject.Before[i] is byte[] value)
            {
                records[i].Set(value);
            }
        }

        Outcome outcome = engine.Run(message, records, subject.Block);
        if (outcome != expected.Outcome)
        {
            return $"ends {outcome}, expected {expected.Outcome}";
        }

        for (int i = 0; i < records.Length; i++)
        {
            byte[]? value = expected.After[i];
            if (records[i].Exists != value is not null || !records[i].Value.SequenceEqual(value) || records[i].IsTouched != expected.IsTouched[i])
            {
                return $"record {i} is {Show(records[i].Exists, records[i].Value)} (touched {records[i].IsTouched}), "
                    + $"expected {Show(value is not null, value)} (touched {expected.IsTouched[i]})";
            }
        }

        if (engine.Adds.Length != expected.Adds.Count)
        {
            return $"{engine.Adds.Length} adds, expected {expected.Adds.Count}";
        }

        for (int i = 0; i < expected.Adds.Count; i++)
        {
            if (engine.Adds[i] != expected.Adds[i])
            {
                return $"add {i} is {engine.Adds[i]}, expected {expected.Adds[i]}";
            }
        }

        return engine.Output.SequenceEqual(expected.Output)
            ? null
            : $"output {Convert.ToHexString(engine.Output)}, expected {Convert.ToHexString(expected.Output)}";
    }

    private static string Show(bool exists, ReadOnlySpan<byte> value)
    {
        if (!exists)
        {
            return "missing";
        }

        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"{value.Length} bytes ");
        return text.Append(Convert.ToHexStringLower(value.Length > 256 ? value[..256] : value)).ToString();
    }
}
