// How a transaction touches a key. The whole conflict rule is in Conflicts; the scheduler's graph is judged by it.
//
//            | Read | Write | Add
//      Read  |  -   |   x   |  x
//      Write |  x   |   x   |  x        x = must keep batch order
//      Add   |  x   |   x   |  -

namespace ParallelVm.AccessLists;

/// <summary>What a transaction may do with a key it declares.</summary>
public enum AccessMode : byte
{
    /// <summary>Read the record.</summary>
    Read = 0,

    /// <summary>Read, write, create, delete the record, and add to it.</summary>
    Write = 1,

    /// <summary>Add an unsigned 128-bit amount to the record without reading it.</summary>
    Add = 2,
}

/// <summary>The rules of access modes.</summary>
public static class AccessModes
{
    /// <summary>True when two transactions that touch one key in these modes must keep their batch order.</summary>
    public static bool Conflicts(AccessMode first, AccessMode second) => first != second || first == AccessMode.Write;

    /// <summary>True when a declaration of <paramref name="declared"/> allows a use in mode <paramref name="used"/>.</summary>
    public static bool Covers(AccessMode declared, AccessMode used) => declared == used || declared == AccessMode.Write;

    /// <summary>The weakest mode that covers both uses: Read with Add needs Write.</summary>
    public static AccessMode Join(AccessMode first, AccessMode second) => first == second ? first : AccessMode.Write;

    /// <summary>True for the three modes, false for any other byte.</summary>
    public static bool IsDefined(byte mode) => mode <= (byte)AccessMode.Add;
}
