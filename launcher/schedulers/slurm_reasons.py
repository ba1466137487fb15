"""SLURM's words for what it refuses and why it lets wait, and what to do about each. Pure."""

from __future__ import annotations

import re

REFUSALS = (
    ("Invalid partition name", "`sinfo -s` on the cluster lists the partitions; set `partition` or give --partition"),
    ("Requested time limit is invalid", "ask for less with --walltime; `sinfo -o '%P %l'` lists the limits"),
    ("Requested partition configuration not available", "this account may not use the partition; try another"),
    ("Requested node configuration is not available", "no node is that large: ask for fewer --cores or less --memory"),
    ("Invalid account", "set `account` to one of yours: `sacctmgr show associations user=$USER format=account`"),
    ("Invalid qos", "set `qos` to one of yours: `sacctmgr show associations user=$USER format=qos`"),
    (
        "Requested reservation is invalid",
        "the reservation is over or not yours; `scontrol show reservation` lists them",
    ),
    ("AssocMaxSubmitJobLimit", "you have as many jobs in the queue as you may; cancel one or wait"),
    ("QOSMaxSubmitJobPerUserLimit", "you have as many jobs in the queue as you may; cancel one or wait"),
    ("MaxWallDurationPerJobLimit", "ask for less with --walltime"),
    ("Invalid feature specification", "no node has this --constraint; see `sinfo -o '%n %f'`"),
    ("unrecognized option", "correct the `sbatch` lines of the platform's section"),
    ("invalid option", "correct the `sbatch` lines of the platform's section"),
    (" specification", "correct the `sbatch` lines of the platform's section"),
)

# sbatch failed, but the request may have reached slurmctld.
DOUBTFUL = re.compile(
    r"timed out|unable to contact|communication|connection (?:refused|reset|closed)|zero bytes|"
    r"protocol authentication|slurm_receive_msg|temporarily|message sent|interrupted",
    re.IGNORECASE,
)

PENDING = {
    "Priority": "other jobs are ahead in the queue; it starts by itself, sooner if it asks for less --walltime",
    "Resources": "next in line; waiting for a node to come free, nothing to do",
    "None": "just submitted",
    "BeginTime": "waiting for its begin time, nothing to do",
    "Dependency": "waiting for another job to end",
    "DependencyNeverSatisfied": "it waits for a job that failed",
    "Prolog": "the node is being prepared, nothing to do",
    "Cleaning": "its last run is still being cleared away, nothing to do",
    "PartitionConfig": "it asks for more than the partition has",
    "PartitionDown": "the partition is down: ask the cluster's support, or stop it and take another --partition",
    "PartitionInactive": "the partition takes no new jobs now: stop it and take another --partition",
    "PartitionTimeLimit": "it asks for more time than the partition gives; `sinfo -o '%P %l'` lists the limits",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives",
    "JobHeldUser": "the job is held by you: `scontrol release` it on the cluster",
    "JobHeldAdmin": "an administrator holds the job: ask the cluster's support",
    "JobHoldMaxRequeue": "it was put back in the queue too often and is held: look at the logs, then stop it",
    "InvalidAccount": "the account it is charged to is not valid any more: stop it and set another `account`",
    "InvalidQOS": "its quality of service is not valid any more: stop it and set another `qos`",
    "Licenses": "waiting for a licence that others use, nothing to do",
    "Reservation": "waiting for its reservation to begin",
    "ReservationDeleted": "its reservation is gone: stop it and start without --reservation",
    "ReqNodeNotAvail": "a node it needs is down or reserved, often for maintenance: one with less --walltime may start",
    "NodeDown": "a node it needs is down: wait, or stop it and take another --partition",
    "Nodes required for job are DOWN": "all nodes it could use are down or reserved: wait, or take another --partition",
    "BadConstraints": "no node can ever satisfy the request",
    "launch failed requeued held": "the job failed to start and is held: look at the logs, then stop it",
}

# Limits are named AssocGrpCpuLimit, QOSMaxJobsPerUserLimit, QOSGrpNodeMinutes …
_LIMIT = re.compile(r"(Assoc|QOS)(Grp|Max)([A-Za-z/]+)")
_LIMITED = {"cpu": "cores", "mem": "memory", "node": "nodes", "jobs": "running jobs", "gres": "GPUs", "wall": "time"}
_LIMITED_BY = {"Assoc": "account", "QOS": "qos"}

# What no waiting can change, unless an administrator changes the partition or a limit.
_HOPELESS = (
    "PartitionConfig",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
    "AssocMaxWallDurationPerJobLimit",
    "QOSMaxWallDurationPerJobLimit",
)


def refusal_hint(said: str) -> str:
    """What to change after a refusal, by all that was said; empty where nothing is known."""
    return next((hint for words, hint in REFUSALS if words.lower() in said.lower()), "")


def explain(reason: str) -> str:
    """Why a job waits and what to do about it; an unheard-of reason as SLURM wrote it."""
    word = _word(reason)
    limit = _LIMIT.match(word)
    if word in PENDING:
        return PENDING[word]
    if limit:
        return _limit_words(_LIMITED_BY[limit[1]], limit[2], limit[3])
    return f"SLURM says: {reason}" if reason else "waiting"


def is_hopeless(reason: str) -> bool:
    """True if the job asks for what its partition or account does not give."""
    return _word(reason) in _HOPELESS


def _limit_words(by: str, scope: str, limited: str) -> str:
    """The limit of an account or a quality of service (`by`) that the job meets."""
    what = next((words for word, words in _LIMITED.items() if word in limited.lower()), "resources")
    if "minutes" in limited.lower():
        return f"the budget of its `{by}` is used up: ask for more, or stop it and set another `{by}`"
    if "PerJob" in limited:
        return f"it asks for more {what} than one job of its `{by}` may have: stop it and ask for less"
    who = "your group uses" if scope == "Grp" or "PerAccount" in limited else "your jobs use"
    return f"{who} all the {what} that its `{by}` allows at once; it starts when others of them end"


def _word(reason: str) -> str:
    return reason.split(",")[0].strip("()")
