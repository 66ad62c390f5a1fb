"""A pump for the monitor alone: ledger bytes by a packer of its own, and a stream of edges from an exact integral of the rate.

Invariant: nothing here comes from the firmware: what this pump does is what the prescription says, in whole numbers.
"""

import binascii
import struct
from typing import Any

from thecal.monitor.watch import Monitor
from thecal_host import monitor_limits

MINUTE = 60_000
HOUR = 3_600_000
DAY = 86_400_000
NEVER = (1 << 48) - 1
INFUSING = 4
OFF = 3


def fields(**changes: Any) -> dict[str, Any]:
    """A program with windows so wide that only envelope and intent judge; 1 nL a step."""
    made: dict[str, Any] = {
        "rate_nl_per_day": 480_000,
        "max_rate_nl_per_day": 1_000_000,
        "max_bolus_nl": 40_000,
        "limit_1h_nl": 400_000_000,
        "limit_4h_nl": 400_000_000,
        "limit_24h_nl": 400_000_000,
        "bolus_lockout_ms": 2 * HOUR,
        "boluses_per_24h": 8,
        "step_pl_per_million": 10**9,
    }
    made.update(changes)
    return made


def day(*steps: tuple[int, int]) -> bytes:
    """A day pattern of (minute, rate in nL/day)."""
    return b"".join((minute << 29 | rate).to_bytes(5, "little") for minute, rate in steps)


def flex(*steps: tuple[int, int], **changes: Any) -> dict[str, Any]:
    """A program with the same day, `steps`, all week."""
    return fields(week=bytes([1] * 7), day_1=day(*steps), **changes)


