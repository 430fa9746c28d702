"""What a hub's scripts make of a containers that others have made; stubs."""

from pathlib import Path

import pytest

from tests.scripts.bare_host import BareHost
from tests.scripts.hub_host import lay, run

SETTINGS = "HUB=hub1 ADDRESS=192.0.2.41 HUBS=hub1=192.0.2.41 DRAIN=0 STORAGE= HARBOR_VERSION=2.15.2 PGHOST=db PGPORT=1 "
SETTINGS += "PGDATABASE=registry PGUSER=u PGSSLMODE=disable HARBOR_URL=https://hub HARBOR_PORT=1 LOAD_BALANCERS=\n"
BY_HAND = 'echo "$*" >>"$EVENKEEL_ROOT/asked"; case $* in *.Name*) echo "/harbor-core " ;; esac'


@pytest.fixture
def host(tmp_path: Path) -> BareHost:
    """A hub that was once found well, of one container."""
    host = BareHost(tmp_path)
    for name in ("chmod", "cmp", "cp", "mktemp"):
        host.real(name)
    for name in ("stat", "systemd-run", "systemd-tmpfiles"):
        host.stub(name, "exit 0")
    files = {"settings": SETTINGS, "containers": "harbor-core 0a\n", "fingerprints": "core env PORT 0a\n"}
    lay(host, **files, fingerprint_key="key")
    host.file("var/lib/evenkeel/applied/hub.version", "2.15.2\n")
    return host


def test_a_turn_removes_no_container_in_whose_place_none_comes(host: BareHost) -> None:
    """Pulumi makes only those anew that changed. One that somebody had made by hand, in place of the stack's, was
    removed in a turn that concerned others, and Harbor stood still on that hub until all were replaced."""
    host.stub("docker", BY_HAND)
    done = run(host, "exec sh HERE/hub-leave.sh")
    assert done.returncode == 0, done.stderr
    asked = (host.root / "asked").read_text()
    assert "network inspect harbor" in asked
    assert "rm " not in asked
