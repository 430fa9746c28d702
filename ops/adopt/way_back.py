"""The way back of a master that was to be adopted, for as long as it alone votes.

Owns what the user is told. Does not own what is done on the host (scripts/adopt-undo.sh, there since preparation).
"""

from ops.adopt import look
from render.scripts import ON_HOST
from settings import Ssh

SCRIPT = f"{ON_HOST}/adopt-undo.sh"
NEVER_PREPARED = 127  # the shell's own code for a command that is not there
NEXT = f"""
Next:
  on each host that was to join     sh {ON_HOST}/retire.sh everything NAME
  so that no `up` begins again      pulumi stack rm --force --preserve-config --stack {{stack}}"""


def undo(ssh: Ssh, stack: str) -> str:
    """Puts the host back as it was; what it said, and what remains to be done. Raises LookError."""
    done = look.run(ssh, f"{SCRIPT}\n")
    if done.returncode == NEVER_PREPARED:
        raise look.LookError(f"{ssh.host}: no stack has prepared this host; nothing is to be undone")
    if done.returncode != 0:
        raise look.LookError(done.stderr.strip() or f"{ssh.host}: ssh ended with {done.returncode}")
    return done.stderr.strip() + NEXT.format(stack=stack)
