"""Kubernetes objects as plain dictionaries: reading their metadata, bringing inputs into the API server's form, and
how objects and their secrets lie in Pulumi's state.

Does not own: which differences matter (``diffing``) or names that nobody gave (``naming``).
"""

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from pulumi.provider.experimental.property_value import PropertyValue

from lab.plugins.kubernetes.kinds import Kind
from lab.plugins.values import UNKNOWN, plain, plain_map, wrap

Object = dict[str, Any]
Properties = dict[str, PropertyValue]

READ_ONLY_METADATA = (
    ("creationTimestamp", "deletionGracePeriodSeconds", "deletionTimestamp", "generation", "managedFields")
    + ("resourceVersion", "selfLink", "uid")
)  # fmt: skip  # one table, not eight lines
USERS_MAPS = frozenset(
    ("annotations", "binaryData", "data", "labels", "matchLabels", "nodeSelector", "parameters", "stringData")
)
INPUTS, API_VERSION, FIELD_MANAGER = "__inputs", "__initialApiVersion", "__fieldManager"
"""Under which names the official plugin keeps, beside the live object, what it needs at the next update."""


def metadata(obj: Mapping[str, Any]) -> Object:
    """The object's metadata; empty where it is missing or not known yet."""
    found = obj.get("metadata")
    return found if isinstance(found, dict) else {}


def name_of(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("name") or "")


def namespace_of(obj: Mapping[str, Any]) -> str:
    return str(metadata(obj).get("namespace") or "")


def annotation(obj: Mapping[str, Any], key: str) -> str:
    """The value of ``pulumi.com/<key>``; empty where it is not set."""
    found = metadata(obj).get("annotations")
    return str(found.get(f"pulumi.com/{key}", "")) if isinstance(found, dict) else ""


def identifier(obj: Mapping[str, Any]) -> str:
    """The resource's ID, as the official plugin forms it: ``namespace/name`` or ``name``."""
    return "/".join(part for part in (namespace_of(obj), name_of(obj)) if part)


def from_inputs(inputs: Mapping[str, PropertyValue]) -> Object:
    """The object that inputs describe, in the form in which the API server gives it back."""
    obj: Object = without_nulls(plain_map(inputs))
    if obj.get("kind") == "Secret":
        _encode_string_data(obj)
    for field in READ_ONLY_METADATA:
        metadata(obj).pop(field, None)
    return obj


def without_nulls(value: Any) -> Any:
    """``value`` without what is null: to leave a field out is the same to the API server."""
    if isinstance(value, dict):
        return {key: without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [without_nulls(item) for item in value]
    return value


def prune(live: Any, shape: Any, parent: str = "") -> Any:
    """What of ``live`` the inputs ``shape`` speak of: defaults and others' fields are no difference.

    An empty value that the API server drops (``hostNetwork: false``) counts as still there; an entry of a map that
    users fill, such as a label, does not: if it is missing, somebody has removed it.
    """
    if isinstance(live, dict) and isinstance(shape, dict):
        dropped = {} if parent in USERS_MAPS else {key: value for key, value in shape.items() if not value}
        kept = {key: prune(live[key], shape[key], key) for key in shape if key in live}
        return kept | {key: value for key, value in dropped.items() if key not in live}
    if isinstance(live, list) and isinstance(shape, list):
        return [prune(*pair) for pair in zip(live, shape, strict=False)]
    return live


def to_state(obj: Object, live: Object, inputs: Mapping[str, PropertyValue], manager: str) -> Properties:
    """The state of a resource: the live object, and beside it the inputs that led to it."""
    state = protect(live, inputs)
    state[INPUTS] = PropertyValue(protect(obj, inputs))
    state[API_VERSION] = wrap(obj["apiVersion"])
    state[FIELD_MANAGER] = wrap(manager)
    return state


def from_state(state: Mapping[str, PropertyValue]) -> tuple[Object, Object]:
    """The inputs and the live object that ``to_state`` laid down."""
    inputs = plain(state[INPUTS]) if INPUTS in state else {}
    return inputs, plain_map(state)


def protect(obj: Mapping[str, Any], inputs: Mapping[str, PropertyValue]) -> Properties:
    """The object as properties: a Secret's data is secret, and so is what came from a secret input."""
    if obj.get("kind") == "Secret":
        return {key: wrap(value, secret=key in ("data", "stringData")) for key, value in obj.items()}
    return {key: _protected(value, inputs.get(key)) for key, value in obj.items()}


def check_identity(obj: Mapping[str, Any], kind: Kind) -> str | None:
    """What is wrong with the object's apiVersion and kind, which must be those of the resource's type."""
    for field, wanted in (("apiVersion", kind.api_version), ("kind", kind.name)):
        if obj.get(field) != wanted:
            return f"{field}: {obj.get(field)!r}: the resource's type demands {wanted!r}"
    return None


def _protected(value: Any, source: PropertyValue | None) -> PropertyValue:
    if source is None:
        return wrap(value)
    if isinstance(value, dict) and isinstance(source.value, Mapping) and not source.is_secret:
        return PropertyValue(protect(value, source.value))
    return wrap(value, secret=source.contains_secret())


def _encode_string_data(secret: Object) -> None:
    """The API server moves ``stringData`` into ``data`` and encodes anew what it finds there."""
    data, text = secret.get("data", {}), secret.get("stringData", {})
    values = [*data.values(), *text.values()] if isinstance(data, dict) and isinstance(text, dict) else None
    if values is None or any(not isinstance(value, str) or value == UNKNOWN for value in values):
        return
    encoded = {key: _encoded_anew(value) for key, value in data.items()}
    encoded |= {key: base64.b64encode(value.encode()).decode() for key, value in text.items()}
    if encoded:
        secret["data"] = encoded
    secret.pop("stringData", None)


def _encoded_anew(value: str) -> str:
    try:
        return base64.b64encode(base64.b64decode(value)).decode()
    except (binascii.Error, ValueError):
        return value  # the API server refuses it, and says so better
