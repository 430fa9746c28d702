"""A look adds to the stack's file what it does not say, and touches nothing that it says."""

import stat
from pathlib import Path

import pytest
import yaml

from ops.adopt import stack_file
from ops.stacks import StackError
from tests.ops.adopt import sample
from tests.ops.adopt.drawn import sections


def test_a_second_look_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.grown.yaml"
    assert stack_file.write(path, sections(sample.read()))
    text = path.read_text()
    assert not stack_file.write(path, sections(sample.read()))
    assert path.read_text() == text


def test_what_the_file_says_already_stays(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.grown.yaml"
    mine = {"evenkeel:hosts": {"shaolin": {"roles": ["master", "worker"]}, "lb1": {"address": "192.0.2.31"}}}
    path.write_text(yaml.safe_dump({"encryptionsalt": "v1:x", "config": mine}))
    stack_file.write(path, sections(sample.read()))
    document = yaml.safe_load(path.read_text())
    hosts = document["config"]["evenkeel:hosts"]
    assert document["encryptionsalt"] == "v1:x"
    assert hosts["shaolin"] == {"address": sample.MASTER, "roles": ["master", "worker"]}
    assert set(hosts) == {"shaolin", "huashan", "lb1"}


@pytest.mark.parametrize("text", ["config: {", "- a list\n", "\x00"])
def test_a_file_that_was_spoilt_by_hand_is_named(tmp_path: Path, text: str) -> None:
    """Growing takes an edit of it between two looks; a slip there ended the second in a traceback."""
    path = tmp_path / "Pulumi.grown.yaml"
    path.write_text(text)
    with pytest.raises(StackError, match=r"Pulumi\.grown\.yaml: is not .*; correct it"):
        stack_file.sections(path)


def test_an_organization_before_the_stacks_name_is_no_folder() -> None:
    assert stack_file.path_of("acme/mine") == Path("Pulumi.mine.yaml")


def test_no_key_gets_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "Pulumi.grown.yaml"
    stack_file.write(path, sections(sample.read()))
    assert "BEGIN CERTIFICATE" in path.read_text()
    assert "PRIVATE KEY" not in path.read_text()


def test_only_secrets_that_differ_are_set_and_their_values_travel_on_standard_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pulumi = tmp_path / "pulumi"
    pulumi.write_text(
        "#!/bin/sh\ncd $(dirname $0)\n"
        'case "$*" in\n'
        '*--json*) echo \'{"evenkeel:etcdCaKey": {"value": "same", "secret": true}}\' ;;\n'
        '*) echo "$*" >>arguments; cat >>given ;;\n'
        "esac\n"
    )
    pulumi.chmod(pulumi.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert stack_file.set_secrets("grown", {"etcdCaKey": "same\n", "clusterCaKey": "new\n"}) == ["clusterCaKey"]
    assert (tmp_path / "arguments").read_text() == "config set --secret evenkeel:clusterCaKey --stack grown\n"
    assert (tmp_path / "given").read_text() == "new\n"
