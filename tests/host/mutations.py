"""Ways to spoil a TOML file that somebody wrote: values of the wrong type, unit, sign and size, strange characters, keys twice or
misspelt, damaged bytes. Everything follows from a seed, so a case that fails is found again by its label."""

import gzip
import json
import random
import re
import tomllib
from collections.abc import Iterator

LINE = re.compile(r"^(?P<key>[a-z_0-9]+) = (?P<value>\"[^\"\n]*\"|\{[^\n]*\}|[0-9_]+|true|false)(?P<rest>[^\n]*)$", re.M)
STEP = re.compile(r"\[\"(?P<time>[0-9:]+)\", \"(?P<rate>[^\"]+)\"\]")
AMOUNT = re.compile(r"^\"(?P<number>[0-9.]+) (?P<unit>[^\"]+)\"$")

UNITS = (
    "",
    "mg",
    "mcg",
    "g",
    "ng",
    "kg",
    "IU",
    "mEq",
    "mL",
    "uL",
    "MG/DAY",
    "mg//day",
    "mg/day/day",
    "mcg/day",
    "mg/day",
    "ng/day",
)
UNITS += (
    "mg/week",
    "mL/day",
    "L/s",
    "h",
    "days",
    "fortnights",
    "%",
    "\u00b5g/day",
    "mg/mL",
    "mcg/mL",
    "mg per day",
    "mcg\u200b/day",
)
NUMBERS = (
    "-{0}",
    "\u2212{0}",
    "+{0}",
    "{0},5",
    "{0}e3",
    "{0}.{0}.1",
    ".{0}",
    "{0}.",
    "0",
    "-0",
    "0.0",
    "000{0}",
    "{0}0",
    "{0}000",
    "0.{0}",
)
NUMBERS += (
    "0.000{0}",
    "1{0}0000000000000",
    "0.00000000001",
    "1_000",
    "\uff11\uff12",
    "\u00bd",
    "0x{0}",
    "NaN",
    "inf",
    "-inf",
    "1 000",
    "",
)
NUMBERS += ("{0}00", "9{0}", "{0}.0000000001", "\u0661\u0662", "1/2", "~{0}", "<{0}")
OTHERS = (
    "12",
    "-1",
    "1.5",
    "nan",
    "inf",
    "-inf",
    "-0.0",
    "1e400",
    "true",
    "[]",
    "[1]",
    "{}",
    "{a = 1}",
    "1979-05-27",
    "07:32:00",
    '""',
)
OTHERS += (
    "9" * 30,
    "9" * 5000,
    "0xFFFFFFFF",
    '" "',
    '"\\u0000"',
    '"\\n"',
    '"\U0001f489"',
    '"\\u202E1 mg/day"',
    "'''\n'''",
    '"\\""',
)
OTHERS += (
    '["00:00", "1 mg/day"]',
    "[[[[[[]]]]]]",
    '"' + "x" * 5000 + '"',
    '"../../etc/passwd"',
    '"${HOME}"',
    '"%s%n"',
    "0b1",
    "1_000",
)
TIMES = (
    "24:00",
    "00:00",
    "23:60",
    "-00:01",
    "0:00",
    "00:00:00",
    "12:00 am",
    "25:00",
    "\uff10\uff10:00",
    "00.00",
    "",
    "23:59",
    "12:61",
    " 00:00",
)
JUNK = b"\x00\x1b\xff\xfe\x80\xc3\x28\x7f\r"


def spelled(key: str, rng: random.Random) -> str:
    """Another key that looks like `key`."""
    at = rng.randrange(len(key))
    return rng.choice(
        [key[:at] + key[at + 1 :], key + "s", key.upper(), key[:at] + "_" + key[at:], key.replace("o", "0") + "0", "per_7h"]
    )


def value(old: str, rng: random.Random) -> str:
    """Another value in place of `old`, both as they stand in the file."""
    amount = AMOUNT.match(old)
    if amount is None or rng.random() < 0.3:
        return rng.choice(OTHERS)
    number, unit = amount["number"], amount["unit"]
    if rng.random() < 0.45:
        return f'"{number} {rng.choice(UNITS)}"'
    return f'"{rng.choice(NUMBERS).format(number)} {unit}"'


