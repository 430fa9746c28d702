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
    """``value`` is computed from what was measured; ``detail`` shows in words what it comes from. A figure without a
    ``target`` is reported for itself."""

    name: str
    meaning: str
    target: float | None
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
    Figure(
        "harbor_login_failures",
        "of logins whose token is minted at one hub, and used at the other and through the URL",
        0,
        lambda m: m["harbor_login_failures"],
        "{harbor_logins} logins",
    ),
    Figure(
        "harbor_rotation_failures",
        "failed logins, pushes and pulls while the token key and the other secrets are renewed",
        0,
        lambda m: m["harbor_rotation_failures"],
        "{harbor_rotation_logins} logins, {harbor_rotation_pushes} pushes, {harbor_rotation_pulls} pulls",
    ),
    Figure(
        "harbor_pull_scale",
        "throughput of pulls from two hubs over that of one (hubs and clients share this machine's processors)",
        None,
        lambda m: m["harbor_pull_two_mb_s"] / m["harbor_pull_one_mb_s"],
        "{harbor_pull_two_mb_s:.0f} MB/s / {harbor_pull_one_mb_s:.0f} MB/s",
    ),
    Figure(
        "harbor_up_seconds_vs_compose",
        "adding Harbor on two hubs by `pulumi up` against a script that makes and starts the same containers there",
        1.3,
        lambda m: m["harbor_up_seconds"] / m["harbor_script_seconds"],
        "{harbor_up_seconds:.1f} s / {harbor_script_seconds:.1f} s",
    ),
    Figure(
        "adopt_seconds_vs_kubeadm_join",
        "a kubeadm master grows to three, with its worker: `pulumi up` against kubeadm and a script by hand",
        0.6,
        lambda m: m["adopt_seconds"] / m["adopt_by_kubeadm_seconds"],
        "{adopt_seconds:.1f} s / {adopt_by_kubeadm_seconds:.1f} s",
    ),
    Figure(
        "adopt_api_unavailable_seconds",
        "meanwhile, the longest time in which a client of the first master had no answer",
        15,
        lambda m: m["adopt_unavailable_seconds"],
        "{adopt_lost_writes} acknowledged writes lost",
    ),
    Figure(
        "adopt_workload_failed_requests",
        "meanwhile, failed requests between pods through a Service",
        0,
        lambda m: m["adopt_workload_failures"],
        "{adopt_workload_requests} requests",
    ),
    Figure(
        "cost_per_added_host",
        "seconds that each host adds to a first `up` of preparation, its own work left out",
        0.25,
        lambda m: m["added_host_seconds"],
        "{crowd_seconds} s; memory for most: engine {crowd_engine_mb:.0f} MB, program {crowd_program_mb:.0f} MB",
    ),
    Figure(
        "status_seconds",
        "`ops status` of stack `dev`, with two workers more",
        3,
        lambda m: m["status_seconds"],
        "{hosts} hosts",
    ),
    Figure(
        "verify_seconds_10_hosts",
        "`ops verify` of stack `dev`, with two workers more",
        6,
        lambda m: m["verify_seconds"],
        "{hosts} hosts",
    ),
    Figure(
        "verify_missed",
        "of the kinds of damage by hand, those that `ops verify` does not find",
        0,
        lambda m: m["damaged"] - m["damage_found"],
        "{damage_found} of {damaged} found; {damage_left} left after one `up`",
    ),
)


def results(measured: Measured) -> dict[str, Any]:
    """What results.json holds: each figure with its target, and all that was measured."""
    values = ((figure, _value(figure, measured)) for figure in FIGURES)
    figures = {one.name: {"value": value, "target": one.target} for one, value in values if value is not None}
    return {"figures": figures, "measured": dict(measured)}


def missed(found: Mapping[str, Any]) -> list[str]:
    """The figures above their targets."""
    return [name for name, one in found["figures"].items() if _above(one["value"], one["target"])]


def read() -> dict[str, Any] | None:
    """The results of the last run; None before the first."""
    return dict(json.loads(RESULTS.read_text())) if RESULTS.exists() else None


def markdown(found: Mapping[str, Any] | None) -> str:
    """The README's table; without results it says so, and shows only what is asked."""
    lines = ["| figure | measured | at most | from |", "|-|-|-|-|"]
    for figure in FIGURES:
        value, source = _cells(figure, found) if found and figure.name in found["figures"] else ("not yet", "")
        target = "" if figure.target is None else f"{figure.target:g}"
        lines.append(f"| `{figure.name}`: {figure.meaning} | {value} | {target} | {source} |")
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
    verdict = " (missed)" if _above(value, figure.target) else ""
    return f"**{value:.2f}**{verdict}", figure.detail.format(**_words(found["measured"]))


def _value(figure: Figure, measured: Measured) -> float | None:
    """None when what it follows from was not measured."""
    try:
        return round(figure.value(measured), 3)
    except KeyError:
        return None


def _above(value: float, target: float | None) -> bool:
    return target is not None and value > target


def _words(measured: Measured) -> dict[str, Any]:
    texts = {name: _listed(measured.get(name, {})) for name in ("ssh_connections", "crowd_seconds")}
    return {**measured, **texts}


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
