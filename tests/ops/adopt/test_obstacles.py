"""What is refused before anything changes, and that each refusal says what to do."""

import copy
from typing import Any

import pytest
import yaml

from ops.adopt import nearest
from ops.adopt.cluster import KEYS
from ops.adopt.look import LookError
from ops.adopt.manifest import PROGRAMS
from ops.adopt.obstacles import with_written
from render.static_pods import PKI
from tests.ops.adopt import sample
from tests.ops.adopt.drawn import changes, in_the_way, sections
from tests.settings import pem

Files = dict[str, str]
Answers = dict[str, Any]
APISERVER = f"{sample.MANIFESTS}/kube-apiserver.yaml"
PUBLIC = "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n"
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


def test_what_encrypts_is_not_taken_out_before_everything_is_decrypted() -> None:
    """The remedy was to take the flag out, after which the apiserver reads no secret any more."""
    said = one(with_flag("--encryption-provider-config=/etc/kubernetes/pki/encryption.yaml"))
    assert "write everything that it encrypts anew with `identity: {}` as its first provider" in said


@pytest.mark.parametrize("path", [f"{PKI}/ca.crt", f"{PKI}/front-proxy-ca.crt", f"{PKI}/etcd/ca.crt", f"{PKI}/sa.pub"])
def test_a_rotation_that_has_not_ended_is_refused(path: str) -> None:
    """A stack took the first alone: tokens and clients of the other were refused from the old master's turn on."""
    other = pem.issued("other").text if path.endswith(".crt") else f"{PUBLIC.format('ours')}{PUBLIC.format('other')}"

    def rotating(files: Files, _answers: Answers) -> None:
        files[path] = files.get(path, "") + other

    assert f"{path}: holds 2 of them" in one(rotating)


def test_what_its_owner_keeps_beside_kubeadms_certificates_is_not_looked_at() -> None:
    """A copy from before a renewal was refused as having ended, and a file of another form ended in a traceback."""

    def kept(files: Files, _answers: Answers) -> None:
        files[f"{PKI}/before/apiserver.crt"] = pem.issued("kube-apiserver", days=(-400, -35)).text
        files[f"{PKI}/company.crt"] = "no PEM"

    assert in_the_way(sample.read(kept)) == []


def test_a_value_that_only_looks_like_a_path_is_carried() -> None:
    found = sample.read(with_flag("--cors-allowed-origins=//example.com(:|$)"))
    assert in_the_way(found) == []


def test_a_flag_given_twice_is_refused() -> None:
    assert "--oidc-groups-prefix is given more than once" in one(
        with_flag("--oidc-groups-prefix=a\n    - --oidc-groups-prefix=b")
    )


def test_a_flag_that_breaks_a_promise_is_refused_by_the_stacks_own_rule() -> None:
    assert "evenkeel:cluster.apiServer.extraArgs.anonymous-auth" in one(with_flag("--anonymous-auth=false"))


def test_what_a_user_took_out_of_the_file_as_the_stack_refuses_it_stays_out() -> None:
    """The next look put it back and refused it again, and only an edit of the one apiserver's manifest helped."""
    cluster = sample.read(with_flag("--anonymous-auth=false"))
    first = sections(cluster)
    assert first["cluster"]["apiServer"]["extraArgs"]["anonymous-auth"] == "false"
    assert with_written(first, {}) == first
    assert with_written(first, first) == first, "what is in the file still stays"
    written = copy.deepcopy(first)
    del written["cluster"]["apiServer"]["extraArgs"]["anonymous-auth"]
    assert with_written(first, written) == written


def test_a_field_of_one_nodes_kubelet_that_breaks_a_promise_is_refused_before_secrets_are_set() -> None:
    def port(files: Files, _answers: Answers) -> None:
        path = "/var/lib/kubelet/config.yaml"
        files[path] = files[path].replace("healthzPort: 10248", "healthzPort: 10348")

    assert "evenkeel:hosts.shaolin.kubelet.config.healthzPort: 10348" in one(port)


def test_masters_that_differ_are_refused_as_only_one_was_read() -> None:
    """What only another master's manifests said was gone after its turn."""

    def second(files: Files, answers: Answers) -> None:
        answers["nodes"]["items"].append(sample.node("wudang", "192.0.2.12", True))
        answers["etcd-members"]["members"].append({"ID": "2", "name": "wudang"})
        for program in PROGRAMS:
            pod = yaml.safe_load(files[f"{sample.MANIFESTS}/{program}.yaml"].replace(sample.MASTER, "192.0.2.12"))
            pod["spec"]["nodeName"] = "wudang"
            answers["control-plane"]["items"].append(pod)

    def another(files: Files, answers: Answers) -> None:
        second(files, answers)
        command = answers["control-plane"]["items"][1]["spec"]["containers"][0]["command"]
        command += ["--max-requests-inflight=800"]

    assert in_the_way(sample.read(second)) == []
    assert "wudang: kube-apiserver: --max-requests-inflight is 800, and shaolin has none; give both" in one(another)


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


def test_flags_where_red_hats_package_reads_them_are_refused_until_they_are_where_a_stack_reads_them() -> None:
    def flagged(files: Files, _answers: Answers) -> None:
        files["/etc/sysconfig/kubelet"] = 'KUBELET_EXTRA_ARGS="--root-dir=/data/kubelet"\n'

    def copied(files: Files, answers: Answers) -> None:
        flagged(files, answers)
        files["/etc/default/kubelet"] = files["/etc/sysconfig/kubelet"]

    assert "kubelet: its flags (--root-dir=/data/kubelet) stand in /etc/sysconfig/kubelet" in one(flagged)
    assert in_the_way(sample.read(copied)) == []


def test_a_host_that_is_no_kubeadm_master_is_refused() -> None:
    def bare(files: Files, _answers: Answers) -> None:
        del files[APISERVER]

    with pytest.raises(LookError, match="name a host that kubeadm made a master"):
        sample.read(bare)


def test_a_kubelet_that_does_not_say_what_it_runs_with_is_named() -> None:
    def silent(_files: Files, answers: Answers) -> None:
        del answers["kubelet/huashan"]

    assert "huashan: its kubelet has the cluster's settings and no others: it did not say what it runs with" in changes(
        sample.read(silent)
    )
    assert not any("did not say" in line for line in changes(sample.read()))


def test_what_changes_is_told_flag_by_flag() -> None:
    told = changes(sample.read())
    assert "shaolin: etcd 3.6.8 becomes 3.6.14" in told
    assert "shaolin: kube-apiserver: --shutdown-delay-duration=10s is added" in told
    assert not any("audit-log-maxage" in line for line in told), "it stays as it is"
    assert not any("is dropped" in line for line in told)
