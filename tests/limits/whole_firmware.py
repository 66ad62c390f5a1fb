"""The same histories on the whole firmware (tests/harness.py), beside the small world of world.py. Invariant: both are told the
same at the same moments, so the small world is shown to be faithful: same answers, same steps, and the truth counted at the motor
itself keeps the limits.
"""

from collections import Counter
from typing import Any

from checks import Trial
from harness import Bench, board_config
from histories import CLOCK, HOLD, JUMPS, MINIMUM, NORMAL, OFF, PAUSES, RESET, Event, History
from oracle import MINUTE, NL, TEMP, WINDOWS, fullest_past
from tolerance import WINDOW_REASONS

from thecal.core import gate, states
from thecal.core import messages as m

SLICE_MS = 2 * MINUTE  # how often the motor's steps are looked at
NEAR_CHUNKS = 3  # answers may differ only where a window is this near to its limit


class FirmwareTrial(Trial):
    """A Trial in which the firmware decides and the small world follows."""

    def __init__(self, history: History, tally: "Counter[str]") -> None:
        super().__init__(history, tally)
        config: dict[str, Any] = board_config()
        config["mechanics"] = {
            **config["mechanics"],
            "step_pl_per_million": history.plan.step_pl_per_million,
            "max_steps_per_s": history.plan.max_steps_per_s,
            "reservoir_nl": history.part["reservoir_nl"],
        }
        config["limits"] = {**config["limits"], "max_bolus_nl": history.part["max_bolus_nl"]}
        self.bench = Bench(config=config)
        self.true = 0
        self.edges: list[int] = []  # true ms at which each step was seen, up to a slice late
        if history.clock_ms >= 0:
            self._ask("clock", u=history.clock_ms)
        answer = self.bench.activate(history.fields)
        assert answer["r"] == m.OK, answer
        self._ask("start")

    def play(self) -> None:
        self.tally["histories"] += 1
        self._pass(min(self.history.warm_ms, 300 * MINUTE))
        for event in self.history.events:
            self._pass(event.pause)
            self._do(event)
        self._pass(30 * MINUTE)
        self._truth_at_the_motor()
        self.truth()

    def _ask(self, name: str, **keys: int) -> dict[str, Any]:
        answer = self.bench.command(name, **keys)
        assert answer["r"] == m.OK, f"{name}: {answer}"
        return answer

    def _pass(self, ms: int) -> None:
        """Time passes in both worlds."""
        self.world.advance(ms)
        self._pass_at_the_motor(ms)

    def _pass_at_the_motor(self, ms: int) -> None:
        while ms > 0:
            piece = min(ms, SLICE_MS)
            self.bench.advance(piece)
            self.true += piece
            ms -= piece
            self.edges.extend([self.true] * (self.bench.edges() - len(self.edges)))
        self.bench.command("ack")

    def _do(self, event: Event) -> None:
        world, op = self.world, event.op
        if op == HOLD:
            self._ask("hold", ms=0)
            world.hold(PAUSES[event.a & 15] * MINUTE)
            self._pass_at_the_motor(PAUSES[event.a & 15] * MINUTE)
            self._ask("resume")
        elif op == RESET:
            self.calm = False
            self.tally["resets"] += 1
            self.bench.power_off()
            self.true += OFF[event.a & 7]
            self.bench.boot()
            now = self.bench.pump.now_ms()
            world.reset(OFF[event.a & 7], max(0, now - world.ledger.t_ms))
            self.tally["clocks apart, ms"] = max(self.tally["clocks apart, ms"], abs(world.now - now))
            assert self.bench.pump.state == states.INFUSING, self.bench.ask(c="status")
            self._set_clock(self.history.clock_ms + world.true if self.history.clock_ms > 0 else 10**12 + event.a * 41 * MINUTE)
            self.bench.command("ack")
        elif op == CLOCK:
            self.calm = self.calm and not self.plan.week
            unix = 1_600_000_000_000 if world.basal.wall_ms is None else world.basal.wall_ms + world.now + JUMPS[event.a & 7]
            self._set_clock(unix)
            self.bench.command("ack")
        elif op == NORMAL:
            if world.overlay[0] and (world.overlay[2] > world.now or world.overlay[0] == 2):
                self.calm = False
                self._ask("normal")
                world.lay(0, 0, 0)
        elif op == MINIMUM:
            if self.plan.min_rate:
                self.calm = False
                self._ask("minimum")
                world.minimum()
        else:
            super()._do(event)

    def _set_clock(self, unix: int) -> None:
        unix = max(unix, 1_577_836_800_000)
        self._ask("clock", u=unix)
        self.world.set_clock(unix)
        self.tally["clock set"] += 1

    def bolus(self, volume: int, duration: int, dice: int) -> None:
        """Both are asked; the firmware decides."""
        if volume <= 0:
            return
        answer = self.bench.command("bolus", nl=volume, ms=duration)
        verdict = gate.judge(self.world.situation(), gate.Wish(gate.BOLUS, volume_nl=volume, duration_ms=duration))
        self._compare("bolus", answer, verdict)
        if answer["r"] == m.OK:
            self.tally["granted"] += 1
            self._bolus_is_right(volume, duration)
            self.world.begin_bolus(volume, duration)
        else:
            self.tally["refused"] += 1

    def temp(self, rate: int, duration: int) -> None:
        answer = self.bench.command("temp", nlday=rate, ms=duration)
        verdict = gate.judge(self.world.situation(), gate.Wish(gate.RATE, rate_nl_per_day=rate, duration_ms=duration))
        self._compare("temp", answer, verdict)
        if answer["r"] == m.OK:
            self.tally["temp granted"] += 1
            self.world.lay(TEMP, rate, self.world.now + duration)

    def _compare(self, what: str, answer: dict[str, Any], verdict: gate.Verdict) -> None:
        """Same answer, or an alarm that only the firmware has, or a window that is nearly full."""
        granted = answer["r"] == m.OK
        self.tally["asked"] += 1
        if answer.get("k") == m.ALARM:
            self.tally["alarm"] += 1
        elif granted == (not verdict.reasons) and (granted or answer["k"] == verdict.first()[0]):
            self.tally["same answer"] += 1
        else:
            self.tally["near"] += 1
            near = NEAR_CHUNKS * (self.plan.chunk + self.plan.step // NL)
            told = [] if granted else [(answer["k"], answer["v"], answer["l"])]
            for reason, value, limit in [*told, *verdict.reasons]:
                if told and any(reason == told[0][0] == other[0] for other in verdict.reasons):
                    continue  # both say so
                assert reason in WINDOW_REASONS and value - limit <= near, f"{what}: {answer}, the small world: {verdict.reasons}"

    def _truth_at_the_motor(self) -> None:
        """What the motor did keeps the limits, and is what the small world did, up to what each reset leaves open."""
        assert self.bench.pump.state == states.INFUSING, self.bench.ask(c="status")
        for span, limit in zip(WINDOWS, self.plan.limits, strict=True):
            units = fullest_past(span, self.edges) * self.plan.step
            assert units <= limit * NL, f"the motor: {units // NL} nL in {span} ms, limit {limit} nL"
        apart = abs(len(self.edges) - len(self.world.moved))
        self.tally["steps"] += len(self.edges)
        self.tally["steps apart"] += apart
        assert apart <= 2 + 2 * self.world.chunk * (1 + self.tally["resets"]), (
            f"{len(self.edges)} and {len(self.world.moved)} steps"
        )


def play_on_firmware(history: History, tally: "Counter[str]") -> None:
    """One history on firmware and small world; AssertionError where they or the truth disagree."""
    own: Counter[str] = Counter()
    FirmwareTrial(history, own).play()
    for key, count in own.items():
        tally[key] = max(tally[key], count) if key == "clocks apart, ms" else tally[key] + count
