"""The virtual clock: time moves only inside `wait`, and only as far as the mode allows.

    PAUSED   time stands; serial and control are served
    SPEED    N times real time; serial and control are served; never past what the firmware is waiting for, so never late
    ADVANCE  jumps from due moment to due moment up to a target; serial is not read, so a host can act only at exact moments
    FREE     jumps without a target ("max"); serial and control are looked at between jumps

A change of an input ends a wait at its very microsecond, in every mode.

Invariant: what the firmware sees in ADVANCE depends on the sequence of targets and on nothing else: no wall clock, no host load.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal_twin.chip import World

PAUSED = 0
SPEED = 1
ADVANCE = 2
FREE = 3

SERIAL = 1
CONTROL = 2

SPINS = 1000  # a loop that asks for the past this often in a row burns a millisecond each time: no real chip is infinitely fast
LOOK_EVERY = 256  # jumps between two looks at the wall clock
FAR_MS = 1 << 50


class Clock:
    """Seam `Clock`."""

    def __init__(self, world: "World") -> None:
        self._w = world
        self._spins = 0
        self._jumps = 0
        self._v0 = 0
        self._wall0 = 0

    def now_ms(self) -> int:
        return self._w.now // 1000

    def now_us(self) -> int:
        return self._w.now

    def wait(self, due_ms: int) -> None:
        """Idle until `due_ms`, serial input or a change of an input; also the only place where the host's commands are served."""
        w = self._w
        due = due_ms * 1000
        now = w.now
        if not w.up:
            if w.ports is not None and not w.serial.shut and w.pulser.busy():
                w.go(due if due > now else now)  # a self-test before the REPL is shut: nobody can act yet, in no mode
                return
            w.came_up()
        if w.wake and not w.hang:
            w.wake = False
            return
        if due > now:
            self._spins = 0
        else:
            self._spins += 1
            if self._spins > SPINS:
                due = now + 1000
        if w.hang:
            self._hang()
            return
        if w.mode == ADVANCE:
            target = w.target
            if now < target:
                if due > now:
                    w.run(due if due < target else target)
                    w.wake = False
                    self._jumps += 1
                    if self._jumps >= LOOK_EVERY:
                        self._jumps = 0
                        w.progress()
                return
            if due <= now:
                return
            w.arrived()
        self._idle(due)
        w.wake = False

    def rebase(self) -> None:
        """Virtual and wall time agree from here on (SPEED)."""
        self._v0 = self._w.now
        self._wall0 = self._w.ports.wall_us()

    def _wall_now(self) -> int:
        w = self._w
        t = self._v0 + (w.ports.wall_us() - self._wall0) * w.speed
        if t - w.now > 2_000_000 * w.speed:  # far behind (a suspended computer): slip instead of racing
            self.rebase()
            t = w.now
        return t

    def _idle(self, due: int) -> None:
        w = self._w
        ports = w.ports
        if ports is None:
            w.idle_in_process(due)
            return
        while True:
            mode = w.mode
            if mode == ADVANCE:
                return
            if due <= w.now or mode == FREE:
                timeout = 0
            elif mode == SPEED:
                t = self._wall_now()
                if t > w.now:
                    w.run(t if t < due else due)
                if t >= due or w.wake:
                    return
                timeout = (due - w.now) // (1000 * w.speed) + 1
                if timeout > 1000:
                    timeout = 1000
            else:
                timeout = -1
            what = ports.poll(timeout, not w.hang)
            if what & CONTROL:
                w.command()
                if due <= w.now or w.wake:
                    return
                continue
            if what & SERIAL:
                return
            if due <= w.now:
                return
            if mode == FREE:
                w.run(due)
                return

    def _hang(self) -> None:
        """The fault "hang": hardware and watchdog go on, the loop does not come back until the fault is repaired."""
        w = self._w
        while w.hang:
            w.wake = False  # nobody is there to be woken
            if w.mode == ADVANCE:
                if w.now < w.target:
                    w.go(w.target)
                w.arrived()
            elif w.mode == PAUSED:
                if w.ports is None:
                    w.idle_in_process(FAR_MS)
                    continue
                w.ports.poll(-1, False)
                w.command()
            else:
                self._idle(w.now + 1_000_000)
