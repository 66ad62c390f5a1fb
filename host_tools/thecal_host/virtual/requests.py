"""The requests of control clients: what the bridge answers itself, what the world in the child answers, and what takes several
boots.

Invariant: every request gets exactly one answer (an advance also progress before it), and one that cannot be served gets a
sentence. While an advance runs, a second advance and files wait their turn; everything else is served, and speed and reset
end the advance.

    status state truth advance{ms} speed{value} inject{fault,value,at_ms|after_ms} press{input,value,at_ms|after_ms}
    reset quit
    power{cut: "now" | at_ms | after_ms | flash_op+phase+part} power{on, after_ms} files{op: list|read|put}
"""

import base64
from typing import Any

from thecal_host.virtual import board as vb
from thecal_host.virtual.board import VirtualDevice
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.image import Image
from thecal_host.virtual.lines import LineClosed, LineSocket

WORLD = ("state", "truth", "inject", "press", "advance", "power", "speed")
MEANWHILE = ("state", "truth", "inject", "press", "power", "speed", "reset")  # also served while an advance runs


class Request:
    """One question of one client, answered at most once."""

    def __init__(self, client: LineSocket, body: dict[str, Any]) -> None:
        self._client = client
        self.body = body
        self.cmd = str(body.get("cmd", ""))

    def _send(self, message: dict[str, Any]) -> None:
        message["id"] = self.body.get("id")
        try:
            self._client.send(message)
        except LineClosed:
            return  # its socket is found closed by the bridge

    def answer(self, message: dict[str, Any]) -> None:
        self._send({"ok": 1, **message})

    def refuse(self, sentence: str) -> None:
        self._send({"ok": 0, "error": sentence})

    def progress(self, message: dict[str, Any]) -> None:
        self._send({"progress": message})


