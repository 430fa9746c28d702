"""A throwaway API of the release on loopback: etcd and kube-apiserver, no kubelet, no controller.

Owns: starting both on free ports in a folder of its own, and ending them. For tests that ask what schemas can't say:
defaulting, validation, field ownership, RBAC. Does not own what is asked (``Api.kubectl`` runs the release's kubectl).
"""

import secrets
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from lab import toolchain

START_SECONDS = 60
END_SECONDS = 10
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Api:
    """A running API and the kubeconfig of a member of system:masters."""

    kubeconfig: Path

    def kubectl(self, *arguments: str, stdin: str = "", user: str = "") -> subprocess.CompletedProcess[str]:
        """Runs kubectl, as another user when one is named; the caller looks at the exit code."""
        command = [str(toolchain.binary("kubernetes", "kubectl")), "--kubeconfig", str(self.kubeconfig), *arguments]
        command += ["--as", user] if user else []
        return subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)


@contextmanager
def api(folder: Path) -> Iterator[Api]:
    """Yields a ready API whose files and logs lie in ``folder``."""
    toolchain.build(["etcd", "kubernetes"])
    ports = _free_ports(3)
    running = Api(_kubeconfig(folder, ports[0]))
    with ExitStack() as stack:
        stack.enter_context(_running(folder, _etcd(folder, ports[1], ports[2])))
        server = stack.enter_context(_running(folder, _apiserver(folder, ports[0], ports[1])))
        _await_ready(running, server, folder)
        yield running


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def _kubeconfig(folder: Path, port: int) -> Path:
    token = secrets.token_hex(16)
    (folder / "tokens.csv").write_text(f"{token},tester,tester,system:masters\n")
    # kube-apiserver makes a certificate for itself in its folder; it signs itself, so it is its own CA.
    cluster = {"server": f"https://{LOOPBACK}:{port}", "certificate-authority": str(folder / "certs/apiserver.crt")}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "live", "cluster": cluster}],
        "users": [{"name": "tester", "user": {"token": token}}],
        "contexts": [{"name": "live", "context": {"cluster": "live", "user": "tester"}}],
        "current-context": "live",
    }
    path = folder / "kubeconfig"
    path.write_text(yaml.safe_dump(document))
    return path


def _etcd(folder: Path, client_port: int, peer_port: int) -> list[str]:
    client, peer = f"http://{LOOPBACK}:{client_port}", f"http://{LOOPBACK}:{peer_port}"
    return [
        str(toolchain.binary("etcd", "etcd")),
        f"--data-dir={folder / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",
    ]


def _apiserver(folder: Path, port: int, etcd_port: int) -> list[str]:
    key = ec.generate_private_key(ec.SECP256R1())
    service_accounts = folder / "sa.key"
    service_accounts.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        )
    )
    return [
        str(toolchain.binary("kubernetes", "kube-apiserver")),
        f"--bind-address={LOOPBACK}",
        f"--secure-port={port}",
        f"--etcd-servers=http://{LOOPBACK}:{etcd_port}",
        f"--cert-dir={folder / 'certs'}",
        f"--token-auth-file={folder / 'tokens.csv'}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={service_accounts}",
        f"--service-account-signing-key-file={service_accounts}",
    ]


@contextmanager
def _running(folder: Path, command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{Path(command[0]).name}.log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _await_ready(running: Api, server: subprocess.Popen[bytes], folder: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while running.kubectl("get", "--raw", "/readyz").returncode != 0:
        if server.poll() is not None or time.monotonic() > deadline:
            raise AssertionError("kube-apiserver did not become ready:\n" + _last_lines(folder / "kube-apiserver.log"))
        time.sleep(0.3)


def _last_lines(log: Path) -> str:
    return "\n".join(log.read_text().splitlines()[-15:])
