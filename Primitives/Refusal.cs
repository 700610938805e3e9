// Why an input from outside was refused: a stable code for machines and a sentence for people.
// Refusals are values. No decoder or admission check throws for what an outsider controls.
//
// Codes are grouped by room so that a log line names its origin; a code never changes its meaning.

namespace ParallelVm.Primitives;

/// <summary>Stable codes of refusal. Hundreds digit: the room that refuses.</summary>
public enum RefusalCode : ushort
{
    /// <summary>Not refused.</summary>
    None = 0,

    // 1xx: canonical codec (Primitives)

    /// <summary>The input ended inside a field.</summary>
    Truncated = 100,

    /// <summary>Bytes are left after the last field.</summary>
    TrailingBytes = 101,

    /// <summary>The input or a counted field is longer than its limit.</summary>
    TooLong = 102,

    /// <summary>A format version that this code does not know.</summary>
    UnknownVersion = 103,

    /// <summary>A field holds a value outside its range.</summary>
    OutOfRange = 104,

    // 2xx: AccessLists

    /// <summary>More accesses than a transaction may declare.</summary>
    TooManyAccesses = 200,

    /// <summary>Accesses are not sorted by (program index, local key).</summary>
    UnsortedAccesses = 201,

    /// <summary>A key is declared twice.</summary>
    DuplicateAccess = 202,

    /// <summary>An access mode other than Read, Write, Add.</summary>
    UnknownAccessMode = 203,

    /// <summary>An access names a program outside the program table.</summary>
    ProgramIndexOutOfRange = 204,

    /// <summary>A slot names an access outside the access list.</summary>
    SlotOutOfRange = 205,

    // 3xx: transactions and admission (Chain)

    /// <summary>Signed for another chain.</summary>
    WrongChain = 300,

    /// <summary>The expiry lies before the block's (or the admitting node's) time.</summary>
    Expired = 301,

    /// <summary>The expiry lies further ahead than the replay window remembers ids.</summary>
    ExpiryTooFar = 302,

    /// <summary>The called program does not exist.</summary>
    UnknownProgram = 303,

    /// <summary>The called program has no entry of that selector.</summary>
    UnknownEntry = 304,

    /// <summary>The gas limit does not even cover what is charged before the first instruction.</summary>
    GasLimitBelowIntrinsic = 305,

    /// <summary>The gas limit is above what the chain allows one transaction.</summary>
    GasLimitTooHigh = 306,

    /// <summary>The highest price that the payer accepts is below the base fee.</summary>
    PriceBelowBaseFee = 307,

    /// <summary>A signature does not verify.</summary>
    BadSignature = 308,

    /// <summary>The transaction is known already: in the mempool, in this block, or in the chain within its expiry window.</summary>
    DuplicateTransaction = 309,

    /// <summary>The program table is empty: nothing is called.</summary>
    NoProgram = 310,

    /// <summary>More programs than a program table may hold.</summary>
    TooManyPrograms = 311,

    /// <summary>A program stands twice in the program table.</summary>
    DuplicateProgram = 312,

    /// <summary>More signers than a transaction may have.</summary>
    TooManySigners = 313,

    /// <summary>A signer stands twice.</summary>
    DuplicateSigner = 314,

    /// <summary>The mempool is full of transactions that pay at least as much.</summary>
    MempoolFull = 315,

    /// <summary>The payer has as many transactions waiting as one payer may have.</summary>
    TooManyFromPayer = 316,

    /// <summary>The payer's balance does not cover gas limit times price beside its other waiting transactions.</summary>
    PayerUnderfunded = 317,

    /// <summary>More slots than a slot table may hold.</summary>
    SlotTableTooLong = 318,

    /// <summary>A node under attack did not look at it, because too much before it in its batch was bad. It may be sent again.</summary>
    NotLookedAt = 319,

    // 4xx: blocks (Chain)

    /// <summary>The parent is not the last accepted block and not processing.</summary>
    UnknownParent = 400,

