"""Review before activation: increases are never overlooked, the board's own reading is what is shown, and what was reviewed is
what is activated."""

import json
from pathlib import Path
from typing import Any

import pytest
from cli_bench import MORPHINE, board_with_program

from thecal.core import messages
from thecal.core.ledger import Ledger
from thecal.core.prescription import pack, program_crc
from thecal_host import boards, prescriptions, review_texts
from thecal_host.cli import exit_codes
from thecal_host.history import History
from thecal_host.paths import examples_dir
from thecal_host.review import Program, make_review

PART = boards.load("virtual").part
RX = prescriptions.load(MORPHINE, PART)
BASE: dict[str, Any] = dict(RX.fields)
FLEX: dict[str, Any] = dict(prescriptions.load(examples_dir() / "baclofen_flex_night.toml", PART).fields)
DAY_MS = 86_400_000


def program(fields: dict[str, Any], version: int = 1) -> Program:
    blob = pack(fields, version)
    return Program(fields, version, program_crc(blob), blob)


def told(old: dict[str, Any] | None, new: dict[str, Any], **more: Any) -> list[str]:
    review = make_review(program(old) if old else None, program(new), 0x1234, None, **more)
    return [line.text for line in review_texts.lines(review)]


# --- the review as text ------------------------------------------------------------------------------------------------------
def test_signs_and_words_without_colour() -> None:
    lines = told(BASE, {**BASE, "rate_nl_per_day": 560_000, "bolus_lockout_ms": 10_800_000, "name": "Another"})
    assert any(line.startswith("+ Basal rate") and line.endswith("MORE") and "12 mg/day" in line for line in lines)
    assert any(line.startswith("- Lockout between boluses") and line.endswith("less") for line in lines)
    assert any(line.startswith("~ Name") and line.endswith("changed") for line in lines)
    assert "MORE than now: basal.dose: 0.48 mL/day -> 0.56 mL/day" in lines
    assert "  mean of a week: 12 mg/day -> 14 mg/day  (+16.7 %)" in lines


def test_colours_say_nothing_alone() -> None:
    review = make_review(program(BASE), program({**BASE, "rate_nl_per_day": 560_000}), 0, None)
    lines = review_texts.lines(review)
    plain, bright = review_texts.coloured(lines, False), review_texts.coloured(lines, True)
    assert "\x1b[1;31m" in bright and "\x1b" not in plain
    for line in lines:
        if line.style == review_texts.RISE:
            assert line.text.startswith(("+ ", "MORE", "  mean"))


def test_overrides_are_listed_by_name_and_new_ones_told_apart() -> None:
    review = make_review(program({**BASE, "overrides": 1}), program({**BASE, "overrides": 3}), 0, None)
    assert review.overrides == ["rate below soft low", "rate above soft high"]
    assert review.overrides_new == ["rate above soft high"]
    assert "OVERRIDDEN soft limit: rate above soft high" in told(BASE, {**BASE, "overrides": 3})


def test_the_entry_of_the_library_is_named_or_said_to_be_unknown() -> None:
    assert f"Drug library entry: morphine 25 mg/mL ({BASE['library_crc']:08x})" in told(None, BASE)
    assert "Drug library entry: an entry this PC does not have (00000005)" in told(None, {**BASE, "library_crc": 5})


def test_titration_counts_from_the_dose_before_a_fresh_raise() -> None:
    rule = {**BASE, "raise_per_mille": 100, "raise_nl_per_day": 0, "raise_window_ms": DAY_MS}
    ledger = Ledger(lambda _data: None)
    ledger.ref_nl_per_day, ledger.ref_ms = 400_000, 1_000
    fresh = make_review(program(rule), program({**rule, "rate_nl_per_day": 500_000}), 0, None, ledger, DAY_MS)
    assert [(item.from_ng, item.most_ng, item.exceeded) for item in fresh.titration] == [(10_000_000, 11_000_000, True)] * 2
    later = make_review(program(rule), program({**rule, "rate_nl_per_day": 500_000}), 0, None, ledger, DAY_MS + 1_000)
    assert [(item.from_ng, item.most_ng, item.exceeded) for item in later.titration] == [(12_000_000, 13_200_000, False)] * 2
    assert any("EXCEEDED" in line for line in told(rule, {**rule, "rate_nl_per_day": 600_000}))
    assert make_review(program(rule), program({**FLEX}), 0, None).titration == []  # another drug


