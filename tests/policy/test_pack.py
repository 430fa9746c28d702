"""The policy pack with the real engine: content with the program's own stacks, and in the way of bad ones."""

import json
from pathlib import Path
from typing import get_args

import pytest

from settings.schema import Cluster
from tests.hostless.plugins import CLONE
from tests.hostless.site import hostless, make
from tests.pages import command
from tests.plugins.engine import Project, blank, engine, project
from tests.settings import samples

__all__ = ["blank", "engine", "hostless", "project"]

pytestmark = pytest.mark.built

PACK = str(CLONE / "policy")
# What a fork of the program might come to. No host is asked: a mandatory policy refuses before anything is made.
BAD = """
from types import SimpleNamespace

import pulumi_tls as tls
from pulumi_command import remote

from render.files import File, stage_script

def laying(name, host, *files, **more):
    text = stage_script({"part": list(files)})
    remote.Command(name, connection={"host": host, **more}, create="sh -s", stdin=text)

pod = "spec: {containers: [{name: etcd, image: 'etcd:3', command: [etcd], securityContext: {privileged: true}}]}"
etcd = File("/etc/kubernetes/manifests/etcd.yaml", pod)
laying("shaolin-etcd", "192.0.2.11", etcd)
laying("wudang-etcd", "192.0.2.12", etcd, host_key="ssh-ed25519 AAAA")
laying("lb1-lb", "192.0.2.31", File("/etc/nginx/nginx.conf", "proxy_timeout 3s;\\n"), host_key="ssh-ed25519 AAAA")
laying("key", "192.0.2.11", File("/key", "-----BEGIN PRIVATE KEY-----\\nbm90LWEta2V5\\n"), host_key="ssh-ed25519 AAAA")
key = tls.PrivateKey("pki-ca", algorithm="ECDSA")
tls.SelfSignedCert("pki-ca", private_key_pem=key.private_key_pem, is_ca_certificate=True, validity_period_hours=24,
    allowed_uses=["cert_signing"])
"""
ON_THE_WAY = "masters-are-odd"  # a master takes another's place by way of an even number (docs/hosts.md)
PRODUCTION = {"--stack staging": "--stack prod", "policy/staging.json": "policy/production.json"}
FOUND = {
    "host-keys-are-pinned": "host 192.0.2.11: its connection has no hostKey",
    "watches-live-ten-minutes": "/etc/nginx/nginx.conf: proxy_timeout 3s",
    "images-are-pinned": "image etcd:3: has no digest",
    "no-container-is-privileged": "container etcd is privileged",
    "secrets-are-secret": "stdin holds a secret in plain text",
    ON_THE_WAY: "2 masters; make them 1 or 3",
    "masters-survive-a-loss": "2 masters; make them 3 or more",
    "authorities-are-protected": "pki-ca is an authority's and not protected",
}


def bad(project: Project) -> list[str]:
    """A stack that is bad in many ways; the arguments that preview it."""
    project.program(f"import sys\nsys.path.insert(0, {str(CLONE)!r})\n{BAD}")
    return ["preview", "--policy-pack", PACK, "--policy-pack-config"]


def test_a_mandatory_pack_stops_a_bad_stack_and_names_each_fault(project: Project) -> None:
    preview = bad(project)
    refused = project.run(*preview, str(CLONE / "policy" / "production.json"))
    assert refused.status != 0, refused.text
    for policy, text in FOUND.items():
        level = "advisory" if policy == ON_THE_WAY else "mandatory"
        assert f"[{level}]  {policy}" in refused.text
        assert text in refused.text
    assert "bm90LWEta2V5" not in "".join(line for line in refused.text.splitlines() if "holds a secret" in line)


def test_where_a_policy_is_advisory_it_is_told_and_stops_nothing(project: Project, tmp_path: Path) -> None:
    preview = bad(project)
    path = tmp_path / "advisory.json"
    path.write_text('{"all": "advisory"}')
    let_through = project.run(*preview, str(path))
    assert let_through.status == 0, let_through.text
    assert f"[advisory]  {ON_THE_WAY}" in let_through.text


def test_every_environment_has_its_levels_and_production_the_strictest() -> None:
    assert levels()["production"] == {"all": "mandatory", ON_THE_WAY: "advisory"}


def test_in_no_environment_is_a_master_kept_from_taking_another_s_place() -> None:
    """The new one comes first, and the old one goes in a second `up`; settings refuse two, and warn of four."""
    assert {level.get(ON_THE_WAY, level["all"]) for level in levels().values()} == {"advisory"}


def test_in_no_environment_does_an_unpinned_host_or_a_plain_secret_pass() -> None:
    """What was told to a stranger, or lies in a state, is not taken back by the environment's being a small one."""
    for policy in ("host-keys-are-pinned", "secrets-are-secret"):
        assert policy in FOUND
        assert {level.get(policy, level["all"]) for level in levels().values()} == {"mandatory"}


def levels() -> dict[str, dict[str, str]]:
    """What each environment's file says."""
    environments = get_args(Cluster.model_fields["environment"].annotation)
    return {name: json.loads((CLONE / "policy" / f"{name}.json").read_text()) for name in environments}


def test_the_strictest_levels_let_the_program_s_own_stack_through(hostless: dict[str, str], tmp_path: Path) -> None:
    """Masters, a worker, load balancers and hubs, from nothing: no policy may mistake what a preview can't know."""
    site = make(tmp_path / "site", hostless)
    site.stack("prod", samples.with_harbor() | {"cluster": samples.values()["cluster"] | {"environment": "production"}})
    text = site.types(command("review", "pulumi preview --stack staging --policy-pack", PRODUCTION))
    assert "✅ evenkeel" in text
    assert "[advisory]" not in text
