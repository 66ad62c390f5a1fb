import machine; machine.Pin(4, machine.Pin.OUT, value=1)  # noqa: E702 - written by `thecal flash`: EN off, before anything else
