"""From an error to what a user sees: one sentence and an exit code. Invariant: no traceback reaches a terminal; an error nobody
foresaw is written to a crash report, and the sentence says where.
"""

import contextlib
import json
import os
import platform
import sys
import time
import traceback
from pathlib import Path

from thecal_host.cli import exit_codes


class CliError(Exception):
    """An error of the command line itself: a sentence and its code from `exit_codes`."""

    def __init__(self, code: int, sentence: str) -> None:
        super().__init__(sentence)
        self.exit_code = code


def report(error: BaseException, argv: list[str]) -> int:
    """Tell the user about `error` (as JSON too when asked for) and return the exit code."""
    code = error.exit_code if isinstance(error, CliError) else exit_codes.code_for(error)
    if code is None:
        code, sentence = exit_codes.INTERNAL, _crash(error, argv)
    else:
        sentence = _sentence(error)
    if "--json" in argv:
        problem = {"ok": False, "error": sentence, "exit_code": code, "meaning": exit_codes.MEANINGS[code]}
        command_id = getattr(error, "command_id", None)
        if command_id is not None:
            problem |= {"command_id": command_id, "settle": getattr(error, "settle", "")}
        with contextlib.suppress(OSError):
            print(json.dumps(problem), flush=True)
    with contextlib.suppress(OSError):
        print(f"thecal: {sentence}", file=sys.stderr, flush=True)
    return code


def _sentence(error: BaseException) -> str:
    if isinstance(error, OSError):
        from thecal_host.logs.errors import os_sentence

        return os_sentence(f"{error.filename or 'The output'} could not be read or written", error)
    if type(error).__name__ == "UnitError":
        from thecal.core.units import UnitError
        from thecal_host import unit_texts

        if isinstance(error, UnitError):
            return unit_texts.sentence(error, tuple(unit_texts.KIND_NAMES))
    if type(error).__name__ == "ProgramError":
        return "The program on the board is damaged or of another version. Upload the prescription again."
    return str(error)


def _crash(error: BaseException, argv: list[str]) -> str:
    """Write the crash report; the sentence says where it is, or that it could not be written."""
    from thecal_host import __version__

    text = "".join(traceback.format_exception(error))
    head = f"thecal {__version__}, Python {platform.python_version()}, {platform.platform()}\narguments: {argv}\n\n"
    brief = f"{type(error).__name__}: {error}".splitlines()[0]
    for folder in _report_folders():
        path = folder / f"crash-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            path.write_text(head + text, encoding="utf-8")
        except OSError:
            continue
        return (
            f"Something went wrong inside thecal ({brief}). A report was written to {path}; please send it with your bug report."
        )
    return f"Something went wrong inside thecal ({brief}), and no report could be written."


def _report_folders() -> list[Path]:
    import tempfile

    folders = [Path(tempfile.gettempdir())]
    with contextlib.suppress(OSError):
        from thecal_host.logs.store import data_dir

        folders.insert(0, data_dir() / "crashes")
    return folders
