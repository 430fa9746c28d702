"""The contract of the random plugin: it makes things once, keeps them, and makes them anew when a keeper changes."""

import base64
import string

import pytest

from tests.plugins.engine import Project, blank, engine, is_secret, project

__all__ = ["blank", "engine", "project"]

pytestmark = pytest.mark.built

PROGRAM = """
import pulumi_random as random
keepers = data["keepers"]
random.RandomPassword("password", length=data["length"], min_special=2, override_special="-_", keepers=keepers,
                      opts=pulumi.ResourceOptions(ignore_changes=["length"]))
random.RandomString("string", length=12, special=False, upper=False, keepers=keepers)
random.RandomId("id", byte_length=4, prefix="p-", keepers=keepers)
box = pulumi.ComponentResource("contract:box:Box", "box")
random.RandomUuid("uuid", keepers=keepers, opts=pulumi.ResourceOptions(parent=box))
random.RandomBytes("bytes", length=32, keepers=keepers)
pulumi.export("password", random.RandomPassword("other", length=30, lower=False).result)
"""


def test_random_values_stay_until_a_keeper_changes(project: Project) -> None:
    project.program(PROGRAM)
    project.data(keepers={"generation": "1"}, length=20)
    text = project.up()
    made = {name: item["outputs"] for name, item in project.resources().items() if item["custom"]}
    assert is_secret(made["password"]["result"])
    assert is_secret(made["password"]["bcryptHash"])
    assert is_secret(made["bytes"]["base64"])
    assert len(made["string"]["result"]) == 12
    assert set(made["string"]["result"]) <= {*string.ascii_lowercase, *string.digits}
    number = bytes.fromhex(made["id"]["hex"].removeprefix("p-"))
    assert made["id"]["dec"] == f"p-{int.from_bytes(number)}"
    assert made["id"]["b64Std"] == "p-" + base64.b64encode(number).decode()
    password = project.outputs()["password"]
    assert len(password) == 30
    assert not set(password) & {*string.ascii_lowercase}
    assert password not in project.state_text() + text

    project.data(keepers={"generation": "1"}, length=40)
    assert project.changes() == {}, "a changed length is ignored where the program says so"
    project.data(keepers={"generation": "2"}, length=40)
    project.up()
    again = {name: item["outputs"] for name, item in project.resources().items() if item["custom"]}
    for name, output in {"string": "result", "id": "hex", "uuid": "result"}.items():
        assert again[name][output] != made[name][output]
    assert project.outputs()["password"] == password, "what has no keeper stays"


def test_a_password_shorter_than_its_parts_is_refused(project: Project) -> None:
    project.program('import pulumi_random as random\nrandom.RandomPassword("short", length=3, min_upper=4)')
    assert "length" in project.failing_up()
