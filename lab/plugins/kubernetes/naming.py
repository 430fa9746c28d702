"""Names for objects that the program gave none, as the official plugin invents them: ``<resource name>-<8 hex>``.

A name once invented is kept (and marked by an annotation) until the object is replaced.
"""

import random
from typing import Any

from lab.plugins.kubernetes.objects import Object, annotation, metadata, name_of

MARK = "pulumi.com/autonamed"


def is_automatic(obj: Object) -> bool:
    """Whether the object's name was invented here."""
    return annotation(obj, "autonamed") == "true"


def name(obj: Object, old: Object, resource: str, seed: bytes) -> None:
    """Gives the object a name if it has none: the old one if that was invented, else a new one."""
    if name_of(obj) or not isinstance(obj.setdefault("metadata", {}), dict):
        return
    if is_automatic(old):
        metadata(obj)["name"] = name_of(old)
    elif not old:
        metadata(obj)["name"] = f"{resource}-{_suffix(seed)}"
    else:
        return  # a name that the program gave and took away again: the API server's refusal says it best
    annotations: Any = metadata(obj).setdefault("annotations", {})
    if isinstance(annotations, dict):
        annotations[MARK] = "true"


def _suffix(seed: bytes) -> str:
    generator = random.Random(seed) if seed else random.SystemRandom()
    return f"{generator.getrandbits(32):08x}"
