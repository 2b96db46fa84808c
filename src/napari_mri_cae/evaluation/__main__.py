"""Carry a plan out in a process of its own: `python -m napari_mri_cae.evaluation`.

The plan comes in as one line of JSON. What happens goes out as lines of JSON, each with an "event":

- "step": what takes a while now ("what");
- "resumed": after how many "slices" it goes on;
- "slices": how many are "done", and of how many ("total");
- "rows": which ones were measured last ("what");
- "finished": with "remarks", and whether the table "was_complete";
- "refused": with the "sentence" that says why.

When standard input ends the process does: it never outlives whoever asked for it.
"""

import json
import os
import sys
import threading
import warnings
from collections.abc import Sequence
from contextlib import redirect_stdout
from typing import TextIO

from napari_mri_cae.errors import sentence_of
from napari_mri_cae.evaluation.plan import EvaluationPlan, carry_out
from napari_mri_cae.evaluation.table import Row


def main(plan: str, events: TextIO) -> int:
    """Carry out a plan, given as JSON, and tell what happens; return the exit status."""

    def tell(event: str, **facts: object) -> None:
        print(json.dumps({"event": event, **facts}), file=events, flush=True)

    def tell_rows(rows: Sequence[Row]) -> None:
        last = rows[-1]
        tell("rows", what=f"{last.volume}, {last.plane}, {last.corruption}")

    try:
        outputs = carry_out(
            EvaluationPlan.model_validate_json(plan),
            on_step=lambda what: tell("step", what=what),
            on_resume=lambda slices: tell("resumed", slices=slices),
            on_progress=lambda done, total: tell("slices", done=done, total=total),
            on_rows=tell_rows,
        )
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            raise
        tell("refused", sentence=sentence)
        return 1
    tell("finished", remarks=outputs.remarks, was_complete=outputs.was_complete)
    return 0


def _end_with(stream: TextIO) -> None:
    stream.read()
    # The main thread may be deep in a network: nothing else ends it at once.
    os._exit(1)


def _run() -> int:
    events = sys.stdout
    # A library that prints must not talk into what is told.
    with redirect_stdout(sys.stderr), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        line = sys.stdin.readline()
        threading.Thread(target=_end_with, args=(sys.stdin,), daemon=True).start()
        return main(line, events)


if __name__ == "__main__":
    sys.exit(_run())
