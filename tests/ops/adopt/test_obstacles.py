"""What is refused before anything changes, and that each refusal says what to do."""

from typing import Any

import pytest

from ops.adopt import nearest
from ops.adopt.cluster import KEYS
from ops.adopt.look import LookError
from render.static_pods import PKI
from tests.ops.adopt import sample
from tests.ops.adopt.drawn import changes, in_the_way
from tests.settings import pem

Files = dict[str, str]
Answers = dict[str, Any]
APISERVER = f"{sample.MANIFESTS}/kube-apiserver.yaml"
FIRST_FLAG = "    - --advertise-address=192.0.2.11\n"


def one(change: sample.Change) -> str:
    """The only thing that is in the way after the change."""
    found = in_the_way(sample.read(change))
    assert len(found) == 1, found
    assert "; " in found[0], "it says what to do"
    return found[0]


def with_flag(flag: str) -> sample.Change:
    def change(files: Files, _answers: Answers) -> None:
        assert FIRST_FLAG in files[APISERVER]
        files[APISERVER] = files[APISERVER].replace(FIRST_FLAG, f"{FIRST_FLAG}    - {flag}\n")

    return change


def test_nothing_stands_in_the_way_of_a_cluster_that_is_well() -> None:
    assert in_the_way(sample.read()) == []


@pytest.mark.parametrize("key", sorted(KEYS))
def test_an_authority_whose_key_is_elsewhere_is_refused(key: str) -> None:
    def gone(files: Files, _answers: Answers) -> None:
        del files[KEYS[key]]

    assert f"{KEYS[key]}: the key of {key} is not on this host" in one(gone)


def test_a_certificate_that_ended_is_refused_with_the_way_to_renew_it() -> None:
    def ended(files: Files, _answers: Answers) -> None:
        files[f"{PKI}/front-proxy-client.crt"] = pem.issued("front-proxy-client", days=(-400, -35)).text

    assert "kubeadm certs renew all" in one(ended)


def test_an_etcd_that_is_not_healthy_is_refused() -> None:
    def ill(_files: Files, answers: Answers) -> None:
        answers["etcd-health"] = {"health": "false", "reason": "ALARM NOSPACE"}

    assert "ALARM NOSPACE" in one(ill)


def test_a_member_that_never_started_is_refused() -> None:
    def half(_files: Files, answers: Answers) -> None:
        answers["etcd-members"]["members"].append({"ID": "2", "peerURLs": ["https://192.0.2.12:2380"]})

    assert "one that never started, shaolin" in one(half)


def test_a_version_that_is_too_old_is_refused() -> None:
    def old(_files: Files, answers: Answers) -> None:
        answers["version"]["gitVersion"] = "v1.32.9"

    assert any("Kubernetes 1.32.9: is too old" in line for line in in_the_way(sample.read(old)))


def test_a_version_that_no_release_can_follow_on_is_refused() -> None:
    def behind(_files: Files, answers: Answers) -> None:
        answers["version"]["gitVersion"] = "v1.34.2"

    assert "upgrade with kubeadm to 1.35 or 1.36 first" in one(behind)


def test_a_version_that_is_newer_than_the_release_s_is_refused_with_the_way_to_a_newer_release() -> None:
    """It told people at 1.36.4 to upgrade to 1.36."""

    def ahead(_files: Files, answers: Answers) -> None:
        answers["version"]["gitVersion"] = "v1.36.4"

    assert "which is older; name another --release: a copy of it in releases/" in one(ahead)


@pytest.mark.parametrize(
    ("kubernetes", "etcd", "name"),
    [
        ("1.33.0", "3.5.21", "1.33"),
        ("1.33.13", "3.5.24", "1.33"),
        ("1.34.2", "3.6.5", "1.34"),
        ("1.35.0", "3.6.6", "1.35"),
        ("1.36.3", "3.6.8", "2026.11"),
    ],
)
def test_what_kubeadm_makes_since_1_33_is_taken_in_by_a_release_that_there_is(
    kubernetes: str, etcd: str, name: str
) -> None:
    """There was none for anything older than 1.35, whatever the documentation said."""

    def made(_files: Files, answers: Answers) -> None:
        answers["version"]["gitVersion"] = f"v{kubernetes}"
        answers["etcd-status"]["version"] = etcd

    cluster = sample.read(made)
    release = nearest.release(cluster.version)
    assert release.name == name
    assert in_the_way(cluster, release) == []


def test_an_etcd_that_a_newer_one_cannot_follow_on_is_refused() -> None:
    def old(_files: Files, answers: Answers) -> None:
        answers["etcd-status"]["version"] = "3.5.24"

    assert "upgrade it to 3.5.32" in one(old)


