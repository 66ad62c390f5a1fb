"""The table of `thecal status`, in words. Invariant: delivered volume has both ends of its interval; the rate now never stands
without the reason for it, nor an overridden limit without its name.
"""

from typing import TYPE_CHECKING

from thecal.core import basal, program_table, states, units
from thecal_host import amounts, texts

if TYPE_CHECKING:
    from thecal_host.cli.answers import Present
    from thecal_host.link.types import Hello, Status

NOT_FITTED = "not fitted"


def rows(url: str, hello: "Hello", now: "Present") -> "list[tuple[str, str]]":
    """Two columns for people."""
    s = now.status

    def both(nl: int) -> str:
        return amounts.volume(nl) + (f" ({amounts.mass(nl, now.ng_per_ml)})" if now.ng_per_ml else "")

    return [
        ("Board", f"{hello.board_id} ({hello.port}) on {url}, firmware {hello.version}"),
        ("State", state(now)),
        ("Fault", texts.fault(s.fault)),
        ("Alarm", alarms(s)),
        ("Program", _program(now)),
        *_overridden(s),
        ("Rate now", f"{both(s.rate_nl_per_day)} per day{why(now)}"),
        ("Next change", _change(now, both)),
        ("Clock", now.time.text()),
        ("Delivered", amounts.between(s.min_nl, s.max_nl, now.ng_per_ml)),
        ("Bolus to come", f"{both(s.bolus_left_nl)}, {texts.of(texts.SOURCES, s.source)}" if s.bolus_left_nl else "none"),
        ("Boluses", _boluses(now)),
        ("Last 1 h, 4 h, 24 h", f"{both(s.window_1h_nl)}, {both(s.window_4h_nl)}, {both(s.window_24h_nl)}"),
        ("Reservoir", f"{both(s.reservoir_nl)} left at least" if now.fields else "unknown without a program"),
        ("Set-up", _setup(s)),
        ("Inputs", _inputs(s)),
        ("Steps since start", f"{s.permitted_steps} permitted, {s.edges} counted by the monitor"),
        ("Battery", NOT_FITTED if s.battery_mv is None else f"{s.battery_mv} mV"),
        ("Pressure", NOT_FITTED if s.pressure_pa is None else f"{s.pressure_pa} Pa"),
        ("Board time", f"{texts.duration(s.t_ms)} since provisioning at least, start no. {s.boot}"),
        ("Log, durable writes", f"next record {s.log_seq}, {s.durable_writes} writes since start"),
    ]


def state(now: "Present") -> str:
    """The state, and when a hold or a motion ends."""
    s = now.status
    text = texts.of(texts.STATES, s.state)
    if s.state == states.HELD:
        text += f"; goes on by itself in {texts.wait(s.hold_ms)}{now.time.at(s.hold_ms)}" if s.hold_ms else " until resumed"
    if s.motion:
        text += f": {texts.of(texts.MOTIONS, s.motion)}, {s.motion_left_steps} steps to go"
    return text


def alarms(s: "Status") -> str:
    """All held alarms, the highest first."""
    codes = [s.alarm, *(code for code in s.held if code != s.alarm)] if s.alarm else list(s.held)
    return "; ".join(texts.of(texts.ALARMS, code) for code in codes) or texts.ALARMS[0]


def why(now: "Present") -> str:
    """Why the rate is what it is, ", by the schedule"; "" where nothing flows or the program has only one."""
    s = now.status
    if s.state != states.INFUSING:
        return ""
    if s.overlay:
        left = f", {texts.wait(s.overlay_left_ms)} left{now.time.at(s.overlay_left_ms, 'until')}" if s.overlay_left_ms else ""
        until = " until `thecal normal`" if s.overlay == basal.MINIMUM else left
        return f": {texts.of(texts.OVERLAYS, s.overlay)}{until}"
    if s.mode == program_table.MODE_FLEX:
        return ", by the schedule" if s.wall_unix_ms is not None else ": the safe rate, because the wall clock is unknown"
    return ""


def _program(now: "Present") -> str:
    s, fields = now.status, now.fields
    if not s.program_crc:
        return "none"
    if fields is None:
        return f"{s.program_crc:08x} (it cannot be read back)"
    drug = f"{fields['drug']} {units.format_concentration(now.ng_per_ml)}"
    library = f", library entry {s.library_crc:08x}" if s.library_crc else ""
    return f"{s.program_crc:08x} {fields['name']}, {drug}, {texts.of(texts.MODES, s.mode)}{library}"


def _overridden(s: "Status") -> "list[tuple[str, str]]":
    """A row for each, until the program is changed."""
    return [("OVERRIDDEN LIMIT", text) for text in texts.overrides(s.overrides)]


def _change(now: "Present", both: object) -> str:
    s = now.status
    if s.change_in_ms is None or s.change_to_nl_per_day is None:
        return "none"
    assert callable(both)
    return f"{both(s.change_to_nl_per_day)} per day in {texts.wait(s.change_in_ms)}{now.time.at(s.change_in_ms)}"


def _boluses(now: "Present") -> str:
    s = now.status
    most = f" of {now.fields['boluses_per_24h']}" if now.fields else ""
    lockout = f"lockout for {texts.wait(s.lockout_left_ms)} more" if s.lockout_left_ms else "no lockout"
    if s.lockout_left_ms:
        lockout += now.time.at(s.lockout_left_ms, "until")
    return f"{s.boluses_24h}{most} in the last 24 h; {lockout}; unmet demand: {s.unmet} refused since start"


def _setup(s: "Status") -> str:
    place = "position unknown (never homed)" if s.position_steps is None else f"{s.position_steps} steps from home"
    moved = f"{amounts.volume(s.setup_nl)} moved with the outlet disconnected or backwards"
    return f"{moved}; direction {texts.of(texts.DIRECTIONS, s.direction)}; {place}"


def _inputs(s: "Status") -> str:
    def one(name: str, value: "int | None", on: str, off: str) -> str:
        return f"{name} {NOT_FITTED if value is None else on if value else off}"

    return ", ".join(
        (
            one("button", s.button, "PRESSED", "released"),
            one("emergency stop", s.estop, "PRESSED", "released"),
            one("home switch", s.home, "closed", "open"),
        )
    )
