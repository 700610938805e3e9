// Reads a source text line by line into a SourceProgram. The first fault ends the reading and names its line.
// What a line may say is written in Assembler.cs.
//
// Never throws on input.   Cost: O(characters).   Threading: one instance, one call.

using System;
using System.Collections.Generic;
using System.Globalization;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

internal sealed partial class SourceParser
{
    private const int MaxLineChars = 4096;
    private const int MaxNameChars = 64;

    private readonly SourceProgram _program = new();
    private readonly List<Token> _tokens = [];
    private readonly uint _dataBase;
    private Refusal _refusal;
    private SourceFunction? _function;
    private int _line;
    private int _next;
    private SourceSlots? _slots;                    // of the entry or import above
    private string? _slotPrefix;                    // the entry's name; an import's slots have no names of their own
    private bool _isView;                           // the settings of the line said so

    private SourceParser(uint dataBase)
    {
        _dataBase = dataBase;
    }

    /// <param name="source">Text, its length already bounded.</param>
    /// <param name="dataBase">Address of the first data byte.</param>
    public static bool TryParse(string source, uint dataBase, out SourceProgram program, out Refusal refusal)
    {
        SourceParser parser = new(dataBase);
        foreach (ReadOnlySpan<char> line in source.AsSpan().EnumerateLines())
        {
            parser._line++;
            if (!parser.ParseLine(line))
            {
                break;
            }
        }

        program = parser._program;
        refusal = parser._refusal;
        return !refusal.IsRefused;
    }

    private Token Peek => _tokens[Math.Min(_next, _tokens.Count - 1)];

    private bool IsAtEnd => Peek.Kind == TokenKind.End;

    private Token Take()
    {
        Token token = Peek;
        _next++;
        return token;
    }

    private bool ParseLine(ReadOnlySpan<char> line)
    {
        if (line.Length > MaxLineChars)
        {
            return Fail(RefusalCode.AssemblyTooLarge, $"the line has {line.Length} characters and at most {MaxLineChars} are allowed");
        }

        _tokens.Clear();
        _next = 0;
        Lexer lexer = new(line);
        do
        {
            _tokens.Add(lexer.Next());
            if (_tokens[^1].Kind == TokenKind.Bad)
            {
                return Fail(RefusalCode.AssemblySyntax, _tokens[^1].Text);
            }
        }
        while (_tokens[^1].Kind != TokenKind.End);

        while (_tokens.Count > _next + 1 && Peek.Kind == TokenKind.Word && _tokens[_next + 1].IsMark(':'))
        {
            if (!ParseLabel())
            {
                return false;
            }
        }

        if (IsAtEnd)
        {
            return true;
        }

        Token head = Take();
        if (head.Kind != TokenKind.Word)
        {
            return Fail(RefusalCode.AssemblySyntax, $"a line starts with a label, a directive or a mnemonic, not with {head.Shown}");
        }

        return head.Text switch
        {
            ".fork" => ParseFork(),
            ".const" => ParseConstant(),
            ".equ" => ParseEqu(),
            ".data" => ParseData(),
            ".func" => ParseFunction(),
            ".cell" => ParseCell(),
            ".entry" => ParseEntry(),
            ".slot" => ParseSlot(),
            ".word" => ParseWord(),
            ".table" => ParseTable(),
            ".program" => ParseProgram(),
            ".import" => ParseImport(),
            ".site" => ParseSite(),
            _ when head.Text[0] == '.' => Fail(RefusalCode.AssemblySyntax, $"{head.Shown} is no directive"),
            _ => ParseInstruction(head.Text),
        };
    }

    private bool ParseLabel()
    {
        if (!TakeName("label", out string name) || !InFunction("a label"))
        {
            return false;
        }

        _next++;
        return _function!.Labels.TryAdd(name, _function.Instructions.Count) || FailDuplicate("label", name);
    }

    private bool ParseFork()
    {
        if (!TakeNumber("fork", 0, ushort.MaxValue, out long fork) || !TakeEnd())
        {
            return false;
        }

        _program.Fork = (ushort)fork;
        return true;
    }

