"""Board files: boards/NAME.toml as the config a board gets (/board.json) and the part a program is checked against.

Invariant: a board this file hands out has every pin, figure and limit the firmware reads, each inside its range and no pin twice.
All problems of a file are found at once, and each names key, value, limit and what to do.
"""

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thecal.core.prescription import DAY_S, PL_PER_MILLION_IN_NL
from thecal.core.program_table import STEP_PL_MAX, STEP_PL_MIN
from thecal_host import flash_life
from thecal_host.paths import boards_dir
from thecal_host.toml_file import TomlFileError, read_toml

PIN_MAX = 48
PORTS = ("virtual", "rp2", "esp32")
_PIN = ("int", 0, PIN_MAX)

# section -> key -> (type, low, high) of an int, ("bool",), ("text", longest) or ("choice", ...); then the defaults of what may be
# missing
SCHEMA: dict[str, dict[str, tuple[Any, ...]]] = {
    "board": {"name": ("text", 24), "title": ("text", 80), "port": ("choice", *PORTS)},
    "pins": {
        "step": _PIN,
        "dir": _PIN,
        "en": _PIN,
        "step_sense": _PIN,
        "en_sense": _PIN,
        "en_active_low": ("bool",),
        "maintenance": _PIN,
        "led": _PIN,
        "battery": _PIN,
        "pressure": _PIN,
        "button": _PIN,
        "estop": _PIN,
        "home": _PIN,
    },
    "mechanics": {
        "step_pl_per_million": ("int", STEP_PL_MIN, STEP_PL_MAX),
        "microsteps_per_full_step": ("int", 1, 256),
        "reservoir_nl": ("int", 1_000, 1_000_000_000),
        "max_steps_per_s": ("int", 1, 50_000),
        "stroke_steps": ("int", 0, 16_777_215),
        "dir_invert": ("bool",),
    },
    "sensors": {
        "battery": ("bool",),
        "pressure": ("bool",),
        "temperature": ("bool",),
    },
    "limits": {
        "max_rate_nl_per_day": ("int", 1_000, 200_000_000),
        "max_bolus_nl": ("int", 0, 50_000_000),
        "max_setup_nl": ("int", 0, 50_000_000),
        "watchdog_ms": ("int", 5_000, 8_388),
        "flash_cycles": ("int", 1_000, 10_000_000),
        "flash_blocks": ("int", 8, 65_536),
        "battery_low_mv": ("int", 0, 60_000),
    },
}
DEFAULTS: dict[str, dict[str, Any]] = {
    "pins": {"en_active_low": True},
    "mechanics": {"stroke_steps": 0, "dir_invert": False},
    "sensors": {"battery": False, "pressure": False, "temperature": False},
    "limits": {
        "max_setup_nl": 500_000,
        "watchdog_ms": 8_000,
        "flash_cycles": flash_life.CYCLES,
        "flash_blocks": flash_life.BLOCKS,
    },
}
OPTIONAL = {
    "pins": ("maintenance", "led", "battery", "pressure", "button", "estop", "home"),
    "limits": ("battery_low_mv",),
}
HINTS = {
    "watchdog_ms": "one durable write may take 2.8 s on worn flash, and the chip's watchdog ends at 8388 ms",
    "step_pl_per_million": "the volume of 1,000,000 microsteps in pL",
    "stroke_steps": "microsteps from the home switch to the end of the travel; 0: not known",
    "max_setup_nl": "the most that set-up motions (jog, prime, purge) may move together",
    "button": "the GPIO of a switch to ground; leave it out when there is none",
    "estop": "the GPIO of a contact to ground that opens when pressed; leave it out when there is none",
    "home": "the GPIO of a switch to ground; leave it out when there is none",
}


