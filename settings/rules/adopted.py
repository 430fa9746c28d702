"""Rules about a cluster that the stack did not found: all that it was founded with, and still trusts, is there.

Does not own whether keys and certificates belong together (``settings.authorities``).
"""

from collections.abc import Iterator

from settings.draft import ADOPTED, Draft
from settings.errors import Fault, fault
from settings.secret_keys import AUTHORITY_KEYS, setting

_LOOK = "`python -m ops adopt` sets all of them"


def keys_and_cluster_go_together(draft: Draft) -> Iterator[Fault]:
    """Without the section, the stack would found a cluster with authorities of its own on the masters of another."""
    given = [name for name in AUTHORITY_KEYS.values() if name in draft.secrets]
    if draft.adopted is None:
        if given:
            what = f"is not set, and {', '.join(given)} are: masters would get other authorities than their cluster has"
            yield fault([ADOPTED], None, what, f"bring the section back as {_LOOK}")
        return
    for name in draft.brought().values():
        if name not in given:
            yield fault([name], None, "is not set, and the adopted cluster lives by it", f"{_LOOK}, or {setting(name)}")
