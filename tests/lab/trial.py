"""Small stacks on spare hosts, for what stack ``dev`` must not suffer: made for one module of tests, gone after it.

Owns: claiming spare hosts, and asking a cluster's etcd. Does not own the engine's runs (``tests.lab.program``).
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from lab import hosts, ssh
from settings.merge import merged
from tests.lab import program

ETCDCTL = (
    "cd /etc/kubernetes/pki/etcd && etcdctl --cacert=ca.crt --cert=healthcheck-client.crt --key=healthcheck-client.key"
)


@dataclass(frozen=True)
class Trial:
    """A stack of spare hosts. ``masters`` are their names, in the order of their turns."""

    program: program.Program
    masters: Sequence[str]
    hosts: Sequence[str]

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """kubectl through the stack's load balancer, as its administrator. Needs the stack's first whole ``up``."""
        path = program.FOLDER / f"{self.program.stack}.kubeconfig"
        if not path.exists():
            path = self.program.kubeconfig()
        return program.kubectl(*arguments, kubeconfig=path, check=check)

    def etcd(self, host: str, command: str) -> Any:
        """What etcdctl on a host answers, of its own member alone."""
        return json.loads(hosts.run(host, f"{ETCDCTL} {command} --write-out=json", check=True).stdout)

    def voters(self, host: str) -> list[str]:
        """The members that vote, as this host's one sees it."""
        members = self.etcd(host, "member list")["members"]
        return sorted(member["name"] for member in members if not member.get("isLearner"))

    def cluster_id(self, host: str) -> int:
        """Of which etcd cluster this host's member is one."""
        return int(self.etcd(host, "endpoint status")[0]["Status"]["header"]["cluster_id"])

    def ready_nodes(self) -> list[str]:
        """The nodes that say so."""
        nodes = json.loads(self.kubectl("get", "nodes", "--output=json"))["items"]
        ready = {"type": "Ready", "status": "True"}.items()
        return sorted(
            node["metadata"]["name"]
            for node in nodes
            if any(ready <= condition.items() for condition in node["status"]["conditions"])
        )


@contextmanager
def on_spares(name: str, roles: Mapping[str, Sequence[str]], values: Mapping[str, Any]) -> Iterator[Trial]:
    """An empty stack of fresh hosts with these roles; afterwards neither is there any more."""
    spares = program.spares(list(roles), roles)
    sections = merged({"cluster": {"name": name}, "hosts": spares}, dict(values))
    stack = program.Program(name, sections)
    kubeconfig = program.FOLDER / f"{name}.kubeconfig"
    try:
        stack.forget()
        kubeconfig.unlink(missing_ok=True)
        stack.create()
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda host: fresh(host, "hub" in roles[host]), roles))
        ssh.ensure(roles)
        yield Trial(stack, [host for host, has in roles.items() if "master" in has], list(roles))
    finally:
        stack.forget()
        kubeconfig.unlink(missing_ok=True)
        for host in roles:
            hosts.destroy(host)


def fresh(host: str, hub: bool = False) -> None:
    """A host as it comes, whatever was there under its name."""
    if host in hosts.names():
        hosts.destroy(host)
    hosts.create(host, hub)
