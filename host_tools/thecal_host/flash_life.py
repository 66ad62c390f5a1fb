"""How long the flash lives: the one model of wear, used by `thecal plan`, the demo and the benchmarks.

    years = blocks x cycles / (margin x erases per day x 365.25)

Invariant: whole numbers (erases in thousandths, years in tenths, rounded down), and every factor named here with its source.

- ERASES_PER_LEDGER_WRITE 0.50: tmp + rename of the 384-byte ledger, an inline file of littlefs with 4 KiB blocks. Measured on the
  virtual board's flash over 5 days of three programs (204 to 727 writes a day): 0.499.
- ERASES_PER_LOG_FLUSH 1.05: append to a log segment and close, on rp2; the same measurement gave 0.98.
- BLOCKS 352: 4 KiB blocks of the file system in a stock Pico image (1.4 MB). littlefs levels wear over all of them.
- CYCLES 100,000: endurance in the data sheet of the W25Q16JV on a Pico.
- MARGIN 5: the hottest block may see five times the mean.
"""

from dataclasses import dataclass

ERASES_PER_LEDGER_WRITE_MILLI = 500
ERASES_PER_LOG_FLUSH_MILLI = 1_050
BLOCKS = 352
CYCLES = 100_000
MARGIN = 5
TARGET_YEARS = 10

DOSES_PER_FLUSH = 16  # dose records are flushed in batches (LAZY_RECORDS of firmware/thecal/services/journal.py)
WRITES_PER_BOLUS = 3  # beside its chunks: the grant with its answer, the end, a settlement
FLUSHES_PER_BOLUS = 4  # command, grant, end, and one more for a state that changes
FLUSHES_PER_DAY_FIXED = 24  # sensor records, one an hour


@dataclass(frozen=True)
class FlashLife:
    """Wear of one day and what it means. `years_tenths` is rounded down; None when nothing is ever written."""

    ledger_writes_per_day: int
    log_flushes_per_day: int
    erases_per_day_milli: int
    years_tenths: int | None

    @property
    def long_enough(self) -> bool:
        """True at TARGET_YEARS or more."""
        return self.years_tenths is None or self.years_tenths >= 10 * TARGET_YEARS

    @property
    def years_text(self) -> str:
        """The years for people: "23.7 years", "over 100 years"."""
        if self.years_tenths is None or self.years_tenths > 1000:
            return "over 100 years"
        return f"{self.years_tenths // 10}.{self.years_tenths % 10} years"


def flash_life(
    ledger_writes_per_day: int, log_flushes_per_day: int, blocks: int = BLOCKS, cycles: int = CYCLES, margin: int = MARGIN
) -> FlashLife:
    """Wear and life at so many durable writes a day (both counts >= 0; blocks, cycles and margin >= 1)."""
    milli = ledger_writes_per_day * ERASES_PER_LEDGER_WRITE_MILLI + log_flushes_per_day * ERASES_PER_LOG_FLUSH_MILLI
    years_tenths = None
    if milli:
        # 365.25 days = 36,525 / 100; tenths of years; erases in thousandths
        years_tenths = blocks * cycles * 10 * 1_000 * 100 // (margin * milli * 36_525)
    return FlashLife(ledger_writes_per_day, log_flushes_per_day, milli, years_tenths)


def therapy_wear(chunks_per_day: int, boluses_per_day: int, blocks: int = BLOCKS, cycles: int = CYCLES) -> FlashLife:
    """The flash life of a therapy that opens so many chunks a day (those of boluses included) and grants so many boluses."""
    writes = chunks_per_day + boluses_per_day * WRITES_PER_BOLUS
    flushes = -(-chunks_per_day // DOSES_PER_FLUSH) + boluses_per_day * FLUSHES_PER_BOLUS + FLUSHES_PER_DAY_FIXED
    return flash_life(writes, flushes, blocks, cycles)
