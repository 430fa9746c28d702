"""Harbor on all hubs: in which order they have their turn, the robots that the stack uses, and the probe at the end.

Owns that order. Does not own what a hub's turn is (``components.harbor_node``), the secrets that all share
(``components.harbor_secrets``), or who trusts Harbor (``components.harbor_trust``).

Hubs have their turn one after another, and each ends with Harbor well on it, so that a change which one of them does
not survive leaves the others alone, and no two of them migrate the database. Only when Harbor is new to the stack do
all begin at once: nobody can be interrupted, and on an empty database core's own lock keeps the others waiting.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi

from components.birth import Birth
from components.harbor_node import HarborNode, HarborNodeArgs
from components.harbor_secrets import HubSecrets
from components.host import TELL_RUN, RemoteHost, Staged, run_of
from components.remote_command import RemoteCommand
from render import hub
from render.scripts import ON_HOST, assignments, call
from settings import PullSecret, Stack


@dataclass(frozen=True)
class HarborArgs:
    """``balancers``: what ends when a load balancer knows the hubs."""

    stack: Stack
    hosts: Mapping[str, RemoteHost]
    prepared: Mapping[str, Staged]
    secrets: HubSecrets
    balancers: Sequence[pulumi.Resource]


class Harbor(pulumi.ComponentResource):
    """``serving`` ends when every hub has had its turn; ``robots`` when the stack's robots have their passwords."""

    def __init__(self, name: str, args: HarborArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("evenkeel:index:Harbor", name, None, opts)
        self._stack, self._args = args.stack, args
        self.nodes = {
            hub_name: HarborNode(
                f"{hub_name}-harbor",
                HarborNodeArgs(args.stack, args.hosts[hub_name], args.prepared[hub_name], args.secrets),
                pulumi.ResourceOptions(parent=self),
            )
            for hub_name in args.stack.hubs()
        }
        self._roll(Birth(f"{name}-birth", {}, pulumi.ResourceOptions(parent=self)))
        self.serving: list[RemoteCommand] = [node.returned for node in self.nodes.values()]
        self.pull_passwords = {
            robot_of(secret): args.secrets.password(f"pull-{secret.namespace}-{secret.name}").result
            for secret in _pull_secrets(args.stack)
        }
        self.robots = self._make_robots()
        self.probes = [self._probe(node) for node in self.nodes.values()]
        self.register_outputs({"url": args.stack.harbor.url if args.stack.harbor else None})

    def _roll(self, birth: Birth) -> None:
        everything = [one for node in self.nodes.values() for one in node.ready]
        before: list[RemoteCommand] = []
        for node in self.nodes.values():
            chained = [*everything, *self._args.balancers, *before]
            node.take_turn(birth.either(everything, chained), self._args.balancers)
            before = [node.returned]

    def _make_robots(self) -> RemoteCommand:
        """Through the first hub: they are in the database that all share. After a turn it may be another database."""
        robots = {f"{hub.PROBE_ROBOT} system library pull,push,delete": self._args.secrets.probe_password}
        for secret in _pull_secrets(self._stack):
            robot = robot_of(secret)
            robots[f"{robot} project {secret.project} pull"] = self.pull_passwords[robot]
        lines = pulumi.Output.concat(*(part for row, word in robots.items() for part in (row, " ", word, "\n")))
        body = pulumi.Output.all(self._args.secrets.values, lines).apply(
            lambda done: _robots_body(next(iter(self.nodes)), done[0].admin_password, done[1])
        )
        host = next(iter(self.nodes.values())).host
        return host.run("harbor-robots", body, self, self.serving, secret=True, because=self._turns())

    def _probe(self, node: HarborNode) -> RemoteCommand:
        """Whatever changed on any hub: each tries all the others."""
        body = call("hub-probe.sh", {"EVENKEEL_HOST": node.host.settings.name})
        return node.host.run("harbor-probe", body, self, [*self.serving, self.robots], because=self._turns())

    def _turns(self) -> pulumi.Output[str]:
        """Another text after each turn of any hub."""
        return pulumi.Output.concat(*(pulumi.Output.concat(" ", run_of(turn)) for turn in self.serving))


def robot_of(secret: PullSecret) -> str:
    """The name of the robot behind an imagePullSecret, which its project's name is put before."""
    return f"evenkeel-{secret.namespace}-{secret.name}"


def _pull_secrets(stack: Stack) -> Sequence[PullSecret]:
    return stack.harbor.pull_secrets if stack.harbor else ()


def _robots_body(host: str, admin_password: str, robots: str) -> str:
    variables = assignments({"EVENKEEL_HOST": host, "ADMIN_PASSWORD": admin_password, "ROBOTS": robots})
    return f"{variables}. {ON_HOST}/lib.sh\n. {ON_HOST}/harbor-robots.sh\n{TELL_RUN}"
