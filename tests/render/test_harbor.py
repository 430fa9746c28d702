"""A hub's files and containers as a whole; each service's own are in test_harbor_<service>.py.

What is asserted here was compared with the files that upstream's own templates (2.14.4 and 2.15.2) make from equal
settings.
"""

import re
import subprocess
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from render import hub as hub_files
from render import hub_preflight
from render.harbor import HarborSecrets, blobs, containers, environment, folders, layout
from settings import ServerCertificate, Stack
from tests.render.harbor_samples import (
    REDIS_PASSWORD,
    S3,
    SECRETS,
    at,
    bundled,
    described,
    hub,
    plain,
    run,
    secret,
    stack,
)
from tests.settings import pem, samples

EVERYTHING: dict[str, Any] = {"trivy": True, "exporter": True, "redisPassword": REDIS_PASSWORD}
HARBOR_OF_ITS_OWN = {"core", "registry", "registryctl", "jobservice", "portal", "proxy", "log"}


def sources(stack: Stack) -> list[str]:
    """What the containers of hub1 mount."""
    return [mount.source for container in run(stack).values() for mount in container.mounts]


def test_a_hub_runs_harbor_s_services_and_no_other(tmp_path: Path) -> None:
    assert set(run(stack(tmp_path))) == HARBOR_OF_ITS_OWN
    assert set(run(stack(tmp_path, **EVERYTHING))) == HARBOR_OF_ITS_OWN | {"trivy", "exporter"}


def test_bundled_stores_run_on_the_one_hub_that_the_stack_names(tmp_path: Path) -> None:
    given = bundled(tmp_path)
    assert set(run(given, "hub1")) == HARBOR_OF_ITS_OWN | {"db", "redis"}
    assert set(run(given, "hub2")) == HARBOR_OF_ITS_OWN


def test_all_hubs_have_the_same_files(tmp_path: Path) -> None:
    """A file that differs between hubs is the fault that Evenkeel is there for."""
    given = stack(tmp_path, **EVERYTHING)
    assert plain(given, "hub1") == plain(given, "hub2")
    assert secret(given, "hub1") == secret(given, "hub2")
    assert described(given, "hub1") == described(given, "hub2")


@pytest.mark.parametrize("version", ["2.14.4", "2.15.2"])
def test_nothing_secret_is_in_plain_files_or_in_a_container_s_description(tmp_path: Path, version: str) -> None:
    """Secret values are not even known to what makes these: only functions of them are."""
    for given in (stack(tmp_path, version, **EVERYTHING), stack(tmp_path, version, storage=S3), bundled(tmp_path)):
        texts = [file.content for file in plain(given).values()] + [repr(one) for one in run(given).values()]
        mentioned = {mark for text in texts for mark in re.findall(r"<[a-z_]+>", text)} & set(vars(SECRETS).values())
        assert mentioned == set()
        assert [text for text in texts if REDIS_PASSWORD in text or "p%40ss" in text or "SK" in text.split()] == []


def test_every_secret_arrives_somewhere(tmp_path: Path) -> None:
    """In a file, which nothing but the container that mounts it reads."""
    arrived = "".join(file.content for file in secret(stack(tmp_path, storage=S3, redisPassword="x")).values())
    assert [field.name for field in fields(HarborSecrets) if f"<{field.name}>" not in arrived] == []


def test_secrets_have_no_printable_form() -> None:
    """A dataclass prints its fields, and a traceback prints its arguments."""
    assert "token_key" not in repr(SECRETS)


def test_secret_files_are_harbor_s_own_and_nobody_else_reads_them(tmp_path: Path) -> None:
    files = secret(stack(tmp_path, **EVERYTHING))
    readable = {path for path, file in files.items() if file.mode != "0600"}
    assert {path for path in readable if not path.endswith(".crt")} == set()
    assert {files[path].mode for path in readable} == {"0644"}
    assert {file.owner for path, file in files.items() if path not in readable} == {"10000:10000"}


