"""The command group that imports a command's module only when that command is used. Invariant: `thecal --help` imports none of
them.

The table is `COMMANDS` in `cli/app.py`; a new command is one row there and one function (or Typer app) in a module of this
package.
"""

import importlib
from typing import Any, ClassVar

import typer
import typer.main
from typer.core import TyperGroup

PLAIN: dict[str, Any] = {"add_completion": False, "rich_markup_mode": None, "pretty_exceptions_enable": False}
HELP_NAMES = {"help_option_names": ["-h", "--help"]}


def group(help_text: str) -> typer.Typer:
    """A Typer app for a command with sub-commands."""
    return typer.Typer(help=help_text, no_args_is_help=True, context_settings=HELP_NAMES, **PLAIN)


class LazyGroup(TyperGroup):
    """Commands by the table `table`: name -> (module, attribute, one line of help)."""

    table: ClassVar[dict[str, tuple[str, str, str]]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of the table."""
        return list(self.table)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Import and build the command, once."""
        if cmd_name not in self.table:
            return None
        if cmd_name not in self.commands:
            module, attribute, _help = self.table[cmd_name]
            found = getattr(importlib.import_module(module), attribute)
            if not isinstance(found, typer.Typer):
                app = typer.Typer(context_settings=HELP_NAMES, **PLAIN)
                app.command(cmd_name)(found)
                found = app
            command = typer.main.get_command(found)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """The list in the help, from the table alone."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, row[2]) for name, row in self.table.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        """The exit codes, line by line: a paragraph would be refilled."""
        from thecal_host.cli import exit_codes

        with formatter.section("Exit codes"):
            formatter.write_dl([(str(code), meaning) for code, meaning in exit_codes.MEANINGS.items()])
