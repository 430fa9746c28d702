"""scripts/upstream-verdicts.awk, round by round: who is up, who is down, and who has to prove itself for longer."""

import re
import subprocess
from pathlib import Path

import pytest

from render.scripts import SCRIPTS

SET = dict(re.findall(r"^([A-Z]+)=(\d+) ", (SCRIPTS / "upstream-check.sh").read_text(), re.MULTILINE))
PATIENCE, HASTY, MOST = (int(SET[name]) for name in ("PATIENCE", "HASTY", "MOST"))  # as load balancers run with them


class Rounds:
    """The rules applied to one round of answers after another, with what they remember in between."""

    def __init__(self, folder: Path, *rows: str) -> None:
        self._rows, self._memory, self._new = folder / "rows", folder / "memory", folder / "new"
        self._rows.write_text("".join(f"{row}\n" for row in rows))
        self._memory.write_text("")
        self._round = 0
        self.words = ""
        self.mood = ""

    def ask(self, codes: str, times: int = 1) -> str:
        """What every row is after ``times`` rounds with these answers: ``u`` up, ``d`` down."""
        for _ in range(times):
            self._round += 1
            answers = "".join(f"{row} {code} reason of {row}\n" for row, code in enumerate(codes.split(), start=1))
            self._decide(answers)
        return "".join(line[0] for line in self._memory.read_text().splitlines())

    def _decide(self, answers: str) -> None:
        settings = {"round": self._round, "patience": PATIENCE, "hasty": HASTY, "most": MOST, "memory": self._new}
        variables = [word for name, value in settings.items() for word in ("-v", f"{name}={value}")]
        program = SCRIPTS / "upstream-verdicts.awk"
        done = subprocess.run(
            ["awk", *variables, "-f", program, self._rows, self._memory, "-"],
            input=answers,
            capture_output=True,
            text=True,
            check=True,
        )
        self.mood, self.words = done.stdout.strip(), done.stderr
        self._new.replace(self._memory)


@pytest.fixture
def three(tmp_path: Path) -> Rounds:
    """Three upstreams of one service."""
    return Rounds(tmp_path, "apiserver a", "apiserver b", "apiserver c")


def test_when_everybody_is_ready_the_mood_is_calm(three: Rounds) -> None:
    assert three.ask("200 200 200") == "uuu"
    assert three.mood == "calm same"


@pytest.mark.parametrize("code", ["500", "403", "429", "301", "000"])
def test_anything_but_200_takes_an_upstream_down_at_once_and_one_200_brings_it_back(three: Rounds, code: str) -> None:
    three.ask("200 200 200")
    assert three.ask(f"200 {code} 200") == "udu"
    assert three.mood == "wary changed"
    assert three.ask("200 200 200") == "uuu"
    assert three.mood == "calm changed"


def test_a_reason_is_named(three: Rounds) -> None:
    three.ask("200 500 200")
    assert three.words == "apiserver: b is not ready (HTTP 500): no new connections\n"
    three.ask("000 500 200")
    assert three.words == "apiserver: a is not ready (reason of 1): no new connections\n"


def test_an_upstream_that_curl_said_nothing_of_is_not_ready(three: Rounds) -> None:
    assert three.ask("200 200") == "uud"
    assert "curl gave no answer for it" in three.words


def test_the_last_one_stays_up_while_it_hiccups_and_the_others_stay_down(three: Rounds) -> None:
    three.ask("500 500 200")
    assert three.ask("500 500 000", times=PATIENCE - 1) == "ddu"
    assert three.ask("500 500 200") == "ddu"


def test_when_nobody_is_ready_for_long_enough_all_are_up(three: Rounds) -> None:
    three.ask("500 500 200")
    assert three.ask("500 500 500", times=PATIENCE) == "uuu"
    assert "nor is any other" in three.words
    assert three.ask("500 500 500") == "uuu"
    assert three.mood == "wary same"
    assert three.ask("500 200 500") == "dud"


def test_before_anybody_was_ever_ready_all_are_up(three: Rounds) -> None:
    assert three.ask("000 000 000") == "uuu"


def test_whether_anybody_is_ready_is_news_even_when_all_are_up_anyway(three: Rounds) -> None:
    """nginx remembers failures only while somebody is ready."""
    three.ask("000 000 000", times=PATIENCE)
    assert three.mood == "wary changed"
    three.ask("000 000 000")
    assert three.mood == "wary same"
    assert three.ask("200 200 200") == "uuu"
    assert three.mood == "calm changed"


def test_one_that_flaps_must_answer_well_for_longer_each_time(three: Rounds) -> None:
    for needed in (1, 2, 4, 8, 16, 16):
        assert three.ask("200 500 200") == "udu"
        if needed > 1:
            assert three.ask("200 200 200", times=needed - 1) == "udu"
        assert three.ask("200 200 200") == "uuu"


def test_one_bad_answer_starts_the_proof_again(three: Rounds) -> None:
    three.ask("200 500 200")
    three.ask("200 200 200")
    three.ask("200 500 200")
    assert three.ask("200 200 200") == "udu"
    assert three.ask("200 500 200") == "udu"
    assert three.ask("200 200 200") == "udu"
    assert three.ask("200 200 200") == "uuu"


def test_after_a_steady_while_flapping_is_forgiven(three: Rounds) -> None:
    three.ask("200 500 200")
    three.ask("200 200 200")
    three.ask("200 500 200")
    three.ask("200 200 200", times=HASTY + 2)
    three.ask("200 500 200")
    assert three.ask("200 200 200") == "uuu"


def test_one_that_has_to_prove_itself_comes_back_at_once_when_nobody_else_is_ready(three: Rounds) -> None:
    three.ask("200 500 500")
    three.ask("200 200 500")
    three.ask("200 500 500")
    assert three.ask("200 200 500") == "udd"
    assert three.ask("500 200 500") == "dud"


def test_services_are_judged_apart(tmp_path: Path) -> None:
    rounds = Rounds(tmp_path, "apiserver a", "apiserver b", "harbor a", "harbor b")
    assert rounds.ask("200 500 500 500", times=PATIENCE + 1) == "uduu"
