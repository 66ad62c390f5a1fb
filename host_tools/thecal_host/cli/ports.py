"""Which ports there are and which one is meant. Invariant: nothing is opened or sent here; without --port a board is used only
when there is exactly one.
"""

from dataclasses import dataclass

from thecal_host.link.errors import NoPort

# USB vendor ids of what carries MicroPython or its UART bridge. Sources: the vendors' own lists in the USB-IF registry.
VENDORS = {
    0x2E8A: "Raspberry Pi (RP2040/RP2350)",
    0x303A: "Espressif (ESP32)",
    0xF055: "MicroPython",
    0x10C4: "Silicon Labs UART bridge",
    0x1A86: "WCH UART bridge",
    0x0403: "FTDI UART bridge",
}


@dataclass(frozen=True)
class Found:
    """A board that may be there: `port` to open, `kind` ("virtual", "serial" or "unknown"), and what is known of it."""

    port: str
    kind: str
    name: str
    detail: str


def found() -> list[Found]:
    """Running virtual boards first, then serial ports; those of unknown vendors have the kind "unknown"."""
    from serial.tools.list_ports import comports

    from thecal_host.virtual import registry

    boards = [Found(board.port, "virtual", board.name, board.engine) for board in registry.list_boards()]
    for port in sorted(comports(), key=lambda info: info.device):
        vendor = VENDORS.get(port.vid or 0)
        text = port.description if port.description and port.description != "n/a" else ""
        detail = ", ".join(part for part in (vendor or "", text) if part)
        boards.append(Found(port.device, "serial" if vendor else "unknown", port.serial_number or "", detail))
    return boards


def resolve(port: str) -> str:
    """The URL to open for what the user gave (or did not). NoPort with a sentence when that is not one board."""
    if port:
        if not any(sign in port for sign in "/:\\"):
            from thecal_host.virtual import registry
            from thecal_host.virtual.errors import VirtualError

            try:
                board = registry.find(port)
            except VirtualError:
                return port  # no name of a virtual board: a device then
            if board is not None:
                return board.port
        return port
    boards = [board for board in found() if board.kind != "unknown"]
    if len(boards) == 1:
        return boards[0].port
    if not boards:
        raise NoPort(
            "No board was found. Plug one in, start one without hardware (`thecal virtual start`), or name its port with --port."
        )
    listed = ", ".join(board.name if board.kind == "virtual" else board.port for board in boards)
    raise NoPort(f"There are several boards: {listed}. Choose one with --port.")
