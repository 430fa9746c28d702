"""Durations as Go writes them, and shares of a CPU."""

import re
from decimal import Decimal

SECOND = 1_000_000_000
UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def nanoseconds(text: str) -> int:
    """Nanoseconds of ``1m30s`` and its like."""
    parts = PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text!r} is not a duration such as 500ms, 30s or 1m30s")
    return int(sum(Decimal(number) * UNITS[unit] for number, unit in parts))


def nanocpus(text: str) -> int:
    """Billionths of a CPU."""
    return int(Decimal(text) * SECOND)
