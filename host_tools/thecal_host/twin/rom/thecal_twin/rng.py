"""Random numbers for the plant: integers only, the same on every interpreter, and a pure function of (seed, channel, time).

Invariant: no hidden state. A sensor read twice at one instant gives one value, and looking at a sensor never changes a later one.
"""

MASK = 0xFFFFFFFF


def mix(value: int) -> int:
    """Scramble a non-negative integer into 32 bits (two xorshift-multiply rounds; constants of the `lowbias32` hash)."""
    x = (value ^ (value >> 32)) & MASK
    x = ((x ^ (x >> 16)) * 0x7FEB352D) & MASK
    x = ((x ^ (x >> 15)) * 0x846CA68B) & MASK
    return x ^ (x >> 16)


def noise(seed: int, channel: int, t_ms: int, amplitude: int) -> int:
    """Triangular noise in [-amplitude, amplitude] for one channel at one millisecond; 0 for an amplitude of 0."""
    if amplitude <= 0:
        return 0
    h = mix(mix(seed + channel * 0x9E3779B1) + t_ms)
    width = amplitude + 1
    return (h & 0xFFFF) * width // 0x10000 - (h >> 16) * width // 0x10000
