"""Resources as a policy gets them, good ones; a test changes what it is about."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from render import hub_preflight, load_balancer, static_pods
from render.files import File, stage_script, wrap
from render.generations import named
from render.preparation import prepare_body
from render.scripts import host_scripts
from settings import Stack
from tests.settings import samples

DIGEST = f"@sha256:{'a' * 64}"


@dataclass
class Sample:
    """One resource."""

    resource_type: str
    name: str
    props: Mapping[str, Any]
    opts: Any = field(default_factory=lambda: SimpleNamespace(protect=False))
    urn: str = ""

    def __post_init__(self) -> None:
        self.urn = f"urn:pulumi:sample::evenkeel::{self.resource_type}::{self.name}"


def command(name: str, text: str, host: str = "192.0.2.11", **more: Any) -> Sample:
    """A remote command; its connection pins the host's key."""
    connection = {"host": host, "port": 22, "hostKey": samples.host_key(host)}
    return Sample("command:remote:Command", name, {"connection": connection, "stdin": wrap(text), **more})


def laying(name: str, *files: File, host: str = "192.0.2.11", **more: Any) -> Sample:
    """A command that lays these files down on a host."""
    return command(name, stage_script({"part": list(files)}), host, **more)


def stack(folder: Path, **changed: Any) -> Stack:
    """The settings that manifests and nginx.conf are rendered from."""
    return samples.stack(folder, changed)


def masters(stack: Stack) -> list[Sample]:
    """What brings each master's manifests, and the certificates of their apiservers."""
    made = []
    for name, host in stack.masters().items():
        pods = (static_pods.etcd(stack, host), static_pods.kube_apiserver(stack, host))
        made.append(laying(f"{name}-control-plane", *pods, host=host.address))
        made.append(apiserver_certificate(name, host.address))
    return made


def apiserver_certificate(name: str, address: str) -> Sample:
    """The request of an apiserver's certificate, complete for the sample stack."""
    service = "kubernetes.default.svc"
    props = {
        "subject": {"commonName": "kube-apiserver"},
        "dnsNames": [name, "kubernetes", "kubernetes.default", service, f"{service}.cluster.local"],
        "ipAddresses": ["10.96.0.1", address, "192.0.2.30"],
    }
    return Sample("tls:index/certRequest:CertRequest", f"pki-apiserver-{name}", props)


def kube_proxy() -> Sample:
    """The ConfigMap by which kube-proxy finds the load balancer."""
    data = {"kubeconfig.conf": "clusters: [{name: default, cluster: {server: 'https://192.0.2.30:8443'}}]"}
    return Sample("kubernetes:core/v1:ConfigMap", "kube-proxy", {"metadata": {"name": "kube-proxy"}, "data": data})


def balancer(stack: Stack, host: str) -> Sample:
    """What brings nginx.conf to a host of the stack."""
    own = stack.hosts[host]
    return laying(f"{host}-lb", *load_balancer.files(load_balancer.balancer(stack, own)), host=own.address)


def pod(name: str, image: str, privileged: bool = False, kind: str = "DaemonSet") -> Sample:
    """A workload of one container."""
    container = {"name": "main", "image": image, "securityContext": {"privileged": privileged}}
    props = {"metadata": {"name": name}, "spec": {"template": {"spec": {"containers": [container]}}}}
    return Sample(f"kubernetes:apps/v1:{kind}", name, props)


def authority(protect: bool = True, hours: int = 87600, generation: int = 1) -> list[Sample]:
    """A CA and its key."""
    opts = SimpleNamespace(protect=protect)
    props = {"isCaCertificate": True, "validityPeriodHours": hours}
    kinds: dict[str, dict[str, Any]] = {
        "tls:index/selfSignedCert:SelfSignedCert": props,
        "tls:index/privateKey:PrivateKey": {"algorithm": "ECDSA"},
    }
    name = named("pki-ca", generation)
    return [Sample(kind, name, inputs, opts) for kind, inputs in kinds.items()]


def leaf(hours: int = 8760) -> Sample:
    """A certificate that a CA signs."""
    return Sample("tls:index/locallySignedCert:LocallySignedCert", "pki-admin", {"validityPeriodHours": hours})


def hub(folder: Path, host: str, key: str = "one key", storage: str = "shared") -> list[Sample]:
    """A hub's check of its stores, and its secret files."""
    own = samples.stack(folder, samples.with_harbor())
    assert own.harbor
    section = own.harbor.storage.model_validate({storage: {"path": "/srv/harbor"}})
    harbor = own.harbor.model_copy(update={"storage": section})
    text = hub_preflight.body(own, harbor, own.hosts["hub1"], host_scripts())
    file = File("/etc/evenkeel/harbor/core/private_key.pem", f"{key}\n", mode="0600")
    check = command(f"{host}-preflight-harbor", text, host)
    return [check, laying(f"{host}-harbor-secrets", file, host=host)]


def preparation(folder: Path) -> Sample:
    """What brings a master its programs."""
    own = samples.stack(folder)
    return command("shaolin-prepare", prepare_body(own, own.hosts["shaolin"], host_scripts()))
