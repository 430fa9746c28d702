"""What somebody else wrote for nginx and keepalived on a host that becomes a load balancer, and then is none any more.

systemd, nginx and keepalived are stubs; what the real ones do is seen in tests/lab/test_load_balancer_hosts.py.
"""

import subprocess
from pathlib import Path

import pytest

import settings
from render import keepalived, load_balancer
from render.files import File, stage_script
from tests.scripts.bare_host import SCRIPTS
from tests.scripts.prepared_host import PreparedHost
from tests.settings import samples

HERE = "usr/local/lib/evenkeel"
BALANCER = "lb1"
KEEPALIVED, NGINX = keepalived.PATH[1:], load_balancer.NGINX_CONF[1:]
OTHERS = "# somebody else's\n"


class Balancer(PreparedHost):
    """A host of role lb that was prepared, on which somebody else's keepalived and nginx have their files."""

    def __init__(self, root: Path, stack: settings.Stack) -> None:
        super().__init__(root)
        self.stack = stack
        self.remove("stat")
        self.real("stat")
        self.stub("keepalived", "exit 0")
        self.stub("curl", "echo 0.001")
        done = self.prepare(stack, BALANCER, EVENKEEL_HOST=BALANCER)
        assert done.returncode == 0, done.stderr
        for name in ("activate-lb.sh", "retire.sh"):
            script = SCRIPTS[name].replace("\nhere=/usr/local", f"\nhere={self.root}/usr/local")
            (self.root / HERE / name).write_text(script)
        self.file(KEEPALIVED, OTHERS)
        self.file(NGINX, OTHERS)

    def gets_the_address(self, vip: str = "192.0.2.30:6443") -> None:
        """The second half of the host's turn, which is about keepalived."""
        files = keepalived.files(keepalived.vip(self.stack, self.stack.hosts[BALANCER])) if vip else []
        begun = (self.root / HERE / "activate-lb.sh").read_text().partition("\nlock\n")[0]
        done = self.shell(f"VIP={vip}\n{begun}\n{stage_script({'vip': files})}\nvip_activate\n")
        assert done.returncode == 0, done.stderr

    def balances(self) -> None:
        """What is left of the first half, which is about nginx."""
        conf = load_balancer.nginx_conf(load_balancer.balancer(self.stack, self.stack.hosts[BALANCER]))
        staged = stage_script({"lb": [File(load_balancer.NGINX_CONF, conf)]})
        turn = f"{staged}keep_first {load_balancer.NGINX_CONF}\nmkdir {self.state}/lb\ninstall_part lb\n"
        assert self.shell(f". {self.root / HERE}/lib.sh\n{turn}").returncode == 0

    def is_none_any_more(self) -> subprocess.CompletedProcess[str]:
        """As prepare.sh notes it, and as the host then runs it."""
        (self.state / "place").write_text(f"name {BALANCER}\nroles worker\n")
        return self.shell(f"sh {self.root / HERE}/retire.sh lb", EVENKEEL_HOST=BALANCER)

    def text(self, path: str) -> str:
        """What stands in a file of the host; nothing where there is none."""
        file = self.root / path
        return file.read_text() if file.exists() else ""


@pytest.fixture
def host(tmp_path: Path) -> Balancer:
    return Balancer(tmp_path, samples.stack(tmp_path))


def test_what_keepalived_did_before_stays_beside_its_new_file_however_often_that_changes(host: Balancer) -> None:
    """A company's own addresses were forgotten, and nobody could say what they had been."""
    host.gets_the_address()
    (host.state / "applied" / "keepalived").unlink()
    host.gets_the_address()
    assert "virtual_router_id 51" in host.text(KEEPALIVED)
    assert host.text(f"{KEEPALIVED}.before-evenkeel") == OTHERS


def test_without_a_virtual_address_any_more_keepalived_has_its_old_file_and_is_not_started(host: Balancer) -> None:
    host.gets_the_address()
    host.gets_the_address(vip="")
    assert (host.text(KEEPALIVED), host.text(f"{KEEPALIVED}.before-evenkeel")) == (OTHERS, "")
    assert "disable --now --quiet keepalived" in host.systemctl_calls
    assert host.systemctl_calls[-1] == "daemon-reload"


def test_a_host_that_balances_no_more_has_both_files_as_they_were(host: Balancer) -> None:
    host.balances()
    host.gets_the_address()
    assert OTHERS not in (host.text(NGINX), host.text(KEEPALIVED))
    assert host.is_none_any_more().returncode == 0
    assert (host.text(NGINX), host.text(KEEPALIVED)) == (OTHERS, OTHERS)
    assert host.systemctl_calls[-1] == "restart nginx"


def test_one_that_was_stopped_before_its_nginx_began_anew_ends_with_that(host: Balancer) -> None:
    """The next attempt took the file that had been given back for none, and stopped nginx for good."""
    host.balances()
    (host.root / f"{NGINX}.before-evenkeel").rename(host.root / NGINX)
    (host.state / "staged" / "lb" / "index").write_text("")
    (host.state / "applied" / "lb.index").write_text("")
    assert host.is_none_any_more().returncode == 0
    assert host.text(NGINX) == OTHERS
    assert host.systemctl_calls[-1] == "restart nginx"


def test_where_there_was_no_nginx_conf_nginx_is_stopped(host: Balancer) -> None:
    (host.root / NGINX).unlink()
    host.balances()
    assert host.is_none_any_more().returncode == 0
    assert host.text(NGINX) == ""
    assert "disable --now --quiet nginx" in host.systemctl_calls
    assert "restart nginx" not in host.systemctl_calls
