"""What is pinned in two places must be pinned to the same version: a difference would only show on a host."""

import base64
import hashlib
import re

import pytest
import yaml
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from lab import hosts, toolchain, venv
from lab.engine import PASSPHRASE_TEXT
from lab.paths import CLONE
from lab.stack import SETTINGS, release_name
from releases import read_release
from tests.lab import older

MODULES = {
    "kubernetes": ("kubernetes", "k8s.io/kubernetes"),
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    "containerd": ("containerd", "github.com/containerd/containerd/v2"),
    "runc": ("runc", "github.com/opencontainers/runc"),
    "cni_plugins": ("cni", "github.com/containernetworking/plugins"),
    "flannel": ("flannel", "github.com/flannel-io/flannel"),
    "coredns": ("coredns", "github.com/coredns/coredns"),
}


@pytest.mark.parametrize("name", MODULES)
def test_the_toolchain_builds_the_release_that_the_stack_names(name: str) -> None:
    group, module = MODULES[name]
    assert built_from(group, module) == getattr(read_release(release_name()).versions, name)


def built_from(group: str, module: str) -> str:
    """The version of a module that a group of the toolchain requires."""
    go_mod = (toolchain.FOLDER / group / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} v(\S+)", go_mod, re.MULTILINE)
    assert found is not None, f"{module} is not required by lab/toolchain/{group}/go.mod"
    return found[1]


def test_older_releases_are_packed_from_programs_of_their_own_versions() -> None:
    """Otherwise the mirror would serve the lab's own programs under an older version's name."""
    for release in (read_release(older.RELEASE), older.as_kubeadm_brings_it(), read_release(older.NEXT)):
        versions = release.versions.placeholders()
        for name, (group, module) in MODULES.items():
            assert built_from(toolchain.of_version(group, versions), module) == versions[name]


@pytest.mark.parametrize("group", [name for name, one in toolchain.groups().items() if "ersion=" in one.ldflags])
def test_a_program_says_the_version_of_the_module_that_it_was_built_from(group: str) -> None:
    said = re.findall(r"[vV]ersion=v?(\d\S+)", toolchain.groups()[group].ldflags)
    said += re.findall(r"gitVersion=v(\S+)", toolchain.groups()[group].ldflags)
    go_mod = (toolchain.FOLDER / group / "go.mod").read_text()
    assert said
    assert all(re.search(rf" v{re.escape(version)}(\+incompatible)?( |$)", go_mod, re.MULTILINE) for version in said)


def test_the_oldest_python_is_the_same_wherever_it_is_named() -> None:
    """Red Hat 9's own python3 is 3.9, by which pip finds no version of what is required, and says nothing of why."""
    oldest = ".".join(map(str, venv.OLDEST_PYTHON))
    assert f'requires-python = ">={oldest}"' in (CLONE / "pyproject.toml").read_text()
    readme = (CLONE / "README.md").read_text()
    assert f"Python {oldest} (on Debian" in readme
    assert f"it is called python{oldest})" in readme


def test_the_stacks_hosts_are_the_labs() -> None:
    config = yaml.safe_load(SETTINGS.read_text())["config"]
    addresses = {name: host["address"] for name, host in config["evenkeel:hosts"].items()}
    assert addresses == hosts.CLUSTER | hosts.HUBS
    balancer = config["evenkeel:loadBalancer"]
    assert (balancer["vip"]["address"], balancer["extraSans"]) == (hosts.VIP, [hosts.LB_NAME])


def test_the_stacks_salt_belongs_to_the_labs_passphrase() -> None:
    """Otherwise ``make up`` in a fresh clone stops at "incorrect passphrase"."""
    _, salt, secret = yaml.safe_load(SETTINGS.read_text())["encryptionsalt"].split(":", 2)
    _, nonce, sealed = secret.split(":")
    key = hashlib.pbkdf2_hmac("sha256", PASSPHRASE_TEXT.encode(), base64.b64decode(salt), 1_000_000, 32)
    assert AESGCM(key).decrypt(base64.b64decode(nonce), base64.b64decode(sealed), None) == b"pulumi"


def test_every_requirement_is_pinned() -> None:
    for file in ("requirements.txt", "requirements-dev.txt", "constraints.txt"):
        lines = [line for line in (CLONE / file).read_text().splitlines() if line and line[0] not in "#-"]
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[^=]+", line) for line in lines), file
