"""Which drug library entry a program was made with, found by the CRC it carries. Invariant: a program whose entry this PC does
not have is said to have an unknown one; nothing is guessed from the drug's name.
"""

from typing import TYPE_CHECKING

from thecal_host.program_week import Fields

if TYPE_CHECKING:
    from thecal_host.drugs.entries import Entry

DAY_MS = 86_400_000


def entry_of(fields: Fields) -> "Entry | None":
    """The entry whose CRC the program carries; None when it carries none or this PC's library has no such entry. LibraryError
    when the library itself is damaged."""
    from thecal_host.drugs.load import open_library

    if not fields["library_crc"]:
        return None
    return next((entry for entry in open_library().entries if entry.crc == fields["library_crc"]), None)


def stability_days(fields: Fields) -> "int | None":
    """Whole days the drug keeps in the reservoir by its entry; None where nothing is known."""
    entry = entry_of(fields)
    return None if entry is None else entry.number("policy.stability") // DAY_MS


def entry_text(fields: Fields) -> str:
    """The entry for people: "baclofen 2000 mcg/mL (1a2b3c4d)"."""
    crc = fields["library_crc"]
    if not crc:
        return "none"
    entry = entry_of(fields)
    return f"{entry.title if entry else 'an entry this PC does not have'} ({crc:08x})"
