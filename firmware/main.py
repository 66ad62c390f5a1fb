"""Start-up as a story. Not a medical device; never for use on people or animals.

boot.py has already driven EN off. Whether this is a run or a maintenance boot is decided here, before anything is built: the
flag that the `maintenance` command left in the chip survives exactly one reset and no loss of power.
"""

import gc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from thecal.drivers.seam import Board
    from thecal.services.pump import Pump
    from thecal.services.supervisor import Supervisor


def build(config: "dict[str, Any]", board: "Board | None" = None) -> "tuple[Pump, Supervisor]":
    """Stage 1: the drivers the board file names. Stage 2: one pump, its services, its second channel. Nothing moves yet."""
    from thecal.drivers import open_board
    from thecal.monitor.watch import Monitor
    from thecal.services.boluses import Boluses
    from thecal.services.commands import Commands
    from thecal.services.delivery import Delivery
    from thecal.services.inputs import Inputs
    from thecal.services.link import Link
    from thecal.services.pump import Pump
    from thecal.services.rates import Rates
    from thecal.services.sensing import Sensing
    from thecal.services.setup import Setup
    from thecal.services.supervisor import Supervisor

    board = board or open_board(config)
    board.enable.set(False)
    pump = Pump(board)
    Delivery(pump)
    Rates(pump)
    Setup(pump)
    pump.monitor = Monitor(pump.store.read, board.counter, board.enable.cut, pump.store.replace, pump.wall_ms)
    boluses = Boluses(pump)
    Inputs(pump, boluses)
    commands = Commands(pump, boluses)
    link = Link(pump, commands)
    # name, service, lateness it may have in ms; polled in this order
    services = (
        ("link", link, 5000),
        ("inputs", pump.inputs, 3000),
        ("delivery", pump.delivery, 3000),
        ("monitor", pump.monitor, 4000),
        ("rates", pump.rates, 5000),
        ("activation", commands.activation, 5000),
        ("journal", pump.journal, 10000),
        ("sensing", Sensing(pump), 10000),
    )
    return pump, Supervisor(pump, link, services)


def start(config: "dict[str, Any]", board: "Board | None" = None) -> "tuple[Pump, Supervisor]":
    """Stage 3: self-test and recovery. Stage 4: the REPL is shut, the watchdog armed. Returns (pump, supervisor)."""
    pump, supervisor = build(config, board)
    from thecal.services.startup import Startup

    Startup(pump).run()
    pump.board.serial.shut_repl()
    pump.board.watchdog.arm(config["limits"]["watchdog_ms"])
    supervisor.begin(pump.now_ms())
    gc.collect()
    return pump, supervisor


def collect_often(on: bool) -> None:
    """Collect garbage every few kB (MicroPython only), or when the heap is full."""
    threshold = getattr(gc, "threshold", None)
    if threshold:
        threshold(16384 if on else -1)


def main() -> None:
    """Stage 5: the loop, for ever; or, in a maintenance boot, the REPL with EN off and no watchdog armed."""
    from thecal.drivers import load_config, open_board

    collect_often(True)  # start-up must leave no holes between what stays: later reads need a few kB in one piece
    config = load_config()
    board = open_board(config)
    board.enable.set(False)
    if board.chip.flag():
        board.serial.free_repl()  # a port may shut it early: start-up takes a second, and a host may be talking already
        print("Thecal: maintenance, REPL free")
        return
    _pump, supervisor = start(config, board)
    collect_often(False)
    supervisor.run()


if __name__ == "__main__":
    main()
