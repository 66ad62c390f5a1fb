"""What is wrong with a drug library file. Invariant: every problem has a name that never changes, and names file, key, value,
limit and what to do."""

from dataclasses import dataclass
from typing import Any

FILE = "file"  # cannot be read, or is no TOML
HASH = "hash"  # not what its .sha256 file says
FORMAT = "format"  # another version of the format
MISSING = "missing"
UNKNOWN = "unknown"  # a section, key, source or certainty nobody knows
KIND = "kind"  # not a text, a table, true or false
TEXT = "text"  # an empty, too long or unprintable text
AMOUNT = "amount"  # no amount, or of the wrong unit
CHOICE = "choice"
RANGE = "range"
DUPLICATE = "duplicate"
CROSSING = "crossing"  # bounds not in the order hard, soft, typical, soft, hard
SLIP_BLIND = "slip_blind"  # bounds so wide that a slip of 10 or 1000 would pass unseen
RULE = "rule"  # two figures that contradict each other
WIDENED = "widened"  # a user's library that allows more than the shipped one
NEW = "new"  # a user's library with a drug or concentration of its own
NAMES = (
    FILE,
    HASH,
    FORMAT,
    MISSING,
    UNKNOWN,
    KIND,
    TEXT,
    AMOUNT,
    CHOICE,
    RANGE,
    DUPLICATE,
    CROSSING,
    SLIP_BLIND,
    RULE,
    WIDENED,
    NEW,
)


def shown(value: Any) -> str:
    """`value` as it stands in a file, at most 60 characters and on one line."""
    text = f'"{value}"' if isinstance(value, str) and value.isprintable() else ascii(value)
    return text if len(text) <= 60 else text[:57] + "..."


@dataclass(frozen=True)
class LibraryProblem:
    """One problem: its name from NAMES, the file, the key in it, the value found, what is allowed, what to do; "" where there is
    none."""

    name: str
    file: str
    key: str
    value: str
    limit: str
    hint: str

    @property
    def sentence(self) -> str:
        """All of it in one line."""
        key = f" {self.key}" if self.key else ""
        value = f" is {self.value}" if self.value else ""
        limit = f", allowed: {self.limit}" if self.limit else ""
        return f"{self.file}:{key}{value}{limit}: {self.hint} [{self.name}]"

    def as_dict(self) -> dict[str, str]:
        """For --json."""
        return {
            "name": self.name,
            "file": self.file,
            "key": self.key,
            "value": self.value,
            "limit": self.limit,
            "hint": self.hint,
        }


class LibraryError(ValueError):
    """A drug library that cannot be used; `problems` are all of them, the text is their sentences, one a line."""

    exit_code = 6  # exit_codes.INVALID; the command line looks here first

    def __init__(self, problems: list[LibraryProblem]) -> None:
        super().__init__("\n".join(problem.sentence for problem in problems))
        self.problems = problems
