"""What a hub's scripts make of a Docker that hangs or does not run, and of containers that others have made; stubs."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from ops import health
from render.scripts import assignments
from tests.scripts.bare_host import SCRIPTS, BareHost
from tests.scripts.hub_host import lay, run
from tests.settings import samples

SETTINGS = "HUB=hub1 ADDRESS=192.0.2.41 HUBS=hub1=192.0.2.41 DRAIN=0 STORAGE= HARBOR_VERSION=2.15.2 PGHOST=db PGPORT=1 "
SETTINGS += "PGDATABASE=registry PGUSER=u PGSSLMODE=disable HARBOR_URL=https://hub HARBOR_PORT=1 LOAD_BALANCERS=\n"
HANGS = "exec sleep 60"
DEAD = "echo 'Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?' >&2; exit 1"
# As newer clients say it.
GONE = "echo 'failed to connect to the docker API at unix:///x; check if the daemon is running' >&2; exit 1"
ENGINES = [(HANGS, "has not answered after 1 s"), (DEAD, "does not run"), (GONE, "does not run")]
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


def impatient(script: str) -> str:
    """The same with a shorter limit."""
    short = "sed -i 's/^ENGINE_SECONDS=20/ENGINE_SECONDS=1/' HERE/hub.sh && grep -q '^ENGINE_SECONDS=1 ' HERE/hub.sh"
    return f"{short} && exec timeout 10 sh HERE/{script}"


@pytest.mark.parametrize(("docker", "said"), ENGINES, ids=["hangs", "dead", "dead, newer"])
def test_a_hub_whose_docker_does_not_answer_tells_status_so(
    host: BareHost, tmp_path: Path, docker: str, said: str
) -> None:
    """It waited for Docker until ssh was ended, and nothing of that host was shown; or each container was missing."""
    host.stub("docker", docker)
    done = run(host, impatient("hub-probe.sh keys"))
    assert done.returncode == 1
    told = "".join(f"keys {line}\n" for line in (done.stdout + done.stderr).splitlines())
    report = health.report(
        "sample", samples.stack(tmp_path, samples.with_harbor()), {"hub1": told}, "", datetime.now(UTC)
    )
    (trouble,) = [one for one in report.troubles if one.startswith("hub1:")]
    assert trouble.startswith(f"hub1: Docker's engine: {said}; 'journalctl -u docker' on this hub says why")


@pytest.mark.parametrize(("docker", "said"), ENGINES, ids=["hangs", "dead", "dead, newer"])
def test_a_hub_whose_docker_does_not_answer_does_not_begin_its_turn(host: BareHost, docker: str, said: str) -> None:
    host.stub("docker", docker)
    done = run(host, impatient("hub-leave.sh"))
    assert done.returncode == 1
    assert f"evenkeel: hub1: leave: Docker's engine {said}; 'journalctl -u docker' on this hub says why" in done.stderr
    assert not (host.root / "run/evenkeel-harbor/away").exists()


def test_a_turn_that_nobody_ends_holds_no_host_while_its_docker_hangs(host: BareHost) -> None:
    """A timer looks each minute whether such a hub is well, under the host's lock, which the next up waits for."""
    host.stub("docker", HANGS)
    host.file("run/evenkeel-harbor/away", "")
    done = run(host, impatient("hub-back.sh"))
    assert done.returncode == 0
    assert (host.root / "run/evenkeel-harbor/away").exists()


def test_a_preflight_waits_for_no_docker_that_hangs(host: BareHost) -> None:
    host.stub("docker", HANGS)
    script = SCRIPTS["hub-preflight.sh"].replace("ENGINE_SECONDS=20", "ENGINE_SECONDS=1")
    variables = {"SSH_USER": "root", "MIRROR": ""}
    checks = script[: script.index("\nif has docker; then")] + "\ncheck_engine\n"
    done = run(host, f"set -eu; . HERE/lib.sh\n{assignments(variables)}{checks}")
    assert "preflight: its Docker engine does not answer: nothing within 1 s; start it" in done.stderr


def test_a_turn_removes_no_container_in_whose_place_none_comes(host: BareHost) -> None:
    """Pulumi makes only those anew that changed. One that somebody had made by hand, in place of the stack's, was
    removed in a turn that concerned others, and Harbor stood still on that hub until all were replaced."""
    host.stub("docker", BY_HAND)
    done = run(host, "exec sh HERE/hub-leave.sh")
    assert done.returncode == 0, done.stderr
    asked = (host.root / "asked").read_text()
    assert "network inspect harbor" in asked
    assert "rm " not in asked