    /// <summary>The height is not the parent's plus one.</summary>
    WrongHeight = 401,

    /// <summary>The timestamp is not strictly after the parent's.</summary>
    TimestampNotAfterParent = 402,

    /// <summary>The timestamp is further ahead of this node's clock than allowed.</summary>
    TimestampTooFarAhead = 403,

    /// <summary>A block without transactions (only genesis has none).</summary>
    EmptyBlock = 404,

    /// <summary>The block is longer than the chain allows.</summary>
    BlockTooLarge = 405,

    /// <summary>The gas limits of the block's transactions exceed the block's.</summary>
    BlockGasExceeded = 406,

    /// <summary>The header's gas used is not what execution used.</summary>
    GasUsedMismatch = 407,

    /// <summary>The header's state root is not what execution gave.</summary>
    StateRootMismatch = 408,

    /// <summary>The header's receipts root is not what execution gave.</summary>
    ReceiptsRootMismatch = 409,

    /// <summary>The block stands on a rejected block, or beside an accepted one.</summary>
    ConflictsWithAccepted = 410,

    /// <summary>A durable block did not execute to its own header again: disk or code is not what it was.</summary>
    ReplayDiverged = 411,

    /// <summary>The store no longer keeps the blocks that the replay window is rebuilt from.</summary>
    ReplayWindowIncomplete = 412,

    /// <summary>The programs that the transactions of a block name have more code together than a block may load.</summary>
    BlockCodeExceeded = 413,

    // 5xx: bytecode containers and the verifier (Executor), assembler (Toolchain)

    /// <summary>The bytes do not start as a bytecode container.</summary>
    NotAContainer = 500,

    /// <summary>A container section with an id that this fork does not know.</summary>
    UnknownSection = 501,

    /// <summary>A section is out of order, comes twice, is empty, or a required one is missing.</summary>
    SectionOrder = 502,

    /// <summary>A section's length does not fit its rows, or exceeds its limit.</summary>
    BadSection = 503,

    /// <summary>A function row is out of range, or the rows do not cover the code.</summary>
    BadFunction = 504,

    /// <summary>An entry is out of range, unsorted, or names a function that cannot be an entry.</summary>
    BadEntry = 505,

    /// <summary>Code for a fork that is not active.</summary>
    UnknownFork = 506,

    /// <summary>An opcode byte without a meaning in this fork.</summary>
    UnknownOpcode = 510,

    /// <summary>Bits of an instruction that must be zero are set.</summary>
    ReservedBits = 511,

    /// <summary>A cell, constant, function, slot offset or other operand is out of its range or alignment.</summary>
    OperandOutOfRange = 512,

    /// <summary>A branch leaves its function, or goes back to something other than a loop header.</summary>
    BadTarget = 513,

    /// <summary>Control can run past the last instruction of a function.</summary>
    FallsOff = 514,

    /// <summary>Instructions that no path reaches.</summary>
    UnreachableCode = 515,

    /// <summary>Loops that are entered past their header, overlap, or nest too deep.</summary>
    BadLoop = 516,

    /// <summary>A cell is read that some path leaves undefined.</summary>
    UndefinedCell = 517,

    /// <summary>Functions that call each other in a cycle.</summary>
    RecursiveCall = 518,

    /// <summary>Calls that nest deeper, or frames that are larger, than the limit.</summary>
    CallTooDeep = 519,

    /// <summary>Code uses a slot that its entry does not have, or in a mode that the entry does not declare.</summary>
    SlotNotAllowed = 520,

    /// <summary>An entry with more slots than this network allows.</summary>
    TooManySlots = 521,

    /// <summary>An entry with more memory pages than this network allows.</summary>
    TooManyPages = 522,

    /// <summary>A program, import or call site that is out of range, comes twice, or does not fit what it names.</summary>
    BadImport = 523,

    /// <summary>A switch table that no SWITCH or more than one names.</summary>
    BadTable = 524,

