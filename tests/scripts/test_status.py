"""scripts/status.sh on a folder that stands for a host: the certificates and the backup that it tells of."""

import base64
import os
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops import health
from render import hub
from render.harbor import layout, proxy
from render.scripts import SCRIPTS, assignments
from tests.settings import pem, samples

PLACES = re.compile(r"(?<=[ =])/(?=etc/|var/)")  # where paths of the host begin
FILES = (
    "etc/kubernetes/pki/apiserver.crt",
    "etc/kubernetes/pki/etcd/server.crt",
    "var/lib/kubelet/pki/kubelet-client-current.pem",
)
OF_HARBOR = [path[1:] for path in (hub.CA, proxy.CERTIFICATE, layout.TRUSTED_CA)]
KUBECONFIG = "etc/kubernetes/controller-manager.conf"
# Name and time of change.
BACKUPS = {"of-june": "2026-06-01 04:00", "of-july": "2026-07-01 04:00", ".of-august": "2026-08-01 04:00"}


def tell(root: Path, roles: str = "") -> str:
    """What it prints on a host of these roles, whose files are the folder's and which is entered there."""
    text = PLACES.sub(f"{root}/", (SCRIPTS / "status.sh").read_text())
    script = assignments({"ROLES": roles, "SERVICE_ADDRESS": "", "ADDRESS": "192.0.2.11"}) + text
    own = os.environ | {"PATH": f"{root}/bin:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-s"], input=script, cwd=root, env=own, capture_output=True, text=True, check=True)
    assert done.stdout.endswith("end\n")
    return done.stdout


def report(root: Path, said: str) -> health.Report:
    """What ``ops status`` makes of it."""
    return health.report("sample", samples.stack(root), {"shaolin": said}, "", datetime.now(UTC))


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A host with nothing on it."""
    root = tmp_path / "host"
    root.mkdir()
    return root


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_the_first_certificate_of_every_file_is_told(host: Path, tmp_path: Path) -> None:
    """One that nobody tells of ends without a warning."""
    first, next_one = pem.issued("first", days=(-1, 30)), pem.issued("next", days=(-1, 60))
    for path in FILES:
        put(host / path, first.text + next_one.text)
    data = base64.b64encode(first.text.encode()).decode()
    put(host / KUBECONFIG, f"users:\n- user:\n    client-certificate-data: {data}\n")
    found = report(tmp_path, tell(host)).certificates
    assert {one.path for one in found} == {f"{host}/{path}" for path in (*FILES, KUBECONFIG)}
    assert {one.not_after for one in found} == {first.certificate.not_valid_after_utc}


def test_of_each_file_of_harbor_the_certificate_that_ends_first_is_told(host: Path, tmp_path: Path) -> None:
    """Clients refuse a chain whose middle has ended, and core a database whose authority has."""
    later, first = pem.issued("later", days=(-1, 60)), pem.issued("first", days=(-1, 30))
    for path in OF_HARBOR:
        put(host / path, later.text + first.text + later.text)
    found = report(tmp_path, tell(host)).certificates
    assert {one.path for one in found} == {f"{host}/{path}" for path in OF_HARBOR}
    assert [one.not_after for one in found] == [first.certificate.not_valid_after_utc] * len(OF_HARBOR)


def test_a_question_holds_no_word_of_the_folder_in_which_the_host_is_entered(host: Path) -> None:
    """With two files in root's home a ready apiserver was not: a `*` among curl's words had become their names."""
    put(host / "bin/curl", '#!/bin/sh\necho "$*" >>asked\nprintf 200\n')
    put(host / "bin/etcdctl", "#!/bin/sh\nexit 1\n")
    for name in ("curl", "etcdctl"):
        (host / "bin" / name).chmod(0o755)
    put(host / "notes", "")
    assert "apiserver 200 unknown\n" in tell(host, "master")
    asked = (host / "asked").read_text().splitlines()
    assert [words.rpartition(":6443")[2] for words in asked] == ["/readyz", "/version"]
    assert not any("notes" in words for words in asked)


def test_the_newest_backup_is_told_and_none_that_is_half_written(host: Path, tmp_path: Path) -> None:
    for name, changed in BACKUPS.items():
        put(host / "var/backups/evenkeel" / name, "")
        at = datetime.fromisoformat(f"{changed}+00:00").timestamp()
        os.utime(host / "var/backups/evenkeel" / name, (at, at))
    # A bundled database that was set aside when its hub gave the role up is none.
    put(host / "var/backups/evenkeel/harbor/database-20260702T000000Z/18/PG_VERSION", "18")
    assert report(tmp_path, tell(host)).last_backup == "2026-07-01T04:00:00Z"


def test_a_host_with_neither_says_only_that_it_said_all(host: Path) -> None:
    assert tell(host) == "end\n"
