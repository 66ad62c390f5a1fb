"""The drug library: entries with bounds and their sources (`load`), and the review of a program against one (`check`).

Invariant: the data are bench samples in one file, host_tools/drug_library.toml; a bound that is not in a library is not invented
here. Not medical advice; not a medical device, never for use on people or animals.
"""
