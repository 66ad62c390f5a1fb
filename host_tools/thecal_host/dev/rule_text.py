"""What no file of the project may say. Invariant: nothing names a package registry's host or an absolute path of somebody's
machine, so a clone works behind any mirror and anywhere; nothing is left half-done."""

import re
import subprocess
from pathlib import Path

from thecal_host.dev.source import ROOT, Finding

# Put together here so that this file passes its own rule.
_HOSTS = ("py" + "pi.org", "python" + "hosted.org", "npm" + "js.org", "npm" + "js.com", "registry." + "yarnpkg")
_WORDS = ("TO" + "DO", "FIX" + "ME", "X" * 3)
_PATHS = ("/wo" + "rk/", "/ho" + "me/", "/tmp/la" + "b", "/ro" + "ot/", "/Us" + "ers/")
_RULES = (
    (re.compile("|".join(map(re.escape, _HOSTS)), re.IGNORECASE), "names a registry host"),
    (re.compile(r"(?<![\w.$})])(?:" + "|".join(map(re.escape, _PATHS)) + ")"), "names an absolute path of one machine"),
    (re.compile(r"\b(?:" + "|".join(_WORDS) + r")\b|@@[A-Z_]+@@"), "left half-done"),
    (re.compile(r"except Exception:\s*pass\b"), "swallows every error"),
)
_LINES_MAX = 330  # "about 300"


def check_text(path: str, text: str) -> "list[Finding]":
    """Return every breach in one file's text."""
    findings = [
        Finding(path, text.count("\n", 0, match.start()) + 1, f"{sentence}: {match.group()!r}")
        for pattern, sentence in _RULES
        for match in pattern.finditer(text)
    ]
    lines = text.count("\n")
    if path.endswith(".py") and lines > _LINES_MAX:
        findings.append(Finding(path, lines, f"{lines} lines: split it (about 300, one purpose each)"))
    return findings


def files(root: Path = ROOT) -> "list[str]":
    """Return the files git has or would add, relative to the root; without git, every file that is not hidden."""
    try:
        command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        run = subprocess.run(command, cwd=root, capture_output=True, timeout=30, check=True)
        names = run.stdout.decode().split("\0")
    except (OSError, subprocess.SubprocessError):
        names = [file.relative_to(root).as_posix() for file in root.rglob("*")]
        names = [name for name in names if not name.startswith((".", "typings/", "dist/", "demo/"))]
    return sorted(name for name in set(names) if name and (root / name).is_file())


def check(root: Path = ROOT) -> "list[Finding]":
    """Return every breach in every text file of the project."""
    findings = []
    for name in files(root):
        try:
            text = (root / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture
        findings += check_text(name, text)
    return findings
