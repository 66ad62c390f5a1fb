"""The state of a board that outlives its processes: its unique id and the last dump of its world, kept beside the flash image.

Invariant: the file is written in one step, and only ever describes the image it lies beside; a blank image starts a new world
with an id of its own, which never changes after.
"""

import json
import secrets
from pathlib import Path
from typing import Any

from thecal_host.virtual import rom

rom.make_importable()

from thecal_twin.faults import check  # noqa: E402
from thecal_twin.flash import Flash  # noqa: E402
from thecal_twin.inputs import BITS, BUTTON, ESTOP  # noqa: E402
from thecal_twin.inputs import check as check_input  # noqa: E402


class SavedWorld:
    """What the next boot starts from."""

    def __init__(self, image: Path, fresh: bool) -> None:
        self._path = image.with_name(image.name + ".state.json")
        self.dump: dict[str, Any] = {}
        self.truth: dict[str, Any] = {}
        self.uid = ""  # 8 bytes in hex; "" for an image from before images had ids: it keeps the one that follows from the seed
        if fresh:
            self.uid = secrets.token_hex(8)
            self.write()
        else:
            try:
                data = json.loads(self._path.read_text())
                self.uid = bytes.fromhex(data.get("uid", "")).hex()
                self.dump, self.truth = dict(data["dump"]), dict(data["truth"])
            except (OSError, ValueError, KeyError, TypeError, AttributeError):
                self.dump, self.truth = {}, {}

    def take(self, message: dict[str, Any]) -> None:
        """Remember the dump and truth of an event, if it has them."""
        if "dump" in message:
            self.dump = message["dump"]
            self.truth = message.get("truth", {})

    def write(self) -> None:
        tmp = self._path.with_name(self._path.name + ".tmp")
        tmp.write_text(json.dumps({"dump": self.dump, "truth": self.truth, "uid": self.uid}, sort_keys=True))
        tmp.replace(self._path)

    @property
    def world_us(self) -> int:
        return int(self.dump.get("world_us", 0))

    def pass_time(self, ms: int) -> None:
        """The world goes on while the board has no power."""
        self.dump["world_us"] = self.world_us + ms * 1000
        self.truth["world_ms"] = self.dump["world_us"] // 1000

    def lose_power(self) -> None:
        """What does not survive without power: pins, the scratch flag, an armed cut that has not come, a hung CPU."""
        self.dump.update(en=0, flag=0)
        self.truth["en"] = 0
        self.dump["cut_us"] = None
        faults = self.dump.get("faults", {})
        faults.pop("hang", None)

    def inject(self, name: str, value: int | None) -> dict[str, int]:
        """Break something while the board is off. Raises ValueError with a sentence."""
        value = check(name, value)
        faults = {} if name == "clear" else dict(self.dump.get("faults", {}))
        if value:
            faults[name] = value
        else:
            faults.pop(name, None)
        self.dump["faults"] = faults
        return faults

    def press(self, name: str, value: int | None) -> dict[str, int | None]:
        """Move a switch while the board is off. Returns all of them; raises ValueError with a sentence."""
        seen: dict[str, int | None] = dict(self.truth.get("inputs") or {})
        value = check_input(name, value, sum(bit for known, bit in BITS if seen.get(known) is not None))
        held = int(self.dump.get("inputs", 0))
        bit = BUTTON if name == "button" else ESTOP
        self.dump["inputs"] = held | bit if value else held & ~bit
        if name == "button" and value:
            pending = [step for step in self.dump.get("pending", []) if step[1] != "button" or step[2]]
            pending.append([self.world_us + value * 1000, "button", 0])
            self.dump["pending"] = sorted(pending, key=lambda step: step[0])
        seen[name] = 1 if value else 0
        self.truth["inputs"] = seen
        return seen

    def plan_flash_cut(self, operation: int, phase: str, part: int) -> None:
        """Arm a cut at the n-th flash operation of the next boot. Raises ValueError with a sentence."""
        flash = Flash(0, None)
        flash.plan_cut(operation, phase, part)
        self.dump.setdefault("flash", {}).update(cut_in=flash.cut_in, cut_part=flash.cut_part)
