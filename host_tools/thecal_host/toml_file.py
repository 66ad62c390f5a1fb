"""Reading a TOML file somebody else wrote. Invariant: whatever is at the path, the answer is a table or one sentence with what to
do."""

import tomllib
from pathlib import Path
from typing import Any

FILE_MAX_BYTES = 65_536


class TomlFileError(ValueError):
    """The file cannot be used; the text is a sentence with its path."""


def read_toml(path: Path, what: str) -> dict[str, Any]:
    """The TOML in `path`; `what` is a name for the sentences ("board file"). Raises TomlFileError when it is missing, a folder or
    a device, unreadable, larger than 64 KiB, not UTF-8 or not TOML."""
    try:
        if path.is_dir():
            raise TomlFileError(f"{path} is a folder; give the path of one {what} (.toml).")
        if path.exists() and not path.is_file():
            raise TomlFileError(f"{path} is not an ordinary file; give the path of one {what} (.toml).")
        with path.open("rb") as file:
            raw = file.read(FILE_MAX_BYTES + 1)
    except FileNotFoundError:
        raise TomlFileError(f"{path} does not exist; check the path of the {what}.") from None
    except OSError as error:
        raise TomlFileError(f"{path} cannot be read: {error.strerror or error}.") from None
    except ValueError as error:
        if isinstance(error, TomlFileError):
            raise
        raise TomlFileError(f"{str(path)!r} is no path of a {what}: {error}.") from None
    if len(raw) > FILE_MAX_BYTES:
        raise TomlFileError(f"{path} is larger than {FILE_MAX_BYTES // 1024} KiB; that is no {what}.")
    try:
        return tomllib.loads(raw.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise TomlFileError(f"{path} is not UTF-8 text (line {line}); save it as UTF-8.") from None
    except tomllib.TOMLDecodeError as error:
        raise TomlFileError(f"{path} is not valid TOML: {error}. Texts need quotes, and every key stands only once.") from None
    except RecursionError:
        raise TomlFileError(f"{path} is nested too deeply to be a {what}.") from None
    except ValueError as error:  # an integer of thousands of digits
        raise TomlFileError(f"{path} is not valid TOML: {error}.") from None