def ledger_bytes(**value: int) -> bytes:
    """A ledger of format 2 with zeros where nothing is given; `bucket_steps` is in the newest bucket of every ring."""
    raw = bytearray(394)
    raw[:4] = b"TL\x02" + bytes([value.get("state", INFUSING)])
    for key, at, width in (
        ("t_ms", 8, 6),
        ("settled", 22, 6),
        ("intent", 28, 6),
        ("last_bolus_ms", 48, 6),
        ("overlay", 60, 1),
        ("setup", 87, 6),
        ("reverse", 93, 6),
        ("motion", 105, 1),
        ("grant_id", 297, 6),
        ("grant_nl", 309, 4),
    ):
        raw[at : at + width] = value.get(key, NEVER if key == "last_bolus_ms" else 0).to_bytes(width, "little")
    at = 107
    for length, count in ((300_000, 13), (900_000, 17), (3_600_000, 25)):
        bucket = at + 3 * (value.get("t_ms", 0) // length % count)
        raw[bucket : bucket + 3] = value.get("bucket_steps", 0).to_bytes(3, "little")
        at += 3 * count
    raw[390:] = struct.pack("<I", binascii.crc32(raw[:390]))
    return bytes(raw)


class Pump:
    """An ideal pump and its monitor. `advance` delivers; attributes are what the ledger on flash says."""

    def __init__(self, program: dict[str, Any] | None = None, start_ms: int = 0, chunk: int = 50) -> None:
        self.now = start_ms
        self.program = program or fields()
        self.files = {"/monitor.a": monitor_limits.encode(self.program, 7)}
        self.ledger = {"state": INFUSING, "settled": 0}
        self.chunk = chunk
        self.owed = 0  # nL/day x ms x 10^9 not yet a whole step
        self.edges = 0
        self.factor = 1  # 2: every step is made twice, and delivery believes in it
        self.unix_less_board: int | None = None
        self.temp: tuple[int, int] | None = None  # rate, end in board ms
        self.minimum = 0
        self.bolus: tuple[int, int, int, int] | None = None  # volume, begin, end in board ms, given in units
        self.cut = False
        self.latched: list[tuple[str, bytes]] = []
        self.due = 0
        self.reads = 0
        self.monitor = Monitor(self._read, self, self._cut, self._latch, self.wall)
        assert self.monitor.load(7)
        assert self.monitor.begin(start_ms)

    # --- what the monitor sees ----------------------------------------------------------------------------------------------
    def read(self) -> int:
        return self.edges

    def _read(self, path: str) -> bytes | None:
        if path != "/ledger":
            return self.files.get(path)
        self.reads += 1
        return ledger_bytes(**{"intent": self.edges + self.chunk, **self.ledger})

    def _cut(self) -> None:
        self.cut = True

    def _latch(self, path: str, data: bytes) -> None:
        self.latched.append((path, data))

    def wall(self, now_ms: int) -> int:
        return -1 if self.unix_less_board is None else now_ms + self.unix_less_board

    # --- the oracle ---------------------------------------------------------------------------------------------------------
    def scheduled(self) -> int:
        """Rate of the program now, nL/day, found by looking at every step before this minute."""
        week = self.program.get("week", b"")
        if not week or self.unix_less_board is None:
            return self.program["rate_nl_per_day"]
        minutes = (self.now + self.unix_less_board) // MINUTE + self.program.get("utc_offset_biased_min", 1440) - 1440
        pattern = self.program[f"day_{week[(minutes // 1440 + 3) % 7]}"]
        rate = 0
        for at in range(0, len(pattern), 5):
            word = int.from_bytes(pattern[at : at + 5], "little")
            if word >> 29 <= minutes % 1440:
                rate = word & (1 << 29) - 1
        return rate

    def rate(self) -> int:
        if self.minimum:
            return self.minimum
        return self.temp[0] if self.temp is not None else self.scheduled()

    # --- acts: each is in the ledger at once, and wakes the monitor ------------------------------------------------------------
    def set_clock(self, unix_less_board: int | None) -> None:
        self.unix_less_board = unix_less_board
        self.poll()

    def begin_bolus(self, volume_nl: int, duration_ms: int, granted: bool = True) -> None:
        self.bolus = (volume_nl, self.now, self.now + duration_ms, 0)
        if granted:
            self.ledger.update(grant_id=1, grant_nl=volume_nl, last_bolus_ms=self.now)
        self.poll()

    def end_bolus(self) -> None:
        self.bolus = None
        self.ledger.update(grant_id=0, grant_nl=0)
        self.poll()

    def begin_temp(self, rate: int, duration_ms: int) -> None:
        self.temp = (rate, self.now + duration_ms)
        self.ledger["overlay"] = 1
        self.poll()

    def begin_minimum(self, rate: int) -> None:
        self.minimum = rate
        self.ledger["overlay"] = 2
        self.poll()

    def normal(self) -> None:
        self.minimum = 0
        self.temp = None
        self.ledger["overlay"] = 0
        self.poll()

    def change(self, program: dict[str, Any], crc: int) -> None:
        self.program = program
        self.files["/monitor.b"] = monitor_limits.encode(program, crc)
        assert self.monitor.load(crc, 7)
        self.poll()

    # --- time -----------------------------------------------------------------------------------------------------------------
    def poll(self) -> None:
        self.due = self.monitor.poll(self.now)

    def advance(self, ms: int, tick: int = 20_000, late_ms: int = 0) -> None:
        """Let `ms` pass in ticks that end at every change of rate; in each the last `late_ms` of motion come in the next."""
        end = self.now + ms
        while self.now < end and not self.cut:
            wall = self.wall(self.now)
            stop = min(end, self.now + tick, (self.now // 300_000 + 1) * 300_000)
            if wall >= 0:
                stop = min(stop, self.now + MINUTE - wall % MINUTE)
            if self.temp is not None:
                stop = min(stop, self.temp[1])
            if self.bolus is not None:
                stop = min(stop, self.bolus[2])
            self._deliver(stop, late_ms)
            self.now = stop
            if self.temp is not None and self.now >= self.temp[1]:
                self.temp = None
                self.ledger["overlay"] = 0
            if self.bolus is not None and self.now >= self.bolus[2]:
                self.bolus = None
                self.ledger.update(grant_id=0, grant_nl=0)
            if self.now >= self.due:
                self.poll()

    def _deliver(self, stop: int, late_ms: int) -> None:
        """Steps of [now, stop), exact; what is late stays in `owed` and counts as due."""
        rate = self.rate()
        self.owed += rate * (stop - self.now) * 10**9
        late = rate * min(late_ms, stop - self.now) * 10**9
        if self.bolus is not None:
            volume, begin, end, given = self.bolus
            units = volume * DAY * 10**9 * (stop - begin) // (end - begin)
            self.owed += units - given
            late += (units - given) * min(late_ms, stop - self.now) // (stop - self.now)
            self.bolus = (volume, begin, end, units)
        step = self.program["step_pl_per_million"] * DAY
        steps = max(0, (self.owed - late) // step)
        self.owed -= steps * step
        self.edges += steps * self.factor
