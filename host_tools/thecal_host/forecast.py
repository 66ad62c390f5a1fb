"""The hours to come: each rate with its time, when a bolus would be granted or refused and why, how full each window gets; once
with no bolus given and once with every bolus given that the limits allow.

Invariant: every answer is the board's own chain of reasons asked at that moment of a played delivery (player.py); between two
moments of the 5 min grid nothing is claimed. Whole numbers with their unit in the name; texts are made elsewhere.
"""

from dataclasses import dataclass

from thecal.core import messages
from thecal.core.basal import CAPPED, MINIMUM, NONE, TEMP
from thecal.core.gate import WINDOWS
from thecal_host.player import PL_PER_MILLION_IN_NL, Player, Start
from thecal_host.program_week import Fields

GRID_MS = 300_000
HOUR_MS = 3_600_000
DAY_MS = 86_400_000
HOURS_MAX = 24 * 14
BOLUS_MS = 600_000  # how long a bolus of the clinician is assumed to take where the program names no duration
FILL_KEYS = tuple(key for _ring, _reason, key in WINDOWS)
WHY_PROGRAM, WHY_SCHEDULE, WHY_NO_CLOCK, WHY_TEMP, WHY_MINIMUM, WHY_CAPPED = (
    "program",
    "schedule",
    "safe rate: the clock is unknown",
    "temporary rate",
    "minimum rate",
    "lower of temporary rate and schedule",
)


class ForecastError(ValueError):
    """A forecast that cannot be made; the text is a sentence."""


@dataclass(frozen=True)
class RateStep:
    """From `t_ms` after the beginning on the pump gives `rate_nl_per_day`, because of `why`."""

    t_ms: int
    rate_nl_per_day: int
    why: str


@dataclass(frozen=True)
class Band:
    """From `begin_ms` to `end_ms` after the beginning a bolus asked for on the grid is granted (`reason` 0) or refused for
    `reason`; `value` and `limit` are those of the first moment."""

    begin_ms: int
    end_ms: int
    reason: int
    value: int
    limit: int

    @property
    def granted(self) -> bool:
        """True where it would be granted."""
        return self.reason == messages.NONE


