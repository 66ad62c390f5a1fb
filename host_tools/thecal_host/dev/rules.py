"""All house rules at once: `python -m thecal_host.dev.rules`, part of `make check`. Invariant: prints one line per breach and
ends with 1 when there is any. Each rule has its own file and, in tests/house, a sample that breaks it."""

import sys
from pathlib import Path

from thecal_host.dev import mpy, rule_imports, rule_integers, rule_permits, rule_subset, rule_text, source


def check(root: Path = source.ROOT) -> "dict[str, list[source.Finding]]":
    """Return the findings of every rule under its name. Raises SyntaxError for a file that does not parse."""
    everything = source.everything(root)
    return {
        "import direction": rule_imports.check(everything),
        "no floats in core and monitor": rule_integers.check(everything),
        "one maker and one spender of permits": rule_permits.check(everything),
        "MicroPython subset": rule_subset.check(source.on_micropython(root)),
        "mpy-cross": mpy.check(root),
        "texts": rule_text.check(root),
    }


def main() -> int:
    """Print the findings; return the exit code: 0 clean, 1 breaches, 2 a file that does not parse."""
    try:
        results = check()
    except SyntaxError as error:
        print(f"{error.filename}:{error.lineno}: {error.msg}")
        return 2
    for name, findings in results.items():
        print(f"{name}: {'ok' if not findings else len(findings)}")
        for finding in findings:
            print(f"  {finding}")
    return 1 if any(results.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
