"""The registry and its controller."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from render.harbor import layout, registry
from tests.render.harbor_samples import REDIS_PASSWORD, S3, SECRETS, SENTINELS, bundled, plain, run, secret, stack

PASSWORD = "0123456789abcdefABCDEF0123456789"
FOLDER = "/etc/evenkeel/harbor/registry"


def config(given: Any, name: str = "hub1", **secrets: str) -> dict[str, Any]:
    """The registry's configuration, as data."""
    text = secret(given, name, replace(SECRETS, **secrets))[f"{FOLDER}/config.yml"].content
    data: dict[str, Any] = yaml.safe_load(text)
    return data


def test_the_configuration_is_upstream_s(tmp_path: Path) -> None:
    assert config(stack(tmp_path)) == {
        "version": 0.1,
        "log": {"level": "info", "fields": {"service": "registry"}},
        "storage": {
            "cache": {"layerinfo": "redis"},
            "filesystem": {"rootdirectory": "/storage"},
            "maintenance": {
                "uploadpurging": {"enabled": True, "age": "168h", "interval": "24h", "dryrun": False},
            },
            "delete": {"enabled": True},
        },
        "redis": {
            "addr": "192.0.2.52:6379",
            "readtimeout": "10s",
            "writetimeout": "10s",
            "dialtimeout": "10s",
            "db": 2,
            "enableTLS": False,
            "pool": {"maxidle": 100, "maxactive": 500, "idletimeout": "60s"},
        },
        "http": {"addr": ":5000", "secret": "<registry_http_secret>", "debug": {"addr": "localhost:5001"}},
        "auth": {"htpasswd": {"realm": "harbor-registry-basic-realm", "path": "/etc/registry/passwd"}},
        "validation": {"disabled": True},
        "compatibility": {"schema1": {"enabled": True}},
    }


def test_uploads_may_meet_another_hub_than_the_one_they_began_on(tmp_path: Path) -> None:
    """With an http.secret of its own, each registry calls the others' uploads invalid."""
    given = stack(tmp_path)
    assert (
        config(given, "hub1")["http"]["secret"] == config(given, "hub2")["http"]["secret"] == "<registry_http_secret>"
    )


@pytest.mark.parametrize("password", ["", REDIS_PASSWORD, "true", "0123", "#1"])
def test_redis_s_password_is_taken_as_it_is(tmp_path: Path, password: str) -> None:
    redis = config(stack(tmp_path, redisPassword=password), redis_password=password)["redis"]
    assert redis.get("password", "") == password


def test_sentinels_are_named_as_harbor_s_registry_wants_them(tmp_path: Path) -> None:
    redis = config(stack(tmp_path, redis=SENTINELS))["redis"]
    assert redis["addr"] == "192.0.2.52:26379,192.0.2.53:26379"
    assert redis["sentinelMasterSet"] == "mymaster"


def test_only_the_registry_of_2_15_knows_users_of_redis(tmp_path: Path) -> None:
    redis = {"addresses": ["192.0.2.52:6379"], "username": "harbor"}
    given = {version: stack(tmp_path, version, redis=redis, redisPassword="pw") for version in ("2.14.4", "2.15.2")}
    assert "username" not in config(given["2.14.4"])["redis"]
    assert config(given["2.15.2"])["redis"]["username"] == "harbor"


def test_an_object_store_takes_the_place_of_the_folder(tmp_path: Path) -> None:
    given = stack(tmp_path, storage=S3)
    storage = config(given)["storage"]
    assert "filesystem" not in storage
    assert storage["s3"] == {
        "region": "eu-1",
        "bucket": "images",
        "regionendpoint": "https://s3.example.com",
        "accesskey": "AK",
        "secretkey": "<storage_secret_key>",
        "rootdirectory": "/",
        "secure": True,
    }
    assert [mount.target for mount in run(given)["registry"].mounts] == ["/etc/registry", "/harbor_cust_cert"]


