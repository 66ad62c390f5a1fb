"""What the tests of the full day share: a fake board with any program on it, and a flex program small enough to do by hand."""

from fake_board import FakeBoard

from thecal.core import messages
from thecal.core.prescription import chunk_for, pack, program_crc, with_defaults
from thecal.core.schedule import pack_day

STEP_PL = 41_282_490_964
MONDAY_0800_MS = 1_796_025_600_000  # 2026-11-30 08:00 UTC
H_MS = 3_600_000


def flex_fields(**changes):
    """Baclofen 2 mg/mL: 0.1 mL/day, and 0.2 mL/day from 22:00 to 06:00, every day of the week; local time is UTC + 1 h."""
    fields = {
        "mode": 2,
        "drug": "baclofen",
        "concentration_ng_per_ml": 2_000_000,
        "rate_nl_per_day": 80_000,
        "max_rate_nl_per_day": 400_000,
        "max_bolus_nl": 20_000,
        "limit_1h_nl": 60_000,
        "limit_4h_nl": 120_000,
        "limit_24h_nl": 400_000,
        "bolus_lockout_ms": 2 * H_MS,
        "boluses_per_24h": 4,
        "reservoir_nl": 20_000_000,
        "chunk_nl": chunk_for(200_000, STEP_PL),
        "step_pl_per_million": STEP_PL,
        "name": "flex",
        "min_rate_nl_per_day": 50_000,
        "patient_bolus_nl": 10_000,
        "patient_bolus_ms": 600_000,
        "max_temp_ms": 12 * H_MS,
        "utc_offset_biased_min": 1440 + 60,
        "week": b"\x01" * 7,
        "day_1": pack_day([(0, 200_000), (360, 100_000), (1320, 200_000)]),
    }
    return with_defaults({**fields, **changes})


def board_with(fields, **status):
    """A fake board on which `fields` are the active program."""
    board = FakeBoard()
    blob = pack(fields, 3)
    board.hello_extra = {"port": "virtual"}
    board.blobs[messages.BLOB_ACTIVE_PROGRAM] = blob
    board.status |= {"prog": program_crc(blob), "mode": fields["mode"], "rate": 100_000, **status}
    return board


def flex_board(**status):
    """A fake board that runs the flex program; its clock says Monday 09:00 local time unless `wall` is given."""
    return board_with(flex_fields(), **{"wall": MONDAY_0800_MS, **status})


def asked(board, name):
    """Every request called `name` that reached the board, its id left out."""
    return [{k: v for k, v in request.items() if k not in ("c", "i")} for request in board.requests if request["c"] == name]