def test_harbor_takes_these_secrets_from_its_environment_only(tmp_path: Path) -> None:
    given = run(stack(tmp_path, **EVERYTHING))
    assert {name: set(one.secret_env) for name, one in given.items() if one.secret_env} == {
        "core": {
            "HARBOR_ADMIN_PASSWORD",
            "POSTGRESQL_PASSWORD",
            "CORE_SECRET",
            "JOBSERVICE_SECRET",
            "CSRF_KEY",
            "REGISTRY_CREDENTIAL_PASSWORD",
            "ROBOT_SCANNER_NAME_PREFIX",
            "_REDIS_URL_CORE",
            "_REDIS_URL_REG",
        },
        "registryctl": {"CORE_SECRET", "JOBSERVICE_SECRET"},
        "jobservice": {"CORE_SECRET", "JOBSERVICE_SECRET", "REGISTRY_CREDENTIAL_PASSWORD"},
        "trivy": {"SCANNER_REDIS_URL", "SCANNER_STORE_REDIS_URL", "SCANNER_JOB_QUEUE_REDIS_URL"},
        "exporter": {"HARBOR_DATABASE_PASSWORD", "HARBOR_REDIS_URL"},
    }


def test_a_container_reads_its_secret_variables_from_a_file_before_its_image_s_own_program(tmp_path: Path) -> None:
    """Docker shows the environment that it was given, and pulumi-docker's log repeats what Docker shows."""
    given = stack(tmp_path, **EVERYTHING)
    programs = {}
    for name, one in run(given).items():
        entry = environment.entrypoint(one)
        if entry is None:
            assert (one.secret_env, one.program) == ({}, None)
            continue
        programs[name] = one.program
        file = f"/etc/{name}/environment"
        assert entry == ("/bin/sh", "-c", f"set -a; . {file}; exec {one.program}")
        assert [mount.source for mount in one.mounts if mount.target == f"/etc/{name}"] == [layout.of(one.service)]
        assert f"{layout.of(one.service)}/environment" in secret(given)
    assert programs == {
        "core": "/harbor/entrypoint.sh",
        "jobservice": "/harbor/entrypoint.sh",
        "registryctl": "/home/harbor/start.sh",
        "trivy": "/home/scanner/entrypoint.sh",
        "exporter": "/harbor/entrypoint.sh",
    }


def test_a_shell_makes_of_that_file_what_the_secrets_were(tmp_path: Path) -> None:
    """A user's password may hold anything that a shell would understand."""
    word = """it's "$HOME" `id` \\ #1!"""
    core = run(stack(tmp_path))["core"]
    file = environment.secret_file(core, replace(SECRETS, admin_password=word))
    (tmp_path / "environment").write_text(file.content)
    script = f"set -a; . {tmp_path}/environment; exec /usr/bin/env"
    done = subprocess.run(["/bin/sh", "-c", script], env={}, capture_output=True, text=True, check=True)
    assert f"HARBOR_ADMIN_PASSWORD={word}" in done.stdout.splitlines()


def test_an_upgrade_from_2_14_to_2_15_changes_only_what_harbor_changed(tmp_path: Path) -> None:
    redis = {"addresses": ["192.0.2.52:6379"], "username": "harbor"}
    new = stack(tmp_path, "2.15.2", **EVERYTHING, redis=redis)
    old = at(new, "2.14.4")
    assert plain(old) == plain(new)
    changed = {path for path, file in secret(new).items() if file != secret(old)[path]}
    assert changed == {"/etc/evenkeel/harbor/registry/config.yml"}
    before, after = run(old), run(new)
    assert before["core"].env.keys() - after["core"].env.keys() == {"SYNC_QUOTA"}
    assert after["trivy"].env.keys() - before["trivy"].env.keys() == {
        "SCANNER_TRIVY_DB_REPOSITORY",
        "SCANNER_TRIVY_JAVA_DB_REPOSITORY",
    }
    assert {name for name in after if described(old)[name] != described(new)[name]} == {"core", "trivy"}


def test_a_patch_release_of_harbor_changes_images_only(tmp_path: Path) -> None:
    given = stack(tmp_path, **EVERYTHING)
    other = at(given, "2.15.9")
    assert (plain(other), secret(other), described(other)) == (plain(given), secret(given), described(given))


def test_every_folder_that_a_container_mounts_is_there_after_a_reboot(tmp_path: Path) -> None:
    """systemd-tmpfiles makes them before Docker starts; /run is empty then, and Docker would refuse the containers."""
    for given in (stack(tmp_path, **EVERYTHING), bundled(tmp_path)):
        lines = plain(given)["/etc/tmpfiles.d/evenkeel-harbor.conf"].content.splitlines()
        made = {line.split()[1] for line in lines if line.startswith("d ")}
        assert made == {folder.path for folder in folders(given, hub(given))}
        files = plain(given).keys() | secret(given).keys()
        assert set(sources(given)) - made - files == {"/srv/harbor/registry"}


