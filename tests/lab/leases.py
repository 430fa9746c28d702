"""How long nobody led, by what the API showed of the leases of kube-system. Does not own who leads (``recovery``)."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from lab import engine, toolchain
from tests.lab import subject

SHOWN = 'jsonpath={.spec.holderIdentity} {.spec.renewTime}{"\\n"}'


@contextmanager
def watched(components: Sequence[str], folder: Path) -> Iterator[dict[str, float]]:
    """Yields what holds, once the ``with`` is over, the longest time between two renewals of each lease, in seconds."""
    gaps: dict[str, float] = {}
    watches = {component: _watch(component, folder / component) for component in components}
    try:
        yield gaps
    finally:
        ended = datetime.now(UTC)
        seen = {component: watch.poll() is None for component, watch in watches.items()}
        for watch in watches.values():
            watch.terminate()
            watch.wait()
    assert all(seen.values()), f"not watched to the end: {seen}"
    gaps |= {component: longest_gap((folder / component).read_text(), ended) for component in components}


def longest_gap(shown: str, ended: datetime) -> float:
    """Between renewals, and from the last one to the end: one "holder time" a line, where a lease that was given back
    has no holder, and counts as none."""
    times = [datetime.fromisoformat(words[1]) for line in shown.splitlines() if len(words := line.split()) == 2]
    return max((later - earlier).total_seconds() for earlier, later in pairwise([*times, ended]))


def _watch(component: str, output: Path) -> "subprocess.Popen[bytes]":
    command = [str(toolchain.binary("kubernetes", "kubectl")), f"--kubeconfig={subject.kubeconfig()}"]
    command += ["get", "lease", "--namespace=kube-system", component]
    with output.open("wb") as file:
        return subprocess.Popen([*command, "--watch", f"--output={SHOWN}"], env=engine.environment(), stdout=file)
