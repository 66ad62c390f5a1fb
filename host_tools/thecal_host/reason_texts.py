"""Why a board refused: for each reason what was found and allowed, the unit of both figures, and what to do. Invariant: every
reason of `thecal.core.messages` has a row of its own; `texts.reason` puts the figures in, and where the board said how long to
wait, that stands in the place of the hint.
"""

from thecal.core import messages as m

WAY_OUT = "This version has no recovery command: see 'Out of a latched fault' in firmware/SAFETY.md"
_WAIT = "Wait, or ask for less"

# reason -> (what is so, with {value} and {limit}; unit of both; what to do, perhaps with {rest})
REASONS: "dict[int, tuple[str, str, str]]" = {
    m.NONE: ("no reason was given", "", ""),
    m.MAX_RATE: (
        "the rate {value} is above the program's highest rate {limit}",
        "nl_per_day",
        "Lower the dose, or raise limits.max_rate",
    ),
    m.MAX_BOLUS: (
        "the bolus {value} is larger than the program's largest bolus {limit}",
        "nl",
        "Ask for less, or raise limits.max_bolus",
    ),
    m.WINDOW_1H: ("some 1 h window would hold {value}, more than the limit {limit}", "nl", _WAIT),
    m.WINDOW_4H: ("some 4 h window would hold {value}, more than the limit {limit}", "nl", _WAIT),
    m.WINDOW_24H: ("some 24 h window would hold {value}, more than the limit {limit}", "nl", _WAIT),
    m.LOCKOUT: ("lockout, {value} of {limit} have passed since the last bolus", "ms", "Wait {rest} more"),
    m.BOLUS_COUNT: ("{value} boluses were given in the last 24 h and the limit is {limit}", "", "Wait"),
    m.BOLUS_RUNNING: ("a bolus is still running, {value} of it to come", "nl", "Wait until it has ended, or stop it"),
    m.STEP_RATE: ("it needs {value} and the motor does at most {limit}", "nl_per_s", "Take longer for it (--over)"),
    m.RESERVOIR: ("it needs {value} and the reservoir holds {limit}", "nl", "Refill first"),
    m.BELOW_QUANTUM: ("{value} is less than one motor step, {limit}", "nl", "Ask for more"),
    m.STATE: ("not possible while the pump is {value}", "state", "`thecal status` shows what is"),
    m.NO_PROGRAM: ("no program is active", "", "Run `thecal upload` and `thecal activate` first"),
    m.NOT_STAGED: ("nothing is staged", "", "Run `thecal upload` first"),
    m.CRC_MISMATCH: (
        "what is staged is not what was to be activated",
        "",
        "Run `thecal upload` again and look at what it shows",
    ),
    m.LATCHED: ("the pump is stopped by a latched fault: {value}", "fault", WAY_OUT),
    m.DURATION: ("its duration is not allowed: {value}, at least {limit}", "ms", "Give a longer one with --over"),
    m.BATTERY: ("the battery has {value}, and {limit} are needed", "mv", "Charge or replace it"),
    m.NOT_THIS_BOARD: (
        "the monitor limits belong to another program or another board",
        "",
        "Run `thecal upload` for this board",
    ),
    m.ALARM: (
        "an alarm is active: {value}",
        "alarm",
        "Remove its cause and acknowledge it with `thecal ack`, then ask again",
    ),
    m.TITRATION: (
        "the daily dose would be {value}, and within the titration window at most {limit} are allowed",
        "nl_per_day",
        "Raise it by less, or wait until the window is over",
    ),
    m.NOT_OFFERED: ("the active program does not offer this", "", "It has to be in the prescription: upload and activate one"),
    m.HOLD_TOO_LONG: ("the hold of {value} is longer than the program's longest, {limit}", "ms", "Ask for a shorter one"),
    m.CLOCK: ("the board's wall clock is not known", "", "Set it with `thecal clock set`"),
    m.ESTOP: ("the emergency stop is pressed", "", "Make the pump safe, release it, acknowledge the alarm with `thecal ack`"),
    m.STROKE: (
        "it needs {value} and the screw has {limit} left that way",
        "steps",
        "Move less, or find home again with `thecal setup home`",
    ),
    m.NOT_FITTED: ("this board has no {value}", "inputs", "Wire one and name its pin in the board file"),
    m.SETUP_VOLUME: (
        "one set-up motion of {value} is more than the board file allows, {limit}",
        "nl",
        "Move less at a time",
    ),
    m.DIRECTION: (
        "the plunger was seen to move the wrong way",
        "",
        "Correct the motor's wires or mechanics.dir_invert in the board file, then run `thecal setup direction`",
    ),
    m.DRUG_CHANGE: (
        "the drug or its concentration would change while therapy is on",
        "",
        "Stop first with `thecal stop`; the old drug is still in the catheter",
    ),
    m.NOT_DETACHED: (
        "a purge is possible with a disconnected outlet alone",
        "",
        "Disconnect the outlet and repeat the command with --detached",
    ),
}
