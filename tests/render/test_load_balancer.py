"""The load balancer's files as rendered; that nginx, keepalived and the check take them is shown by tests/scripts and
tests/lab."""

import dataclasses
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from render import keepalived, load_balancer
from render.harbor import plain_files, proxy
from render.load_balancer import Balancer, HttpCheck, Service, Upstream
from render.scripts import SCRIPTS
from settings import Stack
from tests.settings import samples

UPSTREAM = Upstream("shaolin", "192.0.2.11", 6443)


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    """The sample stack: three masters, two load balancers with a virtual address."""
    return samples.stack(tmp_path)


def conf(stack: Stack) -> str:
    """lb1's nginx.conf."""
    return load_balancer.nginx_conf(load_balancer.balancer(stack, stack.hosts["lb1"]))


def balancer(*services: Service, status_port: int = 8404) -> Balancer:
    """A load balancer that serves these."""
    return Balancer("192.0.2.31", status_port, (), services)


def test_every_master_is_an_upstream_with_its_own_address_check_and_options(stack: Stack) -> None:
    assert load_balancer.table(load_balancer.balancer(stack, stack.hosts["lb1"])).splitlines()[1:] == [
        f"apiserver {name} 192.0.2.{number}:6443 https://192.0.2.{number}:6443/readyz "
        "/var/lib/evenkeel/lb/apiserver.ca.pem 1 weight=1 max_fails=1 fail_timeout=5s"
        for name, number in (("shaolin", 11), ("wudang", 12), ("emei", 13))
    ]


def test_what_users_tune_reaches_nginx(tmp_path: Path) -> None:
    tuned = {
        "port": 8443,
        "proxyTimeout": "1h",
        "connectTimeout": "700ms",
        "maxFails": 3,
        "failTimeout": "20s",
        "weights": {"wudang": 5},
        "statusPort": 9404,
    }
    stack = samples.stack(tmp_path, {"loadBalancer": samples.values()["loadBalancer"] | tuned})
    table = load_balancer.table(load_balancer.balancer(stack, stack.hosts["lb1"])).splitlines()
    assert table[1].endswith(" weight=1 max_fails=3 fail_timeout=20s")
    assert table[2].endswith(" weight=5 max_fails=3 fail_timeout=20s")
    text = conf(stack)
    assert "listen 8443;" in text
    assert "proxy_timeout 1h;" in text
    assert "proxy_connect_timeout 700ms;" in text
    assert "listen 192.0.2.31:9404;" in text


def test_an_idle_watch_is_not_cut_after_seconds(stack: Stack) -> None:
    """proxy_timeout 3s ended every idle watch and `logs -f`; worker_shutdown_timeout cut them after each reload."""
    directives = [line.strip() for line in conf(stack).splitlines() if not line.strip().startswith("#")]
    assert "proxy_timeout 10m;" in directives
    assert "proxy_socket_keepalive on;" in directives
    assert [line for line in directives if line.startswith("worker_shutdown_timeout")] == []


def test_the_status_page_listens_on_the_host_s_own_address_and_answers_the_stack_s_hosts(stack: Stack) -> None:
    text = conf(stack)
    assert "listen 192.0.2.31:8404;" in text
    readers = text.partition("geo $reader {")[2].partition("}")[0].split(";")
    assert [line.split() for line in readers if line.strip()] == [
        ["default", "0"],
        *([host.address, "1"] for host in stack.hosts.values()),
    ]


def test_affinity_keeps_a_client_with_one_upstream() -> None:
    service = Service("harbor", 443, (UPSTREAM,), affinity=True)
    assert "hash $remote_addr consistent;" in load_balancer.nginx_conf(balancer(service))
    assert "hash" not in load_balancer.nginx_conf(balancer(dataclasses.replace(service, affinity=False)))


def test_hubs_are_checked_by_the_name_of_harbor_s_url_and_keep_their_clients(tmp_path: Path) -> None:
    """The certificate is for that name, and a token is used where it was made; apiservers need neither."""
    stack = samples.stack(tmp_path, samples.with_harbor())
    table = load_balancer.table(load_balancer.balancer(stack, stack.hosts["lb1"]))
    assert [row for row in table.splitlines() if row.startswith("harbor ")] == [
        f"harbor {name} {address}:443 https://hub.example.com:443/evenkeel/ready "
        "/var/lib/evenkeel/lb/harbor.ca.pem 1 weight=1 max_fails=1 fail_timeout=5s"
        for name, address in samples.HUBS.items()
    ]
    apiservers, hubs = conf(stack).split("upstream ")[1:]
    assert hubs.startswith("harbor {")
    assert "hash $remote_addr consistent;" in hubs
    assert "hash" not in apiservers


def test_load_balancers_and_hubs_ask_a_hub_for_the_same_thing(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, samples.with_harbor())
    (service,) = load_balancer.hub_services(stack)
    nginx = plain_files(stack, stack.hosts["hub1"])
    assert [file.path for file in nginx if f"location = {service.check.path} {{" in file.content] == [proxy.CONFIG]
    assert f'ask_hub "$1" {service.check.path} ' in (SCRIPTS / "hub.sh").read_text()


def test_a_check_without_tls_needs_no_ca() -> None:
    service = Service("portal", 80, (UPSTREAM,), check=HttpCheck("/api/v2.0/ping", "http", seconds=2.5))
    row = load_balancer.table(balancer(service)).splitlines()[1]
    assert row.startswith("portal shaolin 192.0.2.11:6443 http://192.0.2.11:6443/api/v2.0/ping - 2.5 ")