    private bool ParseConstant()
    {
        string name = "";
        if (Peek.Kind == TokenKind.Word && !TakeName("constant", out name))
        {
            return false;
        }

        if (!TakeWord64("constant", out ulong value) || !TakeEnd())
        {
            return false;
        }

        _program.Constants.Add(value);
        if (_program.Constants.Count > Container.MaxConstants)
        {
            return Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxConstants} constants");
        }

        return name.Length == 0
            || _program.ConstantNames.TryAdd(name, _program.Constants.Count - 1)
            || FailDuplicate("constant", name);
    }

    private bool ParseEqu()
    {
        return TakeName("value", out string name)
            && TakeNumber("value", int.MinValue, uint.MaxValue, out long value)
            && TakeEnd()
            && (_program.Values.TryAdd(name, value) || FailDuplicate("value", name));
    }

    private bool ParseData()
    {
        if (Peek.Kind == TokenKind.Word && Peek.Text is not ("text" or "hex" or "u64" or "zeros" or "align"))
        {
            if (!TakeName("data", out string name))
            {
                return false;
            }

            if (!_program.Values.TryAdd(name, _dataBase + _program.Data.Count))
            {
                return FailDuplicate("value", name);
            }
        }

        while (true)
        {
            if (!ParseDataPart())
            {
                return false;
            }

            if (_program.Data.Count > Container.MaxDataBytes)
            {
                return Fail(RefusalCode.AssemblyTooLarge, $"the data are longer than {Container.MaxDataBytes} bytes");
            }

            if (!Peek.IsMark(','))
            {
                return TakeEnd();
            }

            _next++;
        }
    }

    private bool ParseDataPart()
    {
        Token kind = Take();
        switch (kind.Kind == TokenKind.Word ? kind.Text : "")
        {
            case "text" when Peek.Kind == TokenKind.Text:
                foreach (char c in Take().Text)
                {
                    _program.Data.Add((byte)c);
                }

                return true;
            case "hex" when Peek.Kind == TokenKind.Text:
                string digits = Take().Text;
                byte[] bytes = new byte[digits.Length / 2];
                if (Convert.FromHexString(digits, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
                {
                    return Fail(RefusalCode.AssemblySyntax, $"'{Token.Printable(digits)}' is not an even number of hexadecimal digits");
                }

                _program.Data.AddRange(bytes);
                return true;
            case "u64":
                if (!TakeWord64("data", out ulong value))
                {
                    return false;
                }

                for (int i = 0; i < 8; i++)
                {
                    _program.Data.Add((byte)(value >> (8 * i)));
                }

                return true;
            case "zeros":
                if (!TakeNumber("number of zeros", 0, Container.MaxDataBytes, out long zeros))
                {
                    return false;
                }

                _program.Data.AddRange(new byte[zeros]);
                return true;
            case "align":
                if (!TakeNumber("alignment", 1, 4096, out long alignment))
                {
                    return false;
                }

                _program.Data.AddRange(new byte[(alignment - (_program.Data.Count % alignment)) % alignment]);
                return true;
            default:
                return Fail(RefusalCode.AssemblySyntax, "data are text \"...\", hex \"...\", u64 N, zeros N or align N, separated by commas");
        }
    }

    private bool ParseFunction()
    {
        if (!TakeName("function", out string name) || !TakeSettings("cells", "args", "rets", out long cells, out long arguments, out long results))
        {
            return false;
        }

        if (cells > Container.MaxCells || arguments > cells || results > cells)
        {
            return Fail(
                RefusalCode.AssemblyRange,
                $"a function has at most {Container.MaxCells} cells and no more arguments or results than cells, not {cells}, {arguments} and {results}");
        }

        _function = new SourceFunction { Line = _line, Name = name, Cells = (int)cells, Arguments = (int)arguments, Results = (int)results };
        _program.Functions.Add(_function);
        if (_program.Functions.Count > Container.MaxFunctions)
        {
            return Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxFunctions} functions");
        }

        return _program.FunctionNames.TryAdd(name, _program.Functions.Count - 1) || FailDuplicate("function", name);
    }

    private bool ParseCell()
    {
        if (!InFunction("a cell name") || !TakeName("cell", out string name))
        {
            return false;
        }

        Token cell = Take();
        if (cell.Kind != TokenKind.Word || !TryCell(cell.Text, out int number))
        {
            return Fail(RefusalCode.AssemblySyntax, $"a cell is r0 to r127, not {cell.Shown}");
        }

        return TakeEnd()
            && (!TryCell(name, out _) || Fail(RefusalCode.AssemblyDuplicateName, $"'{name}' is a cell already"))
            && (_function!.Cell.TryAdd(name, number) || FailDuplicate("cell", name));
    }

    private bool ParseEntry()
    {
        if (!TakeName("entry", out string name))
        {
            return false;
        }

        SourceOperand function = new(name, 0);
        if (Peek.Kind == TokenKind.Word && Peek.Text == "func")
        {
            _next++;
            if (!TakeOperand(out function))
            {
                return false;
            }
        }

        if (!TakeSettings("selector", "pages", "", out long selector, out long pages, out _, allowsView: true))
        {
            return false;
        }

        SourceEntry entry = new() { Line = _line, Name = name, Selector = (uint)selector, Function = function, Pages = (int)pages, IsView = _isView };
        _slots = entry.Slots;
        _slotPrefix = name;
        _program.Entries.Add(entry);
        if (_program.Entries.Count > Container.MaxEntries)
        {
            return Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxEntries} entries");
        }

        return _program.EntryNames.TryAdd(name, _program.Entries.Count - 1) || FailDuplicate("entry", name);
    }

    private bool ParseWord()
    {
        return InFunction("a word")
            && TakeWord64("instruction word", out ulong raw)
            && TakeEnd()
            && AddInstruction(new SourceInstruction(_line, ".word", [], raw));
    }

    private bool ParseInstruction(string mnemonic)
    {
        if (!InFunction("an instruction"))
        {
            return false;
        }

        List<SourceOperand> operands = [];
        while (!IsAtEnd)
        {
            if (operands.Count > 0 && !TakeMark(','))
            {
                return false;
            }

            if (!ParseOperand(operands))
            {
                return false;
            }
        }

        return AddInstruction(new SourceInstruction(_line, mnemonic, [.. operands], 0));
    }

    // [base + offset] is two operands, [base] stands for [base + 0].
    private bool ParseOperand(List<SourceOperand> operands)
    {
        if (!Peek.IsMark('['))
        {
            bool taken = TakeOperand(out SourceOperand operand);
            operands.Add(operand);
            return taken;
        }

        _next++;
        if (!TakeOperand(out SourceOperand address))
        {
            return false;
        }

        SourceOperand offset = new("", 0);
        if (Peek.IsMark('+'))
        {
            _next++;
            if (!TakeOperand(out offset))
            {
                return false;
            }
        }

        operands.Add(address);
        operands.Add(offset);
        return TakeMark(']');
    }

    private bool AddInstruction(SourceInstruction instruction)
    {
        _function!.Instructions.Add(instruction);
        return _function.Instructions.Count <= Container.MaxFunctionLength
            || Fail(RefusalCode.AssemblyTooLarge, $"the function has more than {Container.MaxFunctionLength} instructions");
    }

    private bool TakeOperand(out SourceOperand operand)
    {
        operand = new SourceOperand("", 0);
        if (Peek.Kind == TokenKind.Word)
        {
            operand = new SourceOperand(Take().Text, 0);
            return true;
        }

        if (Peek.Kind != TokenKind.Number)
        {
            return Fail(RefusalCode.AssemblySyntax, $"an operand is missing before {Peek.Shown}");
        }

        bool taken = TakeNumber("operand", int.MinValue, uint.MaxValue, out long number);
        operand = new SourceOperand("", number);
        return taken;
    }

    private bool TakeMark(char mark)
    {
        return Take().IsMark(mark) || Fail(RefusalCode.AssemblySyntax, $"'{mark}' is missing before {_tokens[Math.Min(_next, _tokens.Count) - 1].Shown}");
    }

    private bool TakeEnd()
    {
        return IsAtEnd || Fail(RefusalCode.AssemblySyntax, $"{Peek.Shown} is left over at the end of the line");
    }

    private bool TakeName(string what, out string name)
    {
        Token token = Take();
        name = token.Text;
        if (token.Kind != TokenKind.Word || token.Text[0] == '.')
        {
            return Fail(RefusalCode.AssemblySyntax, $"the name of the {what} is missing before {token.Shown}");
        }

        return token.Text.Length <= MaxNameChars
            || Fail(RefusalCode.AssemblyTooLarge, $"the name {token.Shown} is longer than {MaxNameChars} characters");
    }

    private bool TakeNumber(string what, long low, long high, out long number)
    {
        Token token = Take();
        number = 0;
        if (token.Kind != TokenKind.Number)
        {
            return Fail(RefusalCode.AssemblySyntax, $"the {what} is a number, not {token.Shown}");
        }

        Int128 value = token.Value > long.MaxValue ? Int128.MaxValue : token.IsNegative ? -(Int128)token.Value : (Int128)token.Value;
        if (value < low || value > high)
        {
            return Fail(RefusalCode.AssemblyRange, $"the {what} {token.Shown} is outside {low} to {high}");
        }

        number = (long)value;
        return true;
    }

    /// <summary>A 64-bit word; a negative number is its two's complement.</summary>
    private bool TakeWord64(string what, out ulong word)
    {
        Token token = Take();
        word = token.IsNegative ? unchecked((ulong)-(Int128)token.Value) : unchecked((ulong)token.Value);
        if (token.Kind != TokenKind.Number)
        {
            return Fail(RefusalCode.AssemblySyntax, $"the {what} is a number, not {token.Shown}");
        }

        return token.Value <= (token.IsNegative ? 1UL << 63 : ulong.MaxValue)
            || Fail(RefusalCode.AssemblyRange, $"the {what} {token.Shown} does not fit 64 bits");
    }

    // Pairs of a word and a number in any order, each at most once; missing ones are 0. The first must be there.
    private bool TakeSettings(string first, string second, string third, out long firstValue, out long secondValue, out long thirdValue, bool allowsView = false)
    {
        Span<long> values = [-1, -1, -1];
        _isView = false;
        firstValue = secondValue = thirdValue = 0;
        while (!IsAtEnd)
        {
            Token name = Take();
            if (allowsView && !_isView && name.Kind == TokenKind.Word && name.Text == "view")
            {
                _isView = true;
                continue;
            }

            int index = name.Text.Length == 0 ? -1 : name.Text == first ? 0 : name.Text == second ? 1 : name.Text == third ? 2 : -1;
            if (name.Kind != TokenKind.Word || index < 0)
            {
                return Fail(RefusalCode.AssemblySyntax, $"{name.Shown} is no setting here");
            }

            if (values[index] >= 0)
            {
                return Fail(RefusalCode.AssemblyDuplicateName, $"{name.Shown} is given twice");
            }

            // all settings but selectors lie in 16-bit fields
            if (!TakeNumber(name.Text, 0, name.Text == "selector" ? uint.MaxValue : ushort.MaxValue, out values[index]))
            {
                return false;
            }
        }

        firstValue = values[0];
        secondValue = Math.Max(0, values[1]);
        thirdValue = Math.Max(0, values[2]);
        return firstValue >= 0 || Fail(RefusalCode.AssemblySyntax, $"'{first}' and its number are missing");
    }

    private bool InFunction(string what)
    {
        return _function is not null || Fail(RefusalCode.AssemblySyntax, $"{what} stands before the first .func");
    }

    /// <summary>r0 to r255: the whole field, so that a container which the verifier would refuse can be shown too.</summary>
    internal static bool TryCell(string word, out int cell)
    {
        cell = 0;
        return word.Length is >= 2 and <= 4
            && word[0] == 'r'
            && (word[1] != '0' || word.Length == 2)
            && int.TryParse(word.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out cell)
            && cell <= byte.MaxValue;
    }

    private bool FailDuplicate(string what, string name) =>
        Fail(RefusalCode.AssemblyDuplicateName, $"the {what} '{Token.Printable(name)}' is defined twice");

    private bool Fail(RefusalCode code, string sentence)
    {
        if (!_refusal.IsRefused)
        {
            _refusal = new Refusal(code, $"Line {_line}: {sentence}.");
        }

        return false;
    }
}
