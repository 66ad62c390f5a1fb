"""Boluses: the one way from a wish, whoever has it, to a grant. Invariant: clinician, patient and button pass the same chain; a
refusal says its reason and how long to wait; what a patient asked for and did not get is counted and logged (SR-03).
"""

from thecal.core import events, gate, states
from thecal.core import messages as m
from thecal.core.compat import const
from thecal.core.ledger import Grant
from thecal.core.waiting import wait_ms
from thecal.services.activation import refuse_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal.services.activation import Result
    from thecal.services.pump import Pump

UNMET_MS = const(60_000)  # refused presses of the button are logged at most so often; the count says how many there were


class Boluses:
    """Judges bolus requests; the caller commits a grant and tells delivery."""

    def __init__(self, pump: "Pump") -> None:
        self._pump = pump
        self.wait_ms = 0  # until the bolus refused last would be granted, 0: waiting does not help
        self._logged_ms = -UNMET_MS

    def ask(self, now_ms: int, command_id: int, source: int, volume_nl: int, duration_ms: int) -> "Result":
        """The answer to a wish; where it is OK the ledger holds the promise, not yet durable."""
        pump = self._pump
        self.wait_ms = 0
        result = self._judge(now_ms, source, volume_nl, duration_ms)
        if result[0] == m.OK:
            pump.ledger.promise(now_ms, Grant(command_id, now_ms, result[2], duration_ms, source))
        elif source != m.BY_CLINICIAN:
            pump.unmet = min(pump.unmet + 1, 0xFFFFFFFF)
            if source == m.BY_PATIENT or now_ms - self._logged_ms >= UNMET_MS:
                self._logged_ms = now_ms
                wait_s = -(-self.wait_ms // 1000)
                pump.journal.write(now_ms, events.UNMET, command_id, wait_s, pump.unmet, result[1])
        return result

    def patient(self, now_ms: int, command_id: int, source: int) -> "Result":
        """The program's own patient bolus."""
        fields = self._pump.fields
        if fields is None:
            return self.ask(now_ms, command_id, source, 0, 0)
        return self.ask(now_ms, command_id, source, fields["patient_bolus_nl"], fields["patient_bolus_ms"])

    def _judge(self, now_ms: int, source: int, volume_nl: int, duration_ms: int) -> "Result":
        pump = self._pump
        if pump.fields is None:
            return m.REFUSED, m.NO_PROGRAM, 0, 0
        if not pump.allows(states.E_BOLUS):
            return refuse_state(pump)
        if source != m.BY_CLINICIAN and not volume_nl:
            return m.REFUSED, m.NOT_OFFERED, 0, 0
        if duration_ms == 0:
            return m.REFUSED, m.DURATION, 0, 1
        wish = gate.Wish(gate.BOLUS, volume_nl=volume_nl, duration_ms=duration_ms)
        situation = pump.situation(now_ms)
        verdict = gate.judge(situation, wish)
        if verdict.allowed == verdict.asked:
            return m.OK, m.NONE, volume_nl, 0
        self.wait_ms = max(0, wait_ms(situation, wish))
        reason, value, limit = verdict.first()
        return m.REFUSED, reason, min(value, 0xFFFFFFFF), min(limit, 0xFFFFFFFF)