def test_folders_come_parents_first(tmp_path: Path) -> None:
    seen: set[str] = set()
    given = stack(tmp_path, **EVERYTHING)
    for folder in folders(given, hub(given)):
        inside = [path for path in seen if path.startswith(f"{folder.path}/")]
        assert inside == []
        seen.add(folder.path)


def test_harbor_s_processes_may_write_where_their_containers_do(tmp_path: Path) -> None:
    given = bundled(tmp_path)
    owners = {folder.path: folder.owner for folder in folders(given, hub(given))}
    for container in run(given).values():
        for mount in container.mounts:
            if not mount.read_only and mount.source in owners:
                assert owners[mount.source] == (container.user or "10000:10000")


def test_docker_waits_for_the_storage_after_a_reboot(tmp_path: Path) -> None:
    """Containers that start on an empty mount point write images where no other hub sees them."""
    drop_in = "/etc/systemd/system/docker.service.d/evenkeel-harbor.conf"
    assert "RequiresMountsFor=/srv/harbor" in plain(stack(tmp_path))[drop_in].content.splitlines()
    assert drop_in not in plain(stack(tmp_path, storage=S3))


def test_blobs_lie_below_the_storage_s_path(tmp_path: Path) -> None:
    """Where the mount is missing that folder is missing, and Docker refuses the registry."""
    given = stack(tmp_path)
    assert blobs(given, hub(given)) == "/srv/harbor/registry"
    assert {name for name, one in run(given).items() if "/srv/harbor/registry" in [m.source for m in one.mounts]} == {
        "core",
        "registry",
        "registryctl",
    }
    on_s3 = stack(tmp_path, storage=S3)
    assert blobs(on_s3, hub(on_s3)) is None


def test_containers_find_each_other_under_the_names_that_harbor_s_configuration_uses(tmp_path: Path) -> None:
    given = run(bundled(tmp_path)) | run(stack(tmp_path, **EVERYTHING))
    assert {name: one.aliases[0] for name, one in given.items()} == {
        "core": "core",
        "registry": "registry",
        "registryctl": "registryctl",
        "jobservice": "jobservice",
        "portal": "portal",
        "proxy": "proxy",
        "log": "log",
        "trivy": "trivy-adapter",
        "exporter": "exporter",
        "db": "postgresql",
        "redis": "redis",
    }
    assert {one.name for one in given.values()} == {f"harbor-{name}" for name in given}


def test_containers_keep_only_the_capabilities_that_upstream_gives_them(tmp_path: Path) -> None:
    given = run(bundled(tmp_path)) | run(stack(tmp_path, **EVERYTHING))
    drops_root = {"CHOWN", "SETGID", "SETUID"}
    assert {name: set(one.capabilities) for name, one in given.items()} == {
        "core": {"SETGID", "SETUID"},
        "registry": drops_root,
        "registryctl": drops_root,
        "jobservice": drops_root,
        "redis": drops_root,
        "portal": drops_root | {"NET_BIND_SERVICE"},
        "proxy": drops_root | {"NET_BIND_SERVICE"},
        "log": drops_root | {"DAC_OVERRIDE"},
        "db": drops_root | {"DAC_OVERRIDE"},
        "trivy": set(),
        "exporter": set(),
    }


def test_only_the_proxy_is_open_to_the_network(tmp_path: Path) -> None:
    ports = {name: [(port.address, port.external) for port in one.ports] for name, one in run(stack(tmp_path)).items()}
    assert ports.pop("proxy") == [("0.0.0.0", 443)]
    assert ports.pop("log") == [("127.0.0.1", 1514)]
    assert set(map(len, ports.values())) == {0}


def test_what_a_container_waits_for_comes_before_it(tmp_path: Path) -> None:
    for given in (bundled(tmp_path), stack(tmp_path, **EVERYTHING)):
        seen: set[str] = set()
        for container in containers(given, hub(given)):
            assert set(container.after) <= seen
            seen.add(container.service)


def test_on_the_other_hubs_core_waits_for_no_store(tmp_path: Path) -> None:
    given = bundled(tmp_path)
    assert run(given, "hub1")["core"].after == ("db", "redis")
    assert run(given, "hub2")["core"].after == ()


def test_a_container_is_replaced_when_a_file_changes_that_it_reads_at_its_start_only(tmp_path: Path) -> None:
    given = stack(tmp_path, **EVERYTHING)
    rendered = plain(given).keys() | secret(given).keys()
    for container in run(given).values():
        assert set(container.files) <= rendered
        for path in container.files:
            assert any(path == mount.source or path.startswith(f"{mount.source}/") for mount in container.mounts)


