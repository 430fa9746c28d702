"""Each policy finds what it is there for, names it with the remedy, and is content with what the program makes."""

import re
import runpy
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pulumi_policy
import pytest
from pulumi_policy.proxy import UNKNOWN_STRING_VALUE, unknown_checking_proxy

from policy import certificates, control_plane, harbor, hosts, load_balancer, pack, release, secrecy, secret_text
from policy.resources import Resource
from policy.secret_text import SecretText
from render.files import File
from tests import pages
from tests.policy import samples
from tests.policy.samples import DIGEST, Sample
from tests.settings.samples import sha256

KEY = "-----BEGIN EC PRIVATE KEY-----\nbm90IGEga2V5\n-----END EC PRIVATE KEY-----\n"


def said(policy: Callable[..., Any], *resources: Resource) -> list[str]:
    """What a policy of single resources says of each."""
    return [text for resource in resources for text in policy(resource)]


def told(policy: Callable[..., Any], resources: Sequence[Resource]) -> list[str]:
    """What a policy of whole stacks says."""
    return [text for text, urn in policy(resources) if urn]


def masters(folder: Path, count: int) -> list[Sample]:
    return samples.masters(samples.stack(folder))[: 2 * count]  # a master is its manifests and its certificate


def test_a_host_or_bastion_without_a_pinned_key_is_found() -> None:
    good, bad, behind = (samples.command("shaolin-prepare", "true\n") for _ in range(3))
    bad.props["connection"].pop("hostKey")
    behind.props["connection"]["proxy"] = {"host": "bastion.example.com"}
    assert said(hosts.host_keys_are_pinned, good) == []
    assert "host 192.0.2.11: its connection has no hostKey" in said(hosts.host_keys_are_pinned, bad)[0]
    assert "bastion bastion.example.com: its connection" in said(hosts.host_keys_are_pinned, behind)[0]


def test_a_docker_engine_behind_an_unchecked_ssh_is_found() -> None:
    """pulumi-docker's own sample turns the check off."""
    checked, unchecked, silent = (
        Sample("pulumi:providers:docker", "hub1", {"host": "ssh://root@hub1", **options})
        for options in (*({"sshOpts": f'["-o", "StrictHostKeyChecking={word}"]'} for word in ("yes", "no")), {})
    )
    assert said(hosts.host_keys_are_pinned, checked) == []
    for bad in (unchecked, silent):
        assert "sshOpts lack StrictHostKeyChecking=yes" in said(hosts.host_keys_are_pinned, bad)[0]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_an_odd_number_of_masters_is_well(tmp_path: Path, count: int) -> None:
    assert told(control_plane.masters_are_odd, masters(tmp_path, count)) == []


def test_a_connection_over_which_files_are_copied_is_none_other() -> None:
    copied = Sample("command:remote:CopyToRemote", "shaolin-file", {"connection": {"host": "192.0.2.11"}})
    assert "its connection has no hostKey" in said(hosts.host_keys_are_pinned, copied)[0]


def test_an_even_number_of_masters_is_found(tmp_path: Path) -> None:
    assert told(control_plane.masters_are_odd, masters(tmp_path, 2)) == ["2 masters; make them 1 or 3"]


@pytest.mark.parametrize(("count", "faults"), [(0, 0), (1, 1), (2, 1), (3, 0)])
def test_fewer_than_three_masters_survive_no_loss(tmp_path: Path, count: int, faults: int) -> None:
    assert len(told(control_plane.masters_survive_a_loss, masters(tmp_path, count))) == faults


def test_a_complete_certificate_of_an_apiserver_is_well(tmp_path: Path) -> None:
    assert told(control_plane.apiserver_certificates_are_complete, [samples.kube_proxy(), *masters(tmp_path, 3)]) == []


