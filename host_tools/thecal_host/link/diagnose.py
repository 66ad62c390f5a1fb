"""What is on the other end when no frame comes back: a MicroPython prompt, a newer protocol, another device, or nobody.

Invariant: these functions only read what was received; the one byte they may send is Ctrl-B, to leave a raw prompt as it was
found.
"""

import contextlib

from thecal.core import codec, frames
from thecal_host.link.errors import AtRepl, LinkError, NoAnswer, PortLost, WrongDevice, WrongProtocol
from thecal_host.link.transport import Transport

AT_REPL = "The board on {url} is at the MicroPython prompt: no Thecal firmware is running; run `thecal flash`."
RAW_PROMPT = b"raw REPL"
PROMPT = b">>> "
ECHO = b'{"c":"hello"}'


def check_prompt(transport: Transport, noise: bytes) -> None:
    """AtRepl when `noise` (what came instead of frames) shows a MicroPython prompt."""
    if RAW_PROMPT not in noise and PROMPT not in noise:
        return
    if RAW_PROMPT in noise:
        with contextlib.suppress(PortLost):
            transport.write(b"\x02")  # our frame's header opened the raw prompt; leave it
    raise AtRepl(AT_REPL.format(url=transport.url))


def silence(url: str, noise: bytes) -> LinkError:
    """The error for a line on which no frame of ours came back before the deadline."""
    if not noise:
        return NoAnswer(
            f"Nothing answers on {url}. Is it the right port, is the board powered (a virtual one: `thecal sim on`), "
            "and is its firmware installed? "
            "`thecal devices` lists ports, `thecal flash` installs the firmware."
        )
    version = foreign_version(noise)
    if version is not None:
        age = "newer" if version > frames.VERSION else "older"
        return WrongProtocol(
            f"The board on {url} speaks frame version {version}, this program speaks {frames.VERSION}: its firmware is {age}. "
            + ("Update this program." if version > frames.VERSION else "Run `thecal flash` to update it.")
        )
    if ECHO in noise:  # a line editor echoes what is typed; on a slow machine its prompt may have gone by unseen
        return AtRepl(AT_REPL.format(url=url))
    shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in noise[:40])
    return WrongDevice(
        f"Something on {url} sends data, but it is not the Thecal protocol (it began: {shown!r}). "
        "Choose another port with --port, or install the firmware with `thecal flash`."
    )


def foreign_version(noise: bytes) -> "int | None":
    """The version number in a frame that is whole (CRC right) but not of our version; None when there is none."""
    for piece in noise.split(b"\x00"):
        raw = frames.cobs_decode(piece) if piece else None
        if raw and len(raw) >= frames.HEADER_BYTES + frames.CRC_BYTES:
            version = raw[0] & 0x0F
            if version != frames.VERSION and codec.crc32(raw[:-4]) == int.from_bytes(raw[-4:], "little"):
                return version
    return None
