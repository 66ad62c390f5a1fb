"""Schedules, overlays, the outlook, waiting times and flex programs, exercised with the fixed generator; one line per part.

Run by both interpreters, the lines must be the same.
"""

from vector_tools import Random, fold

from thecal.core import basal, gate, outlook, waiting
from thecal.core.accumulator import Accumulator
from thecal.core.codec import crc32
from thecal.core.ledger import F_HOMED, M_DETACHED, M_REVERSE, Grant, Ledger
from thecal.core.prescription import ProgramError, program_crc, validate
from thecal.core.prescription import pack as pack_program
from thecal.core.prescription import unpack as unpack_program
from thecal.core.schedule import WEEK_MIN, WEEK_MS, Schedule, day_steps, pack_day, week_ms
from thecal.core.windows import Windows

HOUR = 3_600_000
STEP_PL = 41_282_490_964
PART = {
    "max_rate_nl_per_day": 200_000_000,
    "max_bolus_nl": 2_000_000,
    "max_steps_per_s": 1000,
    "reservoir_nl": 20_000_000,
    "step_pl_per_million": STEP_PL,
}


def a_program(r, most):
    """A flex program of random patterns; some are valid."""
    count = 1 + r.below(3)
    fields = {
        "mode": 2,
        "drug": "baclofen",
        "concentration_ng_per_ml": 500_000,
        "rate_nl_per_day": 1000 * r.below(200),
        "max_rate_nl_per_day": most,
        "max_bolus_nl": 60_000,
        "limit_1h_nl": 60_000 + r.below(100_000),
        "limit_4h_nl": 160_000 + r.below(200_000),
        "limit_24h_nl": 360_000 + r.below(800_000),
        "bolus_lockout_ms": r.below(2 * HOUR),
        "boluses_per_24h": r.below(12),
        "reservoir_nl": 20_000_000,
        "reservoir_low_nl": 2_000_000,
        "chunk_nl": 800,
        "basal_resumes": 1,
        "step_pl_per_million": STEP_PL,
        "name": "vectors",
        "max_temp_ms": 12 * HOUR,
        "utc_offset_biased_min": 600 + r.below(1681),
        "patient_bolus_nl": 20_000,
        "patient_bolus_ms": 300_000,
        "week": bytes([1 + r.below(count) for _day in range(7)]),
    }
    for number in range(1, 8):
        steps = []
        minute = 0
        while number <= count and minute < 1440 and len(steps) < 48:
            steps.append((minute, 1000 + r.below(most - 1000) if r.below(5) else 0))
            minute += 1 + r.below(200)
        fields[f"day_{number}"] = pack_day(steps)
    return fields


def schedules():
    r = Random(11)
    total = 0
    for _n in range(25):
        fields = a_program(r, 200_000_000)
        s = Schedule(fields)
        for minute, rate in day_steps(fields["day_1"]):
            total = fold(fold(total, minute), rate)
        for _at in range(40):
            at = r.below(WEEK_MS)
            total = fold(fold(total, s.rate_at(at)), s.left_ms(at))
        for minutes in (1, 65, 255, 1500, WEEK_MIN):
            total = fold(total, s.worst_window_nl(minutes))
        total = fold(fold(total, s.daily_max_nl()), s.peak_nl_per_day())
        total = fold(total, week_ms(r.below(1 << 32) * 1000 - 50_000_000))
    return total


def a_basal(r, most):
    b = basal.Basal(a_program(r, most))
    if r.below(4):
        b.wall_ms = 1_700_000_000_000 + r.below(1 << 31)
    if r.below(2):
        b.lay(r.below(4), 1000 * r.below(400), r.below(40 * HOUR))
    return b


def basals():
    r = Random(12)
    total = 0
    for _n in range(40):
        b = a_basal(r, 900_000)
        for _at in range(15):
            t = r.below(60 * HOUR)
            total = fold(fold(total, b.rate_at(t)), b.next_change_ms(t))
            total = fold(total, b.units(t, t + r.below(50 * HOUR)))
        total = fold(fold(total, b.daily_nl()), b.plain().peak_nl_per_day())
    return total


