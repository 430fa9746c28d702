"""What the drawing of a stack shows, and that nothing in it lies on anything else."""

from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest

from ops.report import topology
from ops.report.graph import CAPTIONS, Box, Graph, Tier, sentences
from ops.report.layout import Layout, tall, wide
from ops.report.markup import State
from settings import Stack
from tests.ops.report import sample
from tests.ops.report.sample import Said
from tests.settings import samples

Lay = Callable[[Graph, dict[Tier, str], str], Layout]


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return sample.stack(tmp_path)


def drawn(stack: Stack, said: Said, worker: str = "Ready") -> Graph:
    return topology.graph(stack, sample.found(stack, said, worker))


def box(graph: Graph, tier: Tier, title: str) -> Box:
    (found,) = [one for one in graph.of(tier) if one.title == title]
    return found


def state(graph: Graph, source: str, target: str) -> State:
    (found,) = [one for one in graph.links if one.source.endswith(source) and one.target.endswith(target)]
    return found.state


def test_a_stack_that_is_well_has_nothing_marked(stack: Stack) -> None:
    graph = drawn(stack, sample.well())
    assert {one.state for one in graph.boxes} == {State.WELL, State.PLAIN}
    assert {one.state for one in graph.links} == {State.WELL, State.PLAIN}
    assert set(graph.peers.values()) == {State.WELL}


def test_ports_versions_and_who_is_first_are_in_the_boxes(stack: Stack) -> None:
    graph = drawn(stack, sample.well())
    lines = [line.text for line in box(graph, Tier.MASTERS, "shaolin").lines]
    assert lines == [
        "apiserver :6443 v1.36.3",
        "etcd :2379 3.6.14 leader",
        "node Ready v1.36.3",
        "leads controller-manager",
    ]
    assert [one.title for one in graph.boxes if one.leads] == ["lb1", "shaolin"]
    address = box(graph, Tier.ADDRESS, "virtual IP")
    assert [line.text for line in address.lines] == ["held by lb1", ":6443 Kubernetes API", ":443 Harbor"]


@pytest.mark.parametrize(
    ("host", "line", "instead", "tier", "says"),
    [
        ("emei", "apiserver", "apiserver 500 v1.36.3", Tier.MASTERS, "apiserver :6443 not ready"),
        ("emei", "etcd", "", Tier.MASTERS, "etcd :2379 does not answer"),
        ("lb2", "upstream apiserver emei", "upstream apiserver emei down", Tier.BALANCERS, "apiserver: emei out"),
        ("hub1", "keys", "keys wrong core: differs", Tier.HUBS, "keys differ"),
    ],
)
def test_a_trouble_of_a_host_marks_its_box(
    stack: Stack, host: str, line: str, instead: str, tier: Tier, says: str
) -> None:
    said = sample.well()
    said[host] = [instead if one.startswith(line) else one for one in said[host]]
    said[host] = [one for one in said[host] if one]
    marked = [one for one in drawn(stack, said).boxes if one.state == State.WRONG]
    assert [(one.tier, one.title) for one in marked] == [(tier, host)]
    assert says in [one.text for one in marked[0].lines if one.state == State.WRONG]


def test_a_host_that_is_silent_says_so_and_nothing_else_is_made_up(stack: Stack) -> None:
    said = sample.well()
    del said["lb2"]
    graph = drawn(stack, said)
    assert [line.text for line in box(graph, Tier.BALANCERS, "lb2").lines] == ["host does not answer"]
    assert state(graph, "lb2", "shaolin") == State.UNKNOWN
    assert state(graph, "lb1", "shaolin") == State.WELL


def test_an_upstream_that_is_kept_out_is_cut_off_from_that_load_balancer_only(stack: Stack) -> None:
    said = sample.well()
    said["lb1"] = [line.replace("wudang up", "wudang down") for line in said["lb1"]]
    graph = drawn(stack, said)
    assert (state(graph, "lb1", "wudang"), state(graph, "lb2", "wudang")) == (State.WRONG, State.WELL)
    assert "lb1 sends nothing to wudang." in sentences(graph)


@pytest.mark.parametrize(
    ("holders", "says", "how"),
    [
        (["lb2"], "held by lb2", State.WELL),
        ([], "held by nobody", State.WRONG),
        (["lb1", "lb2"], "held by lb1 and lb2", State.WRONG),
    ],
)
def test_the_address_names_its_holder(stack: Stack, holders: list[str], says: str, how: State) -> None:
    said = {host: [line for line in lines if not line.startswith("vip")] for host, lines in sample.well().items()}
    for holder in holders:
        said[holder].append("vip 192.0.2.30")
    graph = drawn(stack, said)
    first, *_ = box(graph, Tier.ADDRESS, "virtual IP").lines
    assert (first.text, first.state) == (says, how)
    busy = {one.target.removeprefix("balancers-") for one in graph.links if one.source == "address" and one.busy}
    assert busy == set(holders)


def test_nobody_is_said_to_hold_the_address_while_a_load_balancer_is_silent(stack: Stack) -> None:
    said = sample.well()
    del said["lb1"]
    first, *_ = box(drawn(stack, said), Tier.ADDRESS, "virtual IP").lines
    assert (first.text, first.state) == ("holder not known", State.UNKNOWN)


def test_without_a_virtual_address_the_only_load_balancer_is_in_use(tmp_path: Path) -> None:
    hosts = {name: host for name, host in samples.values()["hosts"].items() if name != "lb2"}
    alone = samples.stack(tmp_path, {"hosts": hosts, "loadBalancer": {"address": "192.0.2.31"}})
    said = {host: [line for line in lines if not line.startswith("vip")] for host, lines in sample.well().items()}
    graph = drawn(alone, {host: lines for host, lines in said.items() if host in hosts})
    assert [line.text for line in box(graph, Tier.ADDRESS, "API address").lines] == [
        "no virtual address",
        ":6443 Kubernetes API",
    ]
    assert [one.target for one in graph.links if one.source == "address" and one.busy] == ["balancers-lb1"]
    assert not [line for line in box(graph, Tier.BALANCERS, "lb1").lines if "address" in line.text]


def test_many_workers_that_are_alike_share_a_box_and_a_host_of_two_roles_has_two(tmp_path: Path) -> None:
    graph = drawn(sample.large(tmp_path), {})
    assert [one.title for one in graph.of(Tier.CLIENTS)] == ["API clients", "13 workers"]
    assert [one.title[-12:] for one in graph.of(Tier.BALANCERS)] == ["b00.internal", "b01.internal", "d00.internal"]


@pytest.mark.parametrize("name", ["well", "troubled", "large"])
@pytest.mark.parametrize("lay", [wide, tall])
def test_no_box_lies_on_another_or_outside_the_drawing(tmp_path: Path, name: str, lay: Lay) -> None:
    of = sample.large(tmp_path) if name == "large" else sample.stack(tmp_path)
    said = {"well": sample.well(), "troubled": sample.troubled(), "large": {}}[name]
    layout = lay(drawn(of, said), CAPTIONS, topology.PEERS)
    for place in layout.places.values():
        assert place.x >= 0
        assert place.y >= 0
        assert place.right <= layout.width
        assert place.y + place.height <= layout.height
    for one, other in combinations(layout.places.values(), 2):
        beside = one.right <= other.x or other.right <= one.x
        assert beside or one.y + one.height <= other.y or other.y + other.height <= one.y
