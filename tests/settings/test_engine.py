"""With the real engine and the running lab: a stack at fault is refused before a single host is asked anything."""

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from lab import engine
from lab.paths import CLONE

pytestmark = pytest.mark.lab


def preview(config_file: Path) -> subprocess.CompletedProcess[str]:
    command = [str(engine.program()), "preview", "--stack", "dev", "--config-file", str(config_file)]
    return subprocess.run(
        command,
        cwd=CLONE,
        env=engine.environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_preview_of_faulty_settings_tells_every_fault_and_touches_no_host(tmp_path: Path) -> None:
    content: dict[str, Any] = yaml.safe_load((CLONE / "Pulumi.dev.yaml").read_text())
    config = content["config"]
    config["evenkeel:hosts"]["wudang"]["address"] = "10.77.0.11"
    config["evenkeel:hosts"]["stranger"] = {"address": "10.77.0.99", "roles": ["worker"]}
    config["evenkeel:loadBalancer"]["port"] = "6443"
    config["evenkeel:release"]["name"] = "1999.01"
    config["evenkeel:lodBalancer"] = {}
    config["evenkeel:harborAdminPassword"] = "open sesame"
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(yaml.safe_dump(content))
    result = preview(path)
    assert result.returncode != 0
    for line in (
        "evenkeel:hosts.wudang.address: 10.77.0.11: is the address of shaolin too; give wudang its own address",
        "evenkeel:hosts.stranger.address: 10.77.0.99: has no host key for port 22 in .lab/known_hosts; read it with",
        "evenkeel:loadBalancer.port: 6443: is not a whole number; write a number without quotes",
        "evenkeel:release.name: 1999.01: is not a release that there is; choose one of",
        "evenkeel:lodBalancer: (empty): is not a key that there is; did you mean loadBalancer?",
        "evenkeel:harborAdminPassword: (not shown): is stored in plain text; make a new one and set it with",
    ):
        assert line in result.stdout
    assert "sesame" not in result.stdout + result.stderr
    assert "command:remote" not in result.stdout
    assert "Traceback" not in result.stdout + result.stderr


def test_two_hosts_of_one_name_are_refused_by_the_engine_itself(tmp_path: Path) -> None:
    text = (CLONE / "Pulumi.dev.yaml").read_text()
    path = tmp_path / "Pulumi.dev.yaml"
    path.write_text(text.replace("    wudang: {", "    shaolin: {"))
    result = preview(path)
    assert result.returncode != 0
    assert 'mapping key "shaolin" already defined' in result.stderr
