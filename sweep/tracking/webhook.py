"""One HTTP request when a sweep ends: chat rooms, monitoring, a program of one's own."""

from __future__ import annotations

import json
import os
from urllib.parse import urlsplit

import requests

from search_space.errors import SweepError
from sweep.tracking.tracker import SweepEnd, Tracker

VARIABLE = "EDGE_SWEEP_WEBHOOK"
"""Environment variable of the address, which is often a secret itself."""
TIMEOUT_S = 10.0


class Webhook(Tracker):
    """Posts ``SweepEnd.document`` as JSON; its ``text`` is what Slack and Mattermost show. Sends nothing before."""

    def __init__(self, where: str = "") -> None:
        super().__init__(where or os.environ.get(VARIABLE, ""))
        if urlsplit(self.where).scheme not in ("http", "https"):
            raise SweepError(f"it needs an http(s) address: --track webhook=URL or {VARIABLE}")

    def end(self, end: SweepEnd) -> None:
        """Raises SweepError, without the address, when it is not taken."""
        headers = {"Content-Type": "application/json"}
        try:
            answer = requests.post(self.where, data=json.dumps(end.document), headers=headers, timeout=TIMEOUT_S)
        except requests.RequestException as error:
            # Its text holds the address, which is often a secret.
            raise SweepError(f"{urlsplit(self.where).hostname} cannot be told: {type(error).__name__}") from None
        if not answer.ok:
            raise SweepError(f"{urlsplit(self.where).hostname} answers {answer.status_code} {answer.reason}")
