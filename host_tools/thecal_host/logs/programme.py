"""The programmed curve: basal while infusing plus the running bolus, integrated exactly over board time.

Invariant: integers only, nothing rounded before the end; a rate holds from the moment at which the pump took it, not from when
its record was written.
"""

from dataclasses import dataclass

DAY_MS = 86_400_000


@dataclass(frozen=True)
class Programmed:
    """From `t_ms` on the programmed rate is `rate_nl_per_day` (bolus included); until then `volume_nl` was programmed in all."""

    t_ms: int
    rate_nl_per_day: int
    volume_nl: int


@dataclass(frozen=True)
class Bolus:
    """A granted bolus: `missing_nl` of it were not delivered; `end_ms` is -1 while its end is not in the log."""

    command_id: int
    t_ms: int
    nl: int
    duration_ms: int
    end_ms: int = -1
    missing_nl: int = 0


class Programme:
    """Integrates the programmed rate: basal while infusing plus the running bolus, exactly, in units of nL * DAY_MS * bolus
    ms."""

    def __init__(self, begin_ms: int) -> None:
        self.points: list[Programmed] = []
        self._t_ms = begin_ms
        self._basal = 0
        self._on = False
        self._whole_nl = 0
        self._part = 0  # nL * DAY_MS left over from basal
        self._bolus: Bolus | None = None
        self._bolus_done_nl = 0
        self._next: tuple[int, int] | None = None  # (from when, rate): told already, not in force yet

    def _bolus_nl(self, t_ms: int) -> int:
        bolus = self._bolus
        if bolus is None:
            return 0
        spent = min(t_ms - bolus.t_ms, bolus.duration_ms)
        return bolus.nl if spent >= bolus.duration_ms else bolus.nl * spent // bolus.duration_ms

    def to(self, t_ms: int) -> None:
        """Move on to `t_ms`; a rate that begins before it begins then, a bolus that ends before it is closed at its own end."""
        if self._next is not None and self._next[0] <= t_ms:
            at_ms, rate = self._next
            self._next = None
            self._to(at_ms)
            self._basal = rate
            self.mark()
        self._to(t_ms)

    def _to(self, t_ms: int) -> None:
        bolus = self._bolus
        if bolus is not None and self._t_ms <= bolus.t_ms + bolus.duration_ms < t_ms:
            self._run(bolus.t_ms + bolus.duration_ms)
            self.end_bolus()
            self.mark()
        self._run(t_ms)

    def _run(self, t_ms: int) -> None:
        if t_ms <= self._t_ms:
            return
        if self._on:
            total = self._part + self._basal * (t_ms - self._t_ms)
            self._whole_nl += total // DAY_MS
            self._part = total % DAY_MS
        self._t_ms = t_ms

    def mark(self) -> None:
        """Leave a point with the rate that holds from now on."""
        bolus = self._bolus
        rate = self._basal if self._on else 0
        if bolus is not None and bolus.duration_ms:
            rate += bolus.nl * DAY_MS // bolus.duration_ms
        self.points.append(Programmed(self._t_ms, rate, self._whole_nl + self._bolus_done_nl + self._bolus_nl(self._t_ms)))

    def set_basal(self, nl_per_day: int, at_ms: int) -> None:
        """This rate holds from `at_ms` on, which may be a little later than now, or earlier."""
        self._next = None
        if at_ms > self._t_ms:
            self._next = (at_ms, nl_per_day)
            return
        if self._on:
            total = self._part + (nl_per_day - self._basal) * (self._t_ms - at_ms)
            self._whole_nl += total // DAY_MS
            self._part = total % DAY_MS
        self._basal = nl_per_day

    def set_on(self, on: bool) -> None:
        self._on = on
        if not on:
            self.end_bolus()

    def begin_bolus(self, bolus: Bolus) -> None:
        """A bolus, or a set-up motion with the outlet connected, which is a dose as well."""
        self.end_bolus()
        self._bolus = bolus

    def end_bolus(self) -> None:
        """What of it was due until now stays programmed; the rest was taken back."""
        self._bolus_done_nl += self._bolus_nl(self._t_ms)
        self._bolus = None