def test_another_drug_needs_therapy_off() -> None:
    assert any("thecal stop" in line for line in told(BASE, FLEX, therapy_off=False))
    assert not any("thecal stop" in line for line in told(BASE, FLEX))


def test_a_running_temporary_rate_is_said_to_end() -> None:
    ledger = Ledger(lambda _data: None)
    ledger.overlay = 1
    assert any("ends with the activation" in line for line in told(BASE, BASE, ledger=ledger))
    assert "Nothing in it gives or allows more than now." in told(BASE, BASE)


# --- on a board --------------------------------------------------------------------------------------------------------------
def higher_file(tmp_path: Path) -> Path:
    path = tmp_path / "higher.toml"
    path.write_text(Path(MORPHINE).read_text().replace('dose = "12 mg/day"', 'dose = "13 mg/day"'))
    return path


def uploaded(thecal, board, path: Path) -> str:
    """The CRC that the review showed."""
    code, out, err = thecal("upload", path, "--port", board.url, "--json")
    assert code == 0, err
    return json.loads(out)["program_crc"]


def test_the_review_is_the_boards_own_reading_and_not_the_files(thecal, tmp_path) -> None:
    """Another program is staged than the file that was uploaded: the review shows what is there."""
    with board_with_program() as board:
        uploaded(thecal, board, higher_file(tmp_path))
        board.blobs[messages.BLOB_PROGRAM] = pack({**BASE, "rate_nl_per_day": 700_000})
        code, out, _err = thecal("activate", "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert "17.5 mg/day (0.7 mL/day)" in out
        code, out, err = thecal("activate", higher_file(tmp_path), "--port", board.url, "--yes", "--crc", "0")
        assert code == exit_codes.REFUSED
        assert "is not what" in err and "thecal upload" in err
        assert board.ran == []


def test_a_script_has_to_give_the_crc_back(thecal, tmp_path) -> None:
    with board_with_program() as board:
        crc = uploaded(thecal, board, higher_file(tmp_path))
        code, _out, err = thecal("activate", "--port", board.url, "--yes")
        assert code == exit_codes.NOT_CONFIRMED
        assert f"--yes --crc {crc}" in err
        code, _out, err = thecal("activate", "--port", board.url, "--yes", "--crc", f"{int(crc, 16) ^ 1:08x}")
        assert (code, board.ran) == (exit_codes.REFUSED, [])
        assert "was reviewed" in err
        code, out, _err = thecal("activate", "--port", board.url, "--yes", "--crc", crc, "--reason", "pain at night", "--json")
        assert code == 0
        answer = json.loads(out)
        assert answer["review"]["rises"] == ["basal.dose: 0.48 mL/day -> 0.52 mL/day"]
        (asked,) = [request for request in board.requests if request["c"] == "activate"]
        assert asked["crc"] == int(crc, 16)
        with History() as history:
            (entry,) = history.entries(board.board_id)
        assert (entry.state, entry.reason, entry.program_crc) == ("done", "pain at night", int(crc, 16))
        assert entry.blob == board.blobs[messages.BLOB_PROGRAM]


def type_at(monkeypatch, *lines: str) -> None:
    """A person at a terminal who types these lines."""
    typed = iter([line + "\n" for line in lines] + [""] * 9)

    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return next(typed)

    monkeypatch.setattr("sys.stdin", Terminal())


@pytest.mark.parametrize(
    ("typed", "code", "reason"),
    [
        (("more pain", "activate"), 0, "more pain"),
        (("", "activate"), exit_codes.NOT_CONFIRMED, None),
        (("more pain", "yes"), exit_codes.NOT_CONFIRMED, None),
        (("more pain", ""), exit_codes.NOT_CONFIRMED, None),
        (("x" * 201, "activate"), exit_codes.USAGE, None),
    ],
)
def test_at_the_terminal_an_increase_needs_a_reason_and_the_word(thecal, tmp_path, monkeypatch, typed, code, reason) -> None:
    with board_with_program() as board:
        uploaded(thecal, board, higher_file(tmp_path))
        type_at(monkeypatch, *typed)
        assert thecal("activate", "--port", board.url)[0] == code
        assert bool(board.ran) == (code == 0)
        with History() as history:
            assert [entry.reason for entry in history.entries(board.board_id)] == ([reason] if reason else [])


def test_no_increase_needs_no_reason(thecal, tmp_path, monkeypatch) -> None:
    with board_with_program() as board:
        uploaded(thecal, board, Path(MORPHINE))
        type_at(monkeypatch, "activate")
        assert thecal("activate", MORPHINE, "--port", board.url)[0] == 0


def test_a_refused_activation_leaves_nothing_in_the_history(thecal, tmp_path) -> None:
    with board_with_program() as board:
        crc = uploaded(thecal, board, higher_file(tmp_path))
        board.refuse["activate"] = {"r": messages.REFUSED, "k": messages.TITRATION, "v": 520_000, "l": 500_000}
        assert thecal("activate", "--port", board.url, "--yes", "--crc", crc)[0] == exit_codes.REFUSED
        with History() as history:
            assert history.entries(board.board_id) == []


def soft_file(tmp_path: Path) -> Path:
    """A largest bolus above what the library calls usual for morphine, and below its hard bound."""
    path = tmp_path / "soft.toml"
    text = Path(MORPHINE).read_text()
    assert 'max_bolus = "1.5 mg"' in text
    path.write_text(text.replace('max_bolus = "1.5 mg"', 'max_bolus = "1.6 mg"'))
    return path


def test_soft_limits_are_confirmed_by_name_or_nothing_is_uploaded(thecal, tmp_path, monkeypatch) -> None:
    path = soft_file(tmp_path)
    soft = {item.name for item in prescriptions.load(path, PART).soft}
    assert soft == {"bolus above soft high"}
    with board_with_program() as board:
        code, _out, err = thecal("upload", path, "--port", board.url)
        assert code == exit_codes.NOT_CONFIRMED
        assert '--confirm "bolus above soft high"' in err
        assert thecal("upload", path, "--port", board.url, "--confirm", "rate above soft high")[0] == exit_codes.INVALID
        type_at(monkeypatch, "no")
        assert thecal("upload", path, "--port", board.url)[0] == exit_codes.NOT_CONFIRMED
        assert all(request["c"] != "stage" for request in board.requests)
        type_at(monkeypatch, "yes")
        code, out, _err = thecal("upload", path, "--port", board.url)
        assert code == 0
        assert "OVERRIDDEN soft limit: bolus above soft high" in out
        code, out, _err = thecal("upload", path, "--port", board.url, "--confirm", "bolus above soft high", "--json")
        assert json.loads(out)["staged"]["overrides"] == 8
        crc = json.loads(out)["program_crc"]
        assert thecal("activate", path, "--port", board.url, "--yes", "--crc", crc)[0] == 0  # the file without its override


def test_a_program_that_cannot_be_read_back_stops_the_review(thecal, tmp_path) -> None:
    with board_with_program() as board:
        uploaded(thecal, board, higher_file(tmp_path))
        board.blobs[messages.BLOB_ACTIVE_PROGRAM] = b"TP\x01" + bytes(40)
        code, _out, err = thecal("activate", "--port", board.url)
        assert code == exit_codes.REFUSED
        assert "cannot be read back" in err
        board.blobs[messages.BLOB_PROGRAM] = b"nothing"
        code, _out, err = thecal("activate", "--port", board.url)
        assert "not whole" in err


def test_the_next_hours_come_from_the_boards_ledger(thecal, tmp_path) -> None:
    """A bolus begun ten minutes ago: its lockout is in the review."""
    with board_with_program() as board:
        ledger = Ledger(lambda _data: None)
        ledger.t_ms = 30 * DAY_MS
        ledger.last_bolus_ms = 30 * DAY_MS - 600_000
        board.blobs[messages.BLOB_LEDGER] = ledger.pack()
        board.status["t"] = 30 * DAY_MS
        code, out, _err = thecal("upload", higher_file(tmp_path), "--port", board.url)
        assert code == 0
        assert "from the present ledger of board" in out
        assert "refused: lockout of 2 h" in out
