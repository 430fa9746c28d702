"""The oldest cluster that a stack takes in grows at its own version, and stands what a cluster from bare hosts stands.

It is as different from the one of tests/lab/test_adopt.py as one may be: Kubernetes 1.33 with an etcd of 3.5,
authorities with ECDSA keys, and an etcd member that gives its peer address as localhost. Nothing interrupts its growth;
what fails, rolls and is searched for secrets here is the cluster that came of it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from lab import hosts, stack
from lab.paths import PRIVATE_KEY, STATE
from releases import read_release
from tests.lab import adopted_workload, kubeadm_cluster, older
from tests.lab.adoption import (
    EVERYBODY,
    MASTER,
    NAME,
    SECOND,
    THIRD,
    WORKER,
    clear_away,
    locked,
    look,
    project,
    sections,
)
from tests.lab.kubeadm_cluster import KubeadmCluster
from tests.lab.leaks import TOKEN, Secrets, of_deployment
from tests.lab.process_watch import ProcessWatch
from tests.lab.program import Load, Program, Run
from tests.lab.quiet import dev_frozen
from tests.lab.subject import truths_hold
from tests.lab.trial import ETCDCTL, on_spares

pytestmark = [pytest.mark.lab, pytest.mark.long]

MASTERS = (MASTER, SECOND, THIRD)
KEYS = "cd /etc/kubernetes && cat pki/*.key pki/etcd/*.key *.conf"
ROLL = "test_changed_settings_of_apiserver_etcd_and_kubelet_roll_the_masters_one_at_a_time_and_nobody_notices"
# What cluster-info shows to everybody: by it, who has a kubeadm token knows the cluster. It begins as a token does.
SIGNED = re.compile(r"jws-kubeconfig-\S+ *: *\S+")
ANOTHER_NAME = {"cluster": {"apiServer": {"extraSans": ["another.lab"]}}}


@dataclass(frozen=True)
class Grown:
    """The cluster after its one ``up``, what was before, and what a client of its first master saw meanwhile.

    ``output`` holds a file for each thing that a person may see or send on; ``secrets`` are those of kubeadm's cluster
    and of the stack.
    """

    cluster: KubeadmCluster
    program: Program
    said: str
    run: Run
    before: Mapping[str, str]
    after: Mapping[str, str]
    failures: list[str]
    clients: Mapping[str, Mapping[str, Any]]
    secrets: Secrets
    output: Path


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grown]:
    output = tmp_path_factory.mktemp("output")
    program = Program(NAME)
    with dev_frozen(), older.served() as settings:
        program.forget()
        program.create()
        try:
            ecdsa = {"encryptionAlgorithm": "ECDSA-P256"}
            cluster = kubeadm_cluster.make(MASTER, WORKER, EVERYBODY[2:], settings, ecdsa)
            adopted_workload.start(cluster)
            kubeadm_cluster.give_peer_address_as_localhost(cluster)
            yield grow(cluster, output)
        finally:
            clear_away(EVERYBODY)


def grow(cluster: KubeadmCluster, output: Path) -> Grown:
    secrets = Secrets()
    secrets.add("the lab's SSH key", PRIVATE_KEY.read_text())
    secrets.add_keys("kubeadm", kubeadm_cluster.run(MASTER, KEYS))
    before, file = adopted_workload.containers(cluster), project()
    with ProcessWatch() as watch:
        said = look()
        program = Program(NAME, sections(file.read_text()))
        preview = program.preview(arguments=["--diff"]).ok()
        load = Load.start(kubeconfig=cluster.kubeconfig)
        try:
            run = program.up(arguments=["--diff"])
        finally:
            clients = load.stop()
    watch.write(output / "arguments")
    texts = {"look": said, "stack-file": file.read_text(), "preview": preview.text, "up": SIGNED.sub("", run.text)}
    texts["changed"] = program.preview(ANOTHER_NAME, ["--json"]).ok().text
    texts["state"] = program.state()
    for name in EVERYBODY:
        texts[f"journal-{name}"] = kubeadm_cluster.run(name, "journalctl --no-pager --output=export")
    for name, text in texts.items():
        (output / name).write_text(text)
    shown = stack.pulumi("stack", "export", "--show-secrets", "--stack", NAME).stdout
    of_deployment(json.loads(shown)["deployment"], secrets)
    after, (_, failures) = adopted_workload.containers(cluster), adopted_workload.asked(cluster)
    return Grown(cluster, program, said, run, before, after, failures, clients, secrets, output)


def test_the_release_that_is_nearest_is_chosen_and_etcd_alone_becomes_newer(grown: Grown) -> None:
    """kubeadm's own etcd of 1.33 is too old for 3.6 to follow: the release brings one that is not."""
    etcd = read_release(older.RELEASE).versions.etcd
    assert f"{MASTER}: etcd {older.ETCD} becomes {etcd}" in grown.said
    assert "Kubernetes" not in "".join(line for line in grown.said.splitlines() if "becomes" in line)


