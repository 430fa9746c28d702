"""What the load balancer adds to a request: the same read of one ConfigMap, directly and through it, in turns.

Connections are kept alive, as client-go's are, so that what is measured is the way of a request and not TLS.
"""

import base64
import json
import os
import statistics
import subprocess
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import yaml

from lab import toolchain
from tests.lab.program import DEV

OBJECT = "/api/v1/namespaces/kube-system/configmaps/kube-proxy"
RATE = 60  # requests a second: far from what a master can do, so that nothing queues
SECONDS = 5
ROUNDS = 7  # four measurements of three rounds gave anything from 0.90 to 1.21
API_PORT = 6443


def measure() -> dict[str, float]:
    """Medians of the rounds' medians, in milliseconds; direct requests go to the masters in equal shares."""
    outputs = DEV.outputs()
    direct = [f"https://{address}:{API_PORT}" for address in outputs["masters"].values()]
    with TemporaryDirectory() as name:
        certificates = _certificates(Path(name), outputs["kubeconfig"])
        rounds = [(_p50([outputs["apiEndpoint"]], certificates), _p50(direct, certificates)) for _ in range(ROUNDS)]
    through, straight = zip(*rounds, strict=True)
    return {"lb_p50_ms": statistics.median(through), "direct_p50_ms": statistics.median(straight)}


def _p50(servers: list[str], certificates: list[str]) -> float:
    """vegeta's median in milliseconds; a request that fails is no figure."""
    command = [str(toolchain.binary("checks", "vegeta")), "attack", f"-duration={SECONDS}s", f"-rate={RATE}"]
    targets = "".join(f"GET {server}{OBJECT}\n" for server in servers)
    attack = subprocess.run([*command, *certificates], input=targets.encode(), capture_output=True, check=True)
    report = [command[0], "report", "-type=json"]
    result = json.loads(subprocess.run(report, input=attack.stdout, capture_output=True, check=True).stdout)
    if result["success"] != 1:
        raise RuntimeError(f"bench: of the requests to {servers} failed: {result['errors'][:3]}")
    return float(result["latencies"]["50th"]) / 1e6


def _certificates(folder: Path, kubeconfig: str) -> list[str]:
    text = yaml.safe_load(kubeconfig)
    fields = {**text["clusters"][0]["cluster"], **text["users"][0]["user"]}
    return [
        f"-root-certs={_pem(folder, fields, 'certificate-authority-data')}",
        f"-cert={_pem(folder, fields, 'client-certificate-data')}",
        f"-key={_pem(folder, fields, 'client-key-data')}",
    ]


def _pem(folder: Path, fields: Mapping[str, str], name: str) -> Path:
    path = folder / name
    with open(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "wb") as file:  # noqa: PTH123  # a mode from the start
        file.write(base64.b64decode(fields[name]))
    return path
