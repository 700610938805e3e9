// Turns a text into a stack program (Stack/StackCode.cs says what it means). One line is one label, directive or instruction.
//
//   ; comment
//   .data hex "00ff" | text "ASCII"             read-only bytes from 0x1000 on, line after line
//   .entry name selector N [pages N]            what a transaction can call; its code follows
//   .slot name Read|Write|Add                   next slot of the entry
//   label:                                      a place in the entry, for jump and jumpi
//   push N                                      the shortest PUSH that holds N
//   dup N   swap N                              N in 1 to 16, counted from the top as DUPn and SWAPn are
//   jump label   jumpi label                    at most 32767 bytes away
//   sload slot, N   sstore slot, N   arg N      slot by name or number; N is the byte offset
//   add sub mul div mod and or xor not shl shr eq lt gt load store hash return abort pop halt
//
// Never throws on input; what it returns decodes as a stack program. What the code does to the stack is the lowering's matter.
//
// Cost: O(characters).   Threading: none shared.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Primitives;
using ParallelVm.Toolchain.Stack;

namespace ParallelVm.Toolchain;

/// <summary>Text to stack program.</summary>
public static class StackAssembler
{
    /// <summary>Assembles a stack program.</summary>
    /// <param name="source">The text.</param>
    /// <param name="bytes">Canonical bytes; empty after a refusal.</param>
    /// <param name="refusal">The first fault: "Line N: ...".</param>
    public static bool TryAssemble(string source, out byte[] bytes, out Refusal refusal)
    {
        bytes = [];
        if (source is null || source.Length > Assembler.MaxSourceChars)
        {
            refusal = new Refusal(RefusalCode.AssemblyTooLarge, $"Line 1: a text of at most {Assembler.MaxSourceChars} characters is needed.");
            return false;
        }

        Run run = new();
        foreach (ReadOnlySpan<char> line in source.AsSpan().EnumerateLines())
        {
            if (!run.TryLine(line))
            {
                refusal = run.Refusal;
                return false;
            }
        }

        if (!run.TryFinish(out StackCode code))
        {
            refusal = run.Refusal;
            return false;
        }

        byte[] encoded = code.Encode();
        if (!StackCode.TryDecode(encoded, out _, out Refusal shape))
        {
            refusal = new Refusal(RefusalCode.AssemblyTooLarge, $"Line 1: the text makes no stack program ({shape.Sentence.TrimEnd('.')}).");
            return false;
        }

        bytes = encoded;
        refusal = Refusal.None;
        return true;
    }

    private sealed class Run
    {
        private readonly List<byte> _data = [];
        private readonly List<StackEntry> _entries = [];
        private readonly List<byte> _code = [];
        private readonly List<AccessMode> _modes = [];
        private readonly Dictionary<string, int> _slots = [];
        private readonly Dictionary<string, int> _labels = [];
        private readonly List<(int After, string Label, int Line)> _jumps = [];
        private readonly List<Token> _tokens = [];
        private (uint Selector, ushort Pages)? _entry;
        private int _line;
        private int _next;

        public Refusal Refusal { get; private set; }

        public bool TryFinish(out StackCode code)
        {
            code = new StackCode();
            if (!TryEndEntry())
            {
                return false;
            }

            _entries.Sort(static (x, y) => x.Selector.CompareTo(y.Selector));
            code = new StackCode { Data = [.. _data], Entries = [.. _entries] };
            return (_entries.Count > 0 || Fail(RefusalCode.AssemblySyntax, "the source has no .entry"))
                && (_data.Count <= ushort.MaxValue || Fail(RefusalCode.AssemblyTooLarge, $"the data are longer than {ushort.MaxValue} bytes"));
        }

        public bool TryLine(ReadOnlySpan<char> line)
        {
            _line++;
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
                if (_entry is null || !_labels.TryAdd(Peek.Text, _code.Count))
                {
                    return Fail(RefusalCode.AssemblyDuplicateName, $"the label {Peek.Shown} is defined twice, or stands before the first .entry");
                }

                _next += 2;
            }