def test_limits_are_the_stack_s(tmp_path: Path) -> None:
    limited = run(stack(tmp_path, resources={"core": {"memory": 1024, "cpus": 1.5}}))
    assert (limited["core"].memory, limited["core"].cpus) == (1024, 1.5)
    assert (limited["registry"].memory, limited["registry"].cpus) == (None, None)


def test_every_container_comes_back_by_itself(tmp_path: Path) -> None:
    assert {one.restart for one in run(stack(tmp_path, **EVERYTHING)).values()} == {"always"}


def test_every_container_s_lines_are_kept_and_rotated(tmp_path: Path) -> None:
    """UDP: a container whose log is TCP and not there yet is not started, and Harbor was down after a reboot."""
    drivers = {name: one.log for name, one in run(stack(tmp_path, **EVERYTHING)).items()}
    assert drivers.pop("log").options == {"max-size": "10m", "max-file": "3"}
    for name, driver in drivers.items():
        tag = {"trivy": "trivy-adapter"}.get(name, name)
        assert (driver.name, driver.options["syslog-address"], driver.options["tag"]) == (
            "syslog",
            "udp://127.0.0.1:1514",
            tag,
        )
        assert driver.options.keys() >= {"cache-max-size", "cache-max-file"}


def test_health_checks_need_no_shell_but_where_upstream_s_does(tmp_path: Path) -> None:
    given = run(bundled(tmp_path)) | run(stack(tmp_path, **EVERYTHING))
    checks = {name: one.health.test for name, one in given.items() if one.health}
    assert given.keys() - checks.keys() == {"exporter"}
    asked = {name: test[-1] for name, test in checks.items() if test[:2] == ("CMD", "curl")}
    assert asked == {
        "core": "http://localhost:8080/api/v2.0/ping",
        "registry": "http://localhost:5000",
        "registryctl": "http://localhost:8080/api/health",
        "jobservice": "http://localhost:8080/api/v1/stats",
        "portal": "http://localhost:8080",
        "proxy": "http://localhost:8080",
        "trivy": "http://localhost:8080/probe/healthy",
    }
    assert {name for name, test in checks.items() if test[0] == "CMD-SHELL"} == {"log", "redis"}


def test_a_stack_without_harbor_has_nothing_to_render(tmp_path: Path) -> None:
    given = samples.stack(tmp_path)
    with pytest.raises(ValueError, match="has no Harbor"):
        containers(given, given.hosts["lb1"])


def test_whoever_reads_the_trusted_authorities_is_replaced_when_another_is_named(tmp_path: Path) -> None:
    """The images' entry points add the file to what they trust when a container starts, and never again."""
    authority = pem.issued("company").text
    (tmp_path / "company.pem").write_text(authority)
    before, after = stack(tmp_path, **EVERYTHING), stack(tmp_path, **EVERYTHING, trustedAuthorities=["company.pem"])
    assert secret(before)[layout.TRUSTED_CA].content == SECRETS.ca
    assert secret(after)[layout.TRUSTED_CA].content == SECRETS.ca + authority

    def revisions(given: Stack) -> dict[str, str]:
        files = [*plain(given).values(), *secret(given).values()]
        return {
            name: hub_files.revision("key", one, "image", SECRETS, files, "machine") for name, one in run(given).items()
        }

    readers = {name for name, one in run(after).items() if layout.TRUST in [mount.source for mount in one.mounts]}
    was, becomes = revisions(before), revisions(after)
    assert {name for name in was if was[name] != becomes[name]} == readers
    assert readers == {"core", "registry", "registryctl", "jobservice", "trivy", "exporter"}


def test_the_preflight_verifies_stores_by_the_authorities_that_harbor_will_trust(tmp_path: Path) -> None:
    authority, ca = pem.issued("company"), pem.issued("root")
    leaf = pem.issued("hub", ca, ["hub.example.com"])
    (tmp_path / "company.pem").write_text(authority.text)
    given = stack(tmp_path, trustedAuthorities=["company.pem"])
    assert given.harbor is not None
    assert hub_preflight.variables(given, given.harbor, hub(given))["AUTHORITIES"] == authority.text
    ends = leaf.certificate.not_valid_after_utc, ca.certificate.not_valid_after_utc
    own = ServerCertificate(leaf.text, ca.text, *ends)
    harbor = given.harbor.model_copy(update={"server_certificate": own})
    assert hub_preflight.variables(given, harbor, hub(given))["AUTHORITIES"] == ca.text + authority.text
