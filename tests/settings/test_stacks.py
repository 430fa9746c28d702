"""The stack files of this repository are what they say: dev serves the lab, staging and prod are whole examples."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from releases import Mirror
from settings.draft import KEYS
from settings.harbor import (
    S3,
    Database,
    Generations,
    HarborSettings,
    PullSecret,
    Redis,
    RedisDatabases,
    Resources,
    Storage,
)
from settings.schema import (
    AdoptedSettings,
    AuthoritiesSettings,
    Cluster,
    HostSettings,
    LoadBalancer,
    ReleaseSettings,
    Section,
    SshSettings,
)
from settings.secret_keys import SECRETS
from tests.settings import samples

REPOSITORY = Path(__file__).parents[2]
STACKS = ("dev", "staging", "prod")


def config(name: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((REPOSITORY / f"Pulumi.{name}.yaml").read_text())["config"]
    return content


def parsed(name: str, root: Path) -> settings.Stack:
    """The stack as committed, with a key, known hosts and a lock that a user makes."""
    values = config(name)
    (root / ".lab").mkdir(exist_ok=True)
    ssh, hosts = values["evenkeel:ssh"], values["evenkeel:hosts"]
    known = {host["address"]: samples.host_key(host_name) for host_name, host in hosts.items()}
    bastion = ssh.get("bastion")
    if bastion:
        known[f"[{bastion['host']}]:{bastion['port']}"] = samples.host_key("bastion")
    (root / ssh["knownHosts"]).write_text("".join(f"{address} {key}\n" for address, key in known.items()))
    if "privateKeyFile" in ssh:
        (root / ssh["privateKeyFile"]).write_text(samples.PRIVATE_KEY)
    else:
        values["evenkeel:sshPrivateKey"] = samples.PRIVATE_KEY
    if "evenkeel:harbor" in values:
        values["evenkeel:harborAdminPassword"] = samples.ADMIN_PASSWORD
        values["evenkeel:harborDatabasePassword"] = samples.DATABASE_PASSWORD
        values.pop("evenkeel:harborRedisPassword", None)
        if "s3" in values["evenkeel:harbor"]["storage"]:
            values["evenkeel:harborStorageSecretKey"] = samples.DATABASE_PASSWORD
    release = values["evenkeel:release"]
    release["lock"] = release.get("lock", "lock.yaml")
    (root / release["lock"]).write_text(yaml.safe_dump(samples.lock()))
    return settings.parse(values, root)


@pytest.mark.parametrize("name", STACKS)
def test_a_committed_stack_is_accepted_without_a_warning(tmp_path: Path, name: str) -> None:
    stack = parsed(name, tmp_path)
    assert stack.cluster.name == name
    assert stack.warnings == ()
    assert len(stack.load_balancers()) == 2
    assert len(stack.masters()) == (5 if name == "prod" else 3)


@pytest.mark.parametrize("name", STACKS)
def test_a_committed_stack_holds_no_secret(name: str) -> None:
    """Those of the lab are encrypted, though with a passphrase that everybody knows: its state is on one machine."""
    found = [value for key, value in config(name).items() if key.removeprefix("evenkeel:") in SECRETS]
    assert all(name == "dev" and list(value) == ["secure"] for value in found)
    assert "PRIVATE KEY" not in (REPOSITORY / f"Pulumi.{name}.yaml").read_text()


def test_dev_is_the_lab(tmp_path: Path) -> None:
    stack = parsed("dev", tmp_path)
    assert {name: host.address for name, host in stack.hosts.items()} == {
        "shaolin": "10.77.0.11",
        "wudang": "10.77.0.12",
        "emei": "10.77.0.13",
        "huashan": "10.77.0.21",
        "lb1": "10.77.0.31",
        "lb2": "10.77.0.32",
        "hub1": "10.77.0.41",
        "hub2": "10.77.0.42",
    }
    assert list(stack.masters()) == ["shaolin", "wudang", "emei"]
    assert list(stack.nodes()) == ["shaolin", "wudang", "emei", "huashan"]
    assert stack.release.mirror == Mirror(artifacts="http://10.77.0.2:8080", images="http://10.77.0.2:5000")


def test_dev_carries_a_salt_so_that_running_the_lab_changes_no_committed_file() -> None:
    content = yaml.safe_load((REPOSITORY / "Pulumi.dev.yaml").read_text())
    assert content["encryptionsalt"].startswith("v1:")


ADOPTED = (AdoptedSettings, AuthoritiesSettings)
HARBOR = (HarborSettings, Storage, S3, Database, Redis, RedisDatabases, Generations, Resources, PullSecret)


def keys_of(section: type[Section]) -> set[str]:
    return {field.alias or name for name, field in section.model_fields.items()}


def test_the_complete_example_names_every_key() -> None:
    text = (REPOSITORY / "Pulumi.staging.yaml").read_text()
    sections = (Cluster, HostSettings, SshSettings, LoadBalancer, ReleaseSettings, *ADOPTED, *HARBOR)
    wanted = {key for section in sections for key in keys_of(section)} | set(KEYS)
    assert {key for key in wanted if key not in text} == set()


def test_behind_a_bastion_every_host_is_reached_through_it(tmp_path: Path) -> None:
    stack = parsed("prod", tmp_path)
    for host in stack.hosts.values():
        assert host.ssh.bastion is not None
        assert (host.ssh.bastion.host, host.ssh.bastion.port, host.ssh.bastion.user) == (
            "bastion.example.com",
            2222,
            "deploy",
        )


def test_the_examples_show_both_kinds_of_storage_that_several_hubs_share(tmp_path: Path) -> None:
    staging, prod = (parsed(name, tmp_path) for name in ("staging", "prod"))
    assert staging.harbor is not None
    assert prod.harbor is not None
    assert (staging.harbor.storage.path, len(staging.hubs())) == ("/srv/harbor", 2)
    assert (prod.harbor.storage.path, len(prod.hubs())) == (None, 3)
    assert prod.harbor.redis.sentinel_master == "harbor"
