"""Lets policies see which texts are Pulumi secrets. The engine tells, and the SDK forgets it before it asks a policy.

Owns that mark. Does not own what must be secret (``policy.secrecy``).
"""

from typing import Any

from pulumi_policy import deserialize


class SecretText(str):
    """A text that travels as a secret; to any other policy it is text like any other."""


def mark_secrets() -> None:
    """From here on the SDK hands out secret texts as ``SecretText``."""
    read = deserialize._deserialize_property

    def marking(prop: Any, proxy_secrets: bool = False) -> Any:
        value = read(prop, proxy_secrets)
        is_secret = isinstance(prop, dict) and prop.get(deserialize.SPECIAL_SIG_KEY) == deserialize.SPECIAL_SECRET_SIG
        return _marked(value) if is_secret and not proxy_secrets else value

    deserialize._deserialize_property = marking


def _marked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _marked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_marked(inner) for inner in value]
    return SecretText(value) if isinstance(value, str) else value
