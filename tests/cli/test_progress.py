import io
from dataclasses import replace

import pytest
from rich.console import Console

from outgrow.cli.progress import Bars, Lines, Tally, told
from outgrow.dag.scheduler import Event, Summary
from outgrow.dag.step import Step


def steps(number, kind="finetune"):
    return [Step(f"x:{kind}", 1, {"number": i}, title=f"step {i} [bold]") for i in range(number)]


def waiting(made):
    return Summary({step.key: step for step in made}, {step.key: "waiting" for step in made})


def test_what_was_there_before_counts_as_done():
    made = steps(3)
    before = waiting(made)
    before.status[made[0].key] = "cached"
    assert Tally(before, jobs=1).done == 1


def test_the_time_left_is_unknown_before_anything_is_finished_and_shrinks_after():
    made = steps(4)
    tally = Tally(waiting(made), jobs=2)
    assert tally.seconds_left() is None
    tally.take(Event("running", made[0]))
    tally.take(Event("built", made[0], seconds=10.0))
    assert tally.done == 1
    assert tally.seconds_left() == pytest.approx(15.0, abs=0.5)
    tally.take(Event("built", made[1], seconds=10.0))
    assert tally.seconds_left() == pytest.approx(10.0, abs=0.5)


def test_steps_of_one_model_are_judged_by_that_model():
    small, large = ({"model": {"fingerprint": name}} for name in ("small", "large"))
    made = [Step("x:finetune", 1, {"i": i} | model) for i in (0, 1) for model in (small, large)]
    tally = Tally(waiting(made), jobs=1)
    tally.take(Event("built", made[0], seconds=1.0))
    tally.take(Event("built", made[1], seconds=9.0))
    assert tally.seconds_left() == pytest.approx(10.0)


def test_a_step_that_has_to_be_done_again_is_not_done():
    made = steps(2)
    tally = Tally(waiting(made), jobs=1)
    tally.take(Event("built", made[0], seconds=1.0))
    tally.take(Event("damaged", made[0], message="its record cannot be read"))
    assert tally.done == 0


def test_plain_lines_tell_the_end_of_steps_and_trouble_once(capsys):
    made = steps(3)
    with Lines(Tally(waiting(made), jobs=1)) as lines:
        for event in (
            Event("running", made[0]),
            Event("progress", made[0], done=1, total=2, unit="rows"),
            Event("built", made[0], seconds=2.0),
            Event("elsewhere", made[1]),
            Event("elsewhere", made[1]),
            Event("failed", made[1], message="no space"),
            Event("skipped", made[2], message="needs step 1"),
        ):
            lines.show(event)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "[1/3] step 0 [bold] (2.0 s)",
        "[1/3] waiting for another process that does step 1 [bold]",
        "[2/3] FAILED step 1 [bold]: no space",
        "[3/3] skipped step 2 [bold]: needs step 1",
    ]


def test_the_live_display_fits_eighty_columns_and_shows_what_runs():
    made = [replace(step, title="a title that is far too long to fit, " * 3) for step in steps(2)]
    bars = Bars("study", Tally(waiting(made), jobs=2))
    bars.show(Event("running", made[0]))
    bars.show(Event("progress", made[1], done=1_440, total=3_200, unit="rows"))
    file = io.StringIO()
    Console(file=file, width=80).print(bars._live.renderable)
    lines = file.getvalue().splitlines()
    assert len(lines) == 3
    assert max(map(len, lines)) <= 80
    assert "0/2 steps" in lines[0]
    assert "1,440/3,200 rows" in lines[2]
    bars.show(Event("built", made[0], seconds=1.0))
    assert len(bars._running.tasks) == 1


@pytest.mark.parametrize("kind", ["running", "progress"])
def test_only_ends_and_trouble_are_worth_a_line(kind):
    assert told(Event(kind, steps(1)[0])) == ""
