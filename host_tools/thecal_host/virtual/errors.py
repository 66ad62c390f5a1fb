"""The one error the virtual board raises towards its callers.

Invariant: str(error) is a sentence for a person: what was wrong, with which value, and what to do.
"""


class VirtualError(Exception):
    """Something about a virtual board did not work; the message says what, in words."""