@dataclass(frozen=True)
class Fill:
    """The most that one window ever counted in the run: volume, limit, part of it in per mille, and when that was."""

    key: str
    limit_nl: int
    highest_nl: int
    at_ms: int

    @property
    def per_mille(self) -> int:
        """Highest volume as part of the limit, rounded up."""
        return -(-self.highest_nl * 1000 // self.limit_nl)


@dataclass(frozen=True)
class Moment:
    """One moment of the grid: steps given out since the beginning, what each window counts in nL."""

    t_ms: int
    steps: int
    window_nl: "tuple[int, int, int]"


@dataclass(frozen=True)
class GivenBolus:
    """A bolus granted in a run."""

    t_ms: int
    volume_nl: int
    duration_ms: int


@dataclass(frozen=True)
class Run:
    """One played stretch. `chunks` are durable writes that opened one; `held_ms` the first moment at which a window held basal
    back (None: never), `empty_ms` that at which the reservoir was empty."""

    name: str
    rates: "list[RateStep]"
    moments: "list[Moment]"
    fills: "list[Fill]"
    boluses: "list[GivenBolus]"
    chunks: int
    delivered_nl: int
    bolus_nl: int
    held_ms: "int | None"
    empty_ms: "int | None"


@dataclass(frozen=True)
class Forecast:
    """`patient` and `largest` say when the patient's bolus and the largest bolus would be granted while none is given, `used`
    when the smaller of them would be while all are given; None where the program has none."""

    hours: int
    source: str
    begin_board_ms: int
    begin_unix_ms: "int | None"
    offset_min: int
    nominal: Run
    worst: Run
    patient: "list[Band] | None"
    largest: "list[Band] | None"
    used: "list[Band] | None"
    patient_nl: int
    largest_nl: int
    bolus_ms: int


def why_now(player: Player) -> str:
    """Why the rate of this moment holds."""
    basal = player.basal
    if basal.kind == MINIMUM:
        return WHY_MINIMUM
    if basal.kind != NONE and player.now_ms < basal.until_ms:
        return {TEMP: WHY_TEMP, CAPPED: WHY_CAPPED}[basal.kind]
    if not basal.flex:
        return WHY_PROGRAM
    return WHY_SCHEDULE if basal.wall_ms is not None else WHY_NO_CLOCK


class _Watch:
    """What is noted down while a player runs."""

    def __init__(self, player: Player, name: str) -> None:
        self.player = player
        self.name = name
        self.first_steps = player.position
        self.highest = [(0, 0), (0, 0), (0, 0)]
        self.chunks = 0
        self.rates: list[RateStep] = []
        self.moments: list[Moment] = []
        self.boluses: list[GivenBolus] = []
        player.on_chunk = self.chunk
        self.look()

    def since_ms(self) -> int:
        return self.player.now_ms - self.player.began_ms

    def chunk(self, _player: Player) -> None:
        self.chunks += 1
        self._windows()

    def _windows(self) -> "tuple[int, int, int]":
        volumes = [self.player.window_nl(ring) for ring, _reason, _key in WINDOWS]
        for place, volume in enumerate(volumes):
            if volume > self.highest[place][0]:
                self.highest[place] = (volume, self.since_ms())
        return volumes[0], volumes[1], volumes[2]

    def look(self) -> None:
        """Note the windows and, where it is another one, the rate."""
        player = self.player
        self.moments.append(Moment(self.since_ms(), player.position - self.first_steps, self._windows()))
        self.note_rate()

    def note_rate(self) -> None:
        rate, why = self.player.basal.rate_at(self.player.now_ms), why_now(self.player)
        if not self.rates or (self.rates[-1].rate_nl_per_day, self.rates[-1].why) != (rate, why):
            self.rates.append(RateStep(self.since_ms(), rate, why))

    def go(self, until_ms: int) -> None:
        """Play up to `until_ms`, stopping at each change of rate to note it."""
        player = self.player
        while True:
            change = player.basal.next_change_ms(player.now_ms)
            if change >= until_ms:
                break
            player.run(change)
            self.note_rate()
        player.run(until_ms)

    def give(self, volume_nl: int, duration_ms: int) -> None:
        """Deliver a bolus that was granted, and note it."""
        self.player.give(volume_nl, duration_ms)
        self.boluses.append(GivenBolus(self.since_ms(), volume_nl, duration_ms))

    def run(self) -> Run:
        player = self.player
        return Run(
            self.name,
            self.rates,
            self.moments,
            [Fill(key, player.fields[key], volume, at_ms) for key, (volume, at_ms) in zip(FILL_KEYS, self.highest, strict=True)],
            self.boluses,
            self.chunks,
            player.steps_nl(player.position - self.first_steps),
            sum(bolus.volume_nl for bolus in self.boluses),
            player.held_ms[0] - player.began_ms if player.held_ms else None,
            player.empty_ms - player.began_ms if player.empty_ms is not None else None,
        )


class _Bands:
    """The answers to one bolus on the grid, merged into stretches."""

    def __init__(self, volume_nl: int, duration_ms: int) -> None:
        self.volume_nl = volume_nl
        self.duration_ms = duration_ms
        self.made: list[Band] = []

    def ask(self, player: Player) -> bool:
        """Would it be granted now? Notes the answer up to the next moment of the grid."""
        return self.note(player, *player.judge(self.volume_nl, self.duration_ms))

    def note(self, player: Player, reason: int = messages.NONE, value: int = 0, limit: int = 0) -> bool:
        """Note an answer that is known."""
        now_ms = player.now_ms - player.began_ms
        end_ms = now_ms + GRID_MS
        if self.made and self.made[-1].reason == reason:
            last = self.made.pop()
            value, limit, now_ms = last.value, last.limit, last.begin_ms
        self.made.append(Band(now_ms, end_ms, reason, value, limit))
        return reason == messages.NONE


def allowed_boluses(fields: Fields) -> "tuple[tuple[int, int], ...]":
    """(volume in nL, duration in ms) of the boluses the program knows, the largest first, without doubles and without what is
    smaller than a step."""
    duration = fields["patient_bolus_ms"] or BOLUS_MS
    found = []
    if fields["boluses_per_24h"]:
        for volume in (fields["max_bolus_nl"], fields["patient_bolus_nl"]):
            if volume * PL_PER_MILLION_IN_NL >= fields["step_pl_per_million"] and (volume, duration) not in found:
                found.append((volume, duration))
    return tuple(found)


def play(fields: Fields, start: Start, hours: int) -> "tuple[Run, list[Band] | None]":
    """The run in which everything is given that the limits allow: at every moment of the grid the largest bolus is asked for,
    then the patient's, and what is granted is given. With it, when the smaller one was granted and why not."""
    watch = _Watch(Player(fields, start), "all boluses")
    player = watch.player
    boluses = allowed_boluses(fields)
    small = _Bands(*boluses[-1]) if boluses else None
    begin = player.now_ms
    for end in range(GRID_MS, hours * HOUR_MS + 1, GRID_MS):
        # where the smaller bolus is refused the larger one is too: no constraint is kinder to more
        if small is not None and small.ask(player):
            granted = [(nl, ms) for nl, ms in boluses[:-1] if player.judge(nl, ms)[0] == messages.NONE]
            watch.give(*(granted or boluses[-1:])[0])
        watch.go(begin + end)
        watch.look()
    return watch.run(), small.made if small else None


def _nominal(fields: Fields, start: Start, hours: int) -> "tuple[Run, _Bands | None, _Bands | None]":
    """The run without a bolus, and when one would be granted in it."""
    player = Player(fields, start)
    watch = _Watch(player, "no bolus")
    duration = fields["patient_bolus_ms"] or BOLUS_MS
    patient = _Bands(fields["patient_bolus_nl"], duration) if fields["patient_bolus_nl"] else None
    largest = _Bands(fields["max_bolus_nl"], duration) if fields["max_bolus_nl"] else None
    begin = player.now_ms
    below = fields["patient_bolus_nl"] * PL_PER_MILLION_IN_NL < fields["step_pl_per_million"]
    for end in range(GRID_MS, hours * HOUR_MS + 1, GRID_MS):
        granted = largest is not None and largest.ask(player)
        if patient is not None:
            # where the largest is granted the smaller one is too, unless it is smaller than a step
            patient.note(player) if granted and not below else patient.ask(player)
        watch.go(begin + end)
        watch.look()
    return watch.run(), patient, largest


def make_forecast(fields: Fields, start: Start, hours: int = 24) -> Forecast:
    """The forecast of checked `fields` from `start` on. `hours` is 1..336, else ForecastError; LedgerError for a bad ledger."""
    if not 1 <= hours <= HOURS_MAX:
        raise ForecastError(f"A plan of {hours} hours is not possible; ask for 1 to {HOURS_MAX}.")
    nominal, patient, largest = _nominal(fields, start, hours)
    worst, used = play(fields, start, hours)
    return Forecast(
        hours=hours,
        source=start.source,
        begin_board_ms=start.now_ms,
        begin_unix_ms=start.unix_ms,
        offset_min=fields["utc_offset_biased_min"] - 1440,
        nominal=nominal,
        worst=worst,
        patient=patient.made if patient else None,
        largest=largest.made if largest else None,
        used=used,
        patient_nl=fields["patient_bolus_nl"],
        largest_nl=fields["max_bolus_nl"],
        bolus_ms=fields["patient_bolus_ms"] or BOLUS_MS,
    )