def test_clocks_that_differ_are_refused() -> None:
    def ahead(_files: Files, answers: Answers) -> None:
        answers["clock"] = str(int(answers["clock"]) + 30)

    assert "shaolin: its clock is" in one(ahead)


def test_a_node_whose_clock_differs_is_refused() -> None:
    def behind(_files: Files, answers: Answers) -> None:
        answers["node-leases"]["items"][0]["spec"]["renewTime"] = "2020-01-01T00:00:00.000000Z"

    assert "node shaolin: said" in one(behind)


def test_a_node_that_is_not_ready_is_refused() -> None:
    def ill(_files: Files, answers: Answers) -> None:
        answers["nodes"]["items"][1]["status"]["conditions"] = [{"type": "Ready", "status": "Unknown"}]

    assert "node huashan: is not ready" in one(ill)


def test_a_disk_without_room_for_a_snapshot_is_refused() -> None:
    def full(_files: Files, answers: Answers) -> None:
        answers["free-kilobytes"] = "2048"

    assert "/var/lib has 2 MB free, and a snapshot needs 58 MB" in one(full)


def test_a_volume_put_into_a_manifest_by_hand_is_named_and_refused() -> None:
    def mounted(files: Files, _answers: Answers) -> None:
        volume = "  volumes:\n  - hostPath:\n      path: /etc/audit\n    name: audit\n"
        files[APISERVER] = files[APISERVER].replace("  volumes:\n", volume)

    assert "kube-apiserver: spec.volumes: {'hostPath': {'path': '/etc/audit'}, 'name': 'audit'}" in one(mounted)


def test_a_setting_of_a_manifest_that_is_no_flag_is_named_and_refused() -> None:
    def environment(files: Files, _answers: Answers) -> None:
        name = "    name: kube-apiserver\n    ports:"
        assert name in files[APISERVER]
        files[APISERVER] = files[APISERVER].replace(name, f"    env:\n    - {{name: GOGC, value: '50'}}\n{name}")

    assert "kube-apiserver: container.env: [{'name': 'GOGC', 'value': '50'}]" in one(environment)


@pytest.mark.parametrize("path", ["/etc/kubernetes/pki/audit.yaml", "/etc/kubernetes/audit.yaml"])
def test_a_flag_that_names_a_file_of_the_host_is_refused(path: str) -> None:
    assert "names a file of this host" in one(with_flag(f"--audit-policy-file={path}"))


def test_a_value_that_only_looks_like_a_path_is_carried() -> None:
    found = sample.read(with_flag("--cors-allowed-origins=//example.com(:|$)"))
    assert in_the_way(found) == []


def test_a_flag_given_twice_is_refused() -> None:
    assert "--oidc-groups-prefix is given more than once" in one(
        with_flag("--oidc-groups-prefix=a\n    - --oidc-groups-prefix=b")
    )


def test_a_flag_that_breaks_a_promise_is_refused_by_the_stacks_own_rule() -> None:
    assert "evenkeel:cluster.apiServer.extraArgs.anonymous-auth" in one(with_flag("--anonymous-auth=false"))


def test_an_issuer_of_tokens_that_is_another_cannot_be_lost_by_taking_it_out_of_the_file() -> None:
    def issuer(files: Files, _answers: Answers) -> None:
        files[APISERVER] = files[APISERVER].replace(
            "https://kubernetes.default.svc.cluster.local", "https://tokens.example.com"
        )

    found = in_the_way(sample.read(issuer))
    assert any("--service-account-issuer=https://tokens.example.com: cannot be another" in line for line in found)


def test_flags_of_the_kubelet_that_nothing_reads_afterwards_are_refused() -> None:
    def flagged(files: Files, _answers: Answers) -> None:
        files["/var/lib/kubelet/kubeadm-flags.env"] = 'KUBELET_KUBEADM_ARGS="--hostname-override=shaolin --v=4"\n'

    assert "kubelet: --v=4" in one(flagged)


def test_a_host_that_is_no_kubeadm_master_is_refused() -> None:
    def bare(files: Files, _answers: Answers) -> None:
        del files[APISERVER]

    with pytest.raises(LookError, match="name a host that kubeadm made a master"):
        sample.read(bare)


def test_what_changes_is_told_flag_by_flag() -> None:
    told = changes(sample.read())
    assert "shaolin: etcd 3.6.8 becomes 3.6.14" in told
    assert "shaolin: kube-apiserver: --shutdown-delay-duration=10s is added" in told
    assert not any("audit-log-maxage" in line for line in told), "it stays as it is"
    assert not any("is dropped" in line for line in told)
