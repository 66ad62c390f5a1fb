"""A small stand-in for the firmware: steps on a grid, writes a file now and then, echoes serial, and obeys one-letter commands.

Runs on the board of the tests (as its /main.py), so it is MicroPython too. Letters: X ends, E raises, R resets, M resets with a
flag, W stops feeding the watchdog. Each change of a switch is said with its millisecond.
"""

from thecal.drivers import open_board

PERIOD_MS = 3570
board = open_board({"port": "virtual", "sensors": {"battery": True, "pressure": True}})
serial = board.serial
serial.shut_repl()
board.enable.set(True)
board.watchdog.arm(8000)
serial.write(b"up %d flag %d\n" % (board.chip.reset_cause(), board.chip.flag()))
due_ms = PERIOD_MS
steps = 0
feeding = True
while True:
    now_ms = board.clock.now_ms()
    if feeding:
        board.watchdog.feed()
    if board.inputs.changed():
        serial.write(b"<in %d at %d>" % (board.inputs.read(), now_ms))
    if serial.any():
        data = serial.read()
        serial.write(b"[" + data + b"]")
        if data == b"X":
            break
        if data == b"E":
            raise ValueError("asked to fail")
        if data == b"R":
            board.chip.reset()
        if data == b"M":
            board.chip.set_flag(7)
            board.chip.reset()
        if data == b"W":
            feeding = False
    if now_ms >= due_ms:
        if not board.pulser.busy():
            board.pulser.start(3, due_ms * 1000 + 10, due_ms * 1000 + 900_000)
        steps += 1
        if steps % 40 == 0:
            f = board.fs.open("/ledger.tmp", "wb")
            f.write(b"%08d" % steps * 30)
            f.close()
            board.fs.rename("/ledger.tmp", "/ledger")
        due_ms += PERIOD_MS
    board.clock.wait(min(due_ms, now_ms + 1000))
serial.free_repl()
print("ended")
