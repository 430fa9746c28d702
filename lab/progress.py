"""How the lab tells what it is doing: one line a step with the time it took.

Owns: the form of these lines. Does not own: what a step is.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console

console = Console(highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """A line below the current step."""
    console.print(f"    {text}", markup=False)


@contextmanager
def step(title: str, *, quiet: bool = False) -> Iterator[None]:
    """Says how long a step took when it is done; meanwhile its name moves, unless ``quiet``: it prints for itself."""
    started = time.monotonic()
    if quiet or not console.is_terminal:
        console.print(f"..  {title}", markup=False)
        yield
    else:
        with console.status(title):
            yield
    console.print(f"[green]ok[/]  {title} [dim]({time.monotonic() - started:.1f} s)[/]")
