"""JSON schemas of every Kubernetes kind, made from the OpenAPI document of the very release that the lab runs.

Owns: the translation, and the schemas' folder in the cache (by content of the document and of this file).
Does not own: who checks with them (``tests.schemas.assert_valid``).

The document lies in the module of ``k8s.io/kubernetes`` that the lab's toolchain pins, so that nothing is downloaded
and no schema of another version can slip in. The schemas are strict: a field that the API does not know is a fault.
"""

import fcntl
import hashlib
import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from lab import toolchain
from lab.cache import cache_root

Schema = dict[str, Any]

DIALECT = "http://json-schema.org/draft-07/schema#"
REFERENCE = "#/definitions/"
KINDS = "x-kubernetes-group-version-kind"
NUMBER_OR_TEXT = {
    "io.k8s.apimachinery.pkg.util.intstr.IntOrString": "integer",
    "io.k8s.apimachinery.pkg.api.resource.Quantity": "number",
}


def document() -> Path:
    """The release's own OpenAPI document."""
    done = subprocess.run(
        ["go", "mod", "download", "-json", "k8s.io/kubernetes"],
        cwd=toolchain.FOLDER / "kubernetes",
        env=os.environ | {"GOTOOLCHAIN": "local"},
        capture_output=True,
        text=True,
        check=True,
    )
    return Path(json.loads(done.stdout)["Dir"]) / "api/openapi-spec/swagger.json"


@cache
def folder() -> Path:
    """The folder of schemas, made now unless the cache has it."""
    source = document().read_bytes()
    key = hashlib.sha256(source + Path(__file__).read_bytes()).hexdigest()[:16]
    target = cache_root() / "schemas" / key
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{key}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a test that runs beside this one waits instead of making them again
        if not target.is_dir():
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{key}-") as scratch:
                made = Path(scratch) / "schemas"
                made.mkdir()
                write(json.loads(source)["definitions"], made)
                made.rename(target)
    return target


def write(definitions: dict[str, Schema], target: Path) -> None:
    """One file a kind: ``<kind>-<group's first label>-<version>.json``, as kubeconform looks them up."""
    strict = {name: _strict(name, definition) for name, definition in definitions.items()}
    for name, definition in definitions.items():
        for group, version, kind in _kinds(name, definition):
            file = "-".join(part.lower() for part in (kind, group.split(".")[0], version) if part)
            (target / f"{file}.json").write_text(json.dumps(_whole(name, strict, group, version, kind)))


def _kinds(name: str, definition: Schema) -> Iterator[tuple[str, str, str]]:
    """The kinds that a definition stands for: not those that only borrow it (DeleteOptions and the like)."""
    kinds = definition.get(KINDS, [])
    if len(kinds) == 1 and not name.endswith("List"):
        yield kinds[0]["group"], kinds[0]["version"], kinds[0]["kind"]


def _whole(name: str, strict: dict[str, Schema], group: str, version: str, kind: str) -> Schema:
    """A schema that stands by itself, with all that it refers to, for exactly this kind."""
    own = strict[name]
    api_version = f"{group}/{version}" if group else version
    head = {"apiVersion": {"const": api_version}, "kind": {"const": kind}}
    needed = {other: strict[other] for other in sorted(_reached(name, strict))}
    return own | {
        "$schema": DIALECT,
        "properties": own["properties"] | head,
        "required": sorted({"apiVersion", "kind", *own.get("required", [])}),
        "definitions": needed,
    }


def _reached(name: str, strict: dict[str, Schema]) -> set[str]:
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for other in _references(strict[waiting.pop()]):
            if other not in found:
                found.add(other)
                waiting.append(other)
    return found


def _references(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str):
            yield reference.removeprefix(REFERENCE)
        for value in node.values():
            yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _strict(name: str, definition: Schema) -> Schema:
    if name in NUMBER_OR_TEXT:
        return {"type": ["string", NUMBER_OR_TEXT[name]]}
    properties = {field: _bare(schema) for field, schema in definition.get("properties", {}).items()}
    rest = {key: value for key, value in _bare(definition).items() if key != "properties"}
    return rest | ({"properties": properties, "additionalProperties": False} if properties else {})


def _bare(schema: Schema) -> Schema:
    """Without what only documents or steers the API server, and without formats, which say nothing here."""
    kept = ("type", "$ref", "required", "items", "additionalProperties", "enum")
    return {key: _bare(value) if isinstance(value, dict) else value for key, value in schema.items() if key in kept}
