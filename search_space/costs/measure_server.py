"""The program of the process that measures the costs of a user's family (``search_space.costs.measure_apart``)."""

from __future__ import annotations

import json
import os
import sys

from search_space import parse_id, user_code
from search_space.costs import describe, measure
from search_space.errors import first_line


def serve(answers: int) -> None:
    """A line of JSON on stdin, a line out on the file descriptor ``answers``, until stdin ends."""
    os.write(answers, b"{}\n")
    for line in sys.stdin.buffer:
        try:
            question = json.loads(line)
            for code in question["code"]:
                user_code.install(user_code.UserCode(**code))
            config = parse_id(question["config"])
            found = (
                measure.parameters(config),
                measure.macs(config, *describe.FULL_HD),
                measure.receptive_field(config),
            )
            answer: dict[str, object] = {"costs": found}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {first_line(error, 200)}"}
        os.write(answers, json.dumps(answer).encode() + b"\n")