@pytest.mark.parametrize("missing", ["kubernetes.default.svc", "10.96.0.1", "192.0.2.30"])
def test_a_name_that_a_certificate_of_an_apiserver_lacks_is_found(tmp_path: Path, missing: str) -> None:
    resources = [samples.kube_proxy(), *masters(tmp_path, 3)]
    for kind in ("dnsNames", "ipAddresses"):
        names = resources[2].props[kind]
        resources[2].props[kind][:] = [name for name in names if name != missing]
    assert told(control_plane.apiserver_certificates_are_complete, resources) == [
        f"the certificate of the apiserver at 192.0.2.11 does not name {missing}; add it"
    ]


def test_an_apiserver_whose_address_no_certificate_names_is_found(tmp_path: Path) -> None:
    resources = [one for one in masters(tmp_path, 3) if one.name != "pki-apiserver-wudang"]
    found = told(control_plane.apiserver_certificates_are_complete, resources)
    assert found == ["no certificate of an apiserver names 192.0.2.12, where this one answers"]


@pytest.mark.parametrize(("timeout", "faults"), [("3s", 1), ("599s", 1), ("10m", 0), ("1h", 0)])
def test_a_timeout_that_ends_watches_is_found(tmp_path: Path, timeout: str, faults: int) -> None:
    balancer = samples.stack(tmp_path).load_balancer.model_copy(update={"proxy_timeout": timeout})
    values = {"loadBalancer": balancer.model_dump(by_alias=True, exclude_none=True)}
    found = said(load_balancer.watches_live_ten_minutes, samples.balancer(samples.stack(tmp_path, **values), "lb1"))
    assert len(found) == faults
    assert all(f"proxy_timeout {timeout}" in text for text in found)


@pytest.mark.parametrize(("timeout", "faults"), [("9m 59s", 1), ("1m30s", 1), ("9m60s", 0), ("1w", 0)])
def test_a_timeout_is_what_nginx_makes_of_its_parts(timeout: str, faults: int) -> None:
    text = f"proxy_timeout {timeout};\n"
    found = said(load_balancer.watches_live_ten_minutes, samples.laying("lb1-lb", File("/etc/nginx/nginx.conf", text)))
    assert len(found) == faults


