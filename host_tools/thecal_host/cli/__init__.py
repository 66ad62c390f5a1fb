"""The command line: `main` is what `thecal` runs. Invariant: it always ends with an exit code of `exit_codes.py`, and never
with a traceback."""

import sys


def run(argv: "list[str]") -> int:
    """Run `thecal` with these arguments and return the exit code."""
    import typer.main

    from thecal_host.cli.app import app

    try:
        typer.main.get_command(app).main(args=list(argv), prog_name="thecal")
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        from thecal_host.cli.failures import report

        return report(error, list(argv))
    return 0


def main() -> None:
    """The entry point of the `thecal` command."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except OSError as error:  # a full disk or a closed pipe shows only now
        from thecal_host.cli.failures import report

        sys.stdout = None  # type: ignore[assignment]  # so that the interpreter does not try again at its end
        code = code or (0 if isinstance(error, BrokenPipeError) else report(error, []))
    sys.exit(code)
