"""The forecast against the real firmware, over a day: the same grants and refusals, the same windows, the same durable writes."""

import re
from pathlib import Path
from typing import Any

import pytest
from harness import Bench, program

from thecal.core import gate, messages
from thecal.core.prescription import with_defaults
from thecal.core.schedule import pack_day
from thecal_host import boards, forecast, paths, plan, plan_texts
from thecal_host.forecast import Band, make_forecast
from thecal_host.player import LedgerError, Player, Start
from thecal_host.prescriptions import load

BOARD = boards.load("virtual")
STEPS_PER_S = BOARD.part["max_steps_per_s"]
GRID_MS = forecast.GRID_MS
DAY = 288  # moments of the grid
NOON_MS = 1_789_992_000_000  # a Monday, 12:00 UTC


def example(name: str) -> dict[str, Any]:
    return dict(load(paths.examples_dir() / f"{name}.toml", BOARD.part).fields)


def tight() -> dict[str, Any]:
    """A window, not the lockout, refuses most of what is asked for."""
    return program(limit_1h_nl=88_000, limit_4h_nl=160_000, max_bolus_nl=60_000, bolus_lockout_ms=1_200_000, boluses_per_24h=20)


def fast() -> dict[str, Any]:
    """Several steps in a lease, and a rate that changes under way."""
    return program(
        mode=2,
        week=b"\1" * 7,
        day_1=pack_day([(0, 4_000_000), (732, 3_000_000), (801, 4_500_000)]),
        rate_nl_per_day=4_000_000,
        max_rate_nl_per_day=5_000_000,
        limit_1h_nl=400_000,
        limit_4h_nl=900_000,
        limit_24h_nl=5_000_000,
        bolus_lockout_ms=1_200_000,
        boluses_per_24h=20,
    )


def started(fields: dict[str, Any]) -> tuple[Bench, Player]:
    """A board that begins with `fields` now, and a player that begins with its ledger."""
    bench = Bench()
    if fields["week"]:
        assert bench.command("clock", u=NOON_MS)["r"] == 0
    assert bench.activate(fields)["r"] == 0
    assert bench.command("start")["r"] == 0
    return bench, Player(fields, present(bench))


def present(bench: Bench) -> Start:
    """What `thecal plan --port` reads from a board."""
    now_ms = bench.pump.now_ms()
    wall = bench.pump.basal.wall_ms
    unix_ms = None if wall is None else wall + now_ms
    return Start(bench.pump.ledger.pack(), now_ms, unix_ms, STEPS_PER_S, "the bench", bench.pump.program_crc)


def chunks_of(bench: Bench) -> list[int]:
    """Counts every chunk the board makes durable from now on."""
    found: list[int] = []
    opened = bench.pump.ledger.open_chunk

    def counting(now_ms: int, settled: int, steps: int, log_seq: int) -> None:
        opened(now_ms, settled, steps, log_seq)
        found.append(settled)

    bench.pump.ledger.open_chunk = counting  # type: ignore[method-assign]
    return found


def window_nl(bench: Bench) -> tuple[int, ...]:
    """What the board's windows count now."""
    bench.pump.ledger.windows.roll(bench.pump.now_ms())
    return tuple(bench.pump.steps_nl(steps + bench.pump.ledger.unsettled) for steps in bench.pump.ledger.windows.sums)


def answer_of(bench: Bench, volume_nl: int, duration_ms: int) -> int:
    """The reason for which the board would refuse a bolus now, asked without a command."""
    wish = gate.Wish(gate.BOLUS, volume_nl=volume_nl, duration_ms=duration_ms)
    return gate.judge(bench.pump.situation(bench.pump.now_ms()), wish).first()[0]