    /// <summary>A cell is used as a field element that some path leaves a plain word.</summary>
    WrongKind = 525,

    /// <summary>Stack code with an underflow, too many values, or two heights at one place.</summary>
    StackHeight = 526,

    /// <summary>A line of assembly that does not follow the grammar.</summary>
    AssemblySyntax = 550,

    /// <summary>A name of assembly that nothing defines.</summary>
    AssemblyUnknownName = 551,

    /// <summary>A name of assembly that is defined twice, or means two things.</summary>
    AssemblyDuplicateName = 552,

    /// <summary>An operand of another kind than the instruction takes, or too many or too few operands.</summary>
    AssemblyOperand = 553,

    /// <summary>A number of assembly outside the range of its field.</summary>
    AssemblyRange = 554,

    /// <summary>Source text, or what it builds, is larger than a container may be.</summary>
    AssemblyTooLarge = 555,

    /// <summary>A container that the disassembler cannot show.</summary>
    NotDisassemblable = 556,

    // 6xx: genesis and configuration (Chain, hosts)

    /// <summary>The text is not JSON.</summary>
    JsonMalformed = 600,

    /// <summary>A field that the format does not have.</summary>
    JsonUnknownField = 601,

    /// <summary>A field stands twice in one object.</summary>
    JsonDuplicateField = 602,

    /// <summary>A field is missing; no field has a default.</summary>
    JsonMissingField = 603,

    /// <summary>A field holds another kind of JSON value than the format says.</summary>
    JsonWrongKind = 604,

    /// <summary>A text is not hexadecimal of the right length.</summary>
    JsonBadHex = 605,

    /// <summary>A number is not an unsigned integer in its range.</summary>
    JsonBadNumber = 606,

    /// <summary>Genesis gives one program, record or balance twice.</summary>
    GenesisDuplicateEntry = 607,

    /// <summary>Genesis uses a program id that is reserved.</summary>
    GenesisReservedProgram = 608,

    /// <summary>A limit is zero, above what the format can carry, or contradicts another.</summary>
    GenesisLimitOutOfRange = 609,

    /// <summary>The verifier refused a program of genesis.</summary>
    GenesisProgramRefused = 610,

    /// <summary>A record's owner is not a program of genesis.</summary>
    GenesisUnknownOwner = 611,

    /// <summary>A record of genesis is too long.</summary>
    GenesisRecordTooLong = 612,

    /// <summary>The store holds a chain of another genesis.</summary>
    GenesisMismatch = 613,

    /// <summary>The name is empty, too long, or not printable ASCII.</summary>
    GenesisBadName = 614,

    // 65x: command lines and files given to a host

    /// <summary>A command line that is not one of the program's: unknown command, option or argument.</summary>
    BadCommandLine = 650,

    /// <summary>An option's value is not in its range.</summary>
    BadOption = 651,

    /// <summary>A benchmark suite that the program does not have.</summary>
    UnknownSuite = 652,

    /// <summary>A file or folder named by the caller cannot be read.</summary>
    UnreadableFile = 653,

    /// <summary>A file or folder named by the caller cannot be written.</summary>
    UnwritableFile = 654,

    /// <summary>A replay file holds a line that is not a block of the trace format.</summary>
    MalformedReplay = 655,

    /// <summary>A data folder that holds no chain, or one that another command line made.</summary>
    ForeignDataFolder = 656,

    /// <summary>The machine failed under a host: I/O error, full disk, missing permission.</summary>
    LocalFailure = 690,

    /// <summary>A defect of ours that reached the host.</summary>
    Unexpected = 699,

    // 7xx: storage (Faster)

    /// <summary>The data folder cannot be created, listed or written.</summary>
    StoreFolderUnusable = 700,

    /// <summary>Another process has the data folder open.</summary>
    StoreFolderLocked = 701,

    /// <summary>The data folder belongs to another chain.</summary>
    StoreOfAnotherChain = 702,

