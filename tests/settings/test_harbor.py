"""Harbor is refused, or warned of, where its hosts, stores and address do not go together; it may also be absent."""

from pathlib import Path
from typing import Any

import pytest
import yaml

import settings
from releases import Versions, read_release, skew
from tests.settings import samples

S3 = {"region": "eu-west-1", "bucket": "harbor"}
BUNDLED: dict[str, object] = {
    "harbor.store": "bundled",
    "harbor.bundledOn": "hub1",
    "harbor.database": None,
    "harbor.redis": None,
    "harborDatabasePassword": None,
}


def changed(changes: dict[str, object]) -> dict[str, Any]:
    """The sample with Harbor, after these changes; None takes a key away."""
    values = samples.with_harbor()
    for path, value in changes.items():
        samples.put(values, path, value)
    return values


MALFORMED: list[tuple[str, object, str]] = [
    (
        "harbor.url",
        "http://hub.example.com",
        "http://hub.example.com: is not an https URL of a DNS name; write it like",
    ),
    ("harbor.url", "hub.example.com", "evenkeel:harbor.url: hub.example.com: is not an https URL of a DNS name"),
    ("harbor.url", "https://hub.example.com/harbor", "is not an https URL of a DNS name"),
    ("harbor.url", "https://hub.example.com:0", "is not an https URL of a DNS name"),
    ("harbor.url", "https://hub.example.com:65536", "is not an https URL of a DNS name"),
    ("harbor.url", "https://192.0.2.30", "is not an https URL of a DNS name"),
    ("harbor.url", "https://admin:hunter2@hub.example.com", "https://(not shown)@hub.example.com: is not an https URL"),
    ("harbor.url", "https://hub", "evenkeel:harbor.url: https://hub: has no dot in its name: clients would look"),
    ("harbor.address", "hub.example.com", "evenkeel:harbor.address: hub.example.com: is not an IPv4 address"),
    ("harbor.extraSans", ["-"], "evenkeel:harbor.extraSans.0: -: is neither a DNS name nor an address"),
    ("harbor.storage", None, "evenkeel:harbor.storage: (not set): is not a mapping of keys to values"),
    ("harbor.storage", {}, "evenkeel:harbor.storage: (empty): is not exactly one kind of storage; set one of shared,"),
    (
        "harbor.storage",
        {"shared": {"path": "/srv/a"}, "local": {"path": "/srv/b"}},
        "evenkeel:harbor.storage: {...}: is not exactly one kind of storage; set one of shared, s3 and local",
    ),
    (
        "harbor.storage.shared.path",
        "srv",
        "evenkeel:harbor.storage.shared.path: srv: is not an absolute path; write it",
    ),
    ("harbor.storage.shared.path", "/srv/../etc", "/srv/../etc: is not an absolute path"),
    ("harbor.storage.shared.path", "/etc/harbor", "/etc/harbor: is the system's own folder; give Harbor a folder of"),
    ("harbor.storage.shared.path", "/srv", "/srv: is the system's own folder"),
    ("harbor.storage.shared.path", "/var/lib/evenkeel/harbor", "is the system's own folder"),
    ("harbor.storage", {"s3": {"region": "x"}}, "evenkeel:harbor.storage.s3.bucket: (not set): is not set"),
    ("harbor.storage", {"s3": S3 | {"rootDirectory": "a"}}, "evenkeel:harbor.storage.s3.rootDirectory: a: is not a"),
    (
        "harbor.store",
        "internal",
        "evenkeel:harbor.store: internal: is not one of the choices; choose one of 'external'",
    ),
    (
        "harbor.storage",
        {"s3": S3 | {"endpoint": "s3.example.com"}},
        "evenkeel:harbor.storage.s3.endpoint: s3.example.com: is not an object store's address; write it like",
    ),
    (
        "harbor.storage",
        {"s3": S3 | {"secretKey": "hunter3"}},
        "evenkeel:harbor.storage.s3.secretKey: (not shown): would hide all of harbor from previews, or be in",
    ),
    ("harbor.database.sslMode", "prefer", "evenkeel:harbor.database.sslMode: prefer: is not one of the choices"),
    ("harbor.database.user", "a b", "evenkeel:harbor.database.user: a b: is not a plain word; use at most 128"),
    ("harbor.redis.addresses", [], "evenkeel:harbor.redis.addresses: (empty): is empty; give at least one"),
    ("harbor.redis.addresses", ["192.0.2.52"], "evenkeel:harbor.redis.addresses.0: 192.0.2.52: is not a host and port"),
    ("harbor.redis.databases", {"core": -1}, "evenkeel:harbor.redis.databases.core: -1: is less than 0; write a"),
    (
        "harbor.generations.tokenKey",
        0,
        "evenkeel:harbor.generations.tokenKey: 0: is less than 1; write a number from 1",
    ),
    ("harbor.generations.ca", 2, "evenkeel:harbor.generations.ca: 2: is not a list"),
    ("harbor.generations.ca", [1, 1], "names a generation twice; name each generation once"),
    (
        "harbor.generations.secretKey",
        2,
        "evenkeel:harbor.generations.secretKey: 2: cannot be renewed: it encrypts what the database holds",
    ),
    (
        "harbor.generations.adminPassword",
        2,
        "evenkeel:harbor.generations.adminPassword: 2: cannot be renewed here: once the database exists, Harbor reads",
    ),
    ("harbor.generations.tokenkey", 2, "is not a key that there is; did you mean tokenKey?"),
    ("harbor.drain", "5 min", "evenkeel:harbor.drain: 5 min: is not a duration"),
    ("harbor.trivy", "yes", "evenkeel:harbor.trivy: yes: is neither true nor false"),
    ("harbor.resources", {"cores": {}}, "evenkeel:harbor.resources.cores: cores: is not one of the choices"),
    ("harbor.resources", {"core": {"memory": 16}}, "evenkeel:harbor.resources.core.memory: 16: is less than 32"),
    ("harbor.resources", {"core": {"cpus": 0}}, "evenkeel:harbor.resources.core.cpus: 0: is not more than 0"),
    (
        "harbor.pullSecrets",
        [{"namespace": "default", "name": "harbor", "project": "Library"}],
        "evenkeel:harbor.pullSecrets.0.project: Library: is not a project's name",
    ),
    (
        "harbor.pullSecrets",
        [{"namespace": "default", "name": "harbor", "project": project} for project in ("a", "b")],
        "evenkeel:harbor.pullSecrets: [...]: names a secret of a namespace twice; give each its own name",
    ),
    ("repair", "once more", "evenkeel:repair: once more: is not a short word; use at most 64 letters"),
    ("repair", 3, "evenkeel:repair: 3: is not text; put it in quotes"),
]


