"""The virtual board: a process with a flash image, a serial line and a control channel, in place of hardware.

Invariant: the firmware in it is the firmware of a real board, unchanged. Not a medical device; never for use on people or
animals.
"""

from thecal_host.virtual.errors import VirtualError

__all__ = ["VirtualError"]
