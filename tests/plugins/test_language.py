"""What a program may expect of the language host: configuration, errors that reach the user, and policy packs."""

import pytest

from tests.plugins.engine import Project, blank, engine, lab_only, project

__all__ = ["blank", "engine", "project"]

pytestmark = pytest.mark.built

POLICY = """
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def check(args, report):
    if args.resource_type == "random:index/randomUuid:RandomUuid":
        report("no UUIDs here")

PolicyPack("contract", policies=[ResourceValidationPolicy(
    name="no-uuids", description="No UUIDs.", validate=check, enforcement_level=EnforcementLevel.MANDATORY)])
"""


def test_configuration_arrives_and_its_secrets_stay_secret(project: Project) -> None:
    project.run("config", "set", "plain", "seen")
    project.run("config", "set", "--secret", "hidden", "unseen-text")
    project.run("config", "set", "--path", "object.list[0]", "7")
    project.program(
        """
        config = pulumi.Config()
        print("printed by the program")
        pulumi.export("plain", config.get("plain"))
        pulumi.export("hidden", config.require_secret("hidden"))
        pulumi.export("object", config.require_object("object"))
        names = ("plain", "hidden")
        pulumi.export("secret", [name for name in names if pulumi.runtime.is_config_secret(f"contract:{name}")])
        pulumi.export("names", [pulumi.get_project(), pulumi.get_stack(), pulumi.get_organization()])
        """
    )
    text = project.up()
    assert "printed by the program" in text
    assert "unseen-text" not in text + project.state_text()
    outputs = project.outputs()
    assert (outputs["plain"], outputs["hidden"], outputs["object"]) == ("seen", "unseen-text", {"list": [7]})
    assert outputs["secret"] == ["hidden"]
    assert outputs["names"] == ["contract", "contract", "organization"]


def test_a_program_that_fails_is_told_of_once_with_its_own_lines_only(project: Project) -> None:
    project.program("def load():\n    raise ValueError('no such release')\nload()")
    text = project.failing_up()
    assert text.count("ValueError: no such release") == 1
    assert "lab/" not in text
    project.program("import sys; sys.exit(7)")
    assert "non-zero exit code: 7" in project.failing_up()


def test_a_mandatory_policy_stops_the_deployment(project: Project) -> None:
    pack = project.folder / "policy"
    pack.mkdir()
    (pack / "PulumiPolicy.yaml").write_text((project.folder / "Pulumi.yaml").read_text().split("\n", 1)[1])
    (pack / "__main__.py").write_text(POLICY)
    project.program('import pulumi_random as random\nrandom.RandomUuid("uuid")')
    text = project.failing_up("--policy-pack", "policy")
    assert "no UUIDs here" in text
    assert "uuid" not in project.resources()


@lab_only
def test_plugins_are_served_by_the_language_host_and_start_no_interpreter_of_their_own(project: Project) -> None:
    """They would start none the less if it refused, each while all else waits for a third of a second."""
    project.program(
        """
        import os
        import pulumi_random as random

        def parent(process):
            return int(pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])

        def plugins(_):
            engine, found = parent(os.getppid()), []
            for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
                words = path.read_bytes().decode().split(chr(0))
                if "lab.plugins.random.plugin:PLUGIN" in words and parent(path.parent.name) == engine:
                    found.append(words[3])
            return found

        pulumi.export("plugins", random.RandomUuid("uuid").result.apply(plugins))
        """
    )
    project.up()
    (started,) = project.outputs()["plugins"]
    assert started.endswith("lab/plugins/launch.py")