class Requests:
    def __init__(self, device: VirtualDevice) -> None:
        self.device = device
        self.quit = False
        self._waiting: list[Request] = []  # for their turn
        self._asked: dict[int, Request] = {}  # of the world, by the number it was asked under
        self._number = 0
        self._advance: Request | None = None
        self._settling: list[Request] = []  # answered once the firmware is up or the REPL is there

    # from clients

    def handle(self, client: LineSocket, body: dict[str, Any]) -> None:
        request = Request(client, body)
        if request.cmd == "status":
            request.answer({"status": self.status()})
        elif request.cmd == "quit":
            self.quit = True
            request.answer({})
        else:
            self._waiting.append(request)
            self.go_on()

    def _next(self) -> Request | None:
        """The first that may be served now."""
        if not self._settling and self.device.phase != vb.BOOTING:
            for i, request in enumerate(self._waiting):
                if self._advance is None or request.cmd in MEANWHILE:
                    return self._waiting.pop(i)
        return None

    def go_on(self) -> None:
        """Serve what waits, as long as nothing under way has to end first."""
        while (request := self._next()) is not None:
            try:
                self._serve(request)
            except (VirtualError, ValueError, TypeError, KeyError) as e:
                request.refuse(str(e.args[0]) if e.args else "That request is incomplete.")

    def status(self) -> dict[str, Any]:
        d = self.device
        return {
            "phase": d.phase,
            "engine": d.engine,
            "speed": d.speed,
            "boots": d.boots,
            "seed": d.seed,
            "plant_heap": d.plant_heap,
            "heap_bytes": d.heap_bytes,
            "advancing": self._advance is not None,
        }

    def _ask(self, request: Request, message: dict[str, Any]) -> None:
        self._number += 1
        self._asked[self._number] = request
        assert self.device.child is not None
        self.device.child.tell({**message, "id": self._number})

    def _serve(self, request: Request) -> None:
        device = self.device
        body = request.body
        cmd = request.cmd
        if cmd == "files":
            self._files(request)
        elif cmd == "reset":
            if device.phase == vb.OFF:
                raise VirtualError("The board is off; switch its power on first.")
            device.pin_reset()
            if self._advance is not None:
                now = {name: device.saved.truth.get(name) for name in ("now_ms", "world_ms")}
                self._advance.answer({"stopped": 1, "reset": 1, **now})
                self._asked = {number: asked for number, asked in self._asked.items() if asked is not self._advance}
                self._advance = None
            self._settling.append(request)
        elif cmd not in WORLD:
            raise VirtualError(f"Unknown request '{cmd}'.")
        elif cmd == "power" and body.get("on"):
            self._power_on(request)
        elif cmd == "speed" and device.phase != vb.FIRMWARE:
            device.speed = _speed(body)
            request.answer({})
        elif device.phase == vb.FIRMWARE:
            self._to_world(request)
        elif device.phase == vb.OFF:
            self._while_off(request)
        else:
            self._at_repl(request)

    def _to_world(self, request: Request) -> None:
        body = dict(request.body)
        if request.cmd == "speed":
            self.device.speed = _speed(body)
        elif request.cmd == "power":
            body["cmd"] = "cut"
        elif request.cmd == "advance":
            self._advance = request
        self._ask(request, body)

    def _while_off(self, request: Request) -> None:
        saved = self.device.saved
        body = request.body
        if request.cmd == "advance":
            ms = int(body["ms"])
            if ms < 0:
                raise ValueError("Time does not run backwards.")
            saved.pass_time(ms)
            saved.write()
            request.answer({"now_ms": None, "world_ms": saved.world_us // 1000, "off": 1})
        elif request.cmd == "inject":
            if body.get("at_ms") is not None or body.get("after_ms") is not None:
                raise ValueError("The board is off; a fault for later can be planned once it is on.")
            request.answer({"faults": saved.inject(body["fault"], body.get("value"))})
        elif request.cmd == "press":
            if body.get("at_ms") is not None or body.get("after_ms") is not None:
                raise ValueError("The board is off; a switch can be moved later once it is on.")
            request.answer({"inputs": saved.press(body["input"], body.get("value"))})
        elif request.cmd == "power" and body.get("flash_op") is not None:
            saved.plan_flash_cut(int(body["flash_op"]), body.get("phase", "torn"), int(body.get("part", 500)))
            request.answer({"armed": 1})
        elif request.cmd == "power":
            raise VirtualError("The board is off already.")
        else:
            request.answer({request.cmd: {**saved.truth, "phase": vb.OFF, "live": 0}})

    def _at_repl(self, request: Request) -> None:
        saved = self.device.saved
        if request.cmd in ("truth", "state"):
            request.answer({request.cmd: {**saved.truth, "phase": vb.REPL, "live": 0}})
        elif request.cmd == "power" and request.body.get("cut") == "now":
            self.device.collect()
            self.device.power_off()
            request.answer({"cut": True, "now_ms": saved.truth.get("now_ms"), "world_ms": saved.world_us // 1000})
        else:
            raise VirtualError(
                "No firmware is running: the board is at its REPL, where time stands. Install firmware, or reset the board."
            )

    def _power_on(self, request: Request) -> None:
        if self.device.phase != vb.OFF:
            raise VirtualError("The board is on already.")
        after_ms = int(request.body.get("after_ms") or 0)
        if after_ms < 0:
            raise ValueError("Time does not run backwards.")
        self.device.saved.pass_time(after_ms)
        self.device.spawn(vb.CAUSE_POWER)
        self._settling.append(request)

    def _files(self, request: Request) -> None:
        """Read or write the flash from outside, with the board stopped for that moment (and reset after a write)."""
        device = self.device
        body = request.body
        was_on = device.phase != vb.OFF
        if was_on:
            device.collect()
        device.power_off()
        image = Image(path=device.image, flash_state=device.saved.dump.get("flash"))
        image.flash.plan_cut(0, "before")
        try:
            answer = _file_work(image, body)
        except OSError as e:
            answer = {"ok": 0, "error": f"The file system of the board: {e.strerror or e}."}
        finally:
            image.close()
        planned = device.saved.dump.get("flash", {})
        keep = {k: planned[k] for k in ("cut_in", "cut_part") if k in planned}
        device.saved.dump["flash"] = {**image.flash.dump(), **keep}
        device.saved.write()
        if was_on:
            device.spawn(vb.CAUSE_COMMANDED)
        request.answer(answer)

    # from the device

    def on_event(self, message: dict[str, Any]) -> None:
        if "re" in message:
            self._on_answer(message)
        elif message.get("ev") == "progress" and self._advance is not None:
            self._advance.progress({"now_ms": message["now_ms"], "world_ms": message["world_ms"]})
        elif message.get("ev") == "settled":
            self._on_settled()
        elif message.get("ev") == "off":
            self._on_off(message)
        self.go_on()

    def _on_answer(self, message: dict[str, Any]) -> None:
        request = self._asked.pop(int(message.pop("re")), None)
        if request is None:
            return
        if request is self._advance:
            self._advance = None
            if self.device.speed and self.device.child is not None:  # back to the speed there was
                self.device.child.tell({"cmd": "speed", "value": self.device.speed, "id": 0})
        if message.pop("ok", 0):
            request.answer(message)
        else:
            request.refuse(str(message.get("error", "The board refused.")))

    def _ask_again(self) -> None:
        """What the boot that ended had not answered, it had not done: back to the front of the queue."""
        lost = [request for _, request in sorted(self._asked.items()) if request is not self._advance]
        self._asked.clear()
        self._waiting = lost + self._waiting

    def _on_settled(self) -> None:
        """The firmware is up, or the REPL is there: whoever waited for that has an answer, and an advance goes on."""
        device = self.device
        for request in self._settling:
            request.answer({"phase": device.phase, "world_ms": device.saved.world_us // 1000})
        self._settling.clear()
        advance, left_us = self._advance, device.left_us
        self._ask_again()
        if advance is None:
            return
        if device.phase == vb.FIRMWARE and left_us is not None:
            device.left_us = None
            self._ask(advance, {"cmd": "advance", "us": left_us})
        else:
            self._advance = None
            advance.refuse(
                "The firmware stopped on the way: the board is at its REPL, where time stands. Its serial line has the reason."
            )

    def _on_off(self, message: dict[str, Any]) -> None:
        now = {"cut": True, "now_ms": message["now_ms"], "world_ms": message["world_ms"]}
        for number, request in list(self._asked.items()):
            if request is self._advance or request.cmd == "power":
                request.answer(now)
                del self._asked[number]
        self._ask_again()
        for request in self._settling:
            request.refuse("The board went off while it started.")
        self._settling.clear()
        self._advance = None


def _speed(body: dict[str, Any]) -> int:
    value = int(body["value"])
    if not -1 <= value <= 1_000_000:
        raise ValueError(f"Speed is 0 (paused), 1 to 1000000, or -1 (as fast as the machine allows), not {value}.")
    return value


def _file_work(image: Image, body: dict[str, Any]) -> dict[str, Any]:
    op = body.get("op")
    if op == "list":
        return {"files": {path: image.fs.stat(path)[6] for path in image.walk()}}
    if op == "read":
        return {"data": base64.b64encode(image.read(str(body["path"]))).decode()}
    if op == "put":
        files: dict[str, str] = body.get("files") or {}
        for path in sorted(files):
            image.write(path, base64.b64decode(files[path]))
        for path in body.get("remove") or []:
            image.fs.remove(path)
        return {"written": len(files)}
    raise VirtualError(f"files takes list, read or put, not '{op}'.")
