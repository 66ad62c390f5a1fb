"""One pump in this process: the real firmware over the virtual chip and a littlefs image in memory, spoken to in real frames.

`Bench.boot()` runs main.py's start-up; `advance` moves virtual time; `ask` sends a request frame and returns the decoded answer;
`press`, `estop` and `set_clock` are the hands of a patient and a host.
"""

import json
import tomllib
from collections.abc import Sequence
from typing import Any

import main as firmware_main
import thecal.drivers
from thecal.core import frames, messages
from thecal.core.codec import crc32
from thecal.core.events import Record, unpack_record
from thecal.core.prescription import chunk_for, pack, program_crc, with_defaults
from thecal.core.schedule import pack_day
from thecal_host import monitor_limits, paths
from thecal_host.virtual.image import Image
from thecal_twin import chip, clock

CONFIG: dict[str, Any] = {}


def board_config() -> dict[str, Any]:
    """boards/virtual.toml as /board.json has it."""
    raw = tomllib.loads((paths.boards_dir() / "virtual.toml").read_text())
    return {**raw["board"], **{key: value for key, value in raw.items() if key != "board"}}


def program(**changes: Any) -> dict[str, Any]:
    """A morphine program: 0.48 mL/day, a 40 uL bolus allowed."""
    fields: dict[str, Any] = {
        "mode": 1,
        "drug": "morphine",
        "concentration_ng_per_ml": 25_000_000,
        "rate_nl_per_day": 480_000,
        "max_rate_nl_per_day": 1_000_000,
        "max_bolus_nl": 80_000,
        "limit_1h_nl": 120_000,
        "limit_4h_nl": 250_000,
        "limit_24h_nl": 800_000,
        "bolus_lockout_ms": 2 * 3_600_000,
        "boluses_per_24h": 4,
        "reservoir_nl": 20_000_000,
        "reservoir_low_nl": 2_000_000,
        "basal_resumes": 1,
        "step_pl_per_million": 41_282_490_964,
        "name": "test",
    }
    fields.update(changes)
    fields.setdefault("chunk_nl", chunk_for(fields["rate_nl_per_day"], fields["step_pl_per_million"]))
    return dict(with_defaults(fields))


MONDAY_MS = 1_767_571_200_000  # 2026-01-05 00:00 UTC
NIGHT_AND_DAY = ((0, 480_000), (8 * 60, 960_000), (22 * 60, 240_000))


def flex_program(
    days: Sequence[Sequence[tuple[int, int]]] = (NIGHT_AND_DAY,), week: Sequence[int] = (1,) * 7, **changes: Any
) -> dict[str, Any]:
    """A flex program with everything on offer; `days` are patterns of (minute, nL/day) from day_1 on, `week` their numbers."""
    fields: dict[str, Any] = {
        "mode": 2,
        "week": bytes(week),
        "rate_nl_per_day": 240_000,
        "limit_1h_nl": 150_000,
        "limit_4h_nl": 300_000,
        "limit_24h_nl": 1_200_000,
        "min_rate_nl_per_day": 24_000,
        "patient_bolus_nl": 20_000,
        "patient_bolus_ms": 300_000,
        "bolus_lockout_ms": 1_800_000,
        "boluses_per_24h": 12,
        "max_temp_ms": 86_400_000,
        "chunk_nl": 1_600,
    }
    for number, steps in enumerate(days, 1):
        fields[f"day_{number}"] = pack_day(steps)
    return program(**{**fields, **changes})


