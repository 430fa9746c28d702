"""Has an outside tool, kubeconform, check Kubernetes objects against the release's own schemas, strictly.

For every test that renders objects: ``assert_valid([...])``. Does not own the schemas (``tests.schemas.openapi``).
"""

import json
import subprocess
from collections.abc import Iterable, Mapping
from typing import Any

from lab import toolchain
from tests.schemas import openapi


def assert_valid(objects: Iterable[Mapping[str, Any]]) -> None:
    """Fails with kubeconform's own words unless every object is what the API of the release takes."""
    checked = list(objects)
    assert checked, "no object was given to check"
    results = _kubeconform("\n---\n".join(json.dumps(item) for item in checked))
    assert len(results) == len(checked), f"kubeconform saw {len(results)} of {len(checked)} objects: {results}"
    faults = [f"{each['kind']} {each['name']}: {each['msg']}" for each in results if each["status"] != "statusValid"]
    assert not faults, "\n".join(faults)


def _kubeconform(stream: str) -> list[dict[str, str]]:
    toolchain.build(["checks"])
    template = f"{openapi.folder()}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    command = [str(toolchain.binary("checks", "kubeconform")), "-strict", "-schema-location", template]
    command += ["-output", "json", "-verbose", "-"]
    done = subprocess.run(command, input=stream, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), f"kubeconform could not run: {done.stderr}"
    resources: list[dict[str, str]] = json.loads(done.stdout)["resources"]
    return resources
