"""After the reset: does the firmware start, what says its self-test, and is the board ready for use?

Invariant: a board that was never provisioned is provisioned here, and what that declares about doses before is told in words.
"""

import time
from dataclasses import dataclass

from thecal.core import states
from thecal_host import texts
from thecal_host.flashing.errors import FlashError
from thecal_host.flashing.way import quick_client
from thecal_host.link.errors import AtRepl, LinkError
from thecal_host.link.types import Hello, Status
from thecal_host.record_texts import answer_sentence

START_S = 20.0
PAUSE_S = 0.1
PROVISIONED_NOTHING = "Provisioned: it was declared that nothing was delivered before, so the dose windows start empty."
PROVISIONED_FULL = (
    "Provisioned with full dose windows, because nobody declared that nothing was delivered before (--nothing-delivered): for "
    "the next 24 h no "
    "bolus is granted and basal may be held back."
)


@dataclass(frozen=True)
class Begun:
    """How the board began: who it is, its state, the self-test's fault (0: passed), and what was declared if it was provisioned
    now."""

    hello: Hello
    status: Status
    provisioned: str

    @property
    def passed(self) -> bool:
        """The self-test found nothing that keeps therapy from running."""
        return self.status.state != states.SAFE

    @property
    def verdict(self) -> str:
        """The self-test's result and the state, as a sentence."""
        if self.passed:
            return f"Self-test passed; the pump is {texts.of(texts.STATES, self.status.state)}."
        return (
            f"Self-test FAILED: {texts.of(texts.FAULTS, self.status.fault)}. No therapy is possible; `thecal check` tells more."
        )


def begin(port: str, virtual: bool, nothing_delivered: bool, provision: bool = True, seconds: float = START_S) -> Begun:
    """Wait for the firmware, read its verdict and, with `provision`, make a board ready that was never provisioned. LinkError,
    FlashError."""
    until = time.monotonic() + seconds
    while True:
        try:
            return _meet(port, provision, virtual or nothing_delivered)
        except AtRepl:
            if time.monotonic() > until:
                raise FlashError(
                    f"The firmware is installed on {port}, but it does not start: the board stays at its MicroPython prompt. "
                    f"`python -m mpremote connect {port} resume exec 'import main; main.main()'` shows why."
                ) from None
        except LinkError:
            if time.monotonic() > until:
                raise
        time.sleep(PAUSE_S)


def _meet(port: str, provision: bool, nothing: bool) -> Begun:
    with quick_client(port) as client:
        hello = client.hello()
        status = client.status()
        said = ""
        if status.state == states.UNPROVISIONED and provision:
            answer = client.provision(nothing)
            if not answer.ok:
                raise FlashError(f"The board could not be provisioned. {answer_sentence(answer)}")
            said = PROVISIONED_NOTHING if nothing else PROVISIONED_FULL
            hello, status = client.hello(), client.status()
        return Begun(hello, status, said)
