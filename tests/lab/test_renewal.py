"""Every authority, and the service accounts' key, gives way to a new one under a load that notices everything.

The tests are one story, as docs/rotate.md tells it: trust the new ones, let them issue, drop the old ones.
"""

import json
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import hosts
from render.load_balancer import API_SERVICE, ca_path
from tests.lab import program
from tests.lab.certificates import PKI
from tests.lab.program import Run
from tests.lab.quiet import dev_frozen
from tests.lab.renewing import (
    STEPS,
    Step,
    assert_apiservers_reach_kubelets,
    assert_nobody_noticed,
    assert_only_new,
    take,
    wanting,
)
from tests.lab.trial import Trial, on_spares
from tests.waiting import eventually

MASTERS = ("spare1", "spare2", "spare3")
BALANCER, WORKER = "spare4", "spare5"
NODES = (*MASTERS, WORKER)
ROLES: dict[str, list[str]] = {**{name: ["master"] for name in MASTERS}, BALANCER: ["lb"], WORKER: ["worker"]}
LOAD_BALANCER: dict[str, Any] = {"address": hosts.ADDRESSES[BALANCER], "vip": None, "extraSans": []}

pytestmark = [pytest.mark.lab, pytest.mark.long]


@dataclass(frozen=True)
class Renewed:
    """The cluster after all three steps, what each ``up`` was, and what its clients saw meanwhile.

    ``before`` is the administrator's kubeconfig, and ``token`` a pod's token, from before the first step.
    """

    trial: Trial
    steps: Mapping[str, Step]
    too_early: Run
    too_soon: Run
    before: Path
    token: str


@pytest.fixture(scope="module")
def renewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Renewed]:
    with dev_frozen(), on_spares("renewal", ROLES, {"loadBalancer": LOAD_BALANCER}) as trial:
        trial.program.up().ok()
        before = tmp_path_factory.mktemp("before") / "kubeconfig"
        before.write_text(trial.program.kubeconfig().read_text())
        token = trial.kubectl("create", "token", "default", "--duration=2h").strip()
        too_early = trial.program.up(wanting(2, 1))
        steps = {}
        for step in STEPS:
            if step == "issue":
                too_soon = trial.program.up(wanting(2))
            steps[step] = take(trial, step)
        trial.program.kubeconfig()
        yield Renewed(trial, steps, too_early, too_soon, before, token)


@pytest.mark.parametrize("step", STEPS)
def test_nobody_notices_a_step(renewed: Renewed, step: str) -> None:
    assert_nobody_noticed(renewed.steps[step])


def test_a_step_that_was_left_out_is_refused_by_every_host_before_anything_changes(renewed: Renewed) -> None:
    for run, said in ((renewed.too_early, "generation 2 shall issue"), (renewed.too_soon, "generation 1 still issues")):
        assert run.code != 0
        for host in ROLES:
            assert f"evenkeel: {host}: preflight: evenkeel:cluster.pki.generations.ca: {said}" in run.text


def test_a_second_up_changes_nothing(renewed: Renewed) -> None:
    assert renewed.trial.program.steps(wanting(2)) == []


def test_every_certificate_in_use_is_of_the_new_authorities_alone(renewed: Renewed) -> None:
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: assert_only_new(node, node in MASTERS), NODES))


def test_a_load_balancer_asks_every_apiserver_with_the_new_authority_alone(renewed: Renewed) -> None:
    """Its check would keep out every apiserver whose certificate it can't verify."""
    kept = hosts.run(BALANCER, f"cat {ca_path(API_SERVICE)}", check=True).stdout
    issued = hosts.run(MASTERS[0], f"cat {PKI}/ca.crt", check=True).stdout
    assert kept == issued
    page = hosts.run(BALANCER, f"curl -fs http://{hosts.ADDRESSES[BALANCER]}:8404/upstreams/apiserver", check=True)
    assert sorted(page.stdout.splitlines()) == sorted(f"{name} up" for name in MASTERS)


def test_every_apiserver_reaches_every_kubelet(renewed: Renewed) -> None:
    assert_apiservers_reach_kubelets(MASTERS, NODES)


def test_the_old_authoritys_client_is_refused_and_refuses(renewed: Renewed) -> None:
    told = program.kubectl("get", "nodes", kubeconfig=renewed.before, check=False)
    assert told == ""
    address = f"https://{hosts.ADDRESSES[MASTERS[0]]}:6443/api"
    asked = f"curl -sk -o /dev/null -w '%{{http_code}}' -H @- {address}"
    code = hosts.run(MASTERS[0], asked, stdin=f"Authorization: Bearer {renewed.token}\n").stdout
    assert code == "401"


def test_the_clusters_own_pods_go_on_with_what_they_are_given_now(renewed: Renewed) -> None:
    """kube-proxy, flannel and CoreDNS read what they trust, and who they are, when they start."""
    for what in ("daemonset/kube-proxy", "deployment/coredns"):
        renewed.trial.kubectl("rollout", "status", what, "--namespace=kube-system", "--timeout=110s")
    shown = json.loads(renewed.trial.kubectl("get", "configmaps", "-A", "--output=json"))["items"]
    published = {one["data"]["ca.crt"] for one in shown if one["metadata"]["name"] == "kube-root-ca.crt"}
    assert [text.count("BEGIN CERTIFICATE") for text in published] == [1]
    eventually(lambda: renewed.trial.ready_nodes() == sorted(NODES), 60, "every node is ready")


def test_nothing_of_what_was_dropped_is_left_in_state(renewed: Renewed) -> None:
    state = json.loads(renewed.trial.program.state())
    names = {resource["urn"].rpartition("::")[2] for resource in state["deployment"]["resources"]}
    assert {"pki-ca-2", "pki-front-proxy-ca-2", "pki-etcd-ca-2", "pki-service-account-2"} <= names
    assert {"pki-ca", "pki-front-proxy-ca", "pki-etcd-ca", "pki-service-account"} & names == set()
