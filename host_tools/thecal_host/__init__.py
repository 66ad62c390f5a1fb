"""Host tools of Thecal: client, flashing, prescriptions, logs, the virtual board. Importing this package imports nothing else.

Not a medical device; never for use on people or animals.
"""

__version__ = "0.1.0"
