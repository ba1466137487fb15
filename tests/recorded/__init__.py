"""What schedulers really said: recorded on the test cluster (`record.py`), or copied from reports (`reported.json`)."""

from __future__ import annotations

import json
from pathlib import Path

from launcher.schedulers.base import Answer

HERE = Path(__file__).parent


def load(file: str) -> dict[str, Answer]:
    """The answers of one file by name."""
    said = json.loads((HERE / file).read_text(encoding="utf-8"))
    return {name: Answer(one["stdout"], one["stderr"], one["exit_code"]) for name, one in said.items()}
