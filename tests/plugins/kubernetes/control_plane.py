"""A real API server for contract tests: etcd, kube-apiserver and a few controllers on loopback, for one file of tests.

Nodes and kubelets are played: ``Api.add_node`` makes a node, and a thread marks its pods ready. Nothing here knows of
Pulumi.
"""

import base64
import datetime
import ipaddress
import json
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from lab import toolchain
from tests.ports import free_port

CONTROLLERS = (
    "garbage-collector-controller,namespace-controller,deployment-controller,replicaset-controller,"
    "daemonset-controller,endpoints-controller,serviceaccount-controller"
)
START_SECONDS = 60
BROKEN = "broken"
"""Pods of a container image of this name never become ready."""

Object = dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """A certificate and its key, PEM."""

    certificate: bytes
    key: bytes


class Authority:
    """A CA that lives as long as the API server."""

    def __init__(self, name: str) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        builder = self._builder(self._name, self._key).add_extension(constraints, critical=True)
        self.pem = builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def issue(self, name: str, organization: str = "", server: bool = False) -> Pair:
        """A certificate for a client, or for a server on 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        attributes = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if organization:
            attributes.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization))
        usage = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        addresses = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        builder = self._builder(x509.Name(attributes), key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = builder.add_extension(addresses, critical=False).sign(self._key, hashes.SHA256())
        return Pair(certificate.public_bytes(serialization.Encoding.PEM), private_pem(key))

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name)
        builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
        return builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(
            now + datetime.timedelta(days=1)
        )


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )


def kubeconfig(server: str, authority: bytes, client: Pair) -> str:
    """A kubeconfig for one user of one cluster."""

    def encoded(pem: bytes) -> str:
        return base64.b64encode(pem).decode()

    user = {"client-certificate-data": encoded(client.certificate), "client-key-data": encoded(client.key)}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "admin"}}],
        "clusters": [{"name": "test", "cluster": {"server": server, "certificate-authority-data": encoded(authority)}}],
        "users": [{"name": "admin", "user": user}],
    }
    return json.dumps(document)


class Api:
    """The test's own view of the API server: plain requests, independent of the plugin under test."""

    def __init__(self, server: str, authority: Authority, folder: Path) -> None:
        self.server = server
        self.authority = authority.pem
        self._issuer = authority
        admin = self._admin()
        self.kubeconfig = kubeconfig(server, authority.pem, admin)
        bundle = folder / "admin.pem"
        bundle.write_bytes(admin.certificate + admin.key)
        context = ssl.create_default_context(cadata=authority.pem.decode())
        context.load_cert_chain(bundle)
        self.client = httpx.Client(base_url=server, verify=context, timeout=20)

    def renewed_kubeconfig(self) -> str:
        """The same access with another client certificate."""
        return kubeconfig(self.server, self.authority, self._admin())

    def _admin(self) -> Pair:
        return self._issuer.issue("admin", "system:masters")

    def get(self, path: str) -> Object:
        answer = self.client.get(path)
        answer.raise_for_status()
        return dict(answer.json())

    def exists(self, path: str) -> bool:
        return self.client.get(path).status_code == 200

    def post(self, path: str, obj: Object) -> Object:
        answer = self.client.post(path, json=obj)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def patch(self, path: str, change: Object, manager: str = "kubectl-edit") -> Object:
        """Merges ``change`` into the object, as somebody else than Pulumi."""
        headers = {"Content-Type": "application/merge-patch+json"}
        answer = self.client.patch(path, json=change, headers=headers, params={"fieldManager": manager})
        assert answer.is_success, answer.text
        return dict(answer.json())

    def delete(self, path: str) -> None:
        self.client.delete(path, params={"propagationPolicy": "Background"})

    def ready(self) -> bool:
        try:
            return self.client.get("/readyz").status_code == 200
        except httpx.TransportError:
            return False

    def add_node(self, name: str) -> None:
        self.post("/api/v1/nodes", {"metadata": {"name": name}})
        self.patch(f"/api/v1/nodes/{name}", {"spec": {"taints": None}})  # a new node is tainted as not ready
        self.patch(f"/api/v1/nodes/{name}/status", {"status": {"conditions": [_condition("Ready")]}})

    def mark_pods_ready(self) -> None:
        """What the nodes' kubelets would report of the pods that are not ready yet."""
        for pod in self.get("/api/v1/pods")["items"]:
            container = pod["spec"]["containers"][0]
            if pod.get("status", {}).get("containerStatuses") or pod["metadata"].get("deletionTimestamp"):
                continue
            works = container["image"] != BROKEN
            state: Object = {"running": {}} if works else {"waiting": {"reason": "ErrImagePull", "message": "no image"}}
            status = {"name": container["name"], "ready": works, "restartCount": 0, "image": "x", "imageID": "x"}
            conditions = [_condition("Ready")] if works else []
            report = {"phase": "Running", "conditions": conditions, "containerStatuses": [status | {"state": state}]}
            path = f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}/status"
            self.client.patch(
                path, json={"status": report}, headers={"Content-Type": "application/strategic-merge-patch+json"}
            )


