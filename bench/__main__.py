"""``make bench``: measures every figure side by side in one run, and writes bench/results.json and the README's table.

It needs the running lab, and makes four hosts of its own, which it removes again.
"""

import json
import os
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Any

import typer

from bench import added_host, birth, ground, growth, harbor, idle, latency, operate, table
from lab import engine
from lab.progress import console, step
from tests.lab.quiet import dev_frozen

ROUNDS = 2  # of births; the faster of each counts, for a busy machine only ever adds


class Part(StrEnum):
    """What can be measured by itself, in the order of a whole run."""

    MACHINE = "machine"
    BIRTHS = "births"
    IDLE = "idle"
    BALANCER = "balancer"
    HARBOR = "harbor"
    GROWTH = "growth"
    ADDED_HOST = "added-host"
    OPERATE = "operate"


def main(parts: Annotated[list[Part] | None, typer.Argument(help="Only these; the others stay.")] = None) -> None:
    """Measures, writes after each part, and fails when a figure misses its target."""
    found = table.read() or {"measured": {}}
    measured: dict[str, Any] = dict(found["measured"]) if parts else {}
    for part in parts or list(Part):
        with step(part.value):
            measured |= PARTS[part]()
        measured["taken"] = measured.get("taken", {}) | {part.value: _moment()}
        found = table.results(measured)
        table.RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    table.README.write_text(table.written(table.README.read_text(), table.markdown(found)))
    console.print(table.markdown(found), markup=False)
    if missed := table.missed(found):
        console.print(f"above their targets: {', '.join(missed)}", markup=False)
        sys.exit(1)


def _ground() -> dict[str, Any]:
    try:
        ground.prepare()
        with dev_frozen():
            return _births()
    finally:
        ground.remove()


def _growth() -> dict[str, Any]:
    with dev_frozen():
        return growth.measure()


def _births() -> dict[str, Any]:
    """Program, floor and kubeadm in turns."""
    rounds: list[dict[str, float]] = []
    connections: dict[str, int] = {}
    for _ in range(ROUNDS):
        ours, seen = birth.by_the_program()
        connections = {host: max(count, connections.get(host, 0)) for host, count in seen.items()}
        rounds.append({**ours, **birth.floor(), **birth.by_kubeadm()})
    fastest = min(rounds, key=lambda times: times["up_seconds"])
    return {
        **fastest,
        "floor_seconds": min(times["floor_seconds"] for times in rounds),
        "kubeadm_seconds": min(times["kubeadm_seconds"] for times in rounds),
        "births": rounds,
        "ssh_connections": connections,
    }


def _moment() -> dict[str, Any]:
    return {"date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"), "load_average": round(os.getloadavg()[0], 1)}


def _machine() -> dict[str, Any]:
    return {"cores": os.cpu_count(), "pulumi": engine.description()}


PARTS: dict[Part, Callable[[], Mapping[str, Any]]] = {
    Part.MACHINE: _machine,
    Part.BIRTHS: _ground,
    Part.IDLE: idle.measure,
    Part.BALANCER: latency.measure,
    Part.HARBOR: harbor.measure,
    Part.GROWTH: _growth,
    Part.ADDED_HOST: added_host.measure,
    Part.OPERATE: operate.measure,
}

if __name__ == "__main__":
    typer.run(main)
