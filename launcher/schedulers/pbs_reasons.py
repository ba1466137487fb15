"""PBS's words for what it refuses and why it lets wait, and what to do about each. Pure."""

from __future__ import annotations

import re

_REFUSALS = (
    (r"unknown queue|invalid partition", "`qstat -Q` on the cluster lists the queues; set `partition` to one"),
    (r"queue is not enabled", "the queue takes no jobs now; `qstat -Q` lists the others: set `partition`"),
    (
        r"unauthorized request|not (?:authorized|allowed|permitted)|access to queue",
        "this account may not use the queue: set another `partition`, or ask the cluster's support",
    ),
    (r"invalid credential|no permission", "set `account` to one of yours, and `partition` to a queue you may use"),
    (r"exceeds queue (?:and/or server )?resource limits|violates queue|time limit", "ask for less: {limits}"),
    (r"job limit|per[- ]user|queue run limit", "you have as many jobs in the queue as you may; cancel one or wait"),
    (r"account", "set `account` to one of yours"),
    (r"unknown resource|illegal attribute|cannot be specified", "correct `resource_spec` or the `qsub` lines"),
    (r"node configuration|not available|insufficient", "no node is that large: ask for fewer --cores or less --memory"),
    (r"invalid option|illegal -|unknown option|unrecognized", "correct the `qsub` lines of the platform's section"),
)
_LIMITS = "`qstat -Qf QUEUE | grep resources_max` on the cluster shows the limits; --walltime, --cores, --memory"

# Of other resources PBS says so, too, while a file system is down or a cloud has not yet started a node.
_NEVER = r"can never run: (?:insufficient amount of resource: (?:ncpus|mpiprocs|v?mem|ngpus)|not enough total nodes)"

# Parts of PBS's comments, the more telling first.
_PENDING = (
    (_NEVER, "no node can ever give what it asks for: stop it and ask for less"),
    (r"can never run", "nothing gives now what it asks for, a file system or a kind of node: look what is down"),
    (r"running job limit|limit of .* jobs|max[a-z_]*run|run(?:ning)? limit", "as many of your jobs run as may at once"),
    (r"limit", "it meets a limit of its queue or project; it starts when others of your jobs end"),
    (r"resource:? ?(?:ncpus|mpiprocs)", "waiting for free cores, nothing to do"),
    (r"resource:? ?v?mem", "waiting for free memory, nothing to do; sooner if it asks for less --memory"),
    (r"resource:? ?n?gpu", "waiting for a free GPU, nothing to do"),
    (r"insufficient amount of|too few free resources", "waiting for what others use now, nothing to do"),
    (r"not enough (?:free |total )?nodes|exclusive", "waiting for a node to come free, nothing to do"),
    (
        r"top job|higher priority|conflict with reservation",
        "other jobs are ahead; sooner if it asks for less --walltime",
    ),
    (
        r"ineligible state|offline|down",
        "the nodes it could use are down: wait, or stop it and take another --partition",
    ),
    (
        r"queue .*not started|queue not started",
        "its queue is stopped now: wait, or stop it and take another --partition",
    ),
    (r"prime ?time|dedicated time", "the cluster keeps this time for other jobs: it starts later by itself"),
    (r"dependency", "waiting for another job to end"),
    (r"too many failed attempts", "it failed to start too often and is held: look at the logs, then stop it"),
    (r"license", "waiting for a licence that others use, nothing to do"),
    (r"^held|held", "the job is held: `qrls` on the cluster releases it, if it was you"),
    (r"^waiting", "waiting for its begin time, nothing to do"),
    (r"^moved", "it was moved to another server, nothing to do"),
)
_SILENT = "PBS gives no reason; if it goes on, `qstat -f JOB` on the cluster shows what it asks for"


def hint(said: str) -> str:
    """What to change after a refusal; empty where nothing is known."""
    words = next((words for pattern, words in _REFUSALS if re.search(pattern, said, re.IGNORECASE)), "")
    return words.format(limits=_LIMITS)


def explain(reason: str) -> str:
    """Why a job waits and what to do about it; an unheard-of comment as PBS wrote it."""
    words = next((words for pattern, words in _PENDING if re.search(pattern, reason, re.IGNORECASE)), "")
    return words or (f"PBS says: {reason}" if reason else _SILENT)


def is_hopeless(reason: str) -> bool:
    """True if no node can ever give what the job asks for."""
    return re.search(_NEVER, reason, re.IGNORECASE) is not None