@pytest.mark.parametrize(("path", "value", "line"), MALFORMED)
def test_a_malformed_value_is_refused_with_key_value_and_remedy(
    root: Path, path: str, value: object, line: str
) -> None:
    lines = samples.refusals(root, changed({path: value}))
    assert any(line in refusal for refusal in lines), lines
    assert all("; " in refusal and refusal.startswith("evenkeel:") for refusal in lines)


CLASHES: list[tuple[dict[str, object], list[str]]] = [
    (
        {"hosts.hub1.roles": ["worker"], "hosts.hub2.roles": ["worker"]},
        ["evenkeel:hosts: no hub: no host has the role hub, and harbor is there; give two hosts roles: [hub], or"],
    ),
    (
        {"harbor": None},
        ["evenkeel:harbor: (not set): is not set, and hub1, hub2 have the role hub; describe Harbor as"],
    ),
    (
        {"hosts.hub2.roles": ["hub", "worker"]},
        ["evenkeel:hosts.hub2.roles: hub, worker: puts a hub, which runs Docker's engine, on one host with the worker"],
    ),
    (
        {"hosts.hub2.roles": ["lb", "hub"], "hosts.hub1.roles": ["hub", "master", "worker"]},
        [
            "evenkeel:hosts.hub1.roles: hub, master, worker: puts a hub, which runs Docker's engine, on one host with "
            "the master and the worker; give the hub a host of its own",
            "evenkeel:hosts.hub2.roles: lb, hub: puts a hub",
        ],
    ),
    (
        {"harbor.storage": {"local": {"path": "/srv/harbor"}}},
        ["evenkeel:harbor.storage.local.path: /srv/harbor: is a folder of each of hub1, hub2 by itself: what is"],
    ),
    (
        {"harbor.storage": {"s3": S3 | {"endpoint": "http://minio.example.com:9000"}}},
        ["evenkeel:harbor.storage.s3.endpoint: http://minio.example.com:9000: does not go with storage.s3.secure true"],
    ),
    (
        {"harbor.storage": {"s3": S3 | {"endpoint": "https://s3.example.com", "secure": False}}},
        ["evenkeel:harbor.storage.s3.endpoint: https://s3.example.com: does not go with storage.s3.secure false; use"],
    ),
    (
        {"harbor.database": None, "harbor.redis": None},
        [
            "evenkeel:harbor.database: (not set): is not set, and harbor.store is external; name the server",
            "evenkeel:harbor.redis: (not set): is not set, and harbor.store is external; name the server",
        ],
    ),
    (
        {"harbor.bundledOn": "hub1"},
        ["evenkeel:harbor.bundledOn: hub1: is set, and harbor.store is external; remove it, or set harbor.store"],
    ),
    (
        {"harbor.store": "bundled", "harbor.bundledOn": "hub1"},
        [
            "evenkeel:harbor.database: {...}: is set, and harbor.store is bundled, which brings its own; remove it, or",
            "evenkeel:harbor.redis: {...}: is set, and harbor.store is bundled, which brings its own; remove it, or",
        ],
    ),
    (
        BUNDLED | {"harbor.bundledOn": None},
        ["evenkeel:harbor.bundledOn: (not set): is not set, and harbor.store is bundled; name the hub that runs"],
    ),
    (
        BUNDLED | {"harbor.bundledOn": "hub3"},
        ["evenkeel:harbor.bundledOn: hub3: is not a hub; name the hub that runs PostgreSQL and Redis: did you mean"],
    ),
    (
        BUNDLED | {"harbor.bundledOn": "huashan"},
        ["evenkeel:harbor.bundledOn: huashan: is not a hub; name the hub that runs PostgreSQL and Redis: "],
    ),
    (
        {"harbor.redis.addresses": ["192.0.2.52:6379", "192.0.2.53:6379"]},
        ["evenkeel:harbor.redis.addresses: 192.0.2.52:6379, 192.0.2.53:6379: are several, and there is no"],
    ),
    (
        {"harbor.redis.databases": {"core": 3}},
        ["evenkeel:harbor.redis.databases.core: 3: cannot be used by Harbor's core; leave it 0 and choose"],
    ),
    (
        {"harbor.redis.databases": {"registry": 1}},
        ["evenkeel:harbor.redis.databases.registry: 1: is the database of jobservice too; give each its own"],
    ),
    (
        {"harbor.resources": {"trivy": {"memory": 512}}},
        ["evenkeel:harbor.resources.trivy: trivy: does not run: harbor.trivy is false; remove it, or change that"],
    ),
    (
        {"harbor.resources": {"db": {"memory": 512}}},
        ["evenkeel:harbor.resources.db: db: does not run: harbor.store is external; remove it, or change that"],
    ),
    (
        {"harbor.address": "192.0.2.41"},
        ["evenkeel:harbor.address: 192.0.2.41: is the address of host hub1, which has no role lb; use the"],
    ),
    (
        {"harbor.address": "10.96.0.77"},
        ["evenkeel:harbor.address: 10.96.0.77: lies within cluster.serviceCidr 10.96.0.0/16; choose a cluster"],
    ),
    (
        {"harbor.url": "https://hub.example.com:6443"},
        ["evenkeel:harbor.url: https://hub.example.com:6443 (port 6443): is loadBalancer.port too; choose another"],
    ),
    (
        {"loadBalancer.port": 443},
        ["evenkeel:harbor.url: https://hub.example.com (port 443): is loadBalancer.port too; choose another"],
    ),
    (
        {"harbor.url": "https://hub.example.com:8404"},
        ["evenkeel:harbor.url: https://hub.example.com:8404 (port 8404): is loadBalancer.statusPort too"],
    ),
    (
        {"hosts.lb2.roles": ["lb", "worker"], "harbor.url": "https://hub.example.com:10250"},
        ["evenkeel:harbor.url: https://hub.example.com:10250 (port 10250): is the port of kubelet on host lb2; choose"],
    ),
    (
        {"harbor.url": "https://hub.example.com:9090", "harbor.exporter": True},
        [f"evenkeel:harbor.url: https://hub.example.com:9090 (port 9090): is the port of Harbor's metrics on host {hub}"
         for hub in samples.HUBS],
    ),
    (
        BUNDLED | {"harbor.url": "https://hub.example.com:5432"},
        ["evenkeel:harbor.url: https://hub.example.com:5432 (port 5432): is the port of PostgreSQL on host hub1"],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("changes", "expected"), CLASHES)
def test_what_does_not_go_together_is_refused_with_key_value_and_remedy(
    root: Path, changes: dict[str, object], expected: list[str]
) -> None:
    lines = samples.refusals(root, changed(changes))
    assert len(lines) == len(expected), lines
    for line, start in zip(lines, expected, strict=True):
        assert line.startswith(start)
        assert "; " in line


ONE_HUB: dict[str, object] = {"hosts.hub2.roles": ["worker"]}
WARNINGS: list[tuple[dict[str, object], list[str]]] = [
    (ONE_HUB, ["evenkeel:hosts: hub1 as hub: is not highly available: losing this host loses Harbor; give a second"]),
    (
        ONE_HUB | {"harbor.storage": {"local": {"path": "/srv/harbor"}}},
        ["evenkeel:hosts: hub1 as hub: is not highly available: losing this host loses Harbor"],
    ),
    (
        BUNDLED,
        ["evenkeel:harbor.store: bundled: is a single point of failure: losing hub1 loses Harbor, on all hubs, with"],
    ),
    (
        {"harbor.address": "192.0.2.31"},
        ["evenkeel:harbor.address: 192.0.2.31: is lb1's own address: losing that host loses Harbor's address; leave"],
    ),
    (
        {"harbor.address": "192.0.2.77"},
        ["evenkeel:harbor.address: 192.0.2.77: belongs to no host of role lb: something outside this stack must send"],
    ),
]


@pytest.mark.parametrize(("changes", "expected"), WARNINGS)
def test_what_works_but_not_as_one_thinks_is_warned_of(
    root: Path, changes: dict[str, object], expected: list[str]
) -> None:
    found = samples.warnings(root, changed(changes))
    assert len(found) == len(expected), found
    for warning, start in zip(found, expected, strict=True):
        assert warning.startswith(start)


def test_the_sample_with_harbor_is_accepted_without_a_warning(root: Path) -> None:
    assert samples.refusals(root, samples.with_harbor()) == []
    assert samples.warnings(root, samples.with_harbor()) == []


def test_without_harbor_there_is_none_and_no_secret_of_it_is_asked_for(root: Path) -> None:
    stack = samples.stack(root)
    assert (stack.harbor, stack.hubs(), stack.repair) == (None, {}, "")
    assert stack.harbor_secrets == settings.GivenSecrets()


def test_a_hub_that_cannot_be_read_starts_no_fault_about_numbers(root: Path) -> None:
    lines = samples.refusals(root, changed({"hosts.hub1.address": "nowhere", "hosts.hub2.address": "nowhere"}))
    assert [line.split(": ")[0] for line in lines] == ["evenkeel:hosts.hub1.address", "evenkeel:hosts.hub2.address"]


def parsed(root: Path, changes: dict[str, object]) -> settings.Harbor:
    harbor = settings.parse(changed(changes), root).harbor
    assert harbor is not None
    return harbor


def test_hubs_come_in_the_order_in_which_they_are_configured(root: Path) -> None:
    assert list(settings.parse(samples.with_harbor(), root).hubs()) == ["hub1", "hub2"]


def test_harbor_is_found_where_the_api_is_unless_it_has_an_address_of_its_own(root: Path) -> None:
    assert parsed(root, {}).address == "192.0.2.30"
    assert parsed(root, {"harbor.address": "192.0.2.77"}).address == "192.0.2.77"


@pytest.mark.parametrize(
    ("written", "url", "port", "registry"),
    [
        ("https://hub.example.com", "https://hub.example.com", 443, "hub.example.com"),
        ("https://Hub.Example.com:443/", "https://hub.example.com", 443, "hub.example.com"),
        ("https://hub.example.com:9443", "https://hub.example.com:9443", 9443, "hub.example.com:9443"),
    ],
)
def test_a_url_says_the_same_however_it_is_written(
    root: Path, written: str, url: str, port: int, registry: str
) -> None:
    harbor = parsed(root, {"harbor.url": written})
    assert (harbor.url, harbor.host, harbor.port, harbor.registry) == (url, "hub.example.com", port, registry)


def test_bundled_stores_are_found_on_their_hub(root: Path) -> None:
    harbor = parsed(root, BUNDLED)
    assert (harbor.database.host, harbor.database.port, harbor.database.user) == ("192.0.2.41", 5432, "postgres")
    assert harbor.redis.addresses == ["192.0.2.41:6379"]
    assert harbor.redis.databases == settings.Redis(addresses=["h:1"]).databases
    assert set(harbor.services()) >= {"db", "redis"}


def test_trivy_and_exporter_run_where_they_are_asked_for(root: Path) -> None:
    assert not {"trivy", "exporter", "db", "redis"} & set(parsed(root, {}).services())
    assert {"trivy", "exporter"} <= set(parsed(root, {"harbor.trivy": True, "harbor.exporter": True}).services())


def test_a_word_of_repair_is_text_as_it_stands(root: Path) -> None:
    for word in ("2026-11-24T10:00", "7", "after-the-fire"):
        assert settings.parse({**samples.values(), "repair": word}, root).repair == word


def without_image(root: Path, *names: str) -> None:
    """Writes the lock as a mirror without these images leaves it."""
    lock = samples.lock()
    lock["images"] = {name: digest for name, digest in lock["images"].items() if name not in names}
    (root / "lock.yaml").write_text(yaml.safe_dump(lock))


def test_an_image_that_hubs_run_must_be_in_the_lock(root: Path) -> None:
    without_image(root, "harbor-core")
    (line,) = samples.refusals(root, samples.with_harbor())
    assert line.startswith("evenkeel:release.lock: lock.yaml: lacks the digest of image harbor-core; write it with `")
    assert samples.refusals(root, samples.values()) == []


def test_an_image_that_the_mirror_lacks_is_to_be_put_there_first(root: Path) -> None:
    without_image(root, "harbor-core")
    mirror = {"artifacts": "http://m:8080", "images": "http://m:5000"}
    (line,) = samples.refusals(root, changed({"release.mirror": mirror}))
    core = f"docker.io/goharbor/harbor-core:v{read_release(samples.RELEASE).versions.harbor}"
    assert f"lacks the digest of image harbor-core; put {core} on the mirror, and write it with `" in line


@pytest.mark.parametrize("service", ["trivy", "exporter"])
def test_the_image_of_a_service_by_choice_is_needed_where_it_is_chosen(root: Path, service: str) -> None:
    without_image(root, f"harbor-{service}", "harbor-db", "harbor-redis")
    assert samples.refusals(root, samples.with_harbor()) == []
    (line,) = samples.refusals(root, changed({f"harbor.{service}": True}))
    assert f"lacks the digest of image harbor-{service}; " in line


def test_every_service_has_an_image_in_every_release(root: Path) -> None:
    services = parsed(root, BUNDLED | {"harbor.trivy": True, "harbor.exporter": True}).services()
    for name in ("2026.10", "2026.11"):
        assert {f"harbor-{service}" for service in services} <= set(read_release(name).images)


@pytest.mark.parametrize(
    ("version", "known"), [("2.14.4", True), ("2.15.2", True), ("2.13.5", False), ("3.0.0", False)]
)
def test_only_a_harbor_whose_files_are_known_is_run(version: str, known: bool) -> None:
    versions = read_release(samples.RELEASE).versions.model_dump() | {"harbor": version}
    faults = list(skew.harbor_faults(Versions(**versions)))
    assert (faults == []) is known
    assert all("is not known here" in what and remedy == "use one of 2.14, 2.15" for what, remedy in faults)