def test_a_load_balancer_in_the_place_of_an_apiserver_is_found(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    apart = [*samples.masters(stack), samples.balancer(stack, "lb1")]
    assert told(load_balancer.apiservers_keep_their_port, apart) == []
    beside = samples.laying("shaolin-lb", File("/etc/nginx/nginx.conf", "listen 6443;\n"), host="192.0.2.11")
    assert "beside an apiserver" in told(load_balancer.apiservers_keep_their_port, [*apart, beside])[0]
    other = samples.laying("shaolin-lb", File("/etc/nginx/nginx.conf", "listen 8443;\n"), host="192.0.2.11")
    assert told(load_balancer.apiservers_keep_their_port, [*apart, other]) == []


def test_machines_that_only_an_up_will_tell_are_not_taken_for_one(tmp_path: Path) -> None:
    """They are when a fork makes the machines too: nobody would get to the `up`."""
    master = samples.masters(samples.stack(tmp_path))[0]
    balancer = samples.laying("lb1-lb", File("/etc/nginx/nginx.conf", "listen 6443;\n"))
    for one in (master, balancer):
        one.props = unknown_checking_proxy({**one.props, "connection": {"host": UNKNOWN_STRING_VALUE}})
    assert told(load_balancer.apiservers_keep_their_port, [master, balancer]) == []


def test_a_certificate_of_two_years_is_found() -> None:
    assert said(certificates.leaves_end_within_13_months, samples.leaf(), *samples.authority()) == []
    assert "lives 730 days" in said(certificates.leaves_end_within_13_months, samples.leaf(hours=17520))[0]


def test_an_authority_that_a_slip_could_delete_is_found_and_so_is_its_key() -> None:
    assert told(certificates.authorities_are_protected, samples.authority()) == []
    assert len(told(certificates.authorities_are_protected, samples.authority(protect=False))) == 2


def test_of_an_authority_that_is_renewed_one_generation_is_protected() -> None:
    """The other has not issued yet, or is about to be dropped."""
    comes = samples.authority(protect=False, generation=2)
    assert told(certificates.authorities_are_protected, [*samples.authority(), *comes]) == []
    assert len(told(certificates.authorities_are_protected, [*samples.authority(protect=False), *comes])) == 4


def test_an_authority_that_ends_before_its_certificates_is_found() -> None:
    assert told(certificates.authorities_outlive_leaves, [samples.leaf(), *samples.authority()]) == []
    found = told(certificates.authorities_outlive_leaves, [samples.leaf(), *samples.authority(hours=8760)])
    assert found == ["pki-ca lives 8760 hours, and a certificate 8760; give authorities the longer life"]


def test_hubs_with_different_keys_are_found_without_a_word_of_the_keys(tmp_path: Path) -> None:
    same = [*samples.hub(tmp_path, "192.0.2.41"), *samples.hub(tmp_path, "192.0.2.42")]
    assert told(harbor.hubs_share_their_keys, same) == []
    found = told(harbor.hubs_share_their_keys, [*same, *samples.hub(tmp_path, "192.0.2.43", key="another")])
    assert found == ["/core/private_key.pem differs from another hub's; give all hubs the same one"]


def test_local_storage_is_for_a_single_hub(tmp_path: Path) -> None:
    alone = samples.hub(tmp_path, "192.0.2.41", storage="local")
    assert told(harbor.storage_is_not_one_hubs, alone) == []
    another = samples.hub(tmp_path, "192.0.2.42", storage="local")
    found = told(harbor.storage_is_not_one_hubs, [*alone, *another])
    assert len(found) == 2
    assert "2 hubs, each with local storage" in found[0]
    shared = [*samples.hub(tmp_path, "hub1"), *samples.hub(tmp_path, "hub2")]
    assert told(harbor.storage_is_not_one_hubs, shared) == []


def test_an_artifact_without_a_checksum_is_found(tmp_path: Path) -> None:
    good = samples.preparation(tmp_path)
    assert said(release.artifacts_are_checked, good) == []
    checksum = sha256("kubectlamd64")
    bad = samples.command("shaolin-prepare", good.props["stdin"].replace(checksum, "-"))
    (fault,) = said(release.artifacts_are_checked, bad)
    assert fault.startswith("artifact tools x86_64 ")
    assert " kubectl - plain " in fault


@pytest.mark.parametrize("image", ["registry.k8s.io/pause:3.10", "registry.k8s.io/pause", "pause@sha256:abc"])
def test_an_image_without_a_digest_is_found_wherever_it_is_named(tmp_path: Path, image: str) -> None:
    manifest = f"spec: {{containers: [{{name: main, image: '{image}'}}]}}\n"
    job = {"jobTemplate": {"spec": samples.pod("mine", image).props["spec"]}}
    bad = [
        samples.pod("mine", image),
        Sample("kubernetes:batch/v1:CronJob", "mine", {"metadata": {"name": "mine"}, "spec": job}),
        Sample("docker:index/remoteImage:RemoteImage", "mine", {"name": image}),
        Sample("docker:index/container:Container", "mine", {"name": "mine", "image": image}),
        samples.laying("mine", File("/etc/kubernetes/manifests/mine.yaml", manifest)),
        Sample("kubernetes:core/v1:Pod", "mine", {"spec": {"containers": [{"name": "main", "image": image}]}}),
    ]
    assert said(release.images_are_pinned, *bad) == [
        f"image {image}: has no digest; take it from the release's lock (python -m ops lock)"
    ] * len(bad)
    assert (
        said(release.images_are_pinned, samples.pod("mine", image.split("@")[0] + DIGEST), *masters(tmp_path, 3)) == []
    )


def test_a_privileged_container_is_found_unless_it_programs_the_network(tmp_path: Path) -> None:
    image = f"mine{DIGEST}"
    good = [samples.pod("kube-proxy", image, privileged=True), samples.pod("mine", image), *masters(tmp_path, 3)]
    assert said(release.no_container_is_privileged, *good) == []
    engine = Sample("docker:index/container:Container", "mine", {"name": "mine", "privileged": True})
    bad = [samples.pod("mine", image, privileged=True), samples.pod("kube-proxy", image, True, "Deployment"), engine]
    assert len(said(release.no_container_is_privileged, *bad)) == len(bad)


@pytest.mark.parametrize(
    "text", [KEY, "client-key-data: bm90IGEga2V5\n", "POSTGRESQL_PASSWORD=hunter2\n", "CORE_SECRET='abc'\n"]
)
def test_a_secret_in_plain_text_is_found(text: str) -> None:
    plain, secret = (samples.command("secrets", "true", stdin=kind(text), logging="none") for kind in (str, SecretText))
    assert said(secrecy.secrets_are_secret, plain) == [
        "stdin holds a secret in plain text; wrap it with pulumi.Output.secret"
    ]
    assert said(secrecy.secrets_are_secret, secret) == []
    inside = Sample("docker:index/container:Container", "core", {"envs": ["A=1", text]})
    assert "envs[1] holds a secret" in said(secrecy.secrets_are_secret, inside)[0]


def test_a_secret_that_a_process_list_or_a_log_shows_is_found() -> None:
    shown = samples.command("mine", "true", create=SecretText("PGPASSWORD=hunter2 psql"))
    assert "create holds a secret that others" in said(secrecy.secrets_are_secret, shown)[0]
    logged = samples.command("mine", "true", stdin=SecretText("psql"), logging="stderr")
    assert said(secrecy.secrets_are_secret, logged) == [
        "stdin is secret and what the command says is logged; set logging to none"
    ]


@pytest.mark.parametrize("text", ['PASSWORD="$1"', "PASSWORD=$word", "PASSWORD=\n", "client-cert-auth=true"])
def test_a_script_that_only_speaks_of_a_password_is_well(text: str) -> None:
    assert said(secrecy.secrets_are_secret, samples.command("mine", text)) == []


def test_what_only_an_up_will_tell_is_no_fault_of_a_preview() -> None:
    """A policy that gives up on the first unknown value would be silent on a first preview, of all runs."""
    unknown = UNKNOWN_STRING_VALUE
    endpoint = {"host": "192.0.2.11", "hostKey": unknown}
    props = {"connection": endpoint | {"proxy": endpoint}, "stdin": unknown, "triggers": [unknown, KEY]}
    preview, all_of_it = (
        Sample("command:remote:Command", "secrets", unknown_checking_proxy(known))
        for known in (props, {"connection": unknown})
    )
    engine = Sample("pulumi:providers:docker", "hub1", unknown_checking_proxy({"sshOpts": unknown}))
    assert said(hosts.host_keys_are_pinned, preview, all_of_it, engine) == []
    assert said(secrecy.secrets_are_secret, preview) == [
        "triggers[1] holds a secret in plain text; wrap it with pulumi.Output.secret"
    ]
    images = [
        Sample("docker:index/container:Container", "core", unknown_checking_proxy({"name": "core", "image": unknown})),
        Sample("kubernetes:apps/v1:DaemonSet", "mine", unknown_checking_proxy({**samples.pod("mine", unknown).props})),
    ]
    assert said(release.images_are_pinned, *images) == []


def test_a_policy_is_called_by_what_its_function_promises() -> None:
    policy = pack.of_the_stack(control_plane.masters_are_odd)
    assert policy.name == "masters-are-odd"
    assert policy.description.startswith("An even number of etcd members survives no more losses")


def test_the_pack_has_every_policy_that_the_documentation_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is left out of its list is asked nothing, and a stack that it would refuse looks well."""
    packed: list[str] = []
    monkeypatch.setattr(pulumi_policy, "PolicyPack", lambda _, policies: packed.extend(one.name for one in policies))
    monkeypatch.setattr(secret_text, "mark_secrets", lambda: None)
    monkeypatch.setattr(sys, "path", [*sys.path])
    runpy.run_path(str(pages.ROOT / "policy/__main__.py"))
    table, _, _ = pages.text("review").partition("## In GitHub")
    rows = re.findall(r"^\| (`[a-z0-9-]+`(?:, `[a-z0-9-]+`)*) \|", table, re.MULTILINE)
    assert sorted(packed) == sorted(name.strip("`") for row in rows for name in row.split(", "))