class BoardError(ValueError):
    """A board file that cannot be used. `problems` are sentences; the text is all of them, one a line."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class BoardFile:
    """One checked board: `config` is what goes to /board.json ([board] at the top, then the sections), `part` what the validator
    reads."""

    name: str
    path: Path
    config: dict[str, Any]
    part: dict[str, int]


def names() -> list[str]:
    """The boards that come with Thecal, in alphabetical order."""
    return sorted(path.stem for path in boards_dir().glob("*.toml"))


def near(word: str, known: list[str]) -> str:
    """' Did you mean "x"?' or ''."""
    matches = difflib.get_close_matches(word, known, 1, 0.6)
    return f' Did you mean "{matches[0]}"?' if matches else ""


def load(name: str) -> BoardFile:
    """The board called `name` (one of `names()`), or the file at the path `name` (ending in .toml). Raises BoardError."""
    path = Path(name) if name.endswith(".toml") else boards_dir() / f"{name}.toml"
    if not name.endswith(".toml") and name not in names():
        raise BoardError(
            [f'No board is called "{name}".{near(name, names())} Known: {", ".join(names())}; or give the path of a .toml file.']
        )
    try:
        data = read_toml(path, "board file")
    except TomlFileError as error:
        raise BoardError([str(error)]) from None
    return check(data, path)


def _value_problem(where: str, value: Any, rule: tuple[Any, ...]) -> str | None:
    """The sentence for one bad value, or None."""
    key = where.rpartition(".")[2]
    hint = f" ({HINTS[key]})" if key in HINTS else ""
    if rule[0] == "bool":
        return None if isinstance(value, bool) else f"{where} is {value!r}; it must be true or false."
    if rule[0] == "text":
        good = isinstance(value, str) and 0 < len(value) <= rule[1] and value.isprintable()
        return None if good else f"{where} is {value!r}; it must be a text of 1 to {rule[1]} printable characters."
    if rule[0] == "choice":
        return None if value in rule[1:] else f"{where} is {value!r}; it must be one of {', '.join(rule[1:])}."
    if not isinstance(value, int) or isinstance(value, bool):
        return f"{where} is {value!r}; it must be a whole number from {rule[1]} to {rule[2]}{hint}."
    if not rule[1] <= value <= rule[2]:
        return f"{where} is {value}; it must be from {rule[1]} to {rule[2]}{hint}."
    return None


def check(data: dict[str, Any], path: Path) -> BoardFile:
    """The board described by `data` (parsed TOML). Raises BoardError with every problem, in the order of the schema."""
    problems: list[str] = []
    full: dict[str, dict[str, Any]] = {}
    for section in data:
        if section not in SCHEMA:
            problems.append(
                f'"{section}" is no section of a board file.{near(section, list(SCHEMA))} Known: {", ".join(SCHEMA)}.'
            )
    for section, keys in SCHEMA.items():
        given = data.get(section, {})
        if not isinstance(given, dict):
            problems.append(f"{section} must be a section: write [{section}] on a line of its own.")
            continue
        for key in given:
            if key not in keys:
                problems.append(f"{section}.{key} is not known.{near(key, list(keys))} Known: {', '.join(keys)}.")
        values = {key: given.get(key, DEFAULTS.get(section, {}).get(key)) for key in keys}
        for key, value in values.items():
            where = f"{section}.{key}"
            if value is None:
                if key not in OPTIONAL.get(section, ()):
                    problems.append(f"{where} is missing; add it to section [{section}].")
            elif sentence := _value_problem(where, value, keys[key]):
                problems.append(sentence)
        full[section] = {key: value for key, value in values.items() if value is not None}
    if not problems:
        problems = _together(full)
    if problems:
        raise BoardError([f"{path.name}: {problem}" for problem in problems])
    mechanics, limits = full["mechanics"], full["limits"]
    part = {
        "max_rate_nl_per_day": limits["max_rate_nl_per_day"],
        "max_bolus_nl": limits["max_bolus_nl"],
        "max_steps_per_s": mechanics["max_steps_per_s"],
        "reservoir_nl": mechanics["reservoir_nl"],
        "step_pl_per_million": mechanics["step_pl_per_million"],
    }
    config = {**full["board"], **{section: full[section] for section in SCHEMA if section != "board"}}
    return BoardFile(full["board"]["name"], path, config, part)


def _together(full: dict[str, dict[str, Any]]) -> list[str]:
    """Problems of values against each other: a pin used twice, a part that promises more than its motor can do."""
    problems: list[str] = []
    owner: dict[int, str] = {}
    for key, rule in SCHEMA["pins"].items():
        pin = full["pins"].get(key)
        if rule is not _PIN or pin is None:
            continue
        if pin in owner:
            problems.append(f"pins.{key} is {pin}, the same pin as pins.{owner[pin]}; every signal needs a pin of its own.")
        owner.setdefault(pin, key)
    mechanics, limits = full["mechanics"], full["limits"]
    most = mechanics["max_steps_per_s"] * DAY_S * mechanics["step_pl_per_million"] // PL_PER_MILLION_IN_NL
    if limits["max_rate_nl_per_day"] > most:
        problems.append(
            f"limits.max_rate_nl_per_day is {limits['max_rate_nl_per_day']}, but {mechanics['max_steps_per_s']} steps/s "
            f"of this mechanism are {most} nL/day at most; lower it, or raise mechanics.max_steps_per_s."
        )
    if limits["max_bolus_nl"] > mechanics["reservoir_nl"]:
        problems.append(
            f"limits.max_bolus_nl is {limits['max_bolus_nl']}, more than the whole reservoir "
            f"({mechanics['reservoir_nl']} nL); lower it."
        )
    if limits["max_setup_nl"] > mechanics["reservoir_nl"]:
        problems.append(
            f"limits.max_setup_nl is {limits['max_setup_nl']}, more than the whole reservoir "
            f"({mechanics['reservoir_nl']} nL); lower it."
        )
    reach_nl = mechanics["stroke_steps"] * mechanics["step_pl_per_million"] // PL_PER_MILLION_IN_NL
    if mechanics["stroke_steps"] and reach_nl < mechanics["reservoir_nl"]:
        problems.append(
            f"mechanics.stroke_steps is {mechanics['stroke_steps']}: that stroke moves {reach_nl} nL, less than the reservoir "
            f"({mechanics['reservoir_nl']} nL); correct the one that is wrong, or take stroke_steps out when it is not known."
        )
    return problems
