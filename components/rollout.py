"""In which order nodes put to work what was staged for them: masters one at a time, then workers in a few lanes.

Each link of the chain ends with a health gate, so that a node that doesn't become well stops the rollout where it is.
At the cluster's birth nobody can be interrupted: the masters started together, and all are waited for at once.
Does not own what a node does in its turn (scripts/activate-master.sh, scripts/activate-worker.sh).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import pulumi

from components.api_server_node import ApiServerNode
from components.birth import Birth
from components.remote_command import RemoteCommand
from components.worker_node import WorkerNode
from render import kubelet
from render.etcd import member_variables
from render.scripts import call
from settings import Host, Stack

WORKERS_A_LANE = 10  # so that at most one worker in ten is in its turn at any moment


@dataclass(frozen=True)
class RolloutArgs:
    """Nodes in the order in which they have their turn, from ``genesis`` on; it comes when ``after`` has been done."""

    stack: Stack
    genesis: Birth
    masters: Sequence[ApiServerNode]
    workers: Sequence[WorkerNode]
    after: Sequence[pulumi.Resource] = ()


class Rollout(pulumi.ComponentResource):
    """``control_plane`` ends when all masters are well; ``turns`` holds each node's own turn, by name."""

    def __init__(self, name: str, args: RolloutArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:Rollout", name, None, opts)
        self.stack, self._genesis = args.stack, args.genesis
        nodes: list[ApiServerNode | WorkerNode] = [*args.masters, *args.workers]
        everything = [*args.after, *(one.command for node in nodes for one in node.staged)]
        self.turns: dict[str, RemoteCommand] = {}
        self.control_plane = self._chain("activate-master.sh roll", self._in_turn(args.masters), everything)
        self.control_plane += self._renewals(args.masters)
        lanes = -(-len(args.workers) // WORKERS_A_LANE)
        for lane in range(lanes):
            self._chain("activate-worker.sh roll", args.workers[lane::lanes], self.control_plane)
        self.register_outputs({})

    def _in_turn(self, masters: Sequence[ApiServerNode]) -> list[ApiServerNode]:
        """Those of an adopted cluster come last: the others serve by then, so that clients lose nobody."""
        served = self.stack.adopted.masters if self.stack.adopted else ()
        return sorted(masters, key=lambda master: master.host.settings.name in served)

    def _chain(
        self, script: str, nodes: Sequence[ApiServerNode | WorkerNode], after: Sequence[pulumi.Resource]
    ) -> list[RemoteCommand]:
        links: list[RemoteCommand] = []
        for node in nodes:
            chained = [*after, *links[-1:]]
            # The masters of an adopted cluster serve already: no turn of theirs is a birth.
            before = chained if self.stack.adopted else self._genesis.either(after, chained)
            turn = node.host.activate("activate", script, node.variables, node.staged, self, before, retires="node")
            links.append(turn)
            self.turns[node.host.settings.name] = links[-1]
        return links

    def _renewals(self, masters: Sequence[ApiServerNode]) -> list[RemoteCommand]:
        """What is left to do on each master while the cluster's authority is renewed."""
        generations = self.stack.cluster.pki.generations
        links: list[RemoteCommand] = []
        for master in masters if generations.renews_ca else ():
            body = f"# generations {generations.ca}\n{call('renewal.sh', master.variables)}"
            links.append(master.host.run("renewal", body, self, [*self.control_plane, *links[-1:]]))
        return links

    def registered(self) -> dict[str, pulumi.Output[str]]:
        """For each node, once it is in the API, what changes when another machine takes its place."""
        return {name: self.turns[name].urn.apply(partial(_machine, self.stack.hosts[name])) for name in self.turns}


def forget_departed(stack: Stack, master: ApiServerNode, after: Sequence[pulumi.Resource]) -> RemoteCommand:
    """Brings the cluster in step with the stack's hosts and roles where objects can't; says the etcd cluster's id."""
    variables = {
        **member_variables(stack, master.host.settings.name),
        "NODES": " ".join(stack.nodes()),
        "TAINTED": " ".join(name for name, host in stack.nodes().items() if kubelet.tainted(stack, host)),
    }
    return master.host.run("membership", call("membership.sh", variables), master, after)


def _machine(host: Host, _urn: str) -> str:
    return hashlib.sha256(f"{host.address} {host.ssh.host_key}".encode()).hexdigest()[:12]