def test_clients_that_do_not_reach_the_object_store_get_layers_through_the_registry(tmp_path: Path) -> None:
    """Pulls ended at the store's own address, which only hubs reached, or whose authority only they trusted."""
    through = {"s3": S3["s3"] | {"redirect": False}}
    assert config(stack(tmp_path, storage=through))["storage"]["redirect"] == {"disable": True}
    assert "redirect" not in config(stack(tmp_path, storage=S3))["storage"]


def test_without_an_access_key_the_hub_s_own_role_is_used(tmp_path: Path) -> None:
    store = {"s3": {"region": "eu-1", "bucket": "images"}}
    assert config(stack(tmp_path, storage=store))["storage"]["s3"].keys() == {
        "region",
        "bucket",
        "rootdirectory",
        "secure",
    }


def test_metrics_are_published_only_with_the_exporter(tmp_path: Path) -> None:
    assert config(stack(tmp_path, exporter=True))["http"]["debug"] == {
        "addr": ":9090",
        "prometheus": {"enabled": True, "path": "/metrics"},
    }


def test_the_registry_knows_one_user_by_a_bcrypt_line_only(tmp_path: Path) -> None:
    """The clear password is core's and jobservice's alone; the registry has only what proves it."""
    files = secret(stack(tmp_path), secrets=replace(SECRETS, registry_password=PASSWORD))
    user, _, hashed = files[f"{FOLDER}/passwd"].content.rstrip("\n").partition(":")
    assert user == "harbor_registry_user"
    assert bcrypt.checkpw(PASSWORD.encode(), hashed.encode())
    clear = {path for path, file in files.items() if PASSWORD in file.content}
    assert clear == {layout.of("core") + "/environment", layout.of("jobservice") + "/environment"}


def test_the_htpasswd_line_is_the_same_on_every_run() -> None:
    """A fresh salt each time would be a change each time."""
    assert registry.passwd(PASSWORD) == registry.passwd(PASSWORD)
    salts = {registry.passwd(f"{PASSWORD}{number}")[: len("harbor_registry_user:$2b$05$") + 22] for number in range(50)}
    assert len(salts) == 50


def test_the_hash_is_as_cheap_as_upstream_s(tmp_path: Path) -> None:
    """The registry makes it at every request. pulumi-random's, of cost 10, took 60 ms of a processor for each."""
    assert secret(stack(tmp_path))[f"{FOLDER}/passwd"].content.startswith("harbor_registry_user:$2b$05$")


def test_the_registry_cannot_write_to_its_configuration(tmp_path: Path) -> None:
    """Without a passwd file it would make one, with a user of its own and his password in the log."""
    folder = next(mount for mount in run(stack(tmp_path))["registry"].mounts if mount.target == "/etc/registry")
    assert (folder.source, folder.read_only) == (FOLDER, True)


def test_a_new_credential_is_seen_without_a_restart(tmp_path: Path) -> None:
    assert f"{FOLDER}/passwd" not in run(stack(tmp_path))["registry"].files


def test_registries_of_harbor_1_find_the_token_s_certificate(tmp_path: Path) -> None:
    assert secret(stack(tmp_path))[f"{FOLDER}/root.crt"].content == "<token_certificate>"


def test_the_registry_s_environment_is_empty(tmp_path: Path) -> None:
    """distribution takes REGISTRY_* for its configuration, and docker inspect shows it."""
    for given in (stack(tmp_path, storage=S3), bundled(tmp_path)):
        container = run(given)["registry"]
        assert (container.env, container.secret_env) == ({}, {})


def test_the_controller_reads_the_registry_s_own_configuration_and_blobs(tmp_path: Path) -> None:
    given = stack(tmp_path)
    text = plain(given)["/etc/evenkeel/harbor/registryctl/config.yml"].content
    assert yaml.safe_load(text) == {
        "protocol": "http",
        "port": 8080,
        "log_level": "info",
        "registry_config": "/etc/registry/config.yml",
    }
    container, controller = run(given)["registry"], run(given)["registryctl"]
    assert set(container.mounts) < set(controller.mounts)
    assert f"{FOLDER}/config.yml" in controller.files
