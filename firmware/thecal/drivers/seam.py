"""The driver seam: what every port must offer, as typed Protocols. For type checkers and readers; never imported on a board.

Units are in the names. `now_us` and `now_ms` run from the same counter since boot: now_ms == now_us // 1000.
"""

from typing import Any, Protocol


class Clock(Protocol):
    """The board's own monotonic counter, 64 bits, never wrapping."""

    def now_ms(self) -> int: ...

    def now_us(self) -> int: ...

    def wait(self, due_ms: int) -> None:
        """Idle until `due_ms`, or return earlier when serial input is waiting or an input has changed (once for each change,
        read or not). May return early for no reason."""
        ...


class Pulser(Protocol):
    """Hardware that emits one finite batch of STEP pulses and stalls low by itself."""

    def start(self, count: int, t_first_us: int, t_last_us: int) -> None:
        """Emit `count` pulses: the first at `t_first_us`, the last at `t_last_us` (clock us), evenly spaced between.
        A `t_first_us` in the past means now. Only called when not busy."""
        ...

    def busy(self) -> bool: ...

    def abort(self) -> None:
        """Stop at once (fault stop): no further rising edge after this returns."""
        ...


class Enable(Protocol):
    """The EN output of the step driver."""

    def set(self, on: bool) -> None: ...

    def cut(self) -> None:
        """The monitor's cut: EN off, and `set(True)` does nothing until the next reset."""
        ...


class Direction(Protocol):
    """The DIR output. Forward (out of the syringe) after power-up; only set while no batch is under way."""

    def set(self, reverse: bool) -> None:
        """Set the direction of every later pulse. The driver chip's set-up time (650 ns at worst) is over, with at least 1 us,
        before the first of them, whatever `Pulser.start` is told."""
        ...


class Inputs(Protocol):
    """The switches of the board as a mask: 1 bolus button pressed, 2 emergency stop pressed (or its wire broken), 4 carriage at
    the home switch. An input that is not fitted (not in the board file) reads 0."""

    @property
    def fitted(self) -> int:
        """The mask of what is there."""
        ...

    def read(self) -> int:
        """The mask of what acts now, bounces taken out. Never blocks; anybody may call it, it changes nothing."""
        ...

    def changed(self) -> bool:
        """True when the mask is not what it was at the last call (before the first: 0). For one caller only, the loop: were
        it cleared by `read`, anyone who reads could take the emergency stop away from who acts on it."""
        ...


class Counter(Protocol):
    """Rising edges on `step_sense`, counted by hardware, since boot."""

    def read(self) -> int: ...


class Sense(Protocol):
    """A read-back input pin: True means the driver is enabled."""

    def read(self) -> bool: ...


class Serial(Protocol):
    """The host's line: 8-bit clean, REPL shut while the firmware runs."""

    def any(self) -> bool: ...

    def read(self) -> bytes:
        """All bytes waiting, or b''. Never blocks."""
        ...

    def write(self, data: bytes) -> None: ...

    def shut_repl(self) -> None: ...

    def free_repl(self) -> None: ...


class Watchdog(Protocol):
    """Hardware watchdog: once armed it cannot be stopped."""

    def arm(self, timeout_ms: int) -> None: ...

    def feed(self) -> None: ...


class Chip(Protocol):
    """Reset causes: 0 power, 1 watchdog, 2 commanded, 3 pin, 4 unknown."""

    def reset_cause(self) -> int: ...

    def reset(self) -> None:
        """Reset the chip; does not return."""
        ...

    def unique_id(self) -> bytes:
        """8 bytes that name this board."""
        ...

    def flag(self) -> int:
        """The maintenance flag left by `set_flag` before a reset (0 after power-up); reading clears it."""
        ...

    def set_flag(self, value: int) -> None: ...


class Gauge(Protocol):
    """A sensor read as an integer in the unit its name says; None when not fitted."""

    def read(self) -> "int | None": ...


class Board(Protocol):
    """Everything of one board, made by `thecal.drivers.open_board(config)`."""

    config: "dict[str, Any]"

    @property
    def clock(self) -> Clock: ...

    @property
    def pulser(self) -> Pulser: ...

    @property
    def enable(self) -> Enable: ...

    @property
    def direction(self) -> Direction: ...

    @property
    def inputs(self) -> Inputs: ...

    @property
    def counter(self) -> Counter: ...

    @property
    def en_sense(self) -> Sense: ...

    @property
    def serial(self) -> Serial: ...

    @property
    def watchdog(self) -> Watchdog: ...

    @property
    def chip(self) -> Chip: ...

    @property
    def fs(self) -> Any: ...

    @property
    def battery_mv(self) -> Gauge: ...

    @property
    def pressure_pa(self) -> Gauge: ...

    @property
    def temperature_mc(self) -> Gauge: ...
