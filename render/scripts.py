"""The scripts that work on hosts: their texts, which of them lie on a host, and the command that runs one as root.

They travel without their comments: the engine keeps each text twice a host, and writes all of it with every step.

Does not own what a script does (scripts/), nor what surrounds it when it travels on standard input.
"""

import re
import shlex
from collections.abc import Mapping
from pathlib import Path

from settings import Host, Role

Scripts = Mapping[str, str]
# The scripts that lie on a host. Others come on standard input.
ON_ANY_HOST = ("lib.sh", "retire.sh", "static-pods.sh")
ON_NODES = ("activate-runtime.sh", "artifacts.sh", "kubelet.sh")
ON_HOSTS_OF: dict[Role, tuple[str, ...]] = {
    "master": (
        *ON_NODES,
        "activate-master.sh",
        "adopt.sh",
        "adopt-undo.sh",
        "etcd.sh",
        "etcd-handover.sh",
        "etcd-snapshot.sh",
        "founding-ticket.sh",
        "membership.sh",
        "renewal.sh",
    ),
    "worker": (*ON_NODES, "activate-worker.sh"),
    "lb": ("activate-lb.sh",),
    "hub": (
        "harbor-restore.sh",
        "harbor-robots.sh",
        "hub.sh",
        "hub-back.sh",
        "hub-database.sh",
        "hub-drain.sh",
        "hub-leave.sh",
        "hub-probe.sh",
        "hub-return.sh",
    ),
}
# What runs as a service comes with a part of its own, which restarts it when it changes.
SERVICES = ("upstream-", "csr-approver", "silent-peers")
SCRIPTS = Path(__file__).resolve().parent.parent / "scripts"
ON_HOST = "/usr/local/lib/evenkeel"
_COMMENT = re.compile(r"^[ \t]*(#(?!!).*)?\n", re.MULTILINE)  # a whole line, or an empty one; not the first, #!/bin/sh


def host_scripts() -> dict[str, str]:
    """The texts of scripts/ as hosts get them, by file name."""
    paths = [path for path in sorted(SCRIPTS.iterdir()) if not path.name.startswith(SERVICES)]
    return {path.name: _COMMENT.sub("", path.read_text()) for path in paths}


def scripts_of(host: Host) -> list[str]:
    """The names of the scripts that lie on this host."""
    return sorted({*ON_ANY_HOST, *(name for role in host.roles for name in ON_HOSTS_OF[role])})


def privileged_shell(host: Host) -> str:
    """The command that reads a script from standard input as root, and says in our words when sudo does not let it."""
    if host.ssh.user == "root":
        return "sh -s"
    cause = f"user {host.ssh.user} may not become root without a password"
    remedy = f"let sudo do so ({host.ssh.user} ALL=(ALL) NOPASSWD: ALL, in /etc/sudoers.d), or set evenkeel:ssh.user"
    message = shlex.quote(f"evenkeel: {host.name}: preflight: {cause}; {remedy}")
    guard = f'sudo -n true 2>/dev/null || {{ echo {message} >&2; exit 1; }}; exec sudo -n sh -s "$@"'
    return f"sh -c {shlex.quote(guard)} evenkeel"


def sudo(host: Host) -> list[str]:
    """The words before a command that make it root's."""
    return [] if host.ssh.user == "root" else ["sudo", "-n"]


def retiring(host: Host, role: str) -> str:
    """The command that takes a role, or ``trust`` in Harbor, away from the host; it reads no standard input."""
    return shlex.join([*sudo(host), f"{ON_HOST}/retire.sh", role])


def assignments(variables: Mapping[str, str]) -> str:
    """Shell lines that set the variables."""
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())


def call(script: str, variables: Mapping[str, str]) -> str:
    """The shell lines that run a script of scripts/ on the host with these environment variables."""
    return f"{assignments(variables)}export {' '.join(variables)}\n{ON_HOST}/{script}\n"
