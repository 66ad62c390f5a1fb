"""Core and monitor exercised with a fixed integer generator; prints one
line per part. Run by both interpreters, the lines must be the same.

No dict order, float, hash() or heap fact is printed, so any difference is a difference in arithmetic or bytes.
"""

from vector_tools import Random, fold

from thecal.core import events, frames, gate, messages, units
from thecal.core.accumulator import Accumulator
from thecal.core.basal import Basal
from thecal.core.codec import CodecError, crc32, pack, put, unpack
from thecal.core.ledger import Answer, Grant, Ledger
from thecal.core.prescription import ProgramError, chunk_for, program_crc, validate
from thecal.core.prescription import pack as pack_program
from thecal.core.prescription import unpack as unpack_program
from thecal.core.windows import Windows
from thecal.monitor.intent import read_history, read_intent
from thecal.monitor.limits import crc16


def accumulators():
    r = Random(1)
    total = 0
    for _run in range(40):
        acc = Accumulator(100_000_000 + r.below(1 << 30) * 931)
        for _act in range(60):
            what = r.below(6)
            if what == 0:
                acc.set_rate(1000 + r.below(200_000_000))
            elif what == 1 and not acc.bolus_left_ms():
                acc.start_bolus(1 + r.below(2_000_000), 1 + r.below(7_200_000))
            elif what == 2:
                total = fold(total, acc.cancel_bolus())
            else:
                total = fold(total, acc.ms_to_step(1 + r.below(5)))
                total = fold(total, acc.us_to_step(1))
                total = fold(total, acc.advance(r.below(100_000)))
    return total


def packing():
    total = 0
    for width in range(1, 9):
        for value in (0, 1, (1 << (8 * width)) - 1, 1 << (8 * width), -1):
            out = bytearray()
            try:
                put(out, "x", value, width)
                total = fold(total, crc32(out))
            except CodecError:
                total = fold(total, 7)
    table = (("a", 1), ("b", 6), ("c", 8))
    values = unpack(table, pack(table, {"c": (1 << 64) - 1, "a": 255, "b": 1 << 47}))
    return fold(fold(fold(total, values["a"]), values["b"]), values["c"])


def framing():
    r = Random(2)
    total = 0
    decoder = frames.Decoder()
    for n in range(300):
        payload = bytes([r.below(256) if r.below(3) else 0 for _ in range(r.below(frames.PAYLOAD_MAX + 1))])
        wire = frames.encode(frames.REQUEST, n, payload)
        total = fold(total, crc32(wire))
        if r.below(4) == 0:
            cut = r.below(len(wire))
            wire = wire[:cut] + bytes((r.below(256),)) + wire[cut:]
        for frame in decoder.feed(wire):
            total = fold(total, crc32(frame.payload))
    return fold(total, decoder.bad)


def windows_and_gate():
    r = Random(3)
    total = 0
    w = Windows()
    now = 0
    fields = {
        "max_rate_nl_per_day": 1_000_000,
        "max_bolus_nl": 80_000,
        "limit_1h_nl": 120_000,
        "limit_4h_nl": 250_000,
        "limit_24h_nl": 800_000,
        "bolus_lockout_ms": 7_200_000,
        "boluses_per_24h": 4,
        "chunk_nl": 800,
        "max_temp_ms": 0,
        "rate_nl_per_day": 480_000,
        "week": b"",
        "utc_offset_biased_min": 1440,
    }
    basal = Basal(fields)
    for _turn in range(150):
        now += r.below(3_600_000)
        w.add(now, r.below(400))
        s = gate.Situation(fields, w, now, now, basal, r.below(40), 41_282_490_964, 1000, 20_000_000, -1)
        wish = gate.Wish(gate.BOLUS, volume_nl=1 + r.below(90_000), duration_ms=1 + r.below(3_600_000))
        verdict = gate.judge(s, wish)
        total = fold(total, verdict.allowed)
        for reason, value, limit in verdict.reasons:
            total = fold(fold(fold(total, reason), value), limit)
    return total


def ledgers():
    r = Random(4)
    kept = [b""]

    def write(data):
        kept[0] = data

    total = 0
    ledger = Ledger(write)
    ledger.commit(0)
    now = 0
    for n in range(60):
        now += r.below(600_000)
        if r.below(4) == 0:
            ledger.promise(now, Grant((n + 1) << 16, now, 1 + r.below(80_000), 600_000))
            ledger.remember(Answer((n + 1) << 16, r.below(65536), 0, 0, 5, 6))
        ledger.open_chunk(now, ledger.intent, 1 + r.below(50), n)
        intent = read_intent(kept[0])
        total = fold(fold(total, crc32(kept[0])), intent[1])
        total = fold(total, sum(read_history(kept[0]).values()))
        if r.below(8) == 0:
            again = Ledger(write)
            again.load(kept[0])
            first, steps, dropped = again.recover(now)
            total = fold(fold(fold(total, first), steps), dropped)
            ledger = again
            ledger.commit(now)
    return total


def programs():
    fields = {
        "mode": 1,
        "drug": "morphine",
        "concentration_ng_per_ml": 25_000_000,
        "rate_nl_per_day": 480_000,
        "max_rate_nl_per_day": 1_000_000,
        "max_bolus_nl": 80_000,
        "limit_1h_nl": 120_000,
        "limit_4h_nl": 250_000,
        "limit_24h_nl": 800_000,
        "bolus_lockout_ms": 7_200_000,
        "boluses_per_24h": 4,
        "reservoir_nl": 20_000_000,
        "reservoir_low_nl": 2_000_000,
        "chunk_nl": chunk_for(480_000, 41_282_490_964),
        "basal_resumes": 1,
        "step_pl_per_million": 41_282_490_964,
        "name": "vectors",
    }
    part = {
        "max_rate_nl_per_day": 200_000_000,
        "max_bolus_nl": 2_000_000,
        "max_steps_per_s": 1000,
        "reservoir_nl": 20_000_000,
        "step_pl_per_million": 41_282_490_964,
    }
    blob = pack_program(fields, 3)
    total = fold(program_crc(blob), len(validate(fields, part)))
    r = Random(5)
    for _n in range(300):
        bad = bytearray(blob)
        bad[r.below(len(bad))] ^= 1 << r.below(8)
        try:
            unpack_program(bytes(bad[: 1 + r.below(len(bad) + 20)]))
            total = fold(total, 1)
        except ProgramError as error:
            total = fold(total, error.args[0].tag)
    return total


def texts():
    total = crc16(b"123456789")
    for raw in (b'{"c":"bolus","i":65537,"nl":40000,"ms":600000}',):
        import json

        total = fold(total, messages.digest(messages.check_request(json.loads(raw))))
    for code in sorted(events.FIELDS):
        total = fold(total, crc32(events.pack_record(1, 2, 3, code, (1 << 48) - 1, 5, 6, 7)))
    for text in ("12 mg/day", "0.48 mL/day", "25 mg/mL", "50 mcg", "2.4 mcg/day", "4 h", "20 uL", "0.123456789 mL"):
        total = fold(total, units.whole(units.parse(text)).value)
    for nl in (1, 999, 40_000, 1_234_567, 20_000_000):
        total = fold(total, crc32(units.format_volume(nl).encode()))
    return total


for part_name, part_of in (
    ("accumulator", accumulators),
    ("codec", packing),
    ("frames", framing),
    ("gate", windows_and_gate),
    ("ledger", ledgers),
    ("program", programs),
    ("texts", texts),
):
    print(part_name, part_of())
