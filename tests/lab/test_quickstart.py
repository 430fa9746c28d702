"""docs/quickstart.md, and what docs/harbor.md says of using Harbor, typed as they stand there on stack ``dev``.

Does not own what a change or a lost master comes to (test_previews.py, test_rolls.py, test_failures.py).
"""

import os
import subprocess
import time
from pathlib import Path

import pytest

from lab import hosts
from lab.paths import CLONE
from tests.lab.recovery import master_back, node_ready
from tests.pages import command
from tests.waiting import eventually

MASTER = "wudang"
BACK_SECONDS = 20
DEV_ = {"NAME": "dev"}

pytestmark = [pytest.mark.lab, pytest.mark.alone]


def types(line: str, more: str = "") -> str:
    """What a line says in a new shell that has read .lab/env, with ``more`` behind it."""
    bare = {name: os.environ[name] for name in ("HOME", "PATH")}
    script = f"{command('quickstart', '. .lab/env')} && {line} {more}"
    done = subprocess.run(["sh", "-c", script], cwd=CLONE, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_lab_is_looked_at() -> None:
    assert types(command("quickstart", "kubectl get nodes -o wide")).count(" Ready ") == 4
    assert "coredns" in types(command("quickstart", "kubectl -n kube-system get pods"))
    assert "harborUrl" in types(command("quickstart", "pulumi stack output"))
    assert types(command("quickstart", "ssh -F"), "uname -n") == "shaolin\n"


def test_what_changes_nothing_says_so() -> None:
    assert "unchanged" in types(command("quickstart", "pulumi preview"))
    assert "unchanged" in types(command("quickstart", "pulumi up --stack dev"), "--yes --skip-preview")


def test_a_host_is_taken_away_and_comes_back_by_itself() -> None:
    lost = time.time()
    types(command("quickstart", "docker kill"))
    try:
        assert MASTER in types(command("quickstart", "kubectl get nodes"))
    finally:
        types(command("quickstart", "docker start"))
        hosts.start(MASTER)
    master_back(MASTER, BACK_SECONDS, since=time.time())
    eventually(lambda: node_ready(MASTER, lost), 60, f"{MASTER} is Ready again")


def test_harbor_is_found_and_trusted(tmp_path: Path) -> None:
    ca = str(tmp_path / "ca.crt")
    types(command("harbor", "pulumi stack output harborCa", {"ca.crt": ca}), "--stack dev")
    url = types(command("harbor", "pulumi stack output harborUrl"), "--stack dev").strip()
    address = url.removeprefix("https://")
    resolve = f"--resolve {address}:443:{hosts.VIP}"
    assert "Pong" in types(f"curl -fsS --cacert {ca} {resolve} {url}/api/v2.0/ping")


def test_the_hubs_keys_are_compared(tmp_path: Path) -> None:
    types(command("harbor", "python -m ops harbor-probe", DEV_))
    copy = tmp_path / "Pulumi.dev.yaml"
    copy.write_text((CLONE / "Pulumi.dev.yaml").read_text())
    types(command("harbor", "pulumi config set evenkeel:repair"), f"--stack dev --config-file {copy}")
    assert "evenkeel:repair" in copy.read_text()
