"""What comes before an adopted cluster changes: a snapshot of etcd on this side, and masters that others can join.

Owns the snapshot's way here. Does not own how it is taken (scripts/etcd-snapshot.sh), what a master needs before others
join (scripts/adopt.sh), or the turns that follow (``components.rollout``).
"""

import hashlib
import os
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi

from components.host import RemoteHost, Staged
from components.key_file import key_file
from render import openssh
from render.etcd import member_variables
from render.scripts import call, privileged_shell
from settings import Host, Stack

FOLDER = Path("snapshots")
SECONDS = 3600  # a few gigabytes over a slow line


@dataclass(frozen=True)
class AdoptionArgs:
    """``prepared``: etcd's programs come with a host's preparation."""

    stack: Stack
    hosts: Mapping[str, RemoteHost]
    prepared: Mapping[str, Staged]


class Adoption(pulumi.ComponentResource):
    """``done``: what the cluster's first turn waits for; nothing where the stack founds its cluster itself."""

    def __init__(self, name: str, args: AdoptionArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:Adoption", name, None, opts)
        self.done: list[pulumi.Resource] = []
        adopted = args.stack.adopted.masters if args.stack.adopted else ()
        for master in (one for one in args.stack.masters() if one in adopted):
            host, variables = args.hosts[master], member_variables(args.stack, master)
            snapshot = _Snapshot(host.settings, call("etcd-snapshot.sh", variables))
            done = host.run(
                "adopt",
                call('adopt.sh "$1"', variables),
                self,
                [args.prepared[master].command, *self.done],
                before_create=[pulumi.ResourceHook(f"{master}-snapshot", snapshot.fetch)] if not self.done else [],
            )
            self.done.append(done)
        self.register_outputs({})


@dataclass(frozen=True)
class _Snapshot:
    """The cluster as it was: what a way back begins with when all else fails."""

    host: Host
    script: str

    def fetch(self, _created: pulumi.ResourceHookArgs) -> None:
        """Into a file of this user alone, whole or not at all; an error keeps the cluster from being touched."""
        command = openssh.command(self.host.ssh, key_file(self.host.ssh), shlex.split(privileged_shell(self.host)))
        try:
            done = subprocess.run(
                command, input=self.script.encode(), capture_output=True, timeout=SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise self._failed(f"it is not here after {SECONDS} s", "see what slows the way from there") from error
        told, _, data = done.stdout.partition(b"\n")
        if done.returncode != 0 or hashlib.sha256(data).hexdigest() != told.decode():
            said = (done.stderr.decode(errors="replace").strip() or "it came here incomplete").splitlines()[-1]
            raise self._failed(said, "see that etcd is well there")
        path = FOLDER / f"{pulumi.get_stack()}-{self.host.name}-{time.strftime('%Y%m%dT%H%M%S')}.db"
        _write(path, data)
        pulumi.log.info(f"etcd's snapshot from before the first change: {path} ({len(data)} bytes)")

    def _failed(self, said: str, remedy: str) -> pulumi.RunError:
        what = f"evenkeel: {self.host.name}: snapshot of etcd: {said}"
        return pulumi.RunError(f"{what}; nothing was changed; {remedy}, and run up again")


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, exist_ok=True)
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        os.fsync(file.fileno())
    new.replace(path)
