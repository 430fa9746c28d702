"""Where kube-proxy answers, as two fields of its configuration say it.

Owns: reading them as kube-proxy does, which takes an empty one for the usual address, and a port that is left out for
the usual port. Does not own: refusing what cannot be read (``settings.rules.trees``).
"""

import re
from collections.abc import Mapping

from settings.fields import Tree, is_ip

METRICS, HEALTH = "metricsBindAddress", "healthzBindAddress"
USUAL: Mapping[str, tuple[str, int]] = {METRICS: ("127.0.0.1", 10249), HEALTH: ("0.0.0.0", 10256)}

_ENDPOINT = re.compile(r"(?P<host>[0-9.]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[1-9][0-9]{0,4})")
_HIGHEST_PORT = 65535


def address(config: Tree, field: str) -> tuple[str, int]:
    """The address and port of one of the fields; ValueError where kube-proxy could make nothing of it."""
    usual, given = USUAL[field], config.get(field, "")
    if given == "":
        return usual
    if not isinstance(given, str):
        raise ValueError(f"{field}: not text")
    if is_ip(given):
        return given, usual[1]
    match = _ENDPOINT.fullmatch(given)
    if match is None or not is_ip(match["host"].strip("[]")) or int(match["port"]) > _HIGHEST_PORT:
        raise ValueError(f"{field}: not an address and port such as 127.0.0.1:{usual[1]}")
    return match["host"].strip("[]"), int(match["port"])


def is_address(config: Tree, field: str) -> bool:
    """Whether ``address`` understands what the user has set."""
    try:
        address(config, field)
    except ValueError:
        return False
    return True
