"""The firmware on real MicroPython for the RP2040: it boots, passes its self-test with real PIO programs and jumpers, delivers,
and hands back its log. `make emulate PICO_UF2=...` runs it on a stock image in rp2040py (about ten minutes).

THECAL_PICO=PORT takes a board on that port instead and flashes it first: a Pico on the bench *with its two jumpers and no
motor*, or another emulator; then 100 leases are delivered.
"""

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from emulator.emulated_pico import EmulatedPico
from harness import program

from thecal.core import events, messages, states
from thecal.core.codec import crc32
from thecal.core.prescription import pack, program_crc
from thecal_host import monitor_limits
from thecal_host.flashing.run import flash
from thecal_host.link.client import Client
from thecal_host.link.types import Status

pytestmark = [pytest.mark.emulator, pytest.mark.timeout(3600)]  # the emulated chip is that slow

LOOP_TEST_EDGES = 8
HEAP_TARGET_BYTES = 100_000
START_TARGET_MS = 3000
STEPS_PER_S = 50  # of the program below


@dataclass
class Subject:
    """The board under test; `pico` is None when it is not ours."""

    client: Client
    pico: "EmulatedPico | None"
    leases: int


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Subject]:
    port = os.environ.get("THECAL_PICO", "")
    uf2 = os.environ.get("PICO_UF2", "")
    if port:
        flash(port, "rpi_pico", nothing_delivered=True, force=True)
        with Client(port) as client:
            yield Subject(client, None, 100)
        return
    if not uf2:
        pytest.fail("Say where a stock MicroPython image for the Pico is: make emulate PICO_UF2=/path/to/RPI_PICO.uf2")
    with EmulatedPico(Path(uf2), tmp_path_factory.mktemp("pico")) as pico:
        client = pico.connect()
        try:
            yield Subject(client, pico, 2)
        finally:
            client.close()


def when(client: Client, wanted: str, met: "object", most_s: float) -> Status:
    """The status once `met(status)`; AssertionError naming `wanted` when that takes longer than `most_s`."""
    until = time.monotonic() + most_s
    while True:
        status = client.status()
        if met(status):  # type: ignore[operator]
            return status
        assert time.monotonic() < until, f"never {wanted}: {status}"
        time.sleep(0.2)


def test_it_passes_its_self_test_and_leaves_room(subject: Subject) -> None:
    status = subject.client.status()
    assert status.fault == 0
    assert status.state in (states.UNPROVISIONED, states.OFF)
    assert status.heap_free_bytes >= HEAP_TARGET_BYTES
    assert status.edges == 0
    if subject.pico is not None:
        assert subject.pico.steps() == (LOOP_TEST_EDGES, 0), "the self-test pulses with EN off"


def test_it_delivers_what_it_permits_and_nothing_else(subject: Subject) -> None:
    client = subject.client
    if client.status().state == states.UNPROVISIONED:
        assert client.provision(True).ok
    fields = program(
        rate_nl_per_day=180_000_000,
        max_rate_nl_per_day=180_000_000,
        limit_1h_nl=10_000_000,
        limit_4h_nl=40_000_000,
        limit_24h_nl=200_000_000,
    )
    blob = pack(fields)
    limits = monitor_limits.encode(fields, program_crc(blob))
    client.stage(messages.BLOB_PROGRAM, blob)
    client.stage(messages.BLOB_MONITOR, limits)
    assert client.activate(program_crc(blob), crc32(limits)).ok
    assert client.start().ok
    least = STEPS_PER_S * subject.leases
    when(client, f"{least} steps", lambda status: status.edges >= least, 1800)
    assert client.stop().ok
    status = when(client, "at rest", lambda status: status.min_nl == status.max_nl, 600)
    assert status.fault == 0
    assert status.edges == status.permitted_steps >= least
    if subject.pico is not None:
        assert subject.pico.steps() == (LOOP_TEST_EDGES, status.permitted_steps)


def test_its_log_tells_the_story(subject: Subject) -> None:
    raws = list(subject.client.pull_log())
    records = [record for raw in raws if (record := events.unpack_record(raw)) is not None]
    assert len(records) == len(raws) > 5
    assert [record.seq for record in records] == list(range(records[0].seq, records[0].seq + len(records)))
    codes = {record.code for record in records}
    assert {events.BOOT, events.SELFTEST, events.STATE, events.COMMAND, events.ACTIVATED, events.DOSE} <= codes
    selftests = [record for record in records if record.code == events.SELFTEST]
    assert selftests[0].a == 0, f"class A failures: {selftests[0].a:b}"
    assert selftests[0].t_ms <= START_TARGET_MS  # board time of a new board runs from its first boot