def _condition(kind: str) -> Object:
    return {"type": kind, "status": "True", "reason": "Test", "lastTransitionTime": "2026-01-01T00:00:00Z"}


@contextmanager
def running(folder: Path) -> Iterator[Api]:
    """The control plane, until the block ends."""
    authority, processes, ended = Authority("test"), [], threading.Event()
    etcd, peer, port = free_port(), free_port(), free_port()
    api = Api(f"https://127.0.0.1:{port}", authority, folder)
    try:
        processes.append(_start(folder, _etcd(folder, etcd, peer)))
        processes.append(_start(folder, _api_server(folder, authority, etcd, port)))
        _wait(api.ready, processes, folder)
        processes.append(_start(folder, _controllers(folder, api)))
        _wait(lambda: api.exists("/api/v1/namespaces/default/serviceaccounts/default"), processes, folder)
        api.add_node("node-1")
        thread = threading.Thread(target=_play_kubelets, args=(api, ended), daemon=True)
        thread.start()
        yield api
    finally:
        ended.set()
        for process in reversed(processes):
            process.kill()
            process.wait()


def _play_kubelets(api: Api, ended: threading.Event) -> None:
    while not ended.wait(0.2):
        try:
            api.mark_pods_ready()
        except httpx.HTTPError:
            continue  # the API server is ending, or busy; the next round does it


def _etcd(folder: Path, port: int, peer: int) -> list[str]:
    client, peers = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        str(toolchain.binary("etcd", "etcd")),
        f"--data-dir={folder}/etcd",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peers}",
        f"--initial-advertise-peer-urls={peers}",
        f"--initial-cluster=default={peers}",
        "--unsafe-no-fsync",
    ]


def _api_server(folder: Path, authority: Authority, etcd: int, port: int) -> list[str]:
    serving = authority.issue("kube-apiserver", server=True)
    files = {"ca.crt": authority.pem, "api.crt": serving.certificate, "api.key": serving.key}
    files["sa.key"] = private_pem(ec.generate_private_key(ec.SECP256R1()))
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return [
        str(toolchain.binary("kubernetes", "kube-apiserver")),
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={folder}/api.crt",
        f"--tls-private-key-file={folder}/api.key",
        f"--client-ca-file={folder}/ca.crt",
        "--allow-privileged=true",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",
        "--endpoint-reconciler-type=none",
        "--service-cluster-ip-range=10.0.0.0/24",
        "--service-account-issuer=https://test",
        f"--service-account-key-file={folder}/sa.key",
        f"--service-account-signing-key-file={folder}/sa.key",
    ]


def _controllers(folder: Path, api: Api) -> list[str]:
    path = folder / "controllers.kubeconfig"
    path.write_text(api.kubeconfig)
    return [
        str(toolchain.binary("kubernetes", "kube-controller-manager")),
        f"--kubeconfig={path}",
        f"--controllers={CONTROLLERS}",
        "--leader-elect=false",
        "--secure-port=0",
    ]


def _start(folder: Path, command: list[str]) -> subprocess.Popen[bytes]:
    with (folder / f"{Path(command[0]).name}.log").open("wb") as log:
        # A test session that is killed must not leave an API server behind.
        return subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *command], stdout=log, stderr=log, cwd=folder)


def _wait(done: Any, processes: list[subprocess.Popen[bytes]], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not done():
        ended = [process.args for process in processes if process.poll() is not None]
        if ended or time.monotonic() > deadline:
            logs = "\n".join(path.read_text()[-2000:] for path in folder.glob("*.log"))
            raise RuntimeError(f"the control plane did not start in {START_SECONDS} s; ended: {ended}\n{logs}")
        time.sleep(0.1)