def outlooks():
    r = Random(13)
    total = 0
    for _n in range(12):
        b = a_basal(r, 2_000_000)
        w = Windows()
        now = 0
        for _k in range(12):
            now += r.below(4 * HOUR)
            w.add(now, r.below(3000))
        flows = []
        for _k in range(r.below(3)):
            first = now + r.below(5 * HOUR)
            flows.append((first, first + r.below(5 * HOUR), 1 + r.below(200_000)))
        for ring in range(3):
            until = now + 5 * HOUR + outlook.span_ms(ring)
            line = outlook.Line(b, now, until)
            worst, when = outlook.worst_window(
                ring, w, line, flows, (now, now, until), (r.below(30 * HOUR), b.peak_nl_per_day()), (r.below(50), STEP_PL)
            )
            total = fold(fold(total, worst), when)
    return total


def waits():
    r = Random(14)
    total = 0
    for _n in range(10):
        fields = a_program(r, 900_000)
        b = basal.Basal(fields)
        b.wall_ms = 1_700_000_000_000
        w = Windows()
        now = 30 * HOUR
        for _k in range(8):
            now += r.below(2 * HOUR)
            w.add(now, r.below(700))
            if r.below(2):
                w.count_bolus(now)
        s = gate.Situation(fields, w, now, now, b, r.below(20), STEP_PL, 1000, 10_000_000, now - r.below(3 * HOUR))
        s.infusing = True
        s.current_nl_per_day = b.daily_nl()
        s.ref_rules = ((100, 0, 24 * HOUR),)
        bolus = gate.Wish(gate.BOLUS, volume_nl=1000 + r.below(60_000), duration_ms=1000 + r.below(HOUR))
        total = fold(total, waiting.wait_ms(s, bolus) + 1)
        temp = gate.Wish(gate.RATE, rate_nl_per_day=r.below(900_000), duration_ms=60_000 + r.below(12 * HOUR))
        move = gate.Wish(gate.MOTION, duration_ms=60_000)
        move.motion, move.steps, move.detached = 1 + r.below(3), 1 + r.below(2000), bool(r.below(2))
        for wish in (bolus, temp, move):
            for reason, value, limit in gate.judge(s, wish).reasons:
                total = fold(fold(fold(total, reason), value), limit)
    return total


def motions():
    r = Random(15)
    total = 0
    kept = [b""]

    def write(data):
        kept[0] = data

    ledger = Ledger(write)
    acc = Accumulator(STEP_PL)
    now = 0
    for n in range(60):
        now += r.below(HOUR)
        ledger.motion = (0, 1, 2 | M_DETACHED, 4 | M_REVERSE | M_DETACHED)[r.below(4)]
        ledger.overlay, ledger.overlay_rate, ledger.overlay_until = r.below(4), r.below(1 << 32), r.below(1 << 32)
        ledger.flags |= F_HOMED
        if not n % 7:
            ledger.promise(now, Grant(1, now, 20_000, 300_000, 4))
        steps = 1 + r.below(50)
        acc.start_steps(steps, 1 + r.below(10_000))
        total = fold(fold(total, acc.ms_to_step(steps)), acc.advance(20_000))
        ledger.open_chunk(now, ledger.intent, steps, n)
        total = fold(total, crc32(kept[0]))
        if r.below(3):
            ledger.close(now, ledger.intent - r.below(ledger.unsettled + 1))
        else:
            again = Ledger(write)
            again.load(kept[0])
            again.recover(now)
            ledger = again
        total = fold(fold(fold(total, ledger.max_steps), ledger.min_steps + 1_000_000), ledger.screw + 1_000_000)
    return total


def programs():
    r = Random(16)
    total = 0
    for n in range(12):
        fields = a_program(r, 900_000)
        for problem in validate(fields, PART):
            total = fold(fold(fold(fold(total, problem.tag), problem.code), problem.value), problem.limit)
        blob = pack_program(fields, n)
        total = fold(total, program_crc(blob))
        body = bytearray(blob[7:-4])
        for _k in range(20):
            body[r.below(len(body))] = r.below(256)
            bad = blob[:7] + bytes(body)
            bad += crc32(bad).to_bytes(4, "little")
            try:
                total = fold(total, len(validate(unpack_program(bad)[0], PART)))
            except ProgramError as error:
                total = fold(fold(total, error.args[0].tag), error.args[0].code)
    return total


for part_name, part_of in (
    ("schedule", schedules),
    ("basal", basals),
    ("outlook", outlooks),
    ("waiting", waits),
    ("motions", motions),
    ("programs", programs),
):
    print(part_name, part_of())
