"""What to do about a cause of failures, in one sentence."""

from __future__ import annotations

import re

from jobs.batch.report.groups import Cause

ADVICE = (
    (
        r"No space left|ENOSPC|quota exceeded|EDQUOT",
        "The disk or the quota is full: make room where the output is written, then run the same command again.",
    ),
    (
        r"Memory\w*Error|out of memory|\boom\b|memory limit|it may use|\bmemory\b.*\b(limit|exceed|killed)",
        "Too little memory: give workers more, or run fewer on a node. “Memory per item” below says what items need.",
    ),
    (
        r"[Ww]all.?[Ll]imit|took longer|ItemTimeout",
        "Ended at the wall limit: raise it if good items come near it (“Time per item” below); if not, they hang.",
    ),
    (
        r"ModuleNotFoundError|ImportError|No module named|cannot import name",
        "The workers' Python lacks a package: install it in the environment of the workers. The items are fine.",
    ),
    (
        r"PermissionError|Permission denied|Access ?Denied|Forbidden|Unauthorized|\b40[13]\b",
        "Not allowed: check who may read these inputs and write this output, and the credentials of an object store.",
    ),
    (
        r"WorkerLost|ItemKilled|worker was lost|KilledWorker|[Ww]orker.*(lost|died)|SIG[A-Z]{3,}|signal \d+|exit ?code",
        "The process died under these items: most often memory, or a crash in compiled code. Try one of them alone.",
    ),
    (
        r"FileNotFoundError|NoSuchKey|No such file|does not exist|\b404\b",
        "Something is not where it should be: are the inputs still there, and are they seen from the compute nodes?",
    ),
    (
        r"Connect\w*Error|Connection|[Tt]imed? ?out|ESTALE|Stale file|Input/output error|\b50[0234]\b|SlowDown",
        "The network or the file system was not well, and trying again did not help. Run the same command again later.",
    ),
    (
        r"InputError|[Tt]runcat|[Cc]orrupt|damaged|SyntaxError|Rasterio|BadZip|ParserError|not a valid",
        "These inputs look wrong, and stay wrong: fetch them again, or take them out of the list.",
    ),
)
PREFLIGHT = (
    "Refused before any work: incomplete, or not what the job reads. Fetch them again, or take them out of the list."
)
UNLIKELY = 0.005
DEFAULT = "It will fail again as it is: read the traceback, and call the function on the first of these items alone."


def advice(cause: Cause) -> str:
    """What the person who reads the report can do."""
    if cause.preflight:
        return PREFLIGHT
    said = f"{cause.error}: {cause.message}"
    return next((what for pattern, what in ADVICE if re.search(pattern, said)), DEFAULT)


def only_node(cause: Cause, nodes: int) -> str:
    """The node, if all of several failures are on one of several nodes; else empty."""
    known = [name for name in cause.nodes if name]
    if len(known) != 1 or nodes < 2:
        return ""
    by_chance = float(nodes) ** (1 - cause.nodes[known[0]])
    return known[0] if by_chance < UNLIKELY else ""
