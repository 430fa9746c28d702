"""Serves the mirror's content from the mirror host: files by nginx, images by a read-only registry.

Owns: the two services on that host. Does not own: their content (``lab.mirror.content``), which the host sees through
a read-only mount of the cache.
"""

import time
from pathlib import Path
from urllib.error import URLError
from urllib.request import urlopen

from lab import hosts
from lab.errors import LabError

ARTIFACTS_PORT = 8080
IMAGES_PORT = 5000
ADDRESS = hosts.ADDRESSES[hosts.MIRROR]
ARTIFACTS = f"http://{ADDRESS}:{ARTIFACTS_PORT}"
IMAGES = f"http://{ADDRESS}:{IMAGES_PORT}"
START_SECONDS = 20

NGINX = """worker_processes 2;
pid /run/lab-mirror.pid;
error_log stderr warn;
events {{ worker_connections 1024; }}
http {{
    sendfile on;
    access_log off;
    default_type application/octet-stream;
    server {{
        listen {port};
        root {root}/artifacts;
        autoindex on;
    }}
}}
"""
REGISTRY = """version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: {root}/registry}}
  maintenance: {{readonly: {{enabled: true}}}}
http: {{addr: ':{port}', secret: nothing is ever uploaded}}
"""
UNIT = """[Unit]
Description={description}
After=network.target

[Service]
ExecStart={command}
Restart=always
RestartSec=1

[Install]
WantedBy=multi-user.target
"""


def ensure(content: Path) -> None:
    """Lets the mirror host serve ``content``; returns once both services answer."""
    files = _files(f"{hosts.MIRROR_MOUNT}/{content.name}")
    if any(_present(path) != text for path, text in files.items()):
        for path, text in files.items():
            hosts.run(hosts.MIRROR, f"mkdir -p {Path(path).parent} && cat >{path}", stdin=text, check=True)
        units = "lab-mirror.service lab-registry.service"
        command = f"systemctl daemon-reload && systemctl enable --quiet {units} && systemctl restart {units}"
        hosts.run(hosts.MIRROR, command, check=True)
    for address in (f"{ARTIFACTS}/", f"{IMAGES}/v2/"):
        _await(address)


def _files(root: str) -> dict[str, str]:
    nginx = "/usr/sbin/nginx -c /etc/lab-mirror/nginx.conf -g 'daemon off;'"
    registry = f"{root}/bin/registry serve /etc/lab-mirror/registry.yml"
    return {
        "/etc/lab-mirror/nginx.conf": NGINX.format(port=ARTIFACTS_PORT, root=root),
        "/etc/lab-mirror/registry.yml": REGISTRY.format(port=IMAGES_PORT, root=root),
        "/etc/systemd/system/lab-mirror.service": UNIT.format(description="Artifacts", command=nginx),
        "/etc/systemd/system/lab-registry.service": UNIT.format(description="Images", command=registry),
    }


def _present(path: str) -> str | None:
    found = hosts.run(hosts.MIRROR, ["cat", path])
    return found.stdout if found.returncode == 0 else None


def _await(address: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            urlopen(address, timeout=2).close()
        except (URLError, OSError) as error:
            if time.monotonic() > deadline:
                log = hosts.run(hosts.MIRROR, "journalctl -u lab-mirror -u lab-registry -n 10 --no-pager").stdout
                raise LabError(f"the mirror does not answer at {address}: {error}; its log:\n{log}") from error
            time.sleep(0.1)
        else:
            return
