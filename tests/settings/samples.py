"""A whole, small stack for tests: three masters, one worker, two load balancers, with all files that it names.

Every call returns values of its own, for a test to change before it parses them. Nothing here is a real key, checksum
or digest.
"""

import base64
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

import settings
from releases.store import read_release, release_digest

RELEASE = "2026.11"
HOSTS: dict[str, tuple[str, list[str]]] = {
    "shaolin": ("192.0.2.11", ["master"]),
    "wudang": ("192.0.2.12", ["master"]),
    "emei": ("192.0.2.13", ["master"]),
    "huashan": ("192.0.2.21", ["worker"]),
    "lb1": ("192.0.2.31", ["lb"]),
    "lb2": ("192.0.2.32", ["lb"]),
}
HUBS = {"hub1": "192.0.2.41", "hub2": "192.0.2.42"}
# What a test looks for to see that a password has leaked.
ADMIN_PASSWORD, DATABASE_PASSWORD = "open sesame", "hunter2"
# The form of a key, and the mark by which a test recognises that it has leaked.
PRIVATE_KEY = "-----BEGIN PRIVATE KEY-----\nbm90LWEta2V5\n-----END PRIVATE KEY-----\n"


def sha256(text: str) -> str:
    """A sha256 to stand in a test's lock."""
    return hashlib.sha256(text.encode()).hexdigest()


def host_key(name: str) -> str:
    """A public key of its own for each name, in the form of known_hosts."""
    blob = b"\x00\x00\x00\x0bssh-ed25519\x00\x00\x00\x20" + hashlib.sha256(name.encode()).digest()
    return f"ssh-ed25519 {base64.b64encode(blob).decode()}"


def lock(architectures: tuple[str, ...] = ("amd64", "arm64")) -> dict[str, Any]:
    """A complete lock of the release that the sample stack runs."""
    file = read_release(RELEASE)
    return {
        "release": RELEASE,
        "release_sha256": release_digest(RELEASE),
        "source": "publishers",
        "artifacts": {name: {arch: sha256(name + arch) for arch in architectures} for name in file.artifacts},
        "images": {name: f"sha256:{sha256(name)}" for name in file.images},
    }


def write_files(root: Path) -> None:
    """Puts the key, the hosts' keys and the lock where the sample's values look for them."""
    known = {name: address for name, (address, _) in HOSTS.items()} | HUBS
    (root / "known_hosts").write_text("".join(f"{address} {host_key(name)}\n" for name, address in known.items()))
    (root / "id_ed25519").write_text(PRIVATE_KEY)
    (root / "lock.yaml").write_text(yaml.safe_dump(lock()))


def values() -> dict[str, Any]:
    """The sample's configuration, as a stack's file would hold it."""
    return {
        "cluster": {
            "name": "sample",
            "environment": "staging",
            "podCidr": "10.244.0.0/16",
            "serviceCidr": "10.96.0.0/16",
        },
        "hosts": {name: {"address": address, "roles": list(roles)} for name, (address, roles) in HOSTS.items()},
        "ssh": {"knownHosts": "known_hosts", "privateKeyFile": "id_ed25519"},
        "loadBalancer": {
            "address": "192.0.2.30",
            "extraSans": ["api.example.com"],
            "vip": {"address": "192.0.2.30", "interface": "eth0"},
        },
        "release": {"name": RELEASE, "lock": "lock.yaml"},
    }


def with_harbor() -> dict[str, Any]:
    """The sample with two hubs and Harbor on shared stores, and every secret that this needs."""
    return {
        **values(),
        "hosts": values()["hosts"] | {name: {"address": address, "roles": ["hub"]} for name, address in HUBS.items()},
        "harbor": {
            "url": "https://hub.example.com",
            "storage": {"shared": {"path": "/srv/harbor"}},
            "database": {"host": "192.0.2.51", "user": "harbor"},
            "redis": {"addresses": ["192.0.2.52:6379"]},
        },
        "harborAdminPassword": ADMIN_PASSWORD,
        "harborDatabasePassword": DATABASE_PASSWORD,
    }


def stack(root: Path, changed: dict[str, Any] | None = None) -> settings.Stack:
    """The sample as a ``Stack``; ``changed`` replaces whole sections. ``root`` receives the files that it names."""
    write_files(root)
    return settings.parse({**values(), **(changed or {})}, root)


def refusals(root: Path, stack_values: dict[str, Any]) -> list[str]:
    """The lines of the error that parsing these values ends in; none where it succeeds."""
    try:
        settings.parse(stack_values, root)
    except settings.SettingsError as error:
        return str(error).splitlines()
    return []


def warnings(root: Path, stack_values: dict[str, Any]) -> list[str]:
    """What a stack that is accepted is warned of."""
    return list(settings.parse(stack_values, root).warnings)


def put(tree: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """``tree`` itself, with ``value`` at a dotted path; ``/`` separates parts that hold dots themselves."""
    *above, last = path.split("/") if "/" in path else path.split(".")
    at = tree
    for part in above:
        at = at.setdefault(part, {})
    at[last] = value
    return tree


def changed(changes: Mapping[str, object]) -> dict[str, Any]:
    """The sample with other values at these paths, as ``put`` takes them."""
    made = values()
    for path, value in changes.items():
        put(made, path, value)
    return made
