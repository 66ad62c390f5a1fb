"""What the therapy commands share beside `common`: the program and its rate now, and the answer with the time at which waiting
ends. Invariant: an answer is shown as the board gave it; a time of day is shown only by the board's own clock.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from thecal_host.cli import exit_codes
from thecal_host.cli.common import emit

if TYPE_CHECKING:
    from thecal.core.basal import Basal
    from thecal_host.link.client import Client
    from thecal_host.link.types import Answer, Status
    from thecal_host.walls import BoardTime


@dataclass(frozen=True)
class Present:
    """The board's status and the fields of its active program (None: there is none)."""

    status: "Status"
    fields: "dict[str, Any] | None"

    @property
    def ng_per_ml(self) -> int:
        """Concentration of the active program, 0 without one."""
        return int(self.fields["concentration_ng_per_ml"]) if self.fields else 0

    @property
    def time(self) -> "BoardTime":
        """The board's wall clock in the program's local time."""
        from thecal_host.walls import BoardTime, offset_of

        return BoardTime(self.status.wall_unix_ms, offset_of(self.fields))

    @property
    def flex(self) -> bool:
        """Does the active program follow the time of day?"""
        from thecal.core.program_table import MODE_FLEX

        return self.fields is not None and self.fields["mode"] == MODE_FLEX

    def basal(self) -> "Basal":
        """The program's own rates over board time, no overlay on them. Only with a program."""
        from thecal.core.basal import Basal

        assert self.fields is not None
        basal = Basal(self.fields)
        if self.status.wall_unix_ms is not None:
            basal.wall_ms = self.status.wall_unix_ms - self.status.t_ms
        return basal

    def rates_until(self, ms: int) -> list[int]:
        """Every rate of the program itself from now until `ms` later, nL/day."""
        basal, t_ms = self.basal(), self.status.t_ms
        found: list[int] = []
        while t_ms < self.status.t_ms + ms:
            found.append(basal.scheduled(t_ms))
            t_ms = basal.next_change_ms(t_ms)
        return found

    def both(self, nl_per_day: int) -> str:
        """A rate as volume and mass: "0.48 mL/day = 12 mg/day"."""
        from thecal.core import units

        text = units.format_volume(nl_per_day) + "/day"
        return text + (f" = {units.mass_text(nl_per_day, self.ng_per_ml)}/day" if self.ng_per_ml else "")


def present(client: "Client") -> Present:
    """Ask the board for its status and its active program."""
    from thecal_host.cli.status import active_fields

    now = client.status()
    return Present(now, active_fields(client, now.program_crc))


def conclude(client: "Client", answer: "Answer", as_json: bool, done: str = "", ng_per_ml: int = 0, **more: Any) -> None:
    """Show the answer to a command (`done` in the place of a plain yes) and leave with its exit code. Where the board says how
    long to wait, the time of day is shown too, if the board knows it."""
    from dataclasses import asdict

    from thecal_host.code_names import named
    from thecal_host.record_texts import answer_sentence

    at = _at(client, answer)
    sentence = done if done and answer.ok and not answer.replayed else answer_sentence(answer, ng_per_ml, at)
    emit(as_json, {"ok": answer.ok, **named(asdict(answer)), **more, "sentence": sentence}, sentence)
    if not answer.ok:
        raise typer.Exit(exit_codes.REFUSED)


def _at(client: "Client", answer: "Answer") -> str:
    """When the waiting ends, " (at 14:05)"; "" when nobody knows: the refusal is told either way."""
    from thecal_host.link.errors import LinkError

    if answer.ok or answer.wait_ms <= 0:
        return ""
    try:
        return present(client).time.at(answer.wait_ms)
    except LinkError:
        return ""