    /// <summary>The file that says which chain a data folder belongs to is damaged or missing beside data.</summary>
    StoreIdentityDamaged = 703,

    /// <summary>The data folder was written in a format that this code does not know.</summary>
    StoreFormatUnknown = 704,

    /// <summary>A block record is damaged although later ones are whole, so it is not a torn tail.</summary>
    StoreLogDamaged = 705,

    /// <summary>The block log ends below a checkpoint: durable blocks are missing.</summary>
    StoreLogBehindCheckpoint = 706,

    /// <summary>No checkpoint can be trusted and the block log does not reach back to genesis.</summary>
    StoreCheckpointsDamaged = 707,

    /// <summary>A block that was executed again has another root than its durable record.</summary>
    StoreReplayDiverged = 708,

    /// <summary>A write, sync, rename or deletion failed.</summary>
    StoreWriteFailed = 709,

    /// <summary>An earlier failure latched the store; it must be opened again.</summary>
    StoreLatched = 710,

    /// <summary>A read failed, or what was read is not what was written.</summary>
    StoreReadFailed = 711,

    /// <summary>A checkpoint was written but does not hold what it should.</summary>
    StoreCheckpointFailed = 712,

    /// <summary>The history does not reach back to the height asked for.</summary>
    StoreHistoryTooShort = 713,

    /// <summary>A record of the history is damaged, or undoing it does not give the root of its block.</summary>
    StoreHistoryDamaged = 714,

    /// <summary>An export is not one: damaged, of another chain, out of order, or its records do not give its root.</summary>
    StoreExportRefused = 715,

    // 8xx: batches (Engine)

    /// <summary>A payer's balance, less what earlier transactions of the batch reserved, does not cover gas limit times price.</summary>
    BatchPayerShort = 800,

    /// <summary>A transaction's highest price is below the block's base fee.</summary>
    BatchPriceBelowBaseFee = 801,

    /// <summary>A transaction names one record twice, through a program that is twice in its program table.</summary>
    BatchKeyTwice = 802,

    /// <summary>A transaction's gas limit does not cover what it costs to include it.</summary>
    BatchGasLimitTooLow = 803,

    // 95x: what the node and its peers write (Rpcchainvm: Ids, Warp, Gossip)

    /// <summary>A character that is not of the Base58 alphabet.</summary>
    TextNotBase58 = 950,

    /// <summary>A text whose checksum is not that of its bytes.</summary>
    TextBadChecksum = 951,

    /// <summary>An id or field of another length than it has.</summary>
    IdWrongLength = 952,

    /// <summary>A node id without its prefix.</summary>
    IdWithoutPrefix = 953,

    /// <summary>A name that no VM id can be made of.</summary>
    VmNameUnusable = 954,

    /// <summary>A Warp interface value of a type that this code does not know.</summary>
    WarpUnknownType = 955,

    /// <summary>A set of signers that is not written the one way there is.</summary>
    WarpSignersNotCanonical = 956,

    /// <summary>Bytes that are no protobuf message of the kind that is expected here.</summary>
    MessageMalformed = 957,

    /// <summary>Bytes that are no bloom filter.</summary>
    BloomMalformed = 958,

    /// <summary>A Warp message that this chain has not emitted and accepted.</summary>
    WarpNotOurs = 959,
}

/// <summary>A refusal: code and sentence. <c>default</c> means "not refused".</summary>
/// <param name="Code">Stable code.</param>
/// <param name="Sentence">One sentence with the value that was wrong; no stack trace, no line break.</param>
public readonly record struct Refusal(RefusalCode Code, string Sentence)
{
    /// <summary>Not refused.</summary>
    public static readonly Refusal None;

    /// <summary>True when something was refused.</summary>
    public bool IsRefused => Code != RefusalCode.None;

    /// <inheritdoc/>
    public override string ToString() => $"{(int)Code} {Code}: {Sentence}";
}
