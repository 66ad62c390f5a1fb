"""The step generator: plays one finite batch of edges against the virtual clock, in bulk arithmetic instead of one event per
edge.

Invariant: a batch of `count` pulses yields exactly `count` edges, edge i at t_first + i (t_last - t_first) // (count - 1) us,
whatever the steps in which the clock moves; nothing after `abort`, and none within the microsecond after DIR changed.
"""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from thecal_twin.wiring import Wiring


class Pulser:
    """Seam `Pulser`. `emit(edges)` and `end(t_first_us, t_last_us)` of the world are called as edges happen."""

    def __init__(self, world: "Wiring") -> None:
        self._w = world
        self.count = 0
        self.done = 0
        self.first = 0
        self.span = 0

    def start(self, count: int, t_first_us: int, t_last_us: int) -> None:
        """Load a batch. A first edge in the past moves the whole batch to now. Raises ValueError or RuntimeError on misuse."""
        w = self._w
        w.check_alive()
        if self.done < self.count:
            raise RuntimeError("pulser busy")
        if count < 1 or t_last_us < t_first_us:
            raise ValueError("pulser batch")
        now = w.now
        self.span = t_last_us - t_first_us if count > 1 else 0
        self.first = t_first_us if t_first_us > now else now
        if self.first == w.turned:
            self.first += 1  # the driver chip needs up to 650 ns from DIR to STEP
        self.count = count
        self.done = 0
        if self.first == now:
            self.play(now)
        w.watch_home()

    def play(self, t_us: int) -> None:
        """Emit every edge due up to and including `t_us`."""
        d = t_us - self.first
        if d < 0:
            return
        span = self.span
        count = self.count
        n = count if d >= span else ((d + 1) * (count - 1) - 1) // span + 1
        fresh = n - self.done
        if fresh > 0:
            self.done = n
            self._w.emit(fresh)
        if n == count:
            self._w.end_of_batch(self.first, self.first + span)

    def time_of(self, index: int) -> int:
        """When edge `index` (0 is the first) of the batch comes, boot us."""
        return self.first + index * self.span // (self.count - 1) if index else self.first

    def busy(self) -> bool:
        return self.done < self.count

    def abort(self) -> None:
        """Drop the rest of the batch."""
        if self.done < self.count:
            self.count = self.done
            self._w.end_of_batch(self.first, self._w.now)
