"""Tools of the people who build Thecal: house rules and benchmarks. Not in the wheel; nothing outside this folder imports it."""
