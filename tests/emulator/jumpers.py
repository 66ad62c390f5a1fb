"""A Pico with the two jumpers of boards/rpi_pico.toml, as a board file of the emulator rp2040py: STEP to step_sense, EN to
en_sense.

Invariant: what a wire carries is only passed on and told (one line on stderr per rising STEP edge, with EN's level).
"""

import sys
from collections.abc import Callable
from typing import Any

from rp2040py.boards import BoardSpec, FlashLayout  # type: ignore[import-not-found]
from rp2040py.gpio_pin import GPIOPinState  # type: ignore[import-not-found]

STEP, EN = 2, 4
WIRES = ((STEP, 5), (EN, 6))
FS_START = 0xA0000
FS_BLOCKS = 352
FS_BLOCK_BYTES = 4096


class Jumpers:
    """Attached to the emulated chip by rp2040py."""

    def attach(self, chip: Any) -> None:
        for source, target in WIRES:
            chip.gpio[source].add_listener(self._follower(chip, source, target))

    def _follower(self, chip: Any, source: int, target: int) -> Callable[[Any, Any], None]:
        def follow(state: Any, _before: Any) -> None:
            high = state == GPIOPinState.HIGH
            if source == STEP and high:
                print(f"step en={int(chip.gpio[EN].value == GPIOPinState.HIGH)}", file=sys.stderr, flush=True)
            chip.gpio[target].set_input_value(high)

        return follow


PICO = BoardSpec(extras=(Jumpers,), layout=FlashLayout(fs_start=FS_START, fs_blockcount=FS_BLOCKS, fs_blocksize=FS_BLOCK_BYTES))
