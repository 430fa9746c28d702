"""``make bench``: measures every figure side by side in one run, and writes bench/results.json and the README's table.

It needs the running lab, and makes four hosts of its own, which it removes again.
"""

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from bench import added_host, birth, ground, growth, harbor, idle, latency, operate, table
from lab import engine
from lab.progress import console, step
from tests.lab.quiet import dev_frozen

ROUNDS = 2  # of births; the faster of each counts, for a busy machine only ever adds


def main() -> None:
    """Measures, writes, and fails when a figure misses its target."""
    measured: dict[str, Any] = _machine()
    try:
        with step("four hosts, prepared"):
            ground.prepare()
        with step(f"time to high availability, {ROUNDS} rounds"), dev_frozen():
            measured |= _births()
    finally:
        ground.remove()
    with step("runs that change nothing"):
        measured |= idle.measure()
    with step("latency of the load balancer"):
        measured |= latency.measure()
    with step("Harbor: logins, renewed secrets, pulls, and a Harbor added to a cluster"):
        measured |= harbor.measure()
    with step("a kubeadm master that grows to three"), dev_frozen():
        measured |= growth.measure()
    with step("what one host more costs"):
        measured |= added_host.measure()
    with step("status, verify, and what of damage by hand they find"):
        measured |= operate.measure()
    measured["load_average_at_end"] = round(os.getloadavg()[0], 1)
    found = table.results(measured)
    table.RESULTS.write_text(json.dumps(found, indent=2) + "\n")
    table.README.write_text(table.written(table.README.read_text(), table.markdown(found)))
    console.print(table.markdown(found), markup=False)
    if missed := table.missed(found):
        console.print(f"above their targets: {', '.join(missed)}", markup=False)
        sys.exit(1)


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


def _machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "pulumi": engine.description(),
        "load_average_at_start": round(os.getloadavg()[0], 1),
    }


if __name__ == "__main__":
    main()
