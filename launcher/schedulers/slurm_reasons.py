"""SLURM's words for what it refuses and why it lets wait, and what to do about each. Pure."""

from __future__ import annotations

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

PENDING = {
    "Priority": "other jobs are ahead in the queue",
    "Resources": "next in line; waiting for a node to come free",
    "None": "just submitted",
    "PartitionConfig": "it asks for more than the partition has",
    "BeginTime": "waiting for its begin time",
    "Dependency": "waiting for another job",
    "DependencyNeverSatisfied": "it waits for a job that failed",
    "PartitionDown": "the partition is down: ask the cluster's support, or stop it and take another --partition",
    "PartitionInactive": "the partition takes no new jobs now: stop it and take another --partition",
    "PartitionTimeLimit": "it asks for more time than the partition gives; `sinfo -o '%P %l'` lists the limits",
    "PartitionNodeLimit": "it asks for more nodes than the partition gives",
    "JobHeldUser": "the job is held by you: `scontrol release` it on the cluster",
    "JobHeldAdmin": "an administrator holds the job: ask the cluster's support",
    "AssocMaxJobsLimit": "as many of your jobs run as may run at once",
    "QOSMaxJobsPerUserLimit": "as many of your jobs run as may run at once",
    "QOSMaxCpuPerUserLimit": "your jobs use all the cores they may use at once",
    "AssocGrpCpuLimit": "your group uses all the cores it may use at once",
    "AssocGrpCPUMinutesLimit": "your group's budget is used up: ask for more, or set another `account`",
    "Licenses": "waiting for a licence",
    "Reservation": "waiting for its reservation to begin",
    "ReqNodeNotAvail": "a node it needs is down or reserved, often for maintenance",
    "BadConstraints": "no node can ever satisfy the request",
    "launch failed requeued held": "the job failed to start and is held: look at the logs, then stop it",
}

# What no waiting can change, unless an administrator changes the partition.
HOPELESS = (
    "PartitionConfig",
    "PartitionTimeLimit",
    "PartitionNodeLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
)
