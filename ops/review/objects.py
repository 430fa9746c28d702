"""What would change in the cluster: objects by kind and name, with the values that differ."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ops.review.files import line_difference, short
from ops.review.preview import UNKNOWN, Preview, Step

PREFIX = "kubernetes:"
TOLD_LATER = "(known after up)"
SIGNS = {"create": "+", "delete": "-", "update": "~", "replace": "+-"}


def objects(preview: Preview) -> dict[str, list[str]]:
    """Each changed object with the lines that differ; whole new or deleted objects have none."""
    found = [step for step in preview.steps if step.type.startswith(PREFIX)]
    return {f"{SIGNS.get(step.op, step.op)} {_title(step)}": _lines(step) for step in found}


def _title(step: Step) -> str:
    metadata = (step.new or step.old).get("metadata") or {}
    kind = step.type.rpartition(":")[2].removesuffix("Patch")
    place = f"{metadata['namespace']}/" if metadata.get("namespace") else ""
    return f"{kind} {place}{metadata.get('name', step.name)}"


def _lines(step: Step) -> list[str]:
    if not step.old or not step.new:
        return []
    old, new = dict(_leaves(step.old)), dict(_leaves(step.new))
    return [line for path in sorted(old.keys() | new.keys()) for line in _change(path, old.get(path), new.get(path))]


def _change(path: str, old: Any, new: Any) -> list[str]:
    if old == new:
        return []
    texts = [(TOLD_LATER if value == UNKNOWN else value) for value in (old, new)]
    if any(isinstance(text, str) and "\n" in text for text in texts):
        return [f"  {path}", *line_difference(str(old or ""), str(new or ""))]
    place = path.rpartition("spec.")[2]
    return [f"{sign}{place}: {short(str(text))}" for sign, text in zip("-+", texts, strict=True) if text is not None]


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for index, inner in enumerate(value):
            yield from _leaves(inner, f"{path}[{index}]")
    else:
        yield path, value
