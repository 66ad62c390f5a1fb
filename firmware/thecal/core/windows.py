"""Rolling volume windows (1 h, 4 h, 24 h) as rings of buckets in steps. Invariant: the count of a window is never less than the
steps that fell into it: a bucket counts until it has wholly left, so a window of W sees up to W + one bucket.

Time is the board's own (shortest possible) time in ms; it never runs backwards. Steps, not nL: what the motor did, whatever for.
"""

from thecal.core.codec import U8, U24, CodecError, get, put
from thecal.core.compat import const

# (bucket length in ms, buckets inside the window). One more bucket is kept: the one now being filled.
RINGS = ((300_000, 12), (900_000, 16), (3_600_000, 24))
RING_1H = const(0)
RING_4H = const(1)
RING_24H = const(2)
PACKED_BYTES = 3 * (13 + 17 + 25) + 25


class Windows:
    """Three rings. `sums[k]` is the running sum of ring k in steps."""

    def __init__(self) -> None:
        self.rings = [[0] * (count + 1) for _length, count in RINGS]
        self.sums = [0, 0, 0]
        self._index = [0, 0, 0]
        self.bolus_counts = [0] * (RINGS[RING_24H][1] + 1)  # boluses begun, by the buckets of the 24 h ring

    def roll(self, now_ms: int) -> None:
        """Empty the buckets that have wholly left by `now_ms`."""
        for k in range(3):
            length, count = RINGS[k]
            index = now_ms // length
            gone = index - self._index[k]
            if gone <= 0:
                continue
            ring = self.rings[k]
            size = count + 1
            if gone > size:
                gone = size
            for back in range(gone):
                slot = (index - back) % size
                self.sums[k] -= ring[slot]
                ring[slot] = 0
                if k == RING_24H:
                    self.bolus_counts[slot] = 0
            self._index[k] = index

    def add(self, now_ms: int, steps: int) -> None:
        """Count `steps` >= 0 as delivered at `now_ms`. CodecError when a bucket would overflow its 24 bits."""
        self.roll(now_ms)
        for k in range(3):
            ring = self.rings[k]
            slot = self._index[k] % len(ring)
            total = ring[slot] + steps
            if steps < 0 or total > U24:
                raise CodecError("window", total, 0, U24)
            ring[slot] = total
            self.sums[k] += steps

    def fill(self, now_ms: int, steps_each: "tuple[int, int, int]") -> None:
        """Make every window full as if `steps_each` had just been delivered (provisioning of a board with unknown history)."""
        self.roll(now_ms)
        for k in range(3):
            ring = self.rings[k]
            slot = self._index[k] % len(ring)
            self.sums[k] += steps_each[k] - ring[slot]
            ring[slot] = steps_each[k]

    def still_in(self, k: int, now_ms: int, ahead_ms: int) -> int:
        """Steps of ring k that still count in the window ending `ahead_ms` after `now_ms`, with no new delivery."""
        length, count = RINGS[k]
        ring = self.rings[k]
        first = (now_ms + ahead_ms) // length - count
        total = 0
        for index in range(max(first, self._index[k] - count), self._index[k] + 1):
            total += ring[index % (count + 1)]
        return total

    def newest(self, k: int) -> int:
        """Number of the bucket of ring k that is being filled."""
        return self._index[k]

    def count_bolus(self, now_ms: int) -> None:
        """One more bolus begun at `now_ms`."""
        self.roll(now_ms)
        slot = self._index[RING_24H] % len(self.bolus_counts)
        self.bolus_counts[slot] = min(self.bolus_counts[slot] + 1, U8)

    def boluses_24h(self) -> int:
        """Boluses begun in the last 24 h (and up to one bucket more)."""
        return sum(self.bolus_counts)

    def pack(self, out: bytearray) -> None:
        """Append PACKED_BYTES bytes: every bucket as 24 bits, ring by ring, slot by slot; then the bolus counts, 8 bits each."""
        for ring in self.rings:
            for steps in ring:
                put(out, "window", steps, 3)
        for count in self.bolus_counts:
            put(out, "boluses", count, 1)

    def load(self, data: bytes, offset: int, now_ms: int) -> None:
        """The inverse of `pack`; the buckets belong to the time `now_ms` at which they were packed."""
        for k in range(3):
            ring = self.rings[k]
            total = 0
            for slot in range(len(ring)):
                ring[slot] = get(data, offset, 3)
                total += ring[slot]
                offset += 3
            self.sums[k] = total
            self._index[k] = now_ms // RINGS[k][0]
        for slot in range(len(self.bolus_counts)):
            self.bolus_counts[slot] = get(data, offset + slot, 1)