def lines(text: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """(label, text) for ever: one line of the file is another one, not there, or there twice."""
    found = list(LINE.finditer(text))
    while True:
        line = rng.choice(found)
        what = rng.choice(["value", "value", "value", "value", "value", "value", "key", "delete", "twice"])
        key, old = line["key"], line["value"]
        new = {"value": f"{key} = {value(old, rng)}", "key": f"{spelled(key, rng)} = {old}", "delete": ""}.get(what)
        new = f"{line.group()}\n{key} = {value(old, rng)}" if new is None else new
        number = text.count("\n", 0, line.start()) + 1
        yield f"line {number}, {what}: {new[:60]}", text[: line.start()] + new + text[line.end() :]


def steps(text: str, rng: random.Random) -> Iterator[tuple[str, str]]:
    """(label, text) for ever: the steps of a day are others."""
    found = list(STEP.finditer(text))
    while found:
        step = rng.choice(found)
        what = rng.choice(["time", "rate", "rate", "twice", "many", "delete", "bare"])
        if what == "time":
            new = f'["{rng.choice(TIMES)}", "{step["rate"]}"]'
        elif what == "rate":
            new = f'["{step["time"]}", {value(chr(34) + step["rate"] + chr(34), rng)}]'
        elif what == "many":
            count = rng.choice([48, 49, 50, 1440])
            new = ", ".join(f'["{at // 60 % 24:02}:{at % 60:02}", "{step["rate"]}"]' for at in range(count))
        else:
            new = {"twice": f"{step.group()}, {step.group()}", "delete": "", "bare": f'"{step["time"]}", "{step["rate"]}"'}[what]
            new = new or "[]"
        yield f"step {step['time']}, {what}: {new[:60]}", text[: step.start()] + new + text[step.end() :]


def damaged(text: str, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """(label, bytes) for ever: the file as a bad disk, editor or transfer leaves it."""
    raw = text.encode()
    while True:
        at = rng.randrange(1, len(raw) - 1)
        what = rng.choice(["cut", "flip", "insert", "line", "hole"])
        if what == "cut":
            new = raw[:at]
        elif what == "flip":
            new = raw[:at] + bytes((raw[at] ^ 1 << rng.randrange(8),)) + raw[at + 1 :]
        elif what == "insert":
            new = raw[:at] + bytes((rng.choice(JUNK),)) + raw[at:]
        elif what == "hole":
            new = raw[:at] + bytes(rng.randrange(1, 40)) + raw[at + 40 :]
        else:
            rows = raw.splitlines(keepends=True)
            one, two = rng.randrange(len(rows)), rng.randrange(len(rows))
            rows[one], rows[two] = rows[two], rows[one]
            new = b"".join(rows)
        yield f"{what} at {at}", new


def whole(text: str) -> Iterator[tuple[str, bytes]]:
    """(label, bytes): the file as something else altogether, each once."""
    data = tomllib.loads(text)
    yield "empty", b""
    yield "comment only", b"# nothing\n"
    yield "a byte order mark", b"\xef\xbb\xbf" + text.encode()
    yield "two byte order marks", b"\xef\xbb\xbf" * 2 + text.encode()
    yield "UTF-16", text.encode("utf-16")
    yield "Latin-1", ("# caf\u00e9\n" + text).encode("latin-1")
    yield "CR LF", text.replace("\n", "\r\n").encode()
    yield "CR", text.replace("\n", "\r").encode()
    yield "twice", (text + text).encode()
    yield "JSON", json.dumps(data).encode()
    yield "YAML", text.replace(" = ", ": ").replace("[", "").replace("]", ":").encode()
    yield "curly quotes", text.replace('"', "\u201d").encode()
    yield "no quotes", text.replace('"', "").encode()
    yield "conflict markers", ("<<<<<<< ours\n" + text + "=======\n>>>>>>> theirs\n").encode()
    yield "gzip", gzip.compress(text.encode(), mtime=0)
    yield "ELF", b"\x7fELF" + bytes(range(256)) * 4
    yield "zeros", bytes(4096)
    yield "huge comment", text.encode() + b"#" * 70_000
    yield "large comment", text.encode() + b"#" * 40_000
    yield "deep list", text.encode() + b"\n[deep]\na = " + b"[" * 3000 + b"]" * 3000
    yield "deep table", text.encode() + b"\n[" + b".".join([b"a"] * 3000) + b"]\nb = 1\n"
    yield "many sections", text.encode() + b"".join(b"[s%d]\n" % at for at in range(3000))
    yield "all in one section", re.sub(r"^\[+[a-z_.]+\]+.*$", "", text, flags=re.M).encode()
    yield "no line ends", text.replace("\n", " ").encode()
