"""Whether a run has changed anything on a host.

Owns what counts: files with modes, owners and times, units, and kernel settings. Does not own what must be so.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from lab import hosts

# Caches may hold downloads, and systemd keeps its own times.
FINGERPRINT = """
find /etc /home /opt /root /usr/local /var/lib -xdev -path /var/lib/systemd -prune -o \
    -printf '%p %y %m %u %g %s %T@ %l\\n'
systemctl list-units --type=service --state=running --plain --no-legend | cut -d ' ' -f 1
systemctl list-unit-files --state=enabled --no-legend
grep . /proc/sys/net/ipv4/tcp_retries2 /proc/sys/net/ipv4/ip_forward
"""


def fingerprints(names: Sequence[str]) -> dict[str, set[str]]:
    """All that a preparation could change on each host."""

    def one(name: str) -> set[str]:
        return set(hosts.run(name, FINGERPRINT, check=True).stdout.splitlines())

    with ThreadPoolExecutor() as pool:
        return dict(zip(names, pool.map(one, names), strict=True))


@contextmanager
def no_host_changed(names: Sequence[str]) -> Iterator[None]:
    """Fails when one of them is not afterwards what it was before."""
    before = fingerprints(names)
    yield
    after = fingerprints(names)
    for name in names:
        assert before[name] == after[name], f"{name}: {sorted(before[name] ^ after[name])}"
