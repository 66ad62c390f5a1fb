"""The state table: every (state, event) pair has an answer. Invariant: `step` is total; only INFUSING and SETUP may have EN on,
and the only way out of SAFE is an authenticated recovery (or maintenance), never a reset.
"""

from thecal.core.compat import const

BOOT = const(0)
SELFTEST = const(1)
UNPROVISIONED = const(2)
OFF = const(3)
INFUSING = const(4)
HELD = const(5)
SAFE = const(6)
MAINTENANCE = const(7)
SETUP = const(8)  # a set-up motion: jog, prime, purge, home
STATES = (BOOT, SELFTEST, UNPROVISIONED, OFF, INFUSING, HELD, SAFE, MAINTENANCE, SETUP)  # for the host
STATE_NAMES = (  # for the host
    "boot",
    "selftest",
    "unprovisioned",
    "off",
    "infusing",
    "held",
    "safe",
    "maintenance",
    "setup",
)

E_BOOTED = const(0)  # drivers are up, EN is off
E_NO_MARKER = const(1)  # self-test passed, but this board was never provisioned
E_PASS_OFF = const(2)  # self-test passed, therapy was off, or may not resume by itself
E_PASS_RESUME = const(3)  # self-test passed, basal was running and the program's policy says it resumes
E_PASS_HELD = const(4)  # self-test passed, therapy was held
E_FAULT = const(5)  # class A self-test failure, latched fault, monitor trip, third watchdog reset
E_PROVISION = const(6)
E_ACTIVATE = const(7)
E_START = const(8)
E_STOP = const(9)
E_HOLD = const(10)
E_RESUME = const(11)  # command, or the end of a timed hold
E_BOLUS = const(12)
E_MAINTENANCE = const(13)
E_RECOVER = const(14)
E_MOVE = const(15)
E_MOVED = const(16)  # a set-up motion has ended
E_ESTOP = const(17)
E_RATE = const(18)  # temporary rate, minimum rate, back to normal
EVENTS = (  # for the host
    E_BOOTED,
    E_NO_MARKER,
    E_PASS_OFF,
    E_PASS_RESUME,
    E_PASS_HELD,
    E_FAULT,
    E_PROVISION,
    E_ACTIVATE,
    E_START,
    E_STOP,
    E_HOLD,
    E_RESUME,
    E_BOLUS,
    E_MAINTENANCE,
    E_RECOVER,
    E_MOVE,
    E_MOVED,
    E_ESTOP,
    E_RATE,
)
EVENT_NAMES = (  # for the host
    "booted",
    "no marker",
    "passed, off",
    "passed, resume",
    "passed, held",
    "fault",
    "provision",
    "activate",
    "start",
    "stop",
    "hold",
    "resume",
    "bolus",
    "maintenance",
    "recover",
    "move",
    "moved",
    "emergency stop",
    "change of rate",
)

NO = -1  # refused: nothing changes, the answer is "not in this state"

# One row per state, one column per event in the order of EVENTS. A number is the next state.
TABLE: "dict[int, tuple[int, ...]]" = {
    # booted, no marker, off, resume, held, fault, provision, activate, start, stop, hold, resume, bolus, maintenance, recover,
    # move, moved, e-stop, rate
    BOOT: (SELFTEST, NO, NO, NO, NO, SAFE, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO),
    SELFTEST: (NO, UNPROVISIONED, OFF, INFUSING, HELD, SAFE, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO),
    UNPROVISIONED: (NO, NO, NO, NO, NO, SAFE, OFF, NO, NO, NO, NO, NO, NO, MAINTENANCE, NO, NO, NO, UNPROVISIONED, NO),
    OFF: (NO, NO, NO, NO, NO, SAFE, NO, OFF, INFUSING, OFF, NO, NO, NO, MAINTENANCE, NO, SETUP, NO, OFF, NO),
    INFUSING: (NO, NO, NO, NO, NO, SAFE, NO, INFUSING, NO, OFF, HELD, NO, INFUSING, MAINTENANCE, NO, NO, NO, OFF, INFUSING),
    HELD: (NO, NO, NO, NO, NO, SAFE, NO, HELD, NO, OFF, NO, INFUSING, NO, MAINTENANCE, NO, NO, NO, OFF, NO),
    SAFE: (NO, NO, NO, NO, NO, SAFE, NO, NO, NO, SAFE, NO, NO, NO, MAINTENANCE, OFF, NO, NO, SAFE, NO),
    MAINTENANCE: (NO, NO, NO, NO, NO, SAFE, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO),
    SETUP: (NO, NO, NO, NO, NO, SAFE, NO, NO, NO, OFF, NO, NO, NO, MAINTENANCE, NO, NO, OFF, OFF, NO),
}


def step(state: int, event: int) -> int:
    """The state after `event` in `state`, or NO when the pair is
    refused. Raises KeyError or IndexError only for unknown numbers."""
    return TABLE[state][event]


def may_move(state: int) -> bool:
    """True only where the motor may be enabled."""
    return state in (INFUSING, SETUP)
