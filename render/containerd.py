"""containerd's configuration, its registries and its unit. Does not own its programs (``render.preparation``)."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from render import kubelet
from render.files import File
from settings import Host, Stack
from settings.merge import merged

CONFIG = "/etc/containerd/config.toml"
CERTS_D = "/etc/containerd/certs.d"
IMAGES_PLUGIN = "io.containerd.cri.v1.images"
RUNTIME_PLUGIN = "io.containerd.cri.v1.runtime"
BARE_KEY = re.compile(r"^[A-Za-z0-9_-]+$")

UNIT = """\
[Unit]
Description=containerd: runs the containers of this node
Documentation=https://containerd.io
After=network.target dbus.service
StartLimitIntervalSec=0

[Service]
ExecStart=/usr/local/bin/containerd
Type=notify
# The children of cgroups are containerd's own business, and containers outlive it.
Delegate=yes
KillMode=process
Restart=always
RestartSec=2
LimitNPROC=infinity
LimitCORE=infinity
TasksMax=infinity
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
"""


def runtime_files(stack: Stack, host: Host) -> list[File]:
    """The part ``runtime``: a change of these takes a restart of containerd."""
    return [
        File(CONFIG, to_toml(configuration(stack, host))),
        File("/etc/systemd/system/containerd.service", UNIT),
    ]


def registry_files(stack: Stack) -> list[File]:
    """The part ``registries``: containerd reads these at each pull."""
    return [
        File(f"{CERTS_D}/{registry}/hosts.toml", to_toml(_registry(registry, mirror)))
        for registry, mirror in stack.release.image_mirrors().items()
    ]


def trusted_registry_files(registry: str, ca: str) -> list[File]:
    """A registry with an authority of its own; containerd reads these at each pull too."""
    folder = f"{CERTS_D}/{registry}"
    server = f"https://{registry}"
    capabilities = {"capabilities": ["pull", "resolve"], "ca": f"{folder}/ca.crt"}
    hosts = {"server": server, "host": {server: capabilities}}
    return [File(f"{folder}/ca.crt", ca), File(f"{folder}/hosts.toml", to_toml(hosts))]


def configuration(stack: Stack, host: Host) -> dict[str, Any]:
    """The configuration (format 3), with the stack's own settings laid over it."""
    systemd_cgroup = kubelet.configuration(stack, host)["cgroupDriver"] == "systemd"
    runc = {
        "runtime_type": "io.containerd.runc.v2",
        "options": {"BinaryName": "/usr/local/bin/runc", "SystemdCgroup": systemd_cgroup},
    }
    base: dict[str, Any] = {
        "version": 3,
        "plugins": {
            IMAGES_PLUGIN: {
                # Under the name by which it was pulled ahead: so it is found there, and kept when space runs short.
                "pinned_images": {"sandbox": by_digest(stack.release.image("pause"))},
                "registry": {"config_path": CERTS_D},
            },
            RUNTIME_PLUGIN: {
                "containerd": {"default_runtime_name": "runc", "runtimes": {"runc": runc}},
                "cni": {"bin_dirs": ["/opt/cni/bin"], "conf_dir": "/etc/cni/net.d"},
            },
        },
    }
    return merged(base, stack.cluster.containerd.config)


def runtimes(stack: Stack, host: Host) -> list[str]:
    """The names of its runtimes, which RuntimeClasses go by."""
    return sorted(configuration(stack, host)["plugins"][RUNTIME_PLUGIN]["containerd"]["runtimes"])


def by_digest(image: str) -> str:
    """``name@digest`` of ``name:tag@digest``: the form in which containerd's Kubernetes interface looks an image up."""
    tagged, digest = image.split("@")
    return f"{tagged.rpartition(':')[0]}@{digest}"


def mirror_url(mirror: str, registry: str) -> str:
    """Where the mirror serves the API of ``registry``: repositories there bear the official registry's name."""
    parts = urlsplit(mirror)
    return f"{parts.scheme}://{parts.netloc}/v2{parts.path.rstrip('/')}/{registry}"


def to_toml(document: Mapping[str, Any]) -> str:
    """A TOML document of nested mappings, lists, text, numbers and booleans."""
    return "\n".join(_table((), document)).lstrip("\n") + "\n"


def _registry(registry: str, mirror: str | None) -> dict[str, Any]:
    """With a mirror there is no way past it: what it lacks is not fetched from anywhere else."""
    if mirror is None:
        return {"server": f"https://{registry}"}
    return {"server": mirror_url(mirror, registry), "capabilities": ["pull", "resolve"], "override_path": True}


def _table(path: tuple[str, ...], table: Mapping[str, Any]) -> Iterator[str]:
    values = {key: value for key, value in table.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    if path and (values or not tables):
        yield ""
        yield f"[{'.'.join(map(_key, path))}]"
    for key, value in values.items():
        yield f"{_key(key)} = {_value((*path, key), value)}"
    for key, value in tables.items():
        yield from _table((*path, key), value)


def _key(key: str) -> str:
    return key if BARE_KEY.match(key) else json.dumps(key)


def _value(path: tuple[str, ...], value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(_value(path, item) for item in value)}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(key)} = {_value((*path, key), item)}' for key, item in value.items())}}}"
    if isinstance(value, str | bool | int | float):
        return json.dumps(value)
    raise ValueError(f"{'.'.join(path)}: {value!r} has no form in TOML; leave the key out to keep containerd's default")
