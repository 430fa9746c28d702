"""A preview of stack ``dev`` is the review of a change: the lines that will differ; nothing when nothing changes."""

import difflib
import re
from collections.abc import Mapping
from typing import Any

import pytest

from tests.lab.program import DEV

MASTERS = ("emei", "shaolin", "wudang")
NODES = (*MASTERS, "huashan")
DIGESTS = re.compile(r"[-+] +# For what is staged as [0-9a-f ]+")

APISERVER_FLAG = {"cluster": {"apiServer": {"extraArgs": {"v": "1"}}}}
ETCD_FLAG = {"cluster": {"etcd": {"extraArgs": {"max-snapshots": "6"}}}}
KUBELET_SETTING = {"cluster": {"kubelet": {"config": {"maxPods": 111}}}}

pytestmark = pytest.mark.lab


def changed_lines(step: Mapping[str, Any]) -> list[str]:
    """The lines of a command's script that differ, with ``-`` or ``+`` before them."""
    old, new = (step[state]["inputs"]["stdin"].splitlines() for state in ("oldState", "newState"))
    return [line for line in difflib.ndiff(old, new) if line[0] in "-+"]


def steps_by_name(changes: Mapping[str, Any]) -> dict[str, list[str]]:
    """What a preview would do: by resource, the lines of its script that differ; nothing but scripts may differ."""
    found = {}
    for step in DEV.steps(changes):
        assert step["op"] == "update", f"{step['urn']}: {step['op']}"
        # Who follows on stages names their runs in ``update``, which a preview can't know; it shows no diff.
        follows = step["urn"].endswith(("-activate", "-control-plane"))
        known = set(step["detailedDiff"]) - ({"update"} if follows else set())
        assert known == {"stdin"} or (follows and not known), f"{step['urn']}: {step['detailedDiff']}"
        found[step["urn"].rpartition("::")[2]] = changed_lines(step)
    return found


def shown_diffs(text: str) -> dict[str, list[str]]:
    """By resource, the lines that ``pulumi preview --diff`` shows as changed."""
    shown: dict[str, list[str]] = {}
    for block in re.split(r"\n +~ command:remote:Command: \(update\)\n", text)[1:]:
        name = re.search(r"::([\w-]+)\]\n", block)
        assert name, block
        shown[name[1]] = re.findall(r"^ {6,10}([-+] .*)$", block, re.MULTILINE)
    return shown


def test_a_second_up_and_a_preview_change_nothing() -> None:
    """A run that always finds something to do trains people to wave it through, and restarts what nobody changed."""
    DEV.up().ok()
    second = DEV.up(arguments=["--expect-no-changes"]).ok()
    assert not re.search(r"^ +[-+~]", second.text, re.MULTILINE), second.text
    preview = DEV.preview(arguments=["--diff", "--expect-no-changes"]).ok()
    assert "command:remote:Command" not in preview.text, preview.text
    assert DEV.steps() == []


def test_a_changed_apiserver_flag_previews_as_that_line_of_each_masters_manifest() -> None:
    """Whoever reviews the change must see what becomes of each node, and nothing that hides it."""
    found = steps_by_name(APISERVER_FLAG)
    assert found.keys() == {f"{name}-{step}" for name in MASTERS for step in ("control-plane", "activate")}
    for name in MASTERS:
        assert found[f"{name}-control-plane"] == ["+     - --v=1"]
        removed, added = found[f"{name}-activate"]
        assert DIGESTS.fullmatch(removed)
        assert DIGESTS.fullmatch(added)


def test_the_text_of_a_preview_shows_the_changed_line_and_where_it_stands() -> None:
    """The engine shows a long text as its changed lines and three lines of context, which is readable; a text of one
    line, or an encoded one, it would show whole."""
    text = DEV.preview(APISERVER_FLAG, ["--diff"]).ok().text
    shown = shown_diffs(text)
    for name in MASTERS:
        assert [line.split() for line in shown[f"{name}-control-plane"]] == [["+", "-", "--v=1"]], text
    assert text.count("- --tls-private-key-file=/etc/kubernetes/pki/apiserver.key") == len(MASTERS)
    assert len(text.splitlines()) < 150, text


@pytest.mark.parametrize(
    ("changes", "step", "lines", "nodes"),
    [
        (ETCD_FLAG, "etcd", ["+     - --max-snapshots=6"], MASTERS),
        (KUBELET_SETTING, "kubelet", ["+ maxPods: 111"], NODES),
    ],
    ids=["etcd flag", "kubelet setting"],
)
def test_a_change_previews_only_on_the_hosts_that_it_concerns(
    changes: Mapping[str, Any], step: str, lines: list[str], nodes: tuple[str, ...]
) -> None:
    """A load balancer, or a worker, in the preview of an etcd flag would have its turn for nothing."""
    found = steps_by_name(changes)
    stages = {"kubelet": dict.fromkeys(MASTERS, "control-plane") | {"huashan": "kubelet"}}.get(step, {})
    for name in nodes:
        assert found.pop(f"{name}-{stages.get(name, step)}") == lines
        assert all(DIGESTS.fullmatch(line) for line in found.pop(f"{name}-activate"))
    # Masters stand by for etcd's lead, in the step after all of theirs is staged, though nothing of it changes.
    assert found == ({f"{name}-control-plane": [] for name in MASTERS} if step == "etcd" else {})
