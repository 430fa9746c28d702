"""Stack ``dev`` as the lab's tests expect it: its settings, parsed, once there is a lab to parse them for.

Does not own what runs it (``tests.lab.program``).
"""

from functools import cache

import settings
from lab import stores
from lab.paths import CLONE
from tests.lab.program import DEV


@cache
def stack() -> settings.Stack:
    """The settings. Not a constant: without a running lab they name files that are not there."""
    return settings.parse({**DEV.settings(), **stores.SECRETS}, CLONE)
