"""Errors of the link, each one a sentence for people with a hint. Invariant: `str(error)` can be shown to a user as it is.

The exit code of every class is in `cli/exit_codes.py`, by class name.
"""


class LinkError(Exception):
    """Base of all link errors; its text is a whole sentence that says what was wrong and what to do."""


class NoPort(LinkError):
    """The port does not exist, cannot be opened, or there is no telling which one is meant."""


class PortLost(LinkError):
    """The port was open and vanished (unplugged, board reset, virtual board stopped)."""


class NoAnswer(LinkError):
    """The port is open, but nothing answers before the deadline. Nothing was changed on the board by this request."""


class AtRepl(LinkError):
    """The board is at the MicroPython prompt: the firmware is not running."""


class WrongDevice(LinkError):
    """Something else than a Thecal board answers, or another board than before."""


class WrongProtocol(LinkError):
    """The firmware is older or newer than this host."""


class BadAnswer(LinkError):
    """The board answered in a way SPEC.md does not allow."""


class Rejected(LinkError):
    """The board refused a request that is not a therapy command (stage, read, log); `result` is its code."""

    def __init__(self, sentence: str, result: int) -> None:
        super().__init__(sentence)
        self.result = result


class Uncertain(LinkError):
    """A command was sent and no answer came before the deadline: the pump may or may not have taken it.

    `command_id` and `settle` (the `thecal` command that asks again under the same id) are part of the sentence.
    """

    def __init__(self, command: str, command_id: int, settle: str, cause: str = "") -> None:
        why = f" ({cause.rstrip('.')})" if cause else ""
        super().__init__(
            f"The pump may or may not have taken this {command}: no answer to id {command_id} came before the deadline{why}. "
            f"Do not send it again under a new id. To settle it, run: {settle}"
        )
        self.command = command
        self.command_id = command_id
        self.settle = settle
