"""A load balancer's component: what travels to its host, in the open, and when it has its turn."""

from pathlib import Path

import pytest

from components.host import RemoteHost, RemoteHostArgs
from components.nginx_stream_lb import NginxStreamLB, NginxStreamLBArgs, activation_variables
from components.pki import ClusterPki, ClusterPkiArgs
from components.preparation import Preparation, PreparationArgs
from render import load_balancer
from settings import Stack
from tests.components.recorder import Registration, commands, is_secret, run
from tests.settings import samples


def load_balancers(stack: Stack) -> dict[str, NginxStreamLB]:
    """What ``__main__`` composes of the hosts of role lb: each after the one before it."""
    hosts = {name: RemoteHost(name, RemoteHostArgs(host)) for name, host in stack.hosts.items()}
    prepared = Preparation("preparation", PreparationArgs(stack, hosts)).prepared
    pki = ClusterPki("pki", ClusterPkiArgs(stack))
    made: dict[str, NginxStreamLB] = {}
    for name in stack.load_balancers():
        after = [one.active for one in made.values()]
        made[name] = NginxStreamLB(f"{name}-lb", NginxStreamLBArgs(stack, hosts[name], prepared[name], pki, after))
    return made


@pytest.fixture(params=[False, True], ids=["up", "preview"])
def registered(request: pytest.FixtureRequest, tmp_path: Path) -> list[Registration]:
    stack = samples.stack(tmp_path)
    return run(lambda: load_balancers(stack), preview=request.param)


def test_nginx_conf_can_be_read_in_a_preview_before_there_is_a_ca(registered: list[Registration]) -> None:
    stdin = commands(registered)["lb1-lb"].inputs["stdin"]
    assert "put lb 0644 root:root /etc/nginx/nginx.conf newline" in stdin
    assert "        listen 6443;\n" in stdin
    assert "put vip 0644 root:root /etc/keepalived/keepalived.conf newline" in stdin


def test_the_check_gets_the_ca_that_vouches_for_the_apiservers(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    command = commands(run(lambda: load_balancers(stack)))["lb1-lb-ca"]
    assert not is_secret(command.inputs["stdin"])
    assert "put lb.ca 0644 root:root /var/lib/evenkeel/lb/apiserver.ca.pem newline" in command.inputs["stdin"]
    assert "BEGIN CERTIFICATE" in command.inputs["stdin"]


def test_a_change_of_nginx_conf_gives_its_host_a_turn_and_no_other_change_does(tmp_path: Path) -> None:
    def activation(changed: dict[str, object]) -> str:
        stack = samples.stack(tmp_path, changed)
        text = commands(run(lambda: load_balancers(stack)))["lb1-activate-lb"].inputs["stdin"]
        assert isinstance(text, str)
        return text

    values = samples.values()
    before = activation({})
    assert activation({"loadBalancer": values["loadBalancer"] | {"proxyTimeout": "1h"}}) != before
    assert activation({"cluster": values["cluster"] | {"apiServer": {"extraArgs": {"v": "4"}}}}) == before


def test_the_turn_gates_on_the_status_page_the_ports_and_the_virtual_address(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path)
    variables = activation_variables(stack, load_balancer.balancer(stack, stack.hosts["lb1"]))
    assert variables == {
        "STATUS": "192.0.2.31:8404",
        "PORTS": "6443",
        "SERVICES": "apiserver",
        "VIP": "192.0.2.30:6443",
    }


def test_without_a_virtual_address_its_part_is_staged_empty_so_that_an_earlier_one_is_removed(tmp_path: Path) -> None:
    stack = samples.stack(tmp_path, {"loadBalancer": {"address": "192.0.2.31"}})
    found = commands(run(lambda: load_balancers(stack)))
    assert "stage_begin vip\nstage_end vip\n" in found["lb1-lb"].inputs["stdin"]
    assert "VIP=''\n" in found["lb1-activate-lb"].inputs["stdin"]


def test_a_host_that_is_no_load_balancer_any_more_stops_to_be_one(tmp_path: Path) -> None:
    """Its keepalived would go on holding the address, and its nginx sending to the masters of that day."""
    stack = samples.stack(tmp_path)
    turn = commands(run(lambda: load_balancers(stack)))["lb1-activate-lb"]
    assert turn.inputs["delete"] == "/usr/local/lib/evenkeel/retire.sh lb"