@pytest.mark.parametrize(("name", "moments"), [("baclofen_flex_night", DAY), ("ziconotide_start", DAY // 3)])
def test_a_day_without_a_bolus_is_the_board_s(name: str, moments: int) -> None:
    fields = example(name)
    bench, played = started(fields)
    told = make_forecast(fields, present(bench), moments // 12)
    opened = chunks_of(bench)
    asked = [(told.patient, told.patient_nl), (told.largest, told.largest_nl)]
    for number in range(moments):
        for bands, volume in asked:
            if bands is not None:
                assert answer_of(bench, volume, told.bolus_ms) == at(bands, number * GRID_MS).reason
        bench.advance(GRID_MS)
        played.run(played.began_ms + (number + 1) * GRID_MS)
        assert bench.pump.ledger.intent == played.ledger.intent
        assert told.nominal.moments[number + 1].window_nl == window_nl(bench)
    assert len(opened) == told.nominal.chunks
    assert bench.pump.motor.position == played.position
    assert bench.pump.fault == 0


def at(bands: list[Band], t_ms: int) -> Band:
    return next(band for band in bands if band.begin_ms <= t_ms < band.end_ms)


@pytest.mark.parametrize(
    ("fields", "moments"),
    [(example("morphine_continuous"), DAY), (example("baclofen_flex_night"), DAY // 2), (tight(), DAY // 3)],
    ids=["morphine", "baclofen", "tight"],
)
def test_a_day_with_every_bolus_is_the_board_s(fields: dict[str, Any], moments: int) -> None:
    """Real commands: the largest bolus, then the patient's, every 5 min."""
    bench, _played = started(fields)
    told = make_forecast(fields, present(bench), moments // 12)
    opened = chunks_of(bench)
    began = bench.pump.now_ms()
    granted, reasons = [], set()
    for number in range(moments):
        for volume, duration in forecast.allowed_boluses(fields):
            answer = bench.command("bolus", nl=volume, ms=duration)
            if answer["r"] == messages.OK:
                granted.append((bench.pump.now_ms() - began, volume))
                break
            reasons.add(answer["k"])
        else:
            assert told.used is not None
            ours = at(told.used, number * GRID_MS).reason
            if (
                number * GRID_MS - granted[-1][0] == told.bolus_ms
            ):  # the very ms at which it ends: its last lease is still out, or not
                assert {ours, answer["k"]} <= {messages.BOLUS_RUNNING, messages.LOCKOUT, messages.WINDOW_4H}
            else:
                assert ours == answer["k"]
        bench.advance(GRID_MS)
        assert told.worst.moments[number + 1].window_nl == window_nl(bench)
    assert granted == [(bolus.t_ms, bolus.volume_nl) for bolus in told.worst.boluses]
    assert len(granted) >= 2 and messages.LOCKOUT in reasons
    assert len(opened) == told.worst.chunks
    for fill in told.worst.fills:
        assert 0 < fill.per_mille <= 1000


def test_many_steps_a_lease_differ_by_less_than_two_steps() -> None:
    """The firmware's other services wake delivery now and then, which cuts a lease of several steps elsewhere."""
    fields = fast()
    bench, played = started(fields)
    opened = chunks_of(bench)
    counted: list[int] = []
    played.on_chunk = lambda _player: counted.append(1)
    granted = [0, 0]
    for number in range(36):
        for volume, duration in forecast.allowed_boluses(fields):
            granted[0] += bench.command("bolus", nl=volume, ms=duration)["r"] == messages.OK
            granted[1] += played.bolus(volume, duration)[0] == messages.NONE
        bench.advance(GRID_MS)
        played.run(played.began_ms + (number + 1) * GRID_MS)
        assert abs(bench.pump.motor.position - played.position) <= 4  # a lease less or more at this very moment
        for board, ours in zip(bench.pump.ledger.windows.sums, played.ledger.windows.sums, strict=True):
            assert abs(board - ours) <= 2
    assert granted[0] == granted[1] >= 2
    assert abs(len(opened) - len(counted)) <= 1


def test_a_forecast_goes_on_from_the_middle_of_a_day() -> None:
    """From a ledger with history, a running bolus and a temporary rate: the board's own next hours."""
    fields = example("baclofen_flex_night")
    bench, _played = started(fields)
    bench.advance(3 * 3_600_000)
    assert bench.command("temp", nlday=180_000, ms=3_600_000)["r"] == 0
    assert bench.command("patient")["r"] == 0
    bench.advance(60_000)
    told = make_forecast(fields, present(bench), 6)
    assert [(step.t_ms, step.rate_nl_per_day, step.why) for step in told.nominal.rates][:2] == [
        (0, 180_000, forecast.WHY_TEMP),
        (3_540_000, 150_000, forecast.WHY_SCHEDULE),
    ]
    assert told.patient is not None
    assert [(band.reason, band.end_ms) for band in told.patient[:2]] == [
        (messages.BOLUS_RUNNING, GRID_MS),
        (messages.LOCKOUT, 6 * 3_600_000),
    ]
    before = bench.pump.ledger.windows.sums[2] + bench.pump.ledger.unsettled
    bench.advance(6 * 3_600_000)
    chunk = max(1, fields["chunk_nl"] * 10**9 // fields["step_pl_per_million"])
    ours = told.nominal.delivered_nl * 10**9 // fields["step_pl_per_million"]
    board = bench.pump.ledger.windows.sums[2] + bench.pump.ledger.unsettled - before
    assert abs(board - ours) <= 2 * chunk  # where in its chunk the board stood is not in the ledger


def test_an_unknown_clock_means_the_safe_rate_and_no_bolus() -> None:
    fields = example("baclofen_flex_night")
    told = make_forecast(fields, plan.empty_start(None), 2)
    assert [(step.rate_nl_per_day, step.why) for step in told.nominal.rates] == [(150_000, forecast.WHY_NO_CLOCK)]
    assert told.patient is not None and [band.reason for band in told.patient] == [messages.ALARM]
    assert not told.worst.boluses
    assert any("does not know the time" in text for text in plan_texts.troubles(told))
    assert plan_texts.clock_text(told, 5_400_000) == "+1:30"


def test_a_schedule_is_followed_to_the_minute_in_local_time() -> None:
    fields = example("baclofen_flex_night") | {
        "week": b"\1" * 7,
        "day_1": pack_day([(0, 150_000), (1439, 200_000)]),
        "day_2": b"",
        "utc_offset_biased_min": 1440 - 210,
    }
    told = make_forecast(fields, plan.empty_start(plan.midnight_of(fields, 6)), 25)
    assert [plan_texts.clock_text(told, step.t_ms) for step in told.nominal.rates] == ["Sun 00:00", "Sun 23:59", "Mon 00:00"]


def test_an_empty_reservoir_and_a_held_basal_are_said() -> None:
    fields = program(reservoir_nl=60_000, reservoir_low_nl=1_000)
    told = make_forecast(fields, plan.empty_start(None), 6)
    assert told.nominal.empty_ms is not None
    assert abs(told.nominal.empty_ms - 3 * 3_600_000) < 600_000  # 60 uL at 20 uL/h
    held = make_forecast(program(limit_4h_nl=70_000, limit_1h_nl=60_000, max_bolus_nl=20_000), plan.empty_start(None), 6)
    assert held.nominal.held_ms is not None
    assert len(plan_texts.troubles(told)) == 2 and "holds basal back" in plan_texts.troubles(held)[0]


def test_the_ledger_it_was_made_from_is_not_touched() -> None:
    bench, played = started(example("morphine_continuous"))
    data = bench.pump.ledger.pack()
    played.run(played.began_ms + 3_600_000)
    assert bench.pump.ledger.pack() == data


@pytest.mark.parametrize("data", [b"", b"TL\x02", bytes(394)])
def test_bytes_that_are_no_ledger(data: bytes) -> None:
    with pytest.raises(LedgerError, match="no ledger"):
        Player(example("morphine_continuous"), Start(data, 0, None, STEPS_PER_S, "a file"))


def test_no_bolus_no_bands() -> None:
    told = make_forecast(with_defaults(program(max_bolus_nl=0, boluses_per_24h=0)), plan.empty_start(None), 1)
    assert (told.patient, told.largest, told.used, told.worst.boluses) == (None, None, None, [])


def test_answers_that_change_by_turns_are_one_row() -> None:
    bands = [Band(n * GRID_MS, (n + 1) * GRID_MS, 0 if n % 2 else messages.WINDOW_1H, 88_100, 88_000) for n in range(12)]
    bands.append(Band(12 * GRID_MS, 100 * GRID_MS, 0, 0, 0))
    told = make_forecast(program(), plan.empty_start(None), 1)
    rows = plan_texts.bands(told, bands, 25_000_000)
    assert rows == [
        ("+0:00 to +1:00", "granted or refused by turns (1 h limit: 88.1 uL of 88 uL)"),
        ("+1:00 to +8:20", "granted"),
    ]


def test_what_paces_a_dose_stands_once() -> None:
    """Neither delivery nor the player has a figure or an accumulator of its own: both move by core/pacer.py."""
    folder = Path(__file__).parents[2]
    sources = {path: path.read_text() for room in ("firmware", "host_tools") for path in (folder / room).rglob("*.py")}
    for figure in ("LOOKAHEAD_MS", "LEAD_MS", "REST_MS", "SETUP_CHUNK_STEPS", "LEASE_MAX_STEPS"):
        places = [path.name for path, text in sources.items() if re.search(rf"^{figure}\b.*=", text, re.MULTILINE)]
        assert places == ["permit.py" if figure == "LEASE_MAX_STEPS" else "pacer.py"]
    movers = [text for path, text in sources.items() if path.name in ("delivery.py", "player.py")]
    assert len(movers) == 2
    for text in movers:
        assert "next_act(" in text
        assert not re.search(r"\b(Accumulator|_acc|chunk_room|_owed|_planned_ms|steps_in|us_to_step|ms_to_step)\b", text)
