"""The process of one running virtual board: a single-threaded loop between the child, the serial ports and the control clients.

Invariant: nothing in the loop blocks on a client, and the world's state is on disk before the process ends, however it is asked
to.
"""

import contextlib
import json
import os
import secrets
import selectors
import signal
import socket
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from thecal_host.virtual import registry
from thecal_host.virtual.board import CAUSE_POWER, VirtualDevice
from thecal_host.virtual.child import Child
from thecal_host.virtual.endpoints import Endpoint, Pty, TcpPort
from thecal_host.virtual.errors import VirtualError
from thecal_host.virtual.image import create
from thecal_host.virtual.lines import LineClosed, LineSocket
from thecal_host.virtual.requests import Requests

TICK_S = 0.02  # while something waits for its moment
IDLE_S = 0.25


@dataclass(frozen=True)
class Spec:
    """What a board is started with."""

    name: str
    engine: str
    notice: str
    image: str
    speed: int
    heap_kib: int
    seed: int
    ticks0: int = 0


class Bridge:
    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.token = secrets.token_hex(16)
        image = Path(spec.image)
        fresh = not image.exists()
        create(image)
        self.tcp = TcpPort()
        self.pty: Pty | None = None
        self._current: Endpoint = self.tcp
        self.device = VirtualDevice(spec.engine, image, spec.seed, spec.heap_kib, fresh, self._to_host, self._on_event)
        self.device.speed = spec.speed
        self.device.ticks0 = spec.ticks0
        self.requests = Requests(self.device)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._clients: dict[LineSocket, bool] = {}  # whether the token was shown
        self._selector = selectors.DefaultSelector()
        self._child: Child | None = None
        self._stop = False
        registry.state_dir().mkdir(parents=True, exist_ok=True)
        if hasattr(os, "openpty"):
            self.pty = Pty(registry.state_dir() / f"{spec.name}.tty")

    # wiring

    def _to_host(self, data: bytes) -> None:
        self._current.write(data)

    def _on_event(self, message: dict[str, Any]) -> None:
        self.requests.on_event(message)

    def _watch_child(self) -> None:
        """Follow the device's present child."""
        child = self.device.child
        if child is self._child:
            return
        if self._child is not None:
            for fd in self._child_fds:
                with contextlib.suppress(KeyError, ValueError):
                    self._selector.unregister(fd)
        self._child = child
        if child is not None:
            self._child_fds = [child.out_fd, child.control.fileno()]
            self._selector.register(child.out_fd, selectors.EVENT_READ, self._on_child)
            self._selector.register(child.control.fileno(), selectors.EVENT_READ, self._on_child)

    def _on_child(self) -> None:
        self.device.on_control()
        self.device.on_output()

    def _on_pty(self) -> None:
        assert self.pty is not None
        data = self.pty.read()
        if data:
            self._current = self.pty
            self.device.input(data)

    def _on_tcp_connect(self) -> None:
        old = self.tcp.accept()
        if old is not None:
            self._selector.unregister(old)
            old.close()
        if self.tcp.client is not None:
            self._selector.register(self.tcp.client, selectors.EVENT_READ, self._on_tcp)
            self._current = self.tcp

    def _on_tcp(self) -> None:
        client = self.tcp.client
        data = self.tcp.read()
        if data is None:
            if client is not None:
                self._selector.unregister(client)
            self.tcp.hang_up()
        elif data:
            self._current = self.tcp
            self.device.input(data)

    def _on_control_connect(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        client = LineSocket(sock)
        self._clients[client] = False
        self._selector.register(client, selectors.EVENT_READ, lambda: self._on_client(client))

    def _drop_client(self, client: LineSocket) -> None:
        if self._clients.pop(client, None) is not None:
            self._selector.unregister(client)
            client.close()

    def _on_client(self, client: LineSocket) -> None:
        try:
            messages = client.receive()
        except LineClosed:
            self._drop_client(client)
            return
        for message in messages:
            if not self._clients[client]:
                if not secrets.compare_digest(str(message.get("token", "")), self.token):
                    self._drop_client(client)
                    return
                self._clients[client] = True
                continue
            self.requests.handle(client, message)

    # life

    def publish(self) -> registry.RunningBoard:
        spec = self.spec
        running = registry.RunningBoard(
            name=spec.name,
            pid=os.getpid(),
            engine=spec.engine,
            notice=spec.notice,
            image=spec.image,
            pty=str(self.pty.link) if self.pty else "",
            tcp_port=self.tcp.port,
            control_port=self._listener.getsockname()[1],
            token=self.token,
        )
        registry.publish(running)
        return running

    def run(self, on_ready: Any = None) -> None:
        """Serve until `quit` or a signal; then save and leave."""
        register = self._selector.register
        register(self.tcp.listener, selectors.EVENT_READ, self._on_tcp_connect)
        register(self._listener, selectors.EVENT_READ, self._on_control_connect)
        if self.pty is not None:
            register(self.pty, selectors.EVENT_READ, self._on_pty)
        old = {s: signal.signal(s, self._on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
        try:
            self.device.spawn(CAUSE_POWER)
            self._watch_child()
            running = self.publish()
            if on_ready is not None:
                on_ready(running)
            while not (self._stop or self.requests.quit):
                for key, _ in self._selector.select(TICK_S if self._busy() else IDLE_S):
                    if key.fd in self._selector.get_map():
                        key.data()
                    self._watch_child()
                self._flush()
                self.device.tick()
                self._watch_child()
        finally:
            self._close()
            for s, handler in old.items():
                signal.signal(s, handler)

    def _busy(self) -> bool:
        child = self.device.child
        if self.device.holding or (child is not None and child.wants_write):
            return True
        return any(e is not None and e.wants_write for e in (self.tcp, self.pty)) or any(c.wants_write for c in self._clients)

    def _on_signal(self, number: int, frame: Any) -> None:
        self._stop = True

    def _flush(self) -> None:
        child = self.device.child
        if child is not None and child.wants_write:
            child.flush()
        for endpoint in (self.tcp, self.pty):
            if endpoint is not None and endpoint.wants_write:
                endpoint.flush()
        for client in list(self._clients):
            if client.wants_write:
                try:
                    client.flush()
                except LineClosed:
                    self._drop_client(client)

    def _close(self) -> None:
        self.device.collect()
        self.device.power_off()
        self._flush()
        registry.withdraw(self.spec.name, os.getpid())
        for client in list(self._clients):
            self._drop_client(client)
        self._listener.close()
        self.tcp.close()
        if self.pty is not None:
            self.pty.close()
        self._selector.close()


def main(argument: str) -> int:
    """`python -m thecal_host.virtual.bridge SPEC`, with the spec as JSON: the background process of `launch.start`."""
    try:
        Bridge(Spec(**json.loads(argument))).run()
    except VirtualError as e:
        print(e, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