            if (Peek.Kind == TokenKind.End)
            {
                return true;
            }

            Token head = Take();
            bool isGood = head.Kind != TokenKind.Word
                ? Fail(RefusalCode.AssemblySyntax, $"a line starts with a label, a directive or an instruction, not with {head.Shown}")
                : head.Text switch
                {
                    ".data" => TryData(),
                    ".entry" => TryEntry(),
                    ".slot" => TrySlot(),
                    _ => TryInstruction(head),
                };
            return isGood && (Peek.Kind == TokenKind.End || Fail(RefusalCode.AssemblySyntax, $"{Peek.Shown} is left over at the end of the line"));
        }

        private Token Peek => _tokens[Math.Min(_next, _tokens.Count - 1)];

        private Token Take()
        {
            Token token = Peek;
            _next++;
            return token;
        }

        private bool TryData()
        {
            Token kind = Take();
            Token text = Take();
            if (text.Kind == TokenKind.Text && kind is { Kind: TokenKind.Word, Text: "text" })
            {
                foreach (char c in text.Text)
                {
                    _data.Add((byte)c);
                }

                return true;
            }

            byte[] bytes = new byte[text.Text.Length / 2];
            if (text.Kind != TokenKind.Text || kind is not { Kind: TokenKind.Word, Text: "hex" }
                || Convert.FromHexString(text.Text, bytes, out _, out _) != System.Buffers.OperationStatus.Done)
            {
                return Fail(RefusalCode.AssemblySyntax, "data are text \"...\" or hex \"...\"");
            }

            _data.AddRange(bytes);
            return true;
        }

        private bool TryEntry()
        {
            ulong pages = 0;
            if (!TryEndEntry() || Take().Kind != TokenKind.Word || !TryWord("selector") || !TryNumber(uint.MaxValue, out ulong selector)
                || (Peek.Kind != TokenKind.End && (!TryWord("pages") || !TryNumber(ushort.MaxValue, out pages))))
            {
                return Fail(RefusalCode.AssemblySyntax, "an entry is .entry name selector N [pages N]");
            }

            _entry = ((uint)selector, (ushort)pages);
            return true;
        }

        private bool TrySlot()
        {
            Token name = Take();
            Token mode = Take();
            if (_entry is null || name.Kind != TokenKind.Word || !Enum.TryParse(mode.Text, out AccessMode accessMode) || mode.Kind != TokenKind.Word)
            {
                return Fail(RefusalCode.AssemblySyntax, "a slot stands below an entry and is .slot name Read|Write|Add");
            }

            _modes.Add(accessMode);
            return (_modes.Count <= byte.MaxValue || Fail(RefusalCode.AssemblyTooLarge, $"an entry has more than {byte.MaxValue} slots"))
                && (_slots.TryAdd(name.Text, _modes.Count - 1) || Fail(RefusalCode.AssemblyDuplicateName, $"the slot {name.Shown} is defined twice"));
        }

        private bool TryInstruction(Token head)
        {
            if (_entry is null)
            {
                return Fail(RefusalCode.AssemblySyntax, "an instruction stands before the first .entry");
            }

            switch (head.Text.Length <= 16 ? head.Text.ToUpperInvariant() : "")
            {
                case "PUSH":
                    return TryNumber(ulong.MaxValue, out ulong constant) && Push(constant);
                case "DUP":
                    return TryDepth(StackOpcode.Dup1);
                case "SWAP":
                    return TryDepth(StackOpcode.Swap1);
                case "JUMP":
                    return TryJump(StackOpcode.Jump);
                case "JUMPI":
                    return TryJump(StackOpcode.Jumpi);
                case "SLOAD":
                    return TryField(StackOpcode.Sload);
                case "SSTORE":
                    return TryField(StackOpcode.Sstore);
                case "ARG":
                    _code.Add((byte)StackOpcode.Arg);
                    return TryShort();
                case string name when Enum.TryParse(name, ignoreCase: true, out StackOpcode opcode) && Enum.IsDefined(opcode) && !char.IsAsciiDigit(name[^1]):
                    _code.Add((byte)opcode);
                    return true;
                default:
                    return Fail(RefusalCode.AssemblyUnknownName, $"no instruction is called {head.Shown}");
            }
        }

