"""Benchmarks: `make bench`, or one at a time with `python -m bench.NAME`."""

import adapters.memory  # noqa: F401  before numpy, for which it chooses one thread, as the bot has it
