"""scripts/activate-lb.sh and what it starts, on two spare hosts with a virtual address of their own.

The upstreams are small servers on this machine, so that nothing here needs, or disturbs, the lab's cluster.
"""

import dataclasses
import http.client
import threading
import time
from collections.abc import Iterator

import pytest

from lab import hosts
from render import keepalived, load_balancer
from render.files import File, stage_script, wrap
from render.keepalived import Vip
from render.load_balancer import Balancer, HttpCheck, Service, Upstream
from render.scripts import ON_HOST, SCRIPTS, call
from tests.scripts.nginx_host import FakeUpstream, Load, get
from tests.waiting import eventually

PAIR = ("spare6", "spare7")
VIP = "10.77.0.230"
ROUTER_ID = 77
PORT, STATUS_PORT = 6443, 8404
NAMES = ("shaolin", "wudang", "emei")
LONGEST_OUTAGE = 2.0

pytestmark = [pytest.mark.lab, pytest.mark.alone]


@dataclasses.dataclass(frozen=True)
class Pair:
    """Two load balancers and what is behind them."""

    upstreams: list[FakeUpstream]

    def balancer(self, host: str, proxy_timeout: str = "10m") -> Balancer:
        """What ``host`` balances."""
        servers = tuple(Upstream(one.name, one.address, one.port) for one in self.upstreams)
        service = Service("apiserver", PORT, servers, HttpCheck(scheme="http"), proxy_timeout=proxy_timeout)
        readers = (hosts.GATEWAY, *(hosts.ADDRESSES[name] for name in PAIR))
        return Balancer(hosts.ADDRESSES[host], STATUS_PORT, readers, (service,))

    def vip(self, host: str, interface: str = "eth0", rank: int = 0) -> Vip:
        """The share of ``host`` in the address."""
        peers = tuple(hosts.ADDRESSES[name] for name in PAIR if name != host)
        address = hosts.ADDRESSES[host]
        status = f"{address}:{STATUS_PORT}"
        return Vip(host, address, VIP, interface, ROUTER_ID, rank + PAIR.index(host), peers, status)

    def turn(self, host: str, balancer: Balancer | None = None, vip: Vip | None = None) -> str:
        """Stages and activates as the program does; returns what the user reads when it fails, else nothing."""
        done = hosts.run(host, "sh -s first", stdin=self.script(host, balancer, vip or self.vip(host)))
        return done.stderr if done.returncode else ""

    def script(self, host: str, balancer: Balancer | None, vip: Vip | None) -> str:
        """The text that stages this host's files and gives it its turn."""
        balancer = balancer or self.balancer(host)
        parts = {"lb": load_balancer.files(balancer), "lb.ca": list[File](), "vip": keepalived.files(vip)}
        variables = {
            "STATUS": balancer.status,
            "PORTS": str(PORT),
            "SERVICES": "apiserver",
            "VIP": f"{VIP}:{PORT}" if vip else "",
        }
        staging = f". {ON_HOST}/lib.sh\nlock\n{stage_script(parts)}unlock\n"
        return wrap(staging + call("activate-lb.sh", variables))

    def holders(self) -> list[str]:
        """Who has the virtual address."""
        return [name for name in PAIR if f" {VIP}/32 " in hosts.run(name, "ip -o -4 address show").stdout]

    def holder(self) -> str:
        """The one who has it, as soon as one has."""
        eventually(lambda: len(self.holders()) == 1, 10, "one host holds the address")
        return self.holders()[0]

    def verdicts(self, host: str) -> dict[str, str]:
        """What nginx on ``host`` runs with, as its status page tells it."""
        try:
            code, text = get(STATUS_PORT, "/upstreams/apiserver", address=hosts.ADDRESSES[host])
        except OSError:
            return {}
        return dict(line.split() for line in text.splitlines()) if code == 200 else {}

    def await_verdicts(self, host: str, seconds: float, **changed: str) -> None:
        """Waits until nginx on ``host`` runs with all upstreams up but those in ``changed``."""
        wanted = dict.fromkeys(NAMES, "up") | changed
        eventually(lambda: self.verdicts(host) == wanted, seconds, f"{host}: {wanted}")


@pytest.fixture(scope="module")
def fresh() -> Iterator[Pair]:
    """Two new hosts with nothing on them but the scripts that preparation brings, and three ready upstreams."""
    upstreams = [FakeUpstream(name, hosts.GATEWAY) for name in NAMES]
    for upstream in upstreams:
        upstream.start()
    for name in PAIR:
        if name in hosts.names():
            hosts.destroy(name)
        hosts.create(name)
        bring_scripts(name)
    yield Pair(upstreams)
    for name in PAIR:
        hosts.destroy(name)
    for upstream in upstreams:
        upstream.stop()


@pytest.fixture
def pair(fresh: Pair) -> Pair:
    """The two, running with the same files again whatever the last test did."""
    for upstream in fresh.upstreams:
        upstream.readiness = 200
    for name in PAIR:
        assert fresh.turn(name) == ""
        fresh.await_verdicts(name, 15)
    return fresh


def bring_scripts(host: str) -> None:
    """What preparation does."""
    for script in ("lib.sh", "activate-lb.sh"):
        install = f"mkdir -p {ON_HOST} && cat >{ON_HOST}/{script} && chmod 755 {ON_HOST}/{script}"
        hosts.run(host, install, stdin=(SCRIPTS / script).read_text(), check=True)


def test_one_of_two_holds_the_address_and_a_not_ready_upstream_leaves_both(pair: Pair) -> None:
    assert pair.holder() in PAIR
    pair.upstreams[1].readiness = 500
    for name in PAIR:
        pair.await_verdicts(name, 3, wudang="down")


