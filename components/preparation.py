"""Every host checked before any host is changed, then all of them prepared side by side.

Owns that barrier. Does not own what is checked and installed (``render.preparation``), nor the host's turn, in which a
changed container runtime or kubelet is put to work (``components.rollout``).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.host import SCRIPTS, RemoteHost, Staged
from render import preparation
from settings import Stack

SERVICES = ("upstream-", "csr-approver")


@dataclass(frozen=True)
class PreparationArgs:
    """``hosts``: all hosts of the stack, by name."""

    stack: Stack
    hosts: Mapping[str, RemoteHost]


class Preparation(pulumi.ComponentResource):
    """``prepared``: for each host, the command that prepared it and what then waits for the host's turn."""

    def __init__(self, name: str, args: PreparationArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:Preparation", name, None, opts)
        # What runs as a service comes with its own part: it changes, and is restarted, in the host's turn.
        paths = [path for path in sorted(SCRIPTS.iterdir()) if not path.name.startswith(SERVICES)]
        scripts = {path.name: path.read_text() for path in paths}
        checks = {
            host: remote.run("preflight", preparation.preflight_body(args.stack, remote.settings, scripts), self)
            for host, remote in args.hosts.items()
        }
        self.prepared: dict[str, Staged] = {
            host: self._prepare(args.stack, remote, scripts, list(checks.values()))
            for host, remote in args.hosts.items()
        }
        found = pulumi.Output.all(**{host: check.stdout for host, check in checks.items()})
        found.apply(_warn)
        self.register_outputs({})

    def _prepare(
        self, stack: Stack, host: RemoteHost, scripts: Mapping[str, str], checks: list[pulumi.Resource]
    ) -> Staged:
        body = preparation.prepare_body(stack, host.settings, scripts)
        waiting = preparation.revision(stack, host.settings) if preparation.runs_pods(host.settings) else ""
        return Staged(host.run("prepare", body, self, checks), pulumi.Output.from_input(waiting))


def _warn(descriptions: Mapping[str, str]) -> None:
    for text in preparation.same_machine(descriptions):
        pulumi.log.warn(text)
