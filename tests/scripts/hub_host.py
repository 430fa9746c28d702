"""A bare host as a hub for tests: a hub's scripts run there, with its files in the host's folder and stubs."""

import subprocess

from render.scripts import ON_HOST
from tests.scripts.bare_host import SCRIPTS, BareHost

FOLDER = "etc/evenkeel/harbor/hub"
PARTS = {"harbor": ("settings",), "harbor.secret": ("containers", "fingerprints", "fingerprint-key", "probe")}


def run(host: BareHost, script: str, *arguments: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Runs shell lines; HERE in them is the folder of a hub's scripts."""
    folder = host.root / ON_HOST.lstrip("/")
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in SCRIPTS.items():
        (folder / name).write_text(text.replace(ON_HOST, str(folder)))
    environment = {
        "PATH": str(host.bin),
        "EVENKEEL_HOST": "hub1",
        "EVENKEEL_ROOT": str(host.root),
        "EVENKEEL_STATE": str(host.state),
        "EVENKEEL_LOCK": str(host.root / "lock"),
        **variables,
    }
    command = ["sh", "-c", script.replace("HERE", str(folder)), "sh", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def lay(host: BareHost, **texts: str) -> None:
    """The files that tell a hub's scripts what is wanted, staged and installed alike; ``settings`` are shell lines."""
    for part, names in PARTS.items():
        host.file(f"var/lib/evenkeel/staged/{part}/index", "")
        for name in names:
            for place in (f"var/lib/evenkeel/staged/{part}/files/", ""):
                host.file(f"{place}{FOLDER}/{name}", texts.get(name.replace("-", "_"), ""))