def test_nginx_conf_comes_after_all_that_it_includes(stack: Stack) -> None:
    files = load_balancer.files(load_balancer.balancer(stack, stack.hosts["lb1"]))
    assert files[-1].path == "/etc/nginx/nginx.conf"


def test_the_check_is_there_with_the_rules_that_it_looks_for_beside_itself(stack: Stack) -> None:
    files = {file.path: file for file in load_balancer.files(load_balancer.balancer(stack, stack.hosts["lb1"]))}
    program = "/usr/local/lib/evenkeel/lb/upstream-check.sh"
    assert files[program].mode == "0755"
    assert "/usr/local/lib/evenkeel/lb/upstream-verdicts.awk" in files
    assert f"ExecStart={program} watch " in files["/etc/systemd/system/evenkeel-upstreams.service"].content


def test_nginx_and_its_check_begin_anew_however_they_ended_and_however_often(stack: Stack) -> None:
    """The distribution's unit leaves a crashed nginx where it is; and what is left of a check says that it runs."""
    files = {file.path: file for file in load_balancer.files(load_balancer.balancer(stack, stack.hosts["lb1"]))}
    nginx = files["/etc/systemd/system/nginx.service.d/evenkeel.conf"].content.splitlines()
    assert {"StartLimitIntervalSec=0", "Restart=on-failure"} < set(nginx)
    check = files["/etc/systemd/system/evenkeel-upstreams.service"].content.splitlines()
    assert {"StartLimitIntervalSec=0", "Restart=always", "RuntimeDirectory=evenkeel-lb"} < set(check)


def test_every_connection_that_nginx_may_take_has_its_files(stack: Stack) -> None:
    """Each is one, and systemd's own limit is 1,024."""
    (connections,) = re.findall(r"worker_connections (\d+);", conf(stack))
    (files,) = re.findall(r"worker_rlimit_nofile (\d+);", conf(stack))
    assert int(files) > int(connections) >= 8192


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Service("api", 6443, ()), "service api: has no upstream"),
        (lambda: Service("api; evil", 6443, (UPSTREAM,)), "service 'api; evil'"),
        (lambda: Upstream("a b", "192.0.2.11", 6443), "upstream 'a b'"),
        (lambda: HttpCheck('/"x'), "check path"),
        (lambda: balancer(Service("api", 8404, (UPSTREAM,))), "two of the ports"),
        (lambda: balancer(Service("api", 1, (UPSTREAM,)), Service("api", 2, (UPSTREAM,))), "two services"),
    ],
)
def test_what_cannot_be_balanced_is_refused(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


def test_both_hosts_of_a_virtual_address_are_equals_that_do_not_preempt(stack: Stack) -> None:
    confs = {name: _keepalived(stack, name) for name in ("lb1", "lb2")}
    for text in confs.values():
        for line in ("state BACKUP", "nopreempt", "vrrp_version 3", "advert_int 0.3", "192.0.2.30/32 dev eth0"):
            assert f"    {line}\n" in text
        assert "    track_script {\n        nginx_serves\n    }\n" in text
    assert "priority 200\n" in confs["lb1"]
    assert "priority 199\n" in confs["lb2"]
    assert "unicast_src_ip 192.0.2.31\n    unicast_peer {\n        192.0.2.32\n    }\n" in confs["lb1"]
    assert "unicast_src_ip 192.0.2.32\n    unicast_peer {\n        192.0.2.31\n    }\n" in confs["lb2"]


def test_a_load_balancer_alone_with_a_virtual_address_names_no_list_of_nobody(tmp_path: Path) -> None:
    """keepalived since 2.2.5 refuses one when it is tried, so that a stack with one load balancer did not come up."""
    values = samples.values()
    del values["hosts"]["lb2"]
    alone = _keepalived(samples.stack(tmp_path, values), "lb1")
    assert "unicast" not in alone
    assert "advert_int 0.3\n    virtual_ipaddress {\n        192.0.2.30/32 dev eth0\n    }\n" in alone


def test_keepalived_asks_its_nginx_past_any_proxy(stack: Stack) -> None:
    """A host's proxy, set for all of systemd's services, knows no address of the cluster: no host kept the address."""
    (asked,) = [line for line in _keepalived(stack, "lb1").splitlines() if "/usr/bin/curl" in line]
    assert " --noproxy 192.0.2.31 " in asked
    assert asked.endswith(' http://192.0.2.31:8404/alive"')


def test_a_keepalived_that_crashed_starts_again(stack: Stack) -> None:
    """It left the address on its host, beside the one that had taken it over, until somebody came."""
    _, drop_in = keepalived.files(keepalived.vip(stack, stack.hosts["lb1"]))
    assert drop_in.path == "/etc/systemd/system/keepalived.service.d/evenkeel.conf"
    assert {"Restart=on-failure", "StartLimitIntervalSec=0"} < set(drop_in.content.splitlines())


def test_without_a_virtual_address_there_is_nothing_for_keepalived(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, {"loadBalancer": {"address": "192.0.2.31"}})
    assert keepalived.files(keepalived.vip(stack, stack.hosts["lb1"])) == []


def _keepalived(stack: Stack, host: str) -> str:
    file, _ = keepalived.files(keepalived.vip(stack, stack.hosts[host]))
    return file.content
