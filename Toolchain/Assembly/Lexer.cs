// Cuts one line of assembly into tokens. A line is the unit: no token crosses it, so a bad line is named by its number
// and does not disturb the next.
//
//   word      letters, digits, '_', '.', '$'; does not start with a digit      add   r12   .func   transfer.from
//   number    decimal or 0x hexadecimal, '_' between digits allowed, '-' in front allowed
//   text      "..." of printable ASCII with \" \\ \n \0
//   mark      , : = [ ] +
//   comment   ';' to the end of the line
//
// Never throws on input.   Cost: O(characters).   Threading: a ref struct on one stack.

using System;
using System.Globalization;
using System.Text;

namespace ParallelVm.Toolchain;

internal enum TokenKind : byte
{
    End,
    Word,
    Number,
    Text,
    Mark,
    Bad,
}

/// <summary>One token; for a number <see cref="Value"/> is its magnitude and <see cref="IsNegative"/> its sign.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="Text">Its characters; for a text token the unescaped content; for a bad token the sentence's second half.</param>
/// <param name="Value">Magnitude of a number.</param>
/// <param name="IsNegative">A '-' stood in front.</param>
internal readonly record struct Token(TokenKind Kind, string Text, UInt128 Value, bool IsNegative)
{
    public static readonly Token End = new(TokenKind.End, "", 0, false);

    public bool IsMark(char mark) => Kind == TokenKind.Mark && Text[0] == mark;

    /// <summary>What a sentence calls the token: short, printable, on one line.</summary>
    public string Shown => Kind == TokenKind.End ? "the end of the line" : $"'{Printable(Text)}'";

    /// <summary>At most 40 characters, anything but printable ASCII replaced.</summary>
    public static string Printable(string text)
    {
        StringBuilder shown = new();
        foreach (char c in text.AsSpan(0, Math.Min(text.Length, 40)))
        {
            shown.Append(c is >= ' ' and <= '~' ? c : '?');
        }

        return text.Length > 40 ? shown.Append("...").ToString() : shown.ToString();
    }
}

/// <summary>A forward reader of the tokens of one line.</summary>
internal ref struct Lexer
{
    private readonly ReadOnlySpan<char> _line;
    private int _position;

    public Lexer(ReadOnlySpan<char> line)
    {
        _line = line;
    }

    /// <summary>The next token; <see cref="TokenKind.End"/> for ever after the last.</summary>
    public Token Next()
    {
        while (_position < _line.Length && _line[_position] is ' ' or '\t' or '\r')
        {
            _position++;
        }

        if (_position == _line.Length || _line[_position] == ';')
        {
            return Token.End;
        }

        char first = _line[_position];
        if (IsWordStart(first))
        {
            int start = _position;
            while (_position < _line.Length && (IsWordStart(_line[_position]) || char.IsAsciiDigit(_line[_position])))
            {
                _position++;
            }

            return new Token(TokenKind.Word, _line[start.._position].ToString(), 0, false);
        }

        if (char.IsAsciiDigit(first) || first == '-')
        {
            return NextNumber();
        }

        if (first == '"')
        {
            return NextText();
        }

        _position++;
        return first is ',' or ':' or '=' or '[' or ']' or '+'
            ? new Token(TokenKind.Mark, first.ToString(), 0, false)
            : Bad($"the character '{Token.Printable(first.ToString())}' has no meaning here");
    }

    private Token NextNumber()
    {
        int start = _position;
        bool negative = _line[_position] == '-';
        if (negative)
        {
            _position++;
        }

        int digits = _position;
        while (_position < _line.Length && (char.IsAsciiLetterOrDigit(_line[_position]) || _line[_position] == '_'))
        {
            _position++;
        }

        string text = _line[start.._position].ToString();
        string body = _line[digits.._position].ToString().Replace("_", "", StringComparison.Ordinal);
        bool isHex = body.StartsWith("0x", StringComparison.Ordinal);
        bool isNumber = isHex
            ? UInt128.TryParse(body.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out UInt128 value)
            : UInt128.TryParse(body, NumberStyles.None, CultureInfo.InvariantCulture, out value);
        return isNumber
            ? new Token(TokenKind.Number, text, value, negative)
            : Bad($"'{Token.Printable(text)}' is not a number below 2^128");
    }

    private Token NextText()
    {
        StringBuilder content = new();
        _position++;
        while (_position < _line.Length && _line[_position] != '"')
        {
            char c = _line[_position++];
            if (c == '\\' && _position < _line.Length)
            {
                c = _line[_position++] switch { 'n' => '\n', '0' => '\0', '"' => '"', '\\' => '\\', _ => '\x7f' };
            }
            else if (c is < ' ' or > '~')
            {
                c = '\x7f';
            }

            if (c == '\x7f')
            {
                return Bad("a text holds a character other than printable ASCII, \\\", \\\\, \\n or \\0");
            }

            content.Append(c);
        }

        if (_position == _line.Length)
        {
            return Bad("a text is not closed by a quote");
        }

        _position++;
        return new Token(TokenKind.Text, content.ToString(), 0, false);
    }

    // After a bad token the line is over: what follows would only repeat the complaint.
    private Token Bad(string sentence)
    {
        _position = _line.Length;
        return new Token(TokenKind.Bad, sentence, 0, false);
    }

    private static bool IsWordStart(char c) => char.IsAsciiLetter(c) || c is '_' or '.' or '$';
}
