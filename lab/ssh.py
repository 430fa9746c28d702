"""How this machine and the lab's hosts know each other: one key, pinned host keys, an ssh configuration.

Owns: ``.lab/id_ed25519``, ``.lab/known_hosts``, ``.lab/ssh_config``, and the key's place on the hosts. Does not own:
the connections that the program makes.

Host keys are read through Docker, not over the network: nothing is trusted because it answered first.
"""

import fcntl
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lab import hosts
from lab.paths import KNOWN_HOSTS, LAB, PRIVATE_KEY, PUBLIC_KEY, SSH_CONFIG, make_lab_folder
from lab.shell import run

AUTHORIZE = """set -eu
umask 077
key=$(cat)
for user in root operator visitor; do
    home=$(getent passwd "$user" | cut -d: -f6)
    mkdir -p "$home/.ssh"
    printf '%s\\n' "$key" >"$home/.ssh/authorized_keys"
    chown -R "$user" "$home/.ssh"
done"""


def ensure(names: Iterable[str]) -> None:
    """Makes the key if there is none, lets it in on the named hosts, pins their keys, and writes the configuration."""
    make_lab_folder()
    if not PRIVATE_KEY.exists():
        run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "evenkeel-lab", "-f", PRIVATE_KEY])
    for name in names:
        authorize(name)
        trust(name)
    SSH_CONFIG.write_text(_configuration())


def authorize(name: str) -> None:
    """Lets the lab's key in on a host: as root, as a user who may use sudo, and as one who may not."""
    hosts.run(name, AUTHORIZE, stdin=PUBLIC_KEY.read_text(), check=True)


def trust(name: str) -> None:
    """Pins a host's present key, in the place of any earlier one."""
    key = " ".join(hosts.run(name, "cat /etc/ssh/ssh_host_ed25519_key.pub", check=True).stdout.split()[:2])
    address = hosts.ADDRESSES[name]
    with _locked():
        lines = KNOWN_HOSTS.read_text().splitlines() if KNOWN_HOSTS.exists() else []
        kept = [line for line in lines if address not in line.split()[0].split(",")]
        fresh = KNOWN_HOSTS.with_name("known_hosts.new")
        fresh.write_text("".join(f"{line}\n" for line in sorted([*kept, f"{name},{address} {key}"])))
        fresh.replace(KNOWN_HOSTS)


@contextmanager
def _locked() -> Iterator[None]:
    with (LAB / "known_hosts.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _configuration() -> str:
    stanzas = [f"Host {name}\n  HostName {address}\n" for name, address in hosts.ADDRESSES.items()]
    common = ["User root", f"IdentityFile {PRIVATE_KEY}", "IdentitiesOnly yes", f"UserKnownHostsFile {KNOWN_HOSTS}"]
    common += ["GlobalKnownHostsFile none", "StrictHostKeyChecking yes", "LogLevel ERROR"]
    return "".join([*stanzas, "Host *\n", *(f"  {line}\n" for line in common)])
