"""The monitor exercised with a fixed integer generator; prints one digest per part. Run by CPython and by the MicroPython VM:
the lines must be the same. Only what both understand: no typing, no dict order, no numbers from the host."""

from thecal.monitor.intent import read_history, read_intent, read_mode
from thecal.monitor.limits import crc16, decode, entry, little
from thecal.monitor.watch import Monitor

MONDAY = 1_767_571_200_000


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
    return (total * 1_000_003 + value + 1) % 1_000_000_007


def crc32(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _bit in range(8):
            crc = (crc >> 1) ^ (0xEDB88320 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def limits_file(r, count, crc):
    body = bytearray(b"TM\x02\x0f") + crc.to_bytes(4, "little") + (10**9).to_bytes(8, "little")
    for most in (90_000, 200_000, 700_000, 40_000, 9_000, 3_000, 2_000):
        body += most.to_bytes(4, "little")
    body += (600 + r.below(1681)).to_bytes(2, "little") + count.to_bytes(2, "little")
    for k in range(count):
        body += (k * 30 + (r.below(30) if k else 0)).to_bytes(2, "little") + (100 + r.below(8_000)).to_bytes(3, "little")
    both = bytes(body) + bytes(byte ^ 0xFF for byte in body)
    return both + crc16(both).to_bytes(2, "little")


def ledger_file(now, settled, intent, begun, overlay, setup, motion, nl, state):
    raw = bytearray(390)
    raw[:4] = b"TL\x02" + bytes([state])
    for at, width, value in (
        (8, 6, now),
        (22, 6, settled),
        (28, 6, intent),
        (48, 6, begun),
        (60, 1, overlay),
        (87, 6, setup),
        (105, 1, motion),
        (309, 4, nl),
    ):
        raw[at : at + width] = value.to_bytes(width, "little")
    for at in range(107, 272):
        raw[at] = (now >> 8 & 3) if at % 3 == 2 else 0
    return bytes(raw) + crc32(raw).to_bytes(4, "little")


def tables():
    r = Random(1)
    total = 0
    for count in (0, 1, 2, 77, 336):
        blob = limits_file(r, count, r.below(1 << 30))
        limits = decode(blob)
        for key in sorted(limits):
            total = fold(total, limits[key])
        for _turn in range(60 if count else 0):
            for value in entry(blob, count, r.below(10_080)):
                total = fold(total, value)
        broken = bytearray(blob)
        broken[r.below(len(blob))] ^= 1 << r.below(8)
        total = fold(total, 1 if decode(bytes(broken)) is None else 2)
    return total


def ledgers():
    r = Random(2)
    total = 0
    for _turn in range(20):
        now = r.below(1 << 31)
        settled, intent, begun = r.below(99), r.below(1 << 31), now // 2
        raw = ledger_file(now, settled, intent, begun, r.below(4), r.below(77), r.below(64), r.below(2), r.below(9))
        for value in read_intent(raw) + read_mode(raw):
            total = fold(total, int(value))
        total = fold(total, sum(read_history(raw).values()))
    return fold(total, little(b"\xff" * 8, 0, 8))


def days(seed):
    """Three days of a pump that goes mad now and then; every trip, budget and sum is folded in."""
    r = Random(seed)
    files = {"/monitor.a": limits_file(r, 336, 7), "/monitor.b": limits_file(r, 9, 8), "/ledger": b""}
    state = {"edges": 0, "ahead": -1}

    class Counter:
        def read(self):
            return state["edges"]

    def wall(now):
        return now + state["ahead"] if state["ahead"] >= 0 else -1

    monitor = Monitor(lambda path: files[path], Counter(), lambda: None, lambda path, data: None, wall)
    now = r.below(86_400_000)
    files["/ledger"] = ledger_file(now, 0, 0, 0, 0, 0, 0, 0, 4)
    total = fold(0, 1 if monitor.load(7) and monitor.begin(now) else 2)
    for turn in range(1500):
        now += 1 + r.below(180_000)
        state["edges"] += r.below(60) if r.below(40) else r.below(3000)
        act = r.below(60)
        if act == 0:
            state["ahead"] = MONDAY + r.below(1 << 29)
        elif act == 1:
            state["ahead"] = -1
        elif act == 2:
            monitor.load(7 + turn % 2, 7)
        if act % 9 == 0:
            edges = state["edges"]
            motion = r.below(64) if act == 9 else 0
            promised = 1 if act == 18 else 0
            files["/ledger"] = ledger_file(now, 0, edges + 5_000, now // 2, r.below(4), turn, motion, promised, 3 + r.below(2))
        total = fold(fold(total, monitor.poll(now)), monitor.budget())
        if monitor.tripped:
            total = fold(total, monitor.tripped)
            monitor.tripped = 0
            monitor.begin(now)
    return total


print("tables", tables())
print("ledgers", ledgers())
for number in range(3, 6):
    print("days", number, days(number))
