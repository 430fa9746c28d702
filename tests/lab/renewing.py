"""The renewal of authorities on a trial, as docs/rotate.md tells it: its steps under a load, and what holds after.

Does not own the trial, nor what is refused between the steps (tests/lab/test_renewal.py).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lab import hosts
from tests.lab.certificates import KUBELET_PKI, PKI
from tests.lab.program import Load, Run
from tests.lab.trial import Trial

STEPS: Mapping[str, Sequence[int]] = {"trust": (1, 2), "issue": (2, 1), "drop": (2,)}
EVERYTHING = ("ca", "frontProxyCa", "etcdCa", "serviceAccount")
OF_A_MASTER = {
    f"{PKI}/ca.crt": [f"{PKI}/apiserver.crt", f"{PKI}/apiserver-kubelet-client.crt"],
    f"{PKI}/front-proxy-ca.crt": [f"{PKI}/front-proxy-client.crt"],
    f"{PKI}/etcd/ca.crt": [
        *(f"{PKI}/etcd/{name}.crt" for name in ("server", "peer", "healthcheck-client")),
        f"{PKI}/apiserver-etcd-client.crt",
    ],
}
OF_A_KUBELET = [f"{KUBELET_PKI}/kubelet-{side}-current.pem" for side in ("client", "server")]


@dataclass(frozen=True)
class Step:
    """One of them: its ``up``, and what clients saw meanwhile, by kind of client."""

    run: Run
    clients: Mapping[str, Mapping[str, Any]]


def wanting(*generations: int) -> dict[str, Any]:
    """The settings of one step."""
    return {"cluster": {"pki": {"generations": {what: [*generations] for what in EVERYTHING}}}}


def take(trial: Trial, step: str) -> Step:
    """One step, which must end well."""
    load = Load.start(kubeconfig=trial.program.kubeconfig())
    try:
        run = trial.program.up(wanting(*STEPS[step]))
    finally:
        clients = load.stop()
    return Step(run.ok(), clients)


def assert_nobody_noticed(step: Step) -> None:
    """Whoever issues before all trust it, or is dropped while one still has its certificate, is refused by somebody."""
    told = [line.strip() for line in step.run.text.splitlines() if " etcd: " in line]
    for kind, report in step.clients.items():
        assert report["failures"] == 0, f"{kind}: {report['errors']}; what the hosts said: {told}"
        assert report["lost_writes"] == 0, kind
        assert report["requests"] > 100, kind


def assert_only_new(host: str, is_master: bool) -> None:
    """Each bundle of a host holds one certificate, and vouches for what is in use."""
    wanted = {f"{PKI}/ca.crt": OF_A_KUBELET}
    if is_master:
        wanted |= OF_A_MASTER | {f"{PKI}/ca.crt": [*OF_A_MASTER[f"{PKI}/ca.crt"], *OF_A_KUBELET]}
    for bundle, leaves in wanted.items():
        assert hosts.run(host, f"grep -c BEGIN {bundle}").stdout.strip() == "1", f"{host}: {bundle}"
        done = hosts.run(host, f"openssl verify -CAfile {bundle} {' '.join(leaves)}")
        assert done.returncode == 0, f"{host}: {done.stdout}{done.stderr}"


def assert_apiservers_reach_kubelets(masters: Sequence[str], nodes: Sequence[str]) -> None:
    """Serving certificates are no files of ours: a kubelet whose authority is dropped has no logs, exec or metrics."""
    for master in masters:
        for node in nodes:
            path = f"/api/v1/nodes/{node}/proxy/healthz"
            asked = f"kubectl --kubeconfig=/etc/kubernetes/admin.conf get --raw {path}"
            assert hosts.run(master, asked, check=True).stdout == "ok"