def test_its_up_ends_well_and_a_second_one_changes_nothing(grown: Grown) -> None:
    grown.run.ok()
    assert grown.program.steps() == []


def kubelets(grown: Grown) -> set[str]:
    """The versions of the nodes' kubelets."""
    nodes = json.loads(grown.cluster.kubectl("get", "nodes", "--output=json"))["items"]
    assert len(nodes) == len(MASTERS) + 1
    return {node["status"]["nodeInfo"]["kubeletVersion"] for node in nodes}


def test_every_node_runs_the_version_that_it_had(grown: Grown) -> None:
    assert kubelets(grown) == {f"v{read_release(older.RELEASE).versions.kubernetes}"}


def test_the_member_that_was_at_localhost_is_where_the_others_find_it(grown: Grown) -> None:
    members = json.loads(kubeadm_cluster.run(SECOND, f"{ETCDCTL} member list -w json"))["members"]
    assert {member["name"]: member["peerURLs"] for member in members if not member.get("isLearner")} == {
        name: [f"https://{hosts.ADDRESSES[name]}:2380"] for name in MASTERS
    }


@pytest.mark.parametrize("name", ["ca", "front-proxy-ca", "etcd/ca"])
def test_every_master_has_the_authorities_that_kubeadm_made(grown: Grown, name: str) -> None:
    fingerprint = f"openssl x509 -in /etc/kubernetes/pki/{name}.crt -noout -fingerprint -sha256 -text"
    said = {kubeadm_cluster.run(master, fingerprint) for master in MASTERS}
    assert len(said) == 1
    assert "ASN1 OID: prime256v1" in said.pop()


def test_no_pod_of_the_workload_or_the_network_was_restarted_and_no_request_between_pods_failed(grown: Grown) -> None:
    assert grown.before.items() <= grown.after.items()
    assert grown.failures == []


def test_clients_of_the_first_master_wait_once_and_lose_no_write(grown: Grown) -> None:
    for kind, seen in grown.clients.items():
        print(f"{kind}: {seen['interruptions']} interruptions, the longest {seen['longest_gap_seconds']:.1f} s")
        assert seen["lost_writes"] == 0, kind
        assert seen["interruptions"] <= 1, seen["errors"]
        assert seen["longest_gap_seconds"] < 20, kind


def test_kubeadms_own_commands_still_understand_the_cluster(grown: Grown) -> None:
    assert "apiserver-etcd-client" in kubeadm_cluster.run(MASTER, "kubeadm certs check-expiration")
    version = read_release(older.RELEASE).versions.kubernetes
    assert f"Target version: v{version}" in kubeadm_cluster.run(MASTER, f"kubeadm upgrade plan v{version}")


def test_the_search_for_secrets_knows_those_of_kubeadm_and_of_the_stack(grown: Grown) -> None:
    names = grown.secrets.names()
    assert {"kubeadm", "the lab's SSH key", f"pki-apiserver-{SECOND}", "pki-admin"} <= names


