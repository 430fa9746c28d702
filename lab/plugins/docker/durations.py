"""Durations and shares of a CPU as Go writes them: what the official plugin puts into state.

A program that writes them otherwise (``60s`` for ``1m0s``, ``1`` for ``1.0``) sees a difference on every run.
"""

import re
from decimal import Decimal

SECOND = 1_000_000_000
UNITS = {"ns": 1, "us": 1_000, "µs": 1_000, "ms": 1_000_000, "s": SECOND, "m": 60 * SECOND, "h": 3600 * SECOND}
PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h)")


def parse(text: str) -> int:
    """Nanoseconds of ``1m30s`` and its like."""
    if text == "0":
        return 0
    parts = PART.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text!r} is not a duration such as 500ms, 30s or 1m30s")
    return int(sum(Decimal(number) * UNITS[unit] for number, unit in parts))


def text(nanoseconds: int) -> str:
    """The spelling that Go gives a duration: ``1m30s``, ``500ms``, ``0s``."""
    if nanoseconds == 0:
        return "0s"
    if nanoseconds < SECOND:
        unit = next(unit for unit in ("ms", "µs", "ns") if nanoseconds >= UNITS[unit])
        return _number(nanoseconds, UNITS[unit]) + unit
    minutes, rest = divmod(nanoseconds, UNITS["m"])
    hours, minutes = divmod(minutes, 60)
    spelled = _number(rest, SECOND) + "s"
    if hours:
        return f"{hours}h{minutes}m{spelled}"
    return f"{minutes}m{spelled}" if minutes else spelled


def cpus(nanocpus: int) -> str:
    """A share of a CPU as the official plugin reads it back, its slips included: 10 comes out as ``10.``."""
    spelled = f"{Decimal(nanocpus) / SECOND:.9f}"
    return f"{Decimal(spelled):.1f}" if spelled.count("0") == 9 else spelled.rstrip("0")


def nanocpus(text: str) -> int:
    """Billionths of a CPU."""
    return int(Decimal(text) * SECOND)


def _number(value: int, unit: int) -> str:
    return f"{(Decimal(value) / unit).normalize():f}"
