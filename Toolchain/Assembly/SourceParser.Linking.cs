// Directives about slots, switch tables, and other programs.

using System;
using System.Collections.Generic;
using ParallelVm.AccessLists;
using ParallelVm.Executor.Bytecode;
using ParallelVm.Primitives;

namespace ParallelVm.Toolchain;

internal sealed partial class SourceParser
{
    private bool ParseSlot()
    {
        if (_slots is null)
        {
            return Fail(RefusalCode.AssemblySyntax, "a slot belongs below an entry or an import");
        }

        if (!TakeName("slot", out string name))
        {
            return false;
        }

        Token mode = Take();
        if (mode.Kind != TokenKind.Word || !TryMode(mode.Text, out AccessMode accessMode))
        {
            return Fail(RefusalCode.AssemblySyntax, $"a slot's mode is Read, Write or Add, not {mode.Shown}");
        }

        SourceOperand owner = new("", 0);
        if (Peek.Kind == TokenKind.Word && Peek.Text == "owner")
        {
            _next++;
            if (!TakeOperand(out owner))
            {
                return false;
            }
        }

        int index = _slots.Modes.Count;
        if (index == Container.MaxSlots)
        {
            return Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxSlots} slots in a row");
        }

        _slots.Modes.Add(accessMode);
        _slots.Owners.Add(owner);
        if (!TakeEnd())
        {
            return false;
        }

        if (_slotPrefix is null)
        {
            return true;
        }

        _program.SlotNames[name] = _program.SlotNames.TryGetValue(name, out int known) && known != index ? -1 : index;
        return _program.SlotNames.TryAdd(_slotPrefix + "." + name, index) || FailDuplicate("slot", name);
    }

    private bool ParseTable()
    {
        if (!TakeName("table", out string name) || !TakeOperands(out SourceOperand[] targets))
        {
            return false;
        }

        _program.Tables.Add(new SourceTable(_line, _function, targets));
        return (_program.Tables.Count <= Container.MaxTables || Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxTables} tables"))
            && (_program.TableNames.TryAdd(name, _program.Tables.Count - 1) || FailDuplicate("table", name));
    }

    private bool ParseProgram()
    {
        if (!TakeName("program", out string name))
        {
            return false;
        }

        Token kind = Take();
        byte[] id = new byte[Bytes32.Size];
        if (kind.Kind != TokenKind.Word || kind.Text != "hex" || Peek.Kind != TokenKind.Text || Peek.Text.Length != 2 * id.Length
            || Convert.FromHexString(Take().Text, id, out _, out _) != System.Buffers.OperationStatus.Done)
        {
            return Fail(RefusalCode.AssemblySyntax, "a program's id is hex and 64 hexadecimal digits in quotes");
        }

        _program.Programs.Add(new ProgramId(Bytes32.From(id)));
        return TakeEnd()
            && (_program.Programs.Count <= Container.MaxPrograms || Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxPrograms} programs"))
            && (_program.ProgramNames.TryAdd(name, _program.Programs.Count - 1) || FailDuplicate("program", name));
    }

    private bool ParseImport()
    {
        if (!TakeName("import", out string name))
        {
            return false;
        }

        Token word = Take();
        if (word.Kind != TokenKind.Word || word.Text != "program")
        {
            return Fail(RefusalCode.AssemblySyntax, $"'program' and its name are missing before {word.Shown}");
        }

        if (!TakeOperand(out SourceOperand program)
            || !TakeSettings("selector", "args", "rets", out long selector, out long args, out long rets, allowsView: true))
        {
            return false;
        }

        if (args > Container.MaxCells || rets > Container.MaxCells)
        {
            return Fail(RefusalCode.AssemblyRange, $"an import has at most {Container.MaxCells} arguments and results, not {args} and {rets}");
        }

        SourceImport import = new()
        {
            Line = _line,
            Program = program,
            Selector = (uint)selector,
            Arguments = (int)args,
            Results = (int)rets,
            IsView = _isView,
        };
        _slots = import.Slots;
        _slotPrefix = null;
        _program.Imports.Add(import);
        return (_program.Imports.Count <= Container.MaxImports || Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxImports} imports"))
            && (_program.ImportNames.TryAdd(name, _program.Imports.Count - 1) || FailDuplicate("import", name));
    }

    private bool ParseSite()
    {
        if (!TakeName("site", out string name) || !TakeOperand(out SourceOperand import) || !TakeOperands(out SourceOperand[] slots))
        {
            return false;
        }

        _program.Sites.Add(new SourceSite(_line, import, slots));
        return (_program.Sites.Count <= Container.MaxSites || Fail(RefusalCode.AssemblyTooLarge, $"there are more than {Container.MaxSites} sites"))
            && (_program.SiteNames.TryAdd(name, _program.Sites.Count - 1) || FailDuplicate("site", name));
    }

    // the rest of the line, separated by commas
    private bool TakeOperands(out SourceOperand[] operands)
    {
        List<SourceOperand> taken = [];
        operands = [];
        while (!IsAtEnd)
        {
            if ((taken.Count > 0 && !TakeMark(',')) || !TakeOperand(out SourceOperand operand))
            {
                return false;
            }

            taken.Add(operand);
        }

        operands = [.. taken];
        return true;
    }

    private static bool TryMode(string word, out AccessMode mode)
    {
        mode = word switch { "Read" => AccessMode.Read, "Write" => AccessMode.Write, _ => AccessMode.Add };
        return word is "Read" or "Write" or "Add";
    }
}