class Bench:
    """A board with its flash; `world` lives from boot to boot through `dump`. `chip_keys` are kept from boot to boot
    (`ticks0`: what the chip's microsecond timer starts from)."""

    def __init__(
        self,
        image: Image | None = None,
        config: dict[str, Any] | None = None,
        born: bool = True,
        chip_keys: dict[str, Any] | None = None,
    ) -> None:
        self.config = config or board_config()
        self.chip_keys = chip_keys or {}
        self.image = image or Image()
        self.state: dict[str, Any] = {}
        self.cause = chip.CAUSE_POWER
        self.fields: dict[str, Any] | None = None
        self._id = 0
        self._seq = 0
        if image is None:
            self.image.write("/board.json", json.dumps(self.config).encode())
            self.image.write("/manifest.json", b'{"files":{}}')
        if born:
            self.boot()
            self.command("provision", nothing=1)

    # --- power -------------------------------------------------------------------------------------------------------------
    def boot(self, cause: int = chip.CAUSE_POWER) -> None:
        """Power on (or reset): self-test, recovery, ready."""
        boot = {**self.state, **self.chip_keys}
        boot["cause"] = cause
        self.world = chip.make_world(self.config, seed=1, fs=self.image.fs, boot=boot)
        self.world.flash = self.image.flash
        self.world.mode = clock.PAUSED
        self.image.fs.on_cut = self.world.power_cut
        thecal.drivers.file_system = self.image.fs
        self.world.mode = clock.FREE
        self.pump, self.supervisor = firmware_main.start(self.config)
        self.decoder = frames.Decoder()
        self.settle()

    def power_off(self) -> None:
        """Power goes away now; what is on flash stays."""
        self.state = self.world.dump()
        self.image = Image(self.image.snapshot(), flash_state=None)

    def restart(self) -> None:
        """Power off and on."""
        self.power_off()
        self.boot()

    # --- time --------------------------------------------------------------------------------------------------------------
    def turn(self) -> int:
        return self.supervisor.turn()

    def settle(self) -> None:
        """Turns of the loop until nothing is due now; time stands still."""
        for _ in range(2000):
            if self.turn() > self.pump.now_ms() and not self.world.serial.any():
                return
        raise AssertionError(f"the loop never comes to rest: due {self.supervisor._due}, now {self.pump.now_ms()}")

    def advance(self, ms: int) -> None:
        """Let `ms` of virtual time pass."""
        end = self.world.now + ms * 1000
        self.settle()
        while self.world.now < end:
            due_us = self.pump.clock_ms(self.turn()) * 1000
            if due_us > self.world.now:
                self.world.run(min(due_us, end))  # a change of an input wakes the loop, as it does on a chip
                self.world.wake = False
        self.settle()

    # --- hands ---------------------------------------------------------------------------------------------------------------
    def press(self, ms: int = 500) -> None:
        """Press the bolus button for `ms` and let that time, and a moment more, pass."""
        self.world.inputs.press("button", ms)
        self.advance(ms + 100)

    def estop(self, on: bool) -> None:
        """Press or release the emergency stop; the loop sees it before any time passes."""
        self.world.inputs.press("estop", 1 if on else 0)
        self.settle()

    def set_clock(self, unix_ms: int) -> dict[str, Any]:
        """Tell the board that it is `unix_ms` now; fails unless the board takes it."""
        answer = self.command("clock", u=unix_ms)
        assert answer["r"] == 0, answer
        return answer

    def status(self) -> dict[str, Any]:
        return self.ask(c="status")

    # --- link --------------------------------------------------------------------------------------------------------------
    def send(self, payload: bytes, kind: int = frames.REQUEST) -> list[frames.Frame]:
        self._seq += 1
        self.world.serial.feed(frames.encode(kind, self._seq, payload))
        self.settle()
        return self.decoder.feed(self.world.serial.taken())

    def ask(self, **request: Any) -> dict[str, Any]:
        answer = self.send(json.dumps(request, separators=(",", ":")).encode())
        return json.loads(b"".join(frame.payload for frame in answer))

    def next_id(self) -> int:
        return self.ask(c="hello")["next"] << messages.ID_RANDOM_BITS | 7

    def command(self, name: str, **fields: Any) -> dict[str, Any]:
        """A command with a fresh id; a hold without `ms` has no end."""
        if name == "hold":
            fields.setdefault("ms", 0)
        return self.ask(c=name, i=fields.pop("i", None) or self.next_id(), **fields)

    def stage(self, kind: int, blob: bytes) -> None:
        assert self.ask(c="stage", k=kind, n=len(blob), crc=crc32(blob))["r"] == 0
        for at in range(0, len(blob), 90):
            ack = self.send((kind << 24 | at).to_bytes(4, "little") + blob[at : at + 90], frames.DATA)[0]
            assert ack.payload[4] == 0, ack.payload

    def activate(self, fields: dict[str, Any] | None = None, limits: bytes | None = None) -> dict[str, Any]:
        fields = fields or program()
        blob = pack(fields)
        crc = program_crc(blob)
        limits = limits or monitor_limits.encode(fields, crc)
        self.stage(messages.BLOB_PROGRAM, blob)
        self.stage(messages.BLOB_MONITOR, limits)
        self.fields = fields
        return self.command("activate", crc=crc, mcrc=crc32(limits))

    def running(self, fields: dict[str, Any] | None = None) -> "Bench":
        assert self.activate(fields)["r"] == 0
        assert self.command("start")["r"] == 0
        return self

    def log(self) -> list[Record]:
        """All durable records."""
        self.pump.journal.flush_soon()
        self.settle()
        records: list[Record] = []
        while True:
            raws = self.pump.journal.read_from(records[-1].seq + 1 if records else 0, 50)
            if not raws:
                return records
            for raw in raws:
                record = unpack_record(raw)
                assert record is not None
                records.append(record)

    # --- truth -------------------------------------------------------------------------------------------------------------
    def of(self, code: int) -> list[Record]:
        """All durable records of one code."""
        return [record for record in self.log() if record.code == code]

    def edges(self) -> int:
        """Steps the motor really made, over all boots; a step back takes one away."""
        return self.world.truth()["edges"]
