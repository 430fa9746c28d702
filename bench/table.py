"""The figures: what each is, what it may be at most, and the table in the README that shows them.

Does not own how they are measured.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CLONE = Path(__file__).resolve().parent.parent
RESULTS = CLONE / "bench" / "results.json"
README = CLONE / "README.md"
BEGIN, END = "<!-- figures: written by `make bench` -->", "<!-- end of figures -->"

Measured = Mapping[str, Any]


@dataclass(frozen=True)
class Figure:
    """``value`` is computed from what was measured; ``detail`` shows in words what it comes from."""

    name: str
    meaning: str
    target: float
    value: Callable[[Measured], float]
    detail: str


FIGURES = (
    Figure(
        "time_to_ha_vs_kubeadm",
        "prepared hosts to three ready apiservers behind the load balancer: all of `pulumi up` against kubeadm",
        0.35,
        lambda m: m["up_seconds"] / m["kubeadm_seconds"],
        "{up_seconds:.1f} s (ready after {up_until_ready_seconds:.1f} s) / {kubeadm_seconds:.1f} s",
    ),
    Figure(
        "time_to_ha_vs_floor",
        "the same against the kubelets' own start with every file in place",
        1.6,
        lambda m: m["up_seconds"] / m["floor_seconds"],
        "{up_seconds:.1f} s / {floor_seconds:.1f} s",
    ),
    Figure(
        "noop_up_vs_empty_program",
        "an `up` that changes nothing against an empty program's",
        2.5,
        lambda m: m["noop_up_seconds"] / m["noop_empty_up_seconds"],
        "{noop_up_seconds:.1f} s / {noop_empty_up_seconds:.1f} s",
    ),
    Figure(
        "noop_preview_vs_empty_program",
        "a `preview` that shows no change against an empty program's",
        2.5,
        lambda m: m["noop_preview_seconds"] / m["noop_empty_preview_seconds"],
        "{noop_preview_seconds:.1f} s / {noop_empty_preview_seconds:.1f} s",
    ),
    Figure(
        "ssh_connections_per_host",
        "SSH connections of a first `up`, of the host with most, counted there",
        8,
        lambda m: max(m["ssh_connections"].values()),
        "{ssh_connections}",
    ),
    Figure(
        "lb_overhead_p50",
        "median latency of a read on a kept-alive connection: through the load balancer against direct",
        1.15,
        lambda m: m["lb_p50_ms"] / m["direct_p50_ms"],
        "{lb_p50_ms:.2f} ms / {direct_p50_ms:.2f} ms",
    ),
)


def results(measured: Measured) -> dict[str, Any]:
    """What results.json holds: each figure with its target, and all that was measured."""
    figures = {figure.name: {"value": round(figure.value(measured), 3), "target": figure.target} for figure in FIGURES}
    return {"figures": figures, "measured": dict(measured)}


def read() -> dict[str, Any] | None:
    """The results of the last run; None before the first."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else None


def markdown(found: Mapping[str, Any] | None) -> str:
    """The README's table; without results it says so, and shows only what is asked."""
    lines = ["| figure | measured | at most | from |", "|-|-|-|-|"]
    for figure in FIGURES:
        value, source = _cells(figure, found) if found else ("not yet", "")
        lines.append(f"| `{figure.name}`: {figure.meaning} | {value} | {figure.target:g} | {source} |")
    return "\n".join(lines)


def shown(readme: str) -> str:
    """The table that stands in the README's text."""
    return readme.partition(BEGIN)[2].partition(END)[0].strip()


def written(readme: str, table: str) -> str:
    """The README's text with ``table`` in the place of its table."""
    between = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    return between.sub(lambda _: f"{BEGIN}\n{table}\n{END}", readme)


def _cells(figure: Figure, found: Mapping[str, Any]) -> tuple[str, str]:
    value = found["figures"][figure.name]["value"]
    missed = "" if value <= figure.target else " (missed)"
    return f"**{value:.2f}**{missed}", figure.detail.format(**_words(found["measured"]))


def _words(measured: Measured) -> dict[str, Any]:
    connections = ", ".join(f"{host} {count}" for host, count in measured["ssh_connections"].items())
    return {**measured, "ssh_connections": connections}
