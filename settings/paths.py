"""Where the files lie that a stack's configuration names."""

from pathlib import Path


def path_of(text: str, root: Path) -> Path:
    """A path of the configuration: ``~`` is the user's home, what is relative lies beside Pulumi.yaml."""
    return root / Path(text).expanduser()


def reason(error: Exception) -> str:
    """Why a file could not be read, in few words."""
    return error.strerror if isinstance(error, OSError) and error.strerror else "not a path to a text file"
