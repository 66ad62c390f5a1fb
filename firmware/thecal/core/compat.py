"""What both interpreters need under one name. `const(n)` is folded
by MicroPython's compiler wherever it stands; CPython calls this."""


def const(value: int) -> int:
    """Return `value`: marks a compile-time integer constant for mpy-cross."""
    return value
