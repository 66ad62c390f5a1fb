"""The exit codes of `thecal`, one table, and which error has which. Invariant: a code never changes its meaning; scripts depend
on it.

An error class says its code by an attribute `exit_code`, or is found here by its name or that of a base (so that nothing has to
be imported to look it up).
"""

OK = 0
CHECK_FAILED = 1
USAGE = 2
NO_BOARD = 3
REFUSED = 4
UNCERTAIN = 5
INVALID = 6
STORAGE = 7
MISSING = 8
VIRTUAL = 9
NOT_CONFIRMED = 10
INTERNAL = 70
INTERRUPTED = 130

MEANINGS = {
    OK: "done",
    CHECK_FAILED: "a check failed, or there was nothing to show",
    USAGE: "the command line was not understood",
    NO_BOARD: "no port, no board, no answer, or not the right firmware",
    REFUSED: "the board refused; nothing was done",
    UNCERTAIN: "no answer in time: the board may or may not have done it; the text says how to settle it",
    INVALID: "a prescription, board file or amount is not valid",
    STORAGE: "a file or the log store could not be read or written",
    MISSING: "a tool or an extra is not installed",
    VIRTUAL: "the virtual board could not do it",
    NOT_CONFIRMED: "it was not confirmed; nothing was done",
    INTERNAL: "an error in thecal itself; a report was written",
    INTERRUPTED: "interrupted by Ctrl-C",
}

BY_NAME = {
    "LinkError": NO_BOARD,
    "Rejected": REFUSED,
    "Uncertain": UNCERTAIN,
    "PrescriptionError": INVALID,
    "BoardError": INVALID,
    "TomlFileError": INVALID,
    "MonitorLimitsError": INVALID,
    "ProgramError": INVALID,
    "UnitError": INVALID,
    "StorageError": STORAGE,
    "OSError": STORAGE,
    "DataMissing": MISSING,
    "VirtualError": VIRTUAL,
}


def code_for(error: BaseException) -> "int | None":
    """The exit code of a known error, None for an unknown one."""
    for kind in type(error).__mro__:
        code = vars(kind).get("exit_code")
        if isinstance(code, int):
            return code
        if kind.__name__ in BY_NAME:
            return BY_NAME[kind.__name__]
    return None


def table() -> str:
    """The table as text, for the help."""
    return "\n".join(f"  {code:>3}  {meaning}" for code, meaning in MEANINGS.items())
