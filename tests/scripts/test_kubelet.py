"""scripts/kubelet.sh: when a kubelet starts anew, and when a worker's first one waits. openssl alone is no stub."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.scripts.bare_host import SCRIPTS_FOLDER
from tests.scripts.certificates import certificate

NOTHING_CHANGED = """
pending() { return 1; }
artifacts_installed() { :; }
kubelet_install() { echo install; }
applied() { :; }
keep() { echo keep; }
systemctl() { echo "$1"; }
"""


def shell(folder: Path, lines: str) -> str:
    """What shell lines print that see what kubelet.sh offers."""
    node = {"NODE": "huashan", "API_SERVER": "https://192.0.2.30:6443"}
    environment = os.environ | node | {"EVENKEEL_STATE": str(folder), "EVENKEEL_ROOT": str(folder)}
    script = (
        f"set -eu\n. {SCRIPTS_FOLDER}/lib.sh\n. {SCRIPTS_FOLDER}/artifacts.sh\n. {SCRIPTS_FOLDER}/kubelet.sh\n{lines}\n"
    )
    done = subprocess.run(["sh", "-s"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("authority", ["kubernetes", "a company's root"])
@pytest.mark.parametrize(("days", "done"), [(-1, "install restart"), (1, "keep")], ids=["ended", "in force"])
def test_a_kubelet_whose_certificate_has_ended_gets_another_though_nothing_has_changed(
    tmp_path: Path, days: float, done: str, authority: str
) -> None:
    """A host had been off for months: "the node is not in the API after 120 s", whatever word `repair` had.

    The cluster's authority may have its certificate from another one.
    """
    (tmp_path / "ca.crt").write_text(certificate(days=100, by=authority, authority=True))
    (tmp_path / "kubelet-client-current.pem").write_text(certificate(days, of="system:node:huashan"))
    places = f"KUBELET_PKI={tmp_path} KUBERNETES_CA={tmp_path}/ca.crt\n"
    assert shell(tmp_path, f"{NOTHING_CHANGED}{places}kubelet_start").split() == done.split()


@pytest.mark.parametrize(
    ("answer", "waits"),
    [("v1.35.8", True), ("v1.36.0", False), ("v1.3.6", True), ("", False)],
    ids=["an older one", "the same minor version", "one that looks alike", "nobody answers"],
)
def test_a_new_workers_kubelet_waits_for_apiservers_that_are_not_of_its_version_yet(
    tmp_path: Path, answer: str, waits: bool
) -> None:
    """A worker that was added in the `up` of an upgrade met the apiservers of before."""
    said = f"""printf '{{\n  "gitVersion": "{answer}",\n}}'""" if answer else "return 7"
    program = tmp_path / "usr/local/bin/kubelet"
    program.parent.mkdir(parents=True)
    program.write_text("#!/bin/sh\necho Kubernetes v1.36.3\n")
    program.chmod(0o755)
    stubs = f"curl() {{ {said}; }}\n"
    assert shell(tmp_path, f"{stubs}kubelet_meets_another && echo waits || :") == ("waits\n" if waits else "")
