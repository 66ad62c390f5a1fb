"""The command line that settles an uncertain command. Invariant: it asks for exactly the same under the same id, digest and all,
so whatever became of the first attempt, nothing runs twice.
"""

from thecal.core import messages, units
from thecal_host.link.session import Request

MOTIONS = {messages.JOG: "jog", messages.PRIME: "prime", messages.PURGE: "purge", messages.HOME: "home"}


def settle_command(request: Request, url: str) -> str:
    """The command line that asks again under the id of `request`."""
    name = str(request["c"])
    words = ["thecal", *_words(name, request), "--id", str(request["i"]), "--port", url]
    return " ".join(words)


def _words(name: str, request: Request) -> list[str]:
    if name == "bolus":
        return [name, f'"{request["nl"]} nL"', "--over", f'"{request["ms"]} ms"']
    if name == "activate":
        return [name, "--program-crc", f"{request['crc']:08x}", "--monitor-crc", f"{request['mcrc']:08x}"]
    if name == "provision" and request["nothing"]:
        return [name, "--nothing-delivered"]
    if name == "hold" and request["ms"]:
        return [name, "--for", f'"{request["ms"]} ms"']
    if name == "temp":
        return [name, f'"{request["nlday"]} nL/day"', "--for", f'"{request["ms"]} ms"']
    if name == "clock":
        return [name, "set", "--to", units.decimal(int(request["u"]), 3)]
    if name == "move":
        words = ["setup", MOTIONS[int(request["k"])], "--steps", str(request["n"]), "--over", f'"{request["ms"]} ms"']
        return words + ["--reverse"] * int(request["rev"]) * (request["k"] == messages.JOG) + ["--detached"] * int(request["det"])
    if name == "direction":
        return ["setup", name, "--yes-it-did" if request["ok"] else "--no"]
    return [name]
