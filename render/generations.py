"""The generations of an authority, Harbor's too, or of the service accounts' key, while one takes the place of another.

Owns their names, the text in which all that are trusted travel, and in which files a host has it. Does not own which
there are (``settings``: the first issues, all are trusted), nor in which steps they may change: scripts/preflight.sh
holds those files against them, so that none issues before every host trusts it.
"""

from collections.abc import Iterable, Iterator, Sequence

from render import containerd, hub, load_balancer
from render.static_pods import PKI
from settings import Host, Stack

MARK = "# generation "
SERVICE_ACCOUNT = "service-account"


def named(what: str, generation: int) -> str:
    """One of them; the first ever has no number."""
    return what if generation == 1 else f"{what}-{generation}"


def bundle(generations: Sequence[int], pems: Sequence[str]) -> str:
    """The PEM of all that are trusted; it says which is which where there was ever another than the first."""
    if [*generations] == [1]:
        return pems[0]
    return "".join(f"{MARK}{one}\n{pem}" for one, pem in zip(generations, pems, strict=True))


def shown(stack: Stack, host: Host) -> Iterable[tuple[str, ...]]:
    """For each that the host trusts: its setting, the file there that shows which it trusts, and which it shall."""
    files = {"ca": f"{PKI}/ca.crt"} if host.name in stack.nodes() else {}
    if "master" in host.roles:
        files |= {"frontProxyCa": f"{PKI}/front-proxy-ca.crt", "etcdCa": f"{PKI}/etcd/ca.crt"}
        files["serviceAccount"] = f"{PKI}/sa.pub"
    elif "lb" in host.roles:
        files["ca"] = load_balancer.ca_path(load_balancer.API_SERVICE)
    generations = stack.cluster.pki.generations.model_dump(by_alias=True)
    for name, file in files.items():
        yield f"evenkeel:cluster.pki.generations.{name}", file, *(str(one) for one in generations[name])
    if stack.harbor and not stack.harbor.server_certificate:
        for file in _of_harbor(host, stack.harbor.registry):
            yield "evenkeel:harbor.generations.ca", file, *(str(one) for one in stack.harbor.generations.ca)


def _of_harbor(host: Host, registry: str) -> Iterator[str]:
    """Who asks hubs: runtimes of nodes, load balancers, and the scripts of the hubs themselves."""
    if {"master", "worker"} & {*host.roles}:
        yield f"{containerd.CERTS_D}/{registry}/ca.crt"
    if "lb" in host.roles:
        yield load_balancer.ca_path(load_balancer.HUB_SERVICE)
    if "hub" in host.roles:
        yield hub.CA
