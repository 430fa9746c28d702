"""The running program's configuration is read as the engine hands it over: text, with secrets marked."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pulumi
import pytest
from pulumi.runtime.config import CONFIG, set_all_config

import settings
from components import configuration
from tests.settings import samples


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leaves the engine's configuration as it was."""
    monkeypatch.delenv("PULUMI_CONFIG", raising=False)
    before = dict(CONFIG.get())
    yield
    set_all_config(before, [])


def load(root: Path, values: dict[str, Any], secrets: tuple[str, ...] = ()) -> settings.Stack:
    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}
    handed = {f"evenkeel:{name}": text for name, text in texts.items()} | {"command:x": "1"}
    set_all_config(handed, [f"evenkeel:{name}" for name in secrets])
    return configuration.stack(pulumi.Config("evenkeel"), root)


def refusals(root: Path, values: dict[str, Any], secrets: tuple[str, ...] = ()) -> list[str]:
    with pytest.raises(settings.SettingsError) as caught:
        load(root, values, secrets)
    return str(caught.value).splitlines()


def test_what_the_engine_hands_over_is_what_a_mapping_would_be(root: Path) -> None:
    assert load(root, samples.values()) == settings.parse(samples.values(), root)


def test_a_secret_key_is_read_and_stays_masked(root: Path) -> None:
    values = samples.values()
    del values["ssh"]["privateKeyFile"]
    stack = load(root, {**values, "sshPrivateKey": samples.PRIVATE_KEY}, ("sshPrivateKey",))
    assert stack.hosts["emei"].ssh.private_key.get_secret_value() == samples.PRIVATE_KEY
    assert "bm90" not in repr(stack)


def test_a_key_in_plain_text_is_refused_without_being_shown(root: Path) -> None:
    values = samples.values()
    del values["ssh"]["privateKeyFile"]
    (line,) = refusals(root, {**values, "sshPrivateKey": samples.PRIVATE_KEY})
    assert line.startswith("evenkeel:sshPrivateKey: (not shown): is stored in plain text; make a new one and set it")


def test_a_section_that_holds_a_secret_is_refused_because_previews_would_hide_it(root: Path) -> None:
    (line,) = refusals(root, samples.values(), ("cluster",))
    assert line.startswith("evenkeel:cluster: (not shown): holds a secret, which hides all of it from previews")


def test_a_section_that_is_misspelt_is_not_ignored(root: Path) -> None:
    values = samples.values()
    values["loadbalancer"] = values.pop("loadBalancer")
    lines = refusals(root, values)
    assert "evenkeel:loadbalancer: {...}: is not a key that there is; did you mean loadBalancer?" in lines


def test_a_section_that_is_plain_text_is_refused_as_such(root: Path) -> None:
    lines = refusals(root, {**samples.values(), "loadBalancer": "192.0.2.30"})
    assert any(line.startswith("evenkeel:loadBalancer: 192.0.2.30: is not a mapping") for line in lines)


def test_other_projects_keys_are_none_of_ours(root: Path) -> None:
    mapping = {f"evenkeel:{name}": value for name, value in samples.values().items()}
    stack = settings.parse({**mapping, "pulumi:tags": {}, "command:x": 1}, root)
    assert stack == settings.parse(samples.values(), root)
