"""Counts of one flash chip, and the moment at which its power goes: shared by the VM's block device and the host's image.

Invariant: every program and every erase passes `gate` before it touches the medium, so an operation is counted exactly once and
a cut at the n-th one leaves exactly n - 1 complete operations (and a prefix of the n-th, for "torn").
"""

from array import array

PHASES = ("before", "torn", "after")
GO = -1


class Flash:
    def __init__(self, blocks: int, state: "dict | None" = None) -> None:
        self.progs = 0
        self.erases = array("I", [0] * blocks)
        self.cut_in = 0  # operations until the cut; 0: none planned
        self.cut_part = 0
        self.dead = False
        if state:
            self.progs = state.get("progs", 0)
            for i, n in enumerate(state.get("erases", ())):
                if i < blocks:
                    self.erases[i] = n
            self.cut_in = state.get("cut_in", 0)
            self.cut_part = state.get("cut_part", 0)

    def plan_cut(self, operation: int, phase: str, part: int = 500) -> None:
        """Cut the power at the `operation`-th program or erase from now (1 is the next), before it, after it, or with `part` per
        mille of it done. Operation 0 takes a plan back. Raises ValueError with a sentence."""
        if phase not in PHASES:
            raise ValueError("phase is before, torn or after, not '%s'" % phase)
        if operation < 0:
            raise ValueError("flash_op counts from 1, not %d" % operation)
        self.cut_in = operation
        self.cut_part = 0 if phase == "before" else 1000 if phase == "after" else min(max(part, 0), 1000)

    def gate(self, block: int, erase: bool) -> int:
        """Count one operation. Returns GO, or the per mille of it to carry out before power is gone (then `dead`)."""
        part = GO
        if self.cut_in:
            self.cut_in -= 1
            if self.cut_in == 0:
                part = self.cut_part
                self.dead = True
        if part != 0:
            if erase:
                self.erases[block] += 1
            else:
                self.progs += 1
        return part

    def truth(self) -> "dict[str, int]":
        erases = sum(self.erases)
        return {"erases": erases, "progs": self.progs, "ops": erases + self.progs, "max_erases_block": max(self.erases)}

    def dump(self) -> "dict":
        return {"progs": self.progs, "erases": list(self.erases), "cut_in": self.cut_in, "cut_part": self.cut_part}
