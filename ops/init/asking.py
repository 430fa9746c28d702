"""Asks at a terminal for what was not given on the command line; without a terminal takes defaults, or says what is
missing.

Owns that, and that a slip of the pen is asked again at once. Does not own the questions (``ops.init.answers``), or what
goes together (``settings``).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import TypeAdapter, ValidationError
from rich.console import Console
from rich.prompt import Prompt


@dataclass
class Asker:
    """One conversation. ``faults``: what is missing and cannot be asked for."""

    console: Console
    terminal: bool
    faults: list[str] = field(default_factory=list)

    def text(
        self,
        option: str,
        given: str | None,
        question: str,
        default: str | None = None,
        kind: Any = None,
        choices: Sequence[str] = (),
    ) -> str:
        """What was given, is answered, or is usual; ``kind`` is what a typed answer must be, an empty one excepted."""
        if given is not None:
            return given
        if self.terminal:
            return self._asked(question, default, kind, choices)
        if default is None:
            self.faults.append(f"{option}: is not given, and there is no terminal to ask at; give it")
        return default or ""

    def _asked(self, question: str, default: str | None, kind: Any, choices: Sequence[str]) -> str:
        hint = f" ({', '.join(choices)})" if choices else ""
        while True:
            usual = {"default": default} if default else {}
            text = f"{question}{hint}"
            # Rich's overloads want the default as a keyword, there or not; its absence is what makes an answer needed.
            answer: str | None = Prompt.ask(text, console=self.console, **usual)  # type: ignore[call-overload]
            answer = (answer or "").strip()
            if not answer and default == "":
                return ""
            wrong = _wrong(answer, kind, choices)
            if not wrong:
                return answer
            self.console.print(f"{answer or '(empty)'}: {wrong}", style="red", markup=False)


def _wrong(answer: str, kind: Any, choices: Sequence[str]) -> str:
    """What is wrong with a typed answer by itself, and the remedy."""
    if not answer:
        return "is needed; give it"
    if choices and answer not in choices:
        return f"is not one of the choices; choose one of {', '.join(choices)}"
    try:
        TypeAdapter(kind or str).validate_python(answer)
    except ValidationError as error:
        detail = error.errors()[0]
        return detail["msg"] if "remedy" in detail.get("ctx", {}) else f"cannot be ({detail['msg']}); correct it"
    return ""
