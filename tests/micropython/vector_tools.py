"""A fixed integer generator and a running digest, for the vectors that both interpreters compute."""


class Random:
    """xorshift32: the same numbers everywhere."""

    def __init__(self, seed):
        self.x = seed

    def below(self, n):
        x = self.x
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        self.x = x
        return x % n


def fold(total, value):
    return (total * 1000003 + value) % (1 << 61)
