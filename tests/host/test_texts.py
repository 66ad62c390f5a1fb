"""Every code of the core has a sentence of its own, and a code nobody knows is shown as such."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thecal.core import events, faults, messages, states
from thecal_host import record_texts, texts
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
NOT_REASONS = (
    *RESULTS,
    "U8",
    "U32",
    "BOLUS_MS_MAX",
    "RESULT_MAX",
    "ID_RANDOM_BITS",
    "ID_STEP_MAX",
    "ID_MAX",
    "LOG_TRAIN_FRAMES",
    "LOG_RECORDS_PER_FRAME",
)


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
    check_complete(texts.REASONS, codes(messages, lambda name: name not in NOT_REASONS and not name.startswith("BLOB")))


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