        private bool Push(ulong constant)
        {
            int start = _code.Count;
            _code.Add(0);
            do
            {
                _code.Add((byte)constant);
                constant >>= 8;
            }
            while (constant != 0);
            _code[start] = (byte)((byte)StackOpcode.Push1 + _code.Count - start - 2);
            return true;
        }

        private bool TryDepth(StackOpcode first)
        {
            if (!TryNumber(16, out ulong depth) || depth == 0)
            {
                return Fail(RefusalCode.AssemblyRange, "a depth is 1 to 16");
            }

            _code.Add((byte)((byte)first + depth - 1));
            return true;
        }

        private bool TryJump(StackOpcode opcode)
        {
            Token label = Take();
            _code.AddRange([(byte)opcode, 0, 0]);
            _jumps.Add((_code.Count, label.Text, _line));
            return label.Kind == TokenKind.Word || Fail(RefusalCode.AssemblySyntax, $"a label is missing before {label.Shown}");
        }

        private bool TryField(StackOpcode opcode)
        {
            _code.Add((byte)opcode);
            ulong slot = 0;
            if (Peek.Kind == TokenKind.Word && _slots.TryGetValue(Peek.Text, out int index))
            {
                slot = (ulong)index;
                _next++;
            }
            else if (!TryNumber(byte.MaxValue, out slot))
            {
                return Fail(RefusalCode.AssemblyUnknownName, $"no slot is called {Peek.Shown}");
            }

            _code.Add((byte)slot);
            return (Take().IsMark(',') || Fail(RefusalCode.AssemblySyntax, "',' and an offset are missing")) && TryShort();
        }

        private bool TryShort()
        {
            bool isGood = TryNumber(ushort.MaxValue, out ulong value);
            _code.Add((byte)value);
            _code.Add((byte)(value >> 8));
            return isGood;
        }

        private bool TryWord(string word) => Take() is { Kind: TokenKind.Word } token && token.Text == word;

        private bool TryNumber(ulong max, out ulong number)
        {
            Token token = Take();
            number = (ulong)token.Value;
            return (token.Kind == TokenKind.Number && !token.IsNegative && token.Value <= max)
                || Fail(RefusalCode.AssemblyRange, $"a number up to {max} is needed, not {token.Shown}");
        }

        // patches the entry's jumps and begins anew
        private bool TryEndEntry()
        {
            foreach ((int after, string label, int line) in _jumps)
            {
                if (!_labels.TryGetValue(label, out int target) || Math.Abs(target - after) > short.MaxValue)
                {
                    _line = line;
                    return Fail(RefusalCode.AssemblyUnknownName, $"no label in reach is called '{Token.Printable(label)}'");
                }

                _code[after - 2] = (byte)(target - after);
                _code[after - 1] = (byte)((target - after) >> 8);
            }

            if (_entry is (uint selector, ushort pages))
            {
                if (_code.Count > ushort.MaxValue)
                {
                    return Fail(RefusalCode.AssemblyTooLarge, $"the entry has more than {ushort.MaxValue} bytes of code");
                }

                _entries.Add(new StackEntry(selector, pages, [.. _modes], [.. _code]));
            }

            _code.Clear();
            _modes.Clear();
            _slots.Clear();
            _labels.Clear();
            _jumps.Clear();
            return true;
        }

        private bool Fail(RefusalCode code, string sentence)
        {
            if (!Refusal.IsRefused)
            {
                Refusal = new Refusal(code, $"Line {_line}: {sentence}.");
            }

            return false;
        }
    }
}