def test_no_key_of_either_was_shown_to_anybody(grown: Grown) -> None:
    """Neither in arguments of processes, nor by the look, previews and the run, nor in the stack's file, its state and
    the hosts' journals."""
    assert b"kube-apiserver --advertise-address" in (grown.output / "arguments").read_bytes()
    assert grown.secrets.found(grown.output) == []
    assert [hit for hit in grown.secrets.found(grown.output, TOKEN) if not hit.startswith("state: ")] == []
    assert grown.secrets.found(STATE) == []


def test_all_that_holds_for_a_cluster_from_bare_hosts_holds_for_it(grown: Grown) -> None:
    truths_hold(grown.program)


def test_masters_and_load_balancers_that_are_lost_stop_its_clients_no_longer_than_any_others(grown: Grown) -> None:
    truths_hold(grown.program, ["test_failures.py"])


def test_changed_settings_roll_over_it_and_nobody_notices(grown: Grown) -> None:
    truths_hold(grown.program, [f"test_rolls.py::{ROLL}"])


def test_a_cluster_from_bare_hosts_is_born_at_that_version_too(grown: Grown) -> None:
    """A release that takes a cluster in is one like any other."""
    alone = "spare9"
    balancer = {"address": hosts.ADDRESSES[alone], "port": 8443, "vip": None, "extraSans": []}
    values = {"loadBalancer": balancer, "release": grown.program.values["release"]}
    with on_spares("born", {alone: ["master", "lb"]}, values) as trial:
        trial.program.up().ok()
        assert trial.ready_nodes() == [alone]
        assert trial.program.steps() == []


def test_a_release_that_leaves_out_a_minor_version_is_refused_before_any_host_changes(grown: Grown) -> None:
    """``promote`` refuses it too, but anybody can write another release into a stack's file."""
    newest = Program(NAME, {**grown.program.values, "release": locked(stack.release_name())})
    refused = newest.up()
    assert refused.code != 0
    for master in MASTERS:
        assert f"{master}: preflight: its kube-apiserver is {older.RELEASE}, and only one of" in refused.text
    left = {step["urn"].rpartition("-")[2] for step in grown.program.steps()}
    assert left <= {"preflight"}


def test_the_next_release_brings_it_another_kubernetes_and_another_etcd_and_nobody_notices(grown: Grown) -> None:
    """How a cluster that was taken in at an old version goes on. No other test upgrades either of the two."""
    promoted = Program(NAME, {**grown.program.values, "release": locked(older.NEXT)})
    before, load = adopted_workload.containers(grown.cluster), Load.start(kubeconfig=promoted.kubeconfig())
    try:
        run = promoted.up()
    finally:
        clients = load.stop()
    run.ok()
    versions = read_release(older.NEXT).versions
    assert kubelets(grown) == {f"v{versions.kubernetes}"}
    status = json.loads(kubeadm_cluster.run(MASTER, f"{ETCDCTL} endpoint status --cluster -w json"))
    assert [one["Status"]["version"] for one in status] == [versions.etcd] * len(MASTERS)
    for kind, seen in clients.items():
        print(f"{kind}: {seen['requests']} requests in {run.seconds:.0f} s, {seen['failures']} failed")
        assert (seen["failures"], seen["lost_writes"]) == (0, 0), (kind, seen["errors"])
    ours = {pod: container for pod, container in before.items() if "flannel" not in pod}
    assert ours.items() <= adopted_workload.containers(grown.cluster).items()
    truths_hold(promoted)


def test_members_know_each_other_however_often_they_start_with_the_next_etcd(grown: Grown) -> None:
    """A young cluster's did not from the second start on: etcd 3.6 took the version before it, still in its log, for a
    downgrade, and forgot who had joined since. A second and a third start here: the settings, and their way back."""
    promoted = Program(NAME, {**grown.program.values, "release": locked(older.NEXT)})
    truths_hold(promoted, [f"test_rolls.py::{ROLL}"])
    logs = kubeadm_cluster.run(SECOND, "cat /var/log/pods/kube-system_etcd-*/etcd/*.log")
    assert "Validation on configuration change failed" not in logs
    truths_hold(promoted)
