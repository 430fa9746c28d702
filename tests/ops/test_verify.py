"""``ops verify`` without hosts: what it compares, and how it says what differs."""

import base64
from pathlib import Path

import pytest

from ops import objects, verify
from render import parts
from render.scripts import host_scripts
from settings import Stack
from tests.settings import samples


@pytest.fixture
def stack(tmp_path: Path) -> Stack:
    return samples.stack(tmp_path)


def test_no_secret_text_goes_to_a_host_to_be_compared(stack: Stack) -> None:
    for host in stack.hosts.values():
        text = verify.script(stack, host_scripts(), host)
        assert "PRIVATE KEY" not in text
        assert samples.PRIVATE_KEY not in text


def test_what_a_host_fills_into_a_manifest_is_no_difference(stack: Stack) -> None:
    """A member's manifest still says how it first started, long after it did."""
    inventory = parts.inventory(stack, stack.hosts["shaolin"], host_scripts())
    text = verify.settled(inventory.plain["etcd"][0])
    assert "--initial-cluster" not in text
    assert "@REVISION@" not in text
    assert "--initial-advertise-peer-urls=" in text


def test_a_changed_file_is_told_with_the_lines_that_differ(stack: Stack) -> None:
    inventory = parts.inventory(stack, stack.hosts["lb1"], host_scripts())
    conf = next(file for file in inventory.plain["lb"] if file.path.endswith("nginx.conf"))
    damaged = base64.b64encode(conf.content.replace("proxy_timeout 10m", "proxy_timeout 3s").encode()).decode()
    found = verify.read("lb1", inventory, f"content {conf.path} {damaged}\nend\n")
    assert [one.what for one in found] == [conf.path]
    assert "-        proxy_timeout 10m;" in found[0].diff
    assert "+        proxy_timeout 3s;" in found[0].diff


def test_a_line_that_a_lost_connection_has_cut_off_is_no_finding(stack: Stack) -> None:
    """Wherever that was. What came before is told all the same, and that the host did not say all is told besides."""
    inventory = parts.inventory(stack, stack.hosts["lb1"], host_scripts())
    conf = next(file for file in inventory.plain["lb"] if file.path.endswith("nginx.conf"))
    last = f"content {conf.path} {base64.b64encode(b'another text').decode()}"
    for end in range(len(last)):
        found = verify.read("lb1", inventory, f"mode /etc/a 0644 0600\n{last[:end]}")
        assert [one.what for one in found] == ["/etc/a"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("mode /etc/a 0644 0600", "/etc/a has mode 0644, not 0600"),
        ("owner /etc/a 7:7 root:root", "/etc/a belongs to 7:7, not to root:root"),
        ("secret /etc/a 1234 5678", "/etc/a differs (fingerprint 1234, not 5678)"),
        ("unit kubelet inactive enabled", "kubelet is inactive and enabled, not active and enabled"),
        ("upstream apiserver emei", "apiserver upstream emei is not in nginx's list"),
        ("container harbor-core false", "harbor-core does not run as wanted (false)"),
    ],
)
def test_a_finding_says_what_is_and_what_should_be(stack: Stack, line: str, said: str) -> None:
    inventory = parts.inventory(stack, stack.hosts["shaolin"], host_scripts())
    found = verify.read("shaolin", inventory, f"{line}\nend\n")
    assert [f"{one.what} {one.how}" for one in found] == [said]


def test_objects_as_the_stack_writes_them_do_not_differ_whatever_others_added(stack: Stack) -> None:
    """The API fills in defaults, and people add labels of their own: an `up` would leave both alone."""
    wanted = objects.wanted(stack)
    live = [
        {
            **body,
            "metadata": {**body["metadata"], "uid": "1", "labels": {**body["metadata"].get("labels", {}), "own": "1"}},
            "status": {},
        }
        for body in wanted
    ]
    assert objects.differences(wanted, live) == []


def test_an_item_with_a_name_is_found_wherever_it_stands_in_its_list() -> None:
    want = {"kind": "D", "metadata": {"name": "d"}, "spec": {"containers": [{"name": "b", "image": "x"}]}}
    live = {
        "kind": "D",
        "metadata": {"name": "d"},
        "spec": {"containers": [{"name": "a"}, {"name": "b", "image": "y"}]},
    }
    assert objects.differences([want], [live]) == [objects.Difference("D d", "spec.containers[b].image", "x", "y")]


def test_a_missing_object_a_dropped_label_and_a_shorter_list_differ() -> None:
    node = {"kind": "Node", "metadata": {"name": "n", "labels": {"role": ""}}}
    role = {"kind": "Role", "metadata": {"name": "r", "namespace": "s"}, "rules": [1, 2]}
    gone = {"kind": "Service", "metadata": {"name": "dns"}}
    bare = {"kind": "Node", "metadata": {"name": "n", "labels": {}}}
    found = objects.differences([node, role, gone], [bare, role | {"rules": [1]}])
    assert [(one.subject, one.path, one.found) for one in found] == [
        ("Node n", "metadata.labels.role", objects.ABSENT),
        ("Role s/r", "rules", "[1]"),
        ("Service dns", "", objects.ABSENT),
    ]


@pytest.mark.parametrize(
    ("printed", "names"),
    [("", []), ('{"kind": "Node", "metadata": {}}', ["Node"]), ('{"items": [{"kind": "Node"}]}', ["Node"])],
)
def test_kubectls_answer_is_read_whatever_the_number_of_objects(printed: str, names: list[str]) -> None:
    assert [body["kind"] for body in objects.read(printed)] == names
