"""Every code of the core has a sentence of its own, and a code nobody knows is shown as such."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.core import basal, events, faults, ledger, messages, program_table, states
from thecal_host import code_names, record_texts, texts
from thecal_host.link.types import Answer

# tables of codes that a module of the core defines, by the names that stand for them
RESULTS = (
    "OK",
    "REFUSED",
    "BAD_REQUEST",
    "STALE_ID",
    "ID_TAKEN",
    "BUSY",
    "BAD_BLOB",
    "BAD_PROGRAM",
    "STORE_FULL",
    "AUTH",
    "ID_AHEAD",
)
MOTIONS = ("JOG", "PRIME", "PURGE", "HOME")
NO_CODES = "U24 U32 ID_RANDOM_BITS BUTTON_ID LOG_TRAIN_FRAMES LOG_RECORDS_PER_FRAME TYPE_CHECKING".split()
NOT_REASONS = (*RESULTS, *MOTIONS, *NO_CODES)
NOT_REASONS_END = ("_MAX", "_MIN")


def codes(module, wanted):
    return {name: value for name, value in vars(module).items() if name.isupper() and isinstance(value, int) and wanted(name)}


def check_complete(table, defined):
    assert defined
    for name, code in defined.items():
        assert code in table, f"{name} has no sentence"
    assert len(set(map(str, table.values()))) == len(table), "two codes share a sentence"


def test_results():
    check_complete(texts.RESULTS, codes(messages, lambda name: name in RESULTS))


def test_reasons():
    limits = ("MAX_RATE", "MAX_BOLUS")
    left_out = ("BLOB", "BY_")

    def is_reason(name):
        ends = name.endswith(NOT_REASONS_END) and name not in limits
        return name not in NOT_REASONS and not name.startswith(left_out) and not ends

    defined = codes(messages, is_reason)
    check_complete(texts.REASONS, defined)
    assert sorted(defined.values()) == list(range(len(texts.REASONS)))
    assert set(code_names.REASONS) == set(texts.REASONS)


def test_what_a_bolus_a_motion_a_rate_and_an_input_are():
    check_complete(texts.SOURCES, codes(messages, lambda name: name.startswith("BY_")))
    check_complete(texts.MOTIONS, codes(messages, lambda name: name in MOTIONS))
    check_complete(texts.INPUTS, codes(events, lambda name: name.startswith("IN_")))
    check_complete(texts.OVERLAYS, codes(basal, lambda name: name in ("NONE", "TEMP", "MINIMUM", "CAPPED")))
    check_complete(texts.MODES, codes(program_table, lambda name: name.startswith("MODE_") and name != "MODE_FIELDS"))
    whys = codes(basal, lambda name: name.startswith("WHY_"))
    assert set(record_texts._RATE_WHY) == set(code_names.RATE_REASONS) == set(whys.values())
    for table, names in (
        (texts.SOURCES, code_names.SOURCES),
        (texts.MOTIONS, code_names.MOTIONS),
        (texts.INPUTS, code_names.INPUTS),
    ):
        assert set(table) == set(names)


def test_every_override_has_its_words():
    mask = sum(bit for bit, _what in program_table.OVERRIDES)
    assert texts.overrides(mask) == [what for _bit, what in program_table.OVERRIDES]
    assert texts.overrides(1 << 31) == ["code 2147483648 (newer firmware?)"]
    assert texts.overrides(0) == []
    assert "" not in code_names.override_names(mask)


def test_states_and_events():
    check_complete(texts.STATES, dict(zip(states.STATE_NAMES, states.STATES, strict=True)))
    check_complete(texts.STATE_EVENTS, dict(zip(states.EVENT_NAMES, states.EVENTS, strict=True)))


def test_faults_trips_and_alarms():
    check_complete(texts.FAULTS, {str(code): code for code in (0, *faults.FAULTS)})
    check_complete(texts.TRIPS, {str(code): code for code in faults.TRIPS})
    check_complete(texts.ALARMS, {str(code): code for code in faults.PRIORITY})


def test_event_codes():
    check_complete(record_texts._RENDERERS, {str(code): code for code in events.FIELDS})


def test_the_check_itself_can_fail():
    with pytest.raises(AssertionError, match="no sentence"):
        check_complete({0: "a"}, {"A": 0, "B": 1})
    with pytest.raises(AssertionError, match="share"):
        check_complete({0: "a", 1: "a"}, {"A": 0})


@pytest.mark.parametrize("table", [texts.RESULTS, texts.FAULTS, texts.ALARMS, texts.STATES, texts.TRIPS])
def test_an_unknown_code_says_so(table):
    assert texts.of(table, 250) == "code 250 (newer firmware?)"


@given(
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, (1 << 48) - 1),
    st.integers(0, (1 << 32) - 1),
    st.integers(0, (1 << 32) - 1),
)
def test_any_record_renders(code, detail, a, b, c):
    record = events.unpack_record(events.pack_record(1, 1, 1, code, a, b, c, detail))
    for step_pl in (None, 41_282_490_964):
        sentence = record_texts.record_sentence(record, step_pl)
        assert sentence
        assert "{" not in sentence
        if code not in events.FIELDS:
            assert "newer firmware?" in sentence


@given(st.integers(0, 255), st.integers(0, 255), st.integers(0, (1 << 32) - 1), st.integers(0, (1 << 32) - 1), st.booleans())
def test_any_answer_renders(result, reason, value, limit, replayed):
    sentence = record_texts.answer_sentence(Answer("bolus", 1, result, reason, value, limit, replayed))
    assert sentence.endswith(".")
    assert "{" not in sentence
    assert ("from memory" in sentence) == replayed


def test_a_lockout_says_how_long_to_wait():
    text = texts.reason(messages.LOCKOUT, 720_000, 7_200_000)
    assert "12 min" in text
    assert "2 h" in text
    assert "1 h 48 min" in text


def test_where_the_board_says_how_long_to_wait_that_is_the_hint():
    answer = Answer("bolus", 1, messages.REFUSED, messages.LOCKOUT, 2_100_000, 7_200_000, wait_ms=5_100_000)
    sentence = record_texts.answer_sentence(answer, at=" (at 14:05)")
    assert sentence == (
        "The bolus was refused: lockout, 35 min of 2 h have passed since the last bolus. "
        "It would be granted in 1 h 25 min (at 14:05)."
    )
    assert texts.reason(messages.WINDOW_1H, 2, 1, wait_ms=61_000).endswith("It would be granted in 1 min 1 s")


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (1, "1 s"),
        (60_001, "1 min 1 s"),
        (3_600_001, "1 h 1 min"),
        (3_600_000, "1 h"),
        (86_400_001, "1 d 1 h"),
        (172_799_999, "2 d"),
    ],
)
def test_a_wait_is_rounded_up(ms, text):
    assert texts.wait(ms) == text


@given(st.integers(0, 400_000_000))
def test_who_waits_as_long_as_told_does_not_come_too_early(ms):
    words = texts.wait(ms).split()
    sizes = {"d": 86_400_000, "h": 3_600_000, "min": 60_000, "s": 1000}
    told = sum(int(count) * sizes[unit] for count, unit in zip(words[::2], words[1::2], strict=True))
    assert ms <= told <= ms + 3_600_000


def test_a_duration_out_of_range_says_which_way():
    assert "at least 0.001 s. Give a longer one" in texts.reason(messages.DURATION, 0, 1)
    assert "5 h, at most 4 h. Give a shorter one" in texts.reason(messages.DURATION, 18_000_000, 14_400_000)


@pytest.mark.parametrize(
    ("code", "value", "limit", "words"),
    [
        (messages.ALARM, faults.A_RESERVOIR_EMPTY, 0, "an alarm is active: reservoir empty"),
        (messages.TITRATION, 600_000, 500_000, "0.6 mL/day, and within the titration window at most 0.5 mL/day"),
        (messages.HOLD_TOO_LONG, 7_200_000, 3_600_000, "hold of 2 h is longer than the program's longest, 1 h"),
        (messages.STROKE, 200, 150, "needs 200 steps and the screw has 150 steps left that way"),
        (messages.SETUP_VOLUME, 600_000, 500_000, "0.6 mL is more than the board file allows, 0.5 mL"),
        (messages.NOT_FITTED, 4, 0, "no home switch"),
        (messages.ESTOP, 0, 0, "emergency stop is pressed"),
    ],
)
def test_new_reasons_tell_value_limit_and_what_to_do(code, value, limit, words):
    text = texts.reason(code, value, limit)
    assert words in text
    assert ". " in text, "it says what to do"


def record(code, a=0, b=0, c=0, detail=0, step_pl=50_000_000_000):
    return record_texts.record_sentence(events.unpack_record(events.pack_record(1, 1, 1, code, a, b, c, detail)), step_pl)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (record(events.CLOCK, 1_795_231_961_000, 0, 0, 0), "wall clock set: 2026-11-21 03:32:41Z"),
        (record(events.CLOCK, 1_795_231_961_000, 3600, 0, 2), "wall clock set 1 h back: "),
        (record(events.OVERLAY, 9, 600_000, 7_200_000, basal.TEMP), "temporary rate: 0.6 mL/day for 2 h, id 9"),
        (record(events.OVERLAY, 9, 100_000, 0, basal.MINIMUM), "minimum rate: 0.1 mL/day, id 9"),
        (record(events.OVERLAY), "temporary or minimum rate ended"),
        (record(events.HOLD, 9, 1_800_000), "held for 30 min, id 9"),
        (record(events.HOLD, 9), "held until resumed, id 9"),
        (record(events.MOVE, 9, 200, 2000, 3 | ledger.M_DETACHED), "(purge, outlet disconnected) of 200 steps = 10 uL over 2 s"),
        (record(events.MOVE, 9, 200, 2000, 4 | ledger.M_REVERSE), "(search for home, backwards) of 200 steps"),
        (record(events.MOVE_END, 9, 200, 0, 1), "completed: 200 steps = 10 uL"),
        (record(events.MOVE_END, 9, 200, 80, 0), "ended early: 80 of 200 steps (4 uL) were not made"),
        (
            record(events.UNMET, 1, 5100, 3, messages.LOCKOUT),
            "refused (lockout); it would have been granted in 1 h 25 min; 3 refused",
        ),
        (record(events.UNMET, 1, 0, 3, messages.ALARM), "refused (alarm); 3 refused so far, by the button"),
        (record(events.INPUT, 0, 1, 0, events.IN_ESTOP), "emergency stop on"),
        (record(events.OVERRIDES, 9, 130, 0xABCD), "rate above soft high, own library; library entry 0000abcd"),
        (record(events.DIRECTION, 9, 0, 0, 0), "WRONG WAY"),
        (record(events.DIRECTION, 9, 0, 0, 1), "towards the outlet"),
        (record(events.GRANT, 1, 40_000, 600_000, messages.BY_BUTTON), "patient bolus granted: 40 uL over 10 min, by the button"),
        (record(events.RATE, 0, 480_000, 0, basal.WHY_NO_CLOCK), "safe rate, because the wall clock is unknown"),
        (record(events.RATE, 0, 480_000, 0, 99), "reason code 99 (newer firmware?)"),
        (record(events.DOSE, 100, 20, 5, 3 | ledger.M_DETACHED), "set-up motion (purge, outlet disconnected): moved to 5 uL"),
        (record(events.ALARM, 0, 900, 0, faults.A_HOLD_REMINDER), "(15 min, at "),
    ],
)
def test_records_of_the_full_day(text, words):
    assert words in text


def test_a_window_names_value_and_limit_in_volumes():
    assert "0.1 mL" in texts.reason(messages.WINDOW_1H, 100_000, 88_000)
    assert "88 uL" in texts.reason(messages.WINDOW_1H, 100_000, 88_000)


def test_a_refused_program_names_its_field():
    assert "limit_1h_nl" in texts.program_problem(7, 5, 10)
    assert "as a whole" in texts.program_problem(0, 5, 10)


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (0, "0 s"),
        (1, "0.001 s"),
        (59_999, "59.999 s"),
        (60_000, "1 min"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (90_061_000, "1 d 1 h"),
    ],
)
def test_durations(ms, text):
    assert texts.duration(ms) == text