def test_a_change_of_all_files_on_both_hosts_fails_no_request_cuts_no_connection_and_leaves_the_address(
    pair: Pair,
) -> None:
    before = pair.holder()
    kept = http.client.HTTPConnection(VIP, PORT, timeout=5)
    kept.request("GET", "/")
    kept.getresponse().read()
    load = Load(VIP, PORT)
    for name in PAIR:
        assert pair.turn(name, pair.balancer(name, proxy_timeout="11m"), pair.vip(name, rank=5)) == ""
        assert "proxy_timeout 11m" in hosts.run(name, "cat /etc/nginx/nginx.conf").stdout
    answers = load.stop(NAMES)
    assert answers.bad == []
    assert answers.good > 20
    assert pair.holders() == [before]
    kept.request("GET", "/")
    assert kept.getresponse().status == 200
    kept.close()


def test_a_turn_with_nothing_new_touches_nothing(pair: Pair) -> None:
    state = "cat /proc/$(systemctl show -p MainPID --value nginx)/task/*/children; systemctl show -p MainPID {}"
    command = state.format("keepalived evenkeel-upstreams")
    before = hosts.run(PAIR[0], command).stdout
    assert pair.turn(PAIR[0]) == ""
    assert hosts.run(PAIR[0], command).stdout == before


def test_an_nginx_conf_that_nginx_refuses_is_not_installed_and_nginx_s_words_are_told(pair: Pair) -> None:
    before = hosts.run(PAIR[0], "cat /etc/nginx/nginx.conf").stdout
    told = pair.turn(PAIR[0], pair.balancer(PAIR[0], proxy_timeout="10 parsecs"))
    assert "evenkeel: spare6: activate nginx: nginx refuses the new nginx.conf" in told
    assert 'invalid number of arguments in "proxy_timeout" directive' in told
    assert hosts.run(PAIR[0], "cat /etc/nginx/nginx.conf").stdout == before
    assert set(pair.verdicts(PAIR[0])) == set(NAMES)


def test_a_keepalived_conf_that_keepalived_refuses_is_not_installed(pair: Pair) -> None:
    holder = pair.holder()
    told = pair.turn(holder, vip=pair.vip(holder, interface="absent0"))
    assert f"evenkeel: {holder}: activate keepalived: keepalived refuses the new keepalived.conf" in told
    assert "absent0" in told
    assert "absent0" not in hosts.run(holder, "cat /etc/keepalived/keepalived.conf").stdout
    assert pair.holders() == [holder]


def test_a_port_that_somebody_else_has_stops_the_turn_and_is_named(pair: Pair) -> None:
    """nginx -t does not see it, and nginx only says so in its log when it is reloaded."""
    host = PAIR[1]
    hosts.run(host, "setsid socat TCP-LISTEN:6555,fork EXEC:true >/dev/null 2>&1 </dev/null &", check=True)
    wanted = pair.balancer(host)
    other = dataclasses.replace(wanted.services[0], listen=6555)
    told = pair.turn(host, dataclasses.replace(wanted, services=(other,)))
    assert "nginx does not serve the new nginx.conf" in told
    assert "0.0.0.0:6555 failed (98: " in told
    assert "nginx was told to reload and did not" in told
    assert get(STATUS_PORT, "/upstreams/apiserver", address=hosts.ADDRESSES[host])[0] == 503
    assert get(PORT, "/", address=hosts.ADDRESSES[host])[0] == 200
    hosts.run(host, "kill $(ss -Hltnp 'sport = :6555' | sed 's/.*pid=//; s/,.*//')", check=True)


def test_the_address_moves_within_two_seconds_when_nginx_stops(pair: Pair) -> None:
    holder = pair.holder()
    load = Load(VIP, PORT)
    hosts.run(holder, "systemctl stop nginx", check=True)
    eventually(lambda: pair.holders() == [name for name in PAIR if name != holder], 5, "the other has it")
    time.sleep(0.5)
    answers = load.stop(NAMES)
    assert answers.longest_gap < LONGEST_OUTAGE
    hosts.run(holder, "systemctl start nginx", check=True)
    time.sleep(2)
    assert pair.holder() != holder


def test_the_address_moves_within_two_seconds_when_its_host_dies_and_the_host_is_back_by_itself(pair: Pair) -> None:
    holder = pair.holder()
    load = Load(VIP, PORT)
    hosts.kill(holder)
    time.sleep(4)
    answers = load.stop(NAMES)
    assert answers.good > 20
    assert answers.longest_gap < LONGEST_OUTAGE + 1
    hosts.start(holder)
    pair.await_verdicts(holder, 20)
    assert pair.holder() != holder


@pytest.mark.parametrize("seconds", [0.05, 0.15, 0.3, 0.6])
def test_a_first_turn_that_lost_its_power_is_finished_by_the_next(fresh: Pair, seconds: float) -> None:
    host = PAIR[1]
    hosts.empty(host)
    bring_scripts(host)
    script = fresh.script(host, None, fresh.vip(host))
    begun = threading.Thread(target=hosts.run, args=(host, "sh -s first"), kwargs={"stdin": script})
    begun.start()
    time.sleep(seconds)
    hosts.kill(host)
    begun.join()
    hosts.start(host)
    assert hosts.run(host, "nginx -t").returncode == 0
    assert fresh.turn(host) == ""
    fresh.await_verdicts(host, 5)


def test_without_a_virtual_address_any_more_keepalived_is_stopped_for_good(pair: Pair) -> None:
    for name in PAIR:
        done = hosts.run(name, "sh -s first", stdin=pair.script(name, None, None))
        assert done.returncode == 0, done.stderr
        assert hosts.run(name, "systemctl is-active keepalived").stdout == "inactive\n"
        assert hosts.run(name, "systemctl is-enabled keepalived").stdout == "disabled\n"
    assert pair.holders() == []
