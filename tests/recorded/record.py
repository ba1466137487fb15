"""Record what SLURM's commands say on the test cluster: `python -m tests.recorded.record` writes slurm-VERSION.json."""

from __future__ import annotations

import json
import time

from launcher.model import JobRef
from launcher.schedulers.slurm import SlurmScheduler
from launcher.schedulers.slurm_status import ACCOUNTS
from tests.recorded import HERE
from tests.slurm.cluster import Cluster

SLURM = SlurmScheduler()
STATES = ("accepted", "down", "ok", "fails", "cancelled", "limit", "node-lost", "held", "not-launched", "requeued")
REFUSED = {
    "bad-partition": "-p nothere",
    "bad-option": "--nonsense",
    "bad-reservation": "--reservation nothere",
    "bad-constraint": "-C nothere",
    "bad-time": "-t nonsense",
    "bad-memory": "--mem nonsense",
}


class Recorder:
    """Runs commands as alice on the login node and keeps what they said."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.said: dict[str, dict[str, str | int]] = {}

    def run(self, name: str, command: str) -> str:
        """Run one command; returns its stdout."""
        ended = self.cluster.login.run(["sh", "-c", f"cd && {command}"], user="alice", timeout=200, check=False)
        self.said[name] = {"exit_code": ended.returncode, "stdout": ended.stdout, "stderr": ended.stderr}
        return ended.stdout

    def submit(self, name: str, options: str = "", wrap: str = "sleep 600") -> str:
        """Submit a job; returns its id."""
        return self.run(f"sbatch-{name}", f"sbatch --parsable -J springline-{name} {options} --wrap '{wrap}'").strip()

    def ask(self, name: str, job: str) -> None:
        """Ask for a job as the launcher does, then accounting and the controller each alone."""
        self.run(f"status-{name}", SLURM.status_command([JobRef(job, f"springline-{name}")]))
        commands = {
            "sacct": f"sacct {ACCOUNTS} -j {job} --name springline-{name}",
            f"scontrol-{job}": f"scontrol -o show job {job}",
        }
        for source, command in commands.items():
            said = f'answer=$({command} 2>&1); code=$?; printf \'{source} %d\\n%s\\n\' "$code" "$answer"'
            self.run(f"{source.partition('-')[0]}-{name}", said)


def record(recorder: Recorder) -> None:
    """Lead jobs to every end there is, and the controller into every trouble."""
    cluster, run = recorder.cluster, recorder.run
    run("sbatch-not-parsable", "sbatch --wrap true")
    for name, options in REFUSED.items():
        recorder.submit(name, options)
    jobs = {
        "limit": recorder.submit("limit", "-t 1"),
        "accepted": recorder.submit("accepted"),
        "down": recorder.submit("down", "-p down"),
        "held": recorder.submit("held", "-H"),
        "ok": recorder.submit("ok", wrap="true"),
        "fails": recorder.submit("fails", wrap="exit 3"),
        "cancelled": recorder.submit("cancelled"),
        "preempted": recorder.submit("preempted", "-p preempt-cancel"),
        "requeued": recorder.submit("requeued", "--requeue -w node1"),
        "node-lost": recorder.submit("node-lost", "--no-requeue -w node2"),
        "not-launched": recorder.submit("not-launched", "-w node1 -D /nowhere"),
    }
    time.sleep(4)
    run("scancel", f"scancel {jobs['cancelled']}")
    run("requeue", f"scontrol requeue {jobs['requeued']}")
    cluster.kill_slurmd(cluster.nodes[1])
    time.sleep(150)
    for name in STATES:
        recorder.ask(name, jobs[name])
    several = [JobRef(jobs[name], f"springline-{name}") for name in ("accepted", "down", "cancelled", "ok")]
    used_again = JobRef(jobs["accepted"], "springline-earlier")
    run("status-several", SLURM.status_command([*several, used_again, JobRef("999999", "springline-never-existed")]))
    run("queue", SLURM.queue_command("springline-"))
    run("cancel-never-existed", SLURM.cancel_command(JobRef("999999", "springline-nobody"), "springline-nobody-worker"))
    recorder.ask("never-existed", "999999")
    run("find-one", SLURM.find_command("springline-accepted", "."))
    run("find-none", SLURM.find_command("springline-nobody", "."))


def record_troubles(recorder: Recorder) -> None:
    """The same questions while nobody can answer them."""
    cluster = recorder.cluster
    troubles = {
        "controller-hangs": (cluster.hang_slurmctld, cluster.resume_slurmctld),
        "munge-dead": (lambda: cluster.stop_munge(cluster.login), lambda: cluster.start_munge(cluster.login)),
        "controller-down": (cluster.stop_slurmctld, cluster.start_slurmctld),
    }
    for name, (break_it, mend_it) in troubles.items():
        break_it()
        recorder.submit(name)
        recorder.run(f"status-{name}", SLURM.status_command([JobRef("1", "springline-x")]))
        recorder.run(f"queue-{name}", SLURM.queue_command("springline-"))
        recorder.run(f"find-{name}", SLURM.find_command("springline-accepted", "."))
        mend_it()


def main() -> None:
    """Record with accounting, then the troubles and an unknown id without."""
    said: dict[str, dict[str, str | int]] = {}
    for accounting in (True, False):
        cluster = Cluster.up(accounting=accounting)
        recorder = Recorder(cluster)
        try:
            if accounting:
                record(recorder)
                version = recorder.run("version", "squeue --version").split()[1]
            else:
                recorder.ask("never-existed-no-accounting", "999999")
                record_troubles(recorder)
        finally:
            cluster.down()
        said.update(recorder.said)
    text = json.dumps(dict(sorted(said.items())), indent=1)
    (HERE / f"slurm-{version}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
