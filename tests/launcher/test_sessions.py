"""Sessions against a host whose answers and clock are known: what is waited for, given up, adopted, never cancelled."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from launcher.cluster import Cluster
from launcher.errors import (
    AuthenticationError,
    ConnectError,
    JobFailed,
    NotFoundError,
    SpringlineError,
    StartTimeout,
    StillPending,
    SubmissionRefused,
    SubmissionUnknown,
    UsageError,
)
from launcher.laptop.store import Store
from launcher.model import Known, NodeState, Platform, Session, SessionPhase, SessionStatus
from launcher.schedulers.base import Answer
from launcher.schedulers.slurm import SlurmScheduler
from launcher.sessions import lifecycle
from launcher.sessions.planning import Plan, plan
from launcher.sessions.watcher import pause_after
from tests import recorded
from tests.launcher.host import ACCEPTED, CREATED, JOB_NAME, Clock, Event, Host, Reply, node_state, squeue

RECORDED = recorded.load("slurm-22.05.8.json")
PLATFORM = Platform(name="testbed", host="login")
SESSION = Session("s1", "testbed", JOB_NAME, "2026-11-22T00:00:00+00:00", "7", CREATED)
PENDING = squeue("PENDING", "Priority")
RUNNING = squeue("RUNNING", node="node1")
READY = node_state("ready", address="10.0.0.7", access="socket")
UNLISTED = "squeue 0\n\nsacct 1\nSlurm accounting storage is disabled\nscontrol-7 1\nInvalid job id specified"
SILENT = RECORDED["status-controller-down"].text
LOST = ConnectError("login does not answer")
HOUR = 3600.0


@dataclass
class Scene:
    """A cluster over a host, a store in a temporary directory, and everything that was said on the way."""

    host: Host
    cluster: Cluster
    store: Store
    said: list[SessionStatus]

    @property
    def phases(self) -> list[str]:
        """The phases that were told, in order."""
        return [current.phase.value for current in self.said]

    def wait(self, wait: float | None = None) -> NodeState:
        """Wait for the session on the scene's clock."""
        clock = self.host.clock
        return lifecycle.wait_until_ready(
            self.cluster, SESSION, self.said.append, wait=wait, clock=clock, sleep=clock.sleep
        )

    def plan(self) -> Plan:
        """A plan for session s1."""
        return plan(PLATFORM, self.cluster.scheduler, "s1")

    def start(self) -> Session:
        """Submit it."""
        return lifecycle.start(self.cluster, self.plan(), self.store)


Play = Callable[..., Scene]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """Set a scene: events over time, and replies to scripts by kind."""

    def scene(*events: Event, **replies: list[Reply]) -> Scene:
        host = Host(Clock(), list(events), replies)
        cluster = Cluster(PLATFORM, host, SlurmScheduler(), sleep=host.clock.sleep)
        return Scene(host, cluster, Store(tmp_path / "sessions"), [])

    return scene


# --- Waiting ---------------------------------------------------------------------------------------


def test_queue_then_start_then_ready(play: Play) -> None:
    """The way from the queue to a ready session is told step by step, and ends in where JupyterLab listens."""
    scene = play(
        Event(0, PENDING), Event(100, RUNNING), Event(101, RUNNING, node_state("starting")), Event(108, RUNNING, READY)
    )
    node = scene.wait()
    assert (node.address, node.access) == ("10.0.0.7", "socket")
    assert scene.phases == ["pending", "starting", "starting", "ready"]
    assert scene.host.clock.now == 108


def test_scheduler_that_cannot_answer_is_waited_out(play: Play) -> None:
    """Hours without an answer from SLURM end nothing: the session is unknown, then ready, and was never cancelled."""
    scene = play(Event(0, PENDING), Event(10, SILENT), Event(5 * HOUR, RUNNING), Event(5 * HOUR + 5, RUNNING, READY))
    assert scene.wait().phase == "ready"
    assert scene.phases == ["pending", "unknown", "starting", "ready"]
    assert scene.host.count("cancel") == 0


def test_lost_connection_is_waited_out(play: Play) -> None:
    """Within three seconds of the network's return a connection is back, and nothing was cancelled meanwhile."""
    scene = play(Event(0, PENDING), Event(30, lost=LOST), Event(629, RUNNING, READY))
    assert scene.wait().phase == "ready"
    assert scene.host.clock.now <= 629 + 3
    assert scene.host.count("cancel") == 0


def test_pauses_after_a_lost_connection() -> None:
    """They grow from half a second to three, stay there for ten minutes, and grow again to a quarter of a minute."""
    silent, pauses = 0.0, []
    while silent < 7200:
        pauses.append(pause_after(silent))
        silent += pauses[-1]
    assert pauses[:6] == [0.5, 1, 2, 3, 3, 3]
    assert set(pauses[3:200]) == {3.0}
    assert pauses == sorted(pauses)
    assert pauses[-1] == 15


def test_requeued_job_is_waited_for(play: Play) -> None:
    """A job put back in the queue is pending whatever its first run wrote, and ready when the second one is."""
    old, new = node_state("ready", seq=3), node_state("ready", seq=9)
    scene = play(
        Event(0, RUNNING, old),
        Event(100, squeue("PENDING", "BeginTime"), old),
        Event(200, RUNNING, old),
        Event(203, RUNNING, ""),
        Event(205, RUNNING, new),
        Event(300, squeue("COMPLETED"), node_state("ending", reason="shut_down", exit_code=0)),
    )
    ended = lifecycle.hold(scene.cluster, SESSION, scene.said.append, sleep=scene.host.clock.sleep)
    assert ended.phase is SessionPhase.ENDED
    assert scene.phases == ["ready", "pending", "starting", "starting", "ready", "ended"]
    assert scene.said[1].requeued


def test_end_that_was_announced_is_asked_for_soon(play: Play) -> None:
    """Once the session says that it ends, the scheduler is asked a second later, not at a long hold's pace."""
    scene = play(
        Event(0, RUNNING, READY),
        Event(500, RUNNING, node_state("ending", reason="terminated")),
        Event(502, squeue("CANCELLED"), node_state("ending", reason="terminated", exit_code=143)),
    )
    lifecycle.hold(scene.cluster, SESSION, scene.said.append, sleep=scene.host.clock.sleep)
    paces = [script.partition("pace=")[2].partition("\n")[0] for script in scene.host.scripts]
    assert paces[0] == "150 next=0"
    assert paces[-1] == "10 next=10"


def test_warning_is_passed_on(play: Play) -> None:
    """Each change of the state file comes as a notice, the warning before the end too."""
    late = node_state("ready", warning="10 min left")
    scene = play(Event(0, RUNNING, READY), Event(50, RUNNING, late), Event(90, squeue("TIMEOUT"), late))
    lifecycle.hold(scene.cluster, SESSION, scene.said.append, sleep=scene.host.clock.sleep)
    assert [current.node.warning for current in scene.said if current.node] == [None, "10 min left", "10 min left"]


def test_key_that_is_no_longer_accepted_is_said(play: Play) -> None:
    """A refused login is not waited out: only the user can mend it."""
    scene = play(Event(0, PENDING), Event(30, lost=AuthenticationError("no")))
    with pytest.raises(AuthenticationError):
        scene.wait()


def test_long_queue_costs_few_questions(play: Play) -> None:
    """Without a limit a queue is waited out however long it is, with one remote command a minute."""
    scene = play(Event(0, PENDING), Event(48 * HOUR, RUNNING, READY))
    assert scene.wait().phase == "ready"
    assert scene.host.count("watch") <= 48 * 60 + 3


def test_limit_on_the_queue(play: Play) -> None:
    """After --wait the job is left in the queue, and the error says why it waits."""
    scene = play(Event(0, PENDING), Event(500, RUNNING, READY))
    with pytest.raises(StillPending, match="other jobs are ahead") as error:
        scene.wait(120)
    assert error.value.exit_code == 30
    assert scene.host.clock.now == 120
    assert scene.host.count("cancel") == 0


def test_limit_on_the_queue_is_not_for_the_start(play: Play) -> None:
    """--wait is about the queue only: a job that started in time may take longer to be ready."""
    scene = play(Event(0, PENDING), Event(110, RUNNING), Event(200, RUNNING, READY))
    assert scene.wait(120).phase == "ready"


def test_start_has_its_own_clock(play: Play) -> None:
    """Five minutes after the job began to run, and not before, JupyterLab counts as stuck; the job is left alone."""
    scene = play(Event(0, PENDING), Event(2 * HOUR, RUNNING))
    with pytest.raises(StartTimeout) as error:
        scene.wait()
    assert error.value.exit_code == 31
    assert "springline logs s1" in error.value.hint
    assert scene.host.clock.now == 2 * HOUR + 300
    assert scene.host.count("cancel") == 0


@pytest.mark.parametrize(
    ("state", "node", "code"),
    [
        ("FAILED", "", 40),
        ("NODE_FAIL", "", 40),
        ("OUT_OF_MEMORY", "", 41),
        ("TIMEOUT", "", 42),
        ("CANCELLED", "", 43),
        ("PREEMPTED", "", 43),
        ("COMPLETED", node_state("ending", reason="time_limit"), 42),
        ("FAILED", node_state("ending", reason="jupyter_died", message="JupyterLab ended with code 1"), 40),
    ],
)
def test_end_during_the_wait(play: Play, state: str, node: str, code: int) -> None:
    """What ended the job gives the exit code, with the proof, and the node program's word or the log's last line."""
    scene = play(Event(0, RUNNING), Event(5, squeue(state), node), tail=[Answer("first\nslurmstepd: last words\n")])
    with pytest.raises(JobFailed, match=f"squeue: {state}") as error:
        scene.wait()
    assert error.value.exit_code == code
    assert (
        "JupyterLab ended with code 1" if "message" in node and "died" in node else "last words"
    ) in error.value.message


def test_job_that_can_never_start_is_withdrawn(play: Play) -> None:
    """A job that asks for more than its partition gives would wait for ever: it is cancelled and counts as refused."""
    scene = play(Event(0, squeue("PENDING", "PartitionTimeLimit")))
    with pytest.raises(SubmissionRefused) as error:
        scene.wait()
    assert error.value.exit_code == 20
    assert scene.host.count("cancel") == 1


def test_held_session_ends_only_with_proof(play: Play) -> None:
    """A session that is held survives silence of the scheduler and of the network, and ends when the job has ended."""
    scene = play(
        Event(0, RUNNING, READY),
        Event(100, SILENT, READY),
        Event(200, lost=LOST),
        Event(900, RUNNING, READY),
        Event(1000, squeue("COMPLETED"), node_state("ending", reason="shut_down")),
    )
    ended = lifecycle.hold(scene.cluster, SESSION, scene.said.append, sleep=scene.host.clock.sleep)
    assert ended.phase is SessionPhase.ENDED
    assert 1000 <= scene.host.clock.now < 1040
    assert scene.host.count("cancel") == 0


# --- Stopping --------------------------------------------------------------------------------------


def stop(scene: Scene) -> SessionStatus:
    """Stop the session on the scene's clock."""
    clock = scene.host.clock
    return lifecycle.stop(scene.cluster, SESSION, scene.said.append, clock=clock, sleep=clock.sleep)


def test_stop_sees_the_end(play: Play) -> None:
    """Stopping cancels once and returns when the job is gone."""
    scene = play(Event(0, RUNNING, READY), Event(4, squeue("CANCELLED")))
    assert stop(scene).phase is SessionPhase.ENDED
    assert scene.host.count("cancel") == 1


def test_stop_of_a_job_that_will_not_go(play: Play) -> None:
    """A job that is still there after a minute is said to be there."""
    with pytest.raises(JobFailed, match="still listed"):
        stop(play(Event(0, RUNNING, READY)))


@pytest.mark.parametrize("silence", [Event(3, SILENT), Event(3, lost=LOST)], ids=["scheduler", "connection"])
def test_stop_that_nobody_can_confirm(play: Play, silence: Event) -> None:
    """When nobody can say whether the job ended, that is what is said: neither that it did nor that it did not."""
    with pytest.raises(ConnectError, match="nobody could say") as error:
        stop(play(Event(0, RUNNING, READY), silence))
    assert error.value.exit_code == 10


def test_stop_of_a_job_that_nobody_lists(play: Play) -> None:
    """Where neither the id nor the unique name is in any record, there is nothing to stop, and that is said."""
    ended = stop(play(Event(0, UNLISTED), find=[NONE]))
    assert ended.phase is SessionPhase.ENDED
    assert "neither job 7 nor one called springline-s1-a1b2c3" in str(ended.job)


@pytest.mark.parametrize("find", ["find-one", "find-controller-hangs"])
def test_stop_of_a_job_that_is_listed_under_another_id(play: Play, find: str) -> None:
    """While the unique name is in the queue, or nobody can say, the session does not count as stopped."""
    with pytest.raises(ConnectError, match="nobody could say"):
        stop(play(Event(0, UNLISTED), find=[RECORDED[find]]))


def test_stop_that_the_scheduler_does_not_take(play: Play) -> None:
    """A cancellation that failed is an error, and the session does not count as over."""
    scene = play(Event(0, RUNNING), cancel=[Answer("", "scancel: error: slurm_kill_job2() failed Socket timed out", 1)])
    with pytest.raises(SubmissionUnknown, match="Socket timed out"):
        stop(scene)


# --- Submitting ------------------------------------------------------------------------------------

TIMED_OUT = replace(
    ACCEPTED, text=ACCEPTED.text.removesuffix("7\n"), errors=RECORDED["sbatch-controller-hangs"].errors, exit_code=1
)
FOUND, NONE, NO_ANSWER = (RECORDED[name] for name in ("find-one", "find-none", "find-controller-hangs"))


def test_intent_is_recorded_before_anything_is_sent(play: Play) -> None:
    """While sbatch runs, the record with the job's unique name is already on disk; afterwards it has the id."""
    scene = play()
    before: list[Session | None] = []

    def submitted() -> Answer:
        before.append(scene.store.get("s1"))
        return ACCEPTED

    scene.host.replies["submit"] = [submitted]
    session = scene.start()
    (record,) = before
    assert record is not None
    assert (record.job_id, record.job_name) == ("", session.job_name)
    assert (session.job_id, session.directory) == ("7", CREATED)
    assert scene.store.get("s1") == session


@pytest.mark.parametrize("lost", [TIMED_OUT, LOST], ids=["sbatch timed out", "connection lost"])
def test_doubtful_submission_is_adopted(play: Play, lost: Reply) -> None:
    """After a doubt the unique name is looked up until the job shows; it is never submitted again."""
    scene = play(submit=[lost], find=[NO_ANSWER, LOST, NONE, FOUND], where=[Answer(f"{CREATED}\n")])
    session = scene.start()
    assert (session.job_id, session.directory) == ("5", CREATED)
    assert scene.host.count("submit") == 1
    assert scene.host.count("find") == 4
    assert scene.store.get("s1") == session


def test_adopted_job_is_kept_though_the_connection_goes_again(play: Play) -> None:
    """Once the job was found, no further trouble makes the laptop forget it."""
    scene = play(submit=[LOST], find=[FOUND], where=[LOST])
    session = scene.start()
    assert session.job_id == "5"
    assert session.directory.endswith(".springline/sessions/s1")
    assert scene.store.get("s1") == session


@pytest.mark.parametrize("find", [NONE, NO_ANSWER, LOST], ids=["no such job", "no answer", "connection lost"])
def test_submission_that_stays_in_doubt(play: Play, find: Reply) -> None:
    """When the job does not show for two minutes the outcome is unknown: the record stays, nothing is sent twice."""
    scene = play(submit=[LOST], find=[find])
    with pytest.raises(SubmissionUnknown) as error:
        scene.start()
    assert error.value.exit_code == 21
    assert scene.host.clock.now == 120
    assert scene.host.count("submit") == 1
    assert scene.store.get("s1") is not None


def test_refused_submission_leaves_nothing(play: Play) -> None:
    """A refusal is said in SLURM's words with a hint; directory and record are removed."""
    refused = RECORDED["sbatch-bad-partition"]
    scene = play(submit=[replace(TIMED_OUT, errors=refused.errors, exit_code=1)])
    with pytest.raises(SubmissionRefused, match="Invalid partition name") as error:
        scene.start()
    assert error.value.exit_code == 20
    assert "sinfo" in error.value.hint
    assert scene.host.ran == ["submit", "tidy"]
    assert scene.store.get("s1") is None


@pytest.mark.parametrize("event", [Event(0, RUNNING), Event(0, PENDING), Event(0, SILENT), Event(0, lost=LOST)])
def test_name_of_a_living_session_is_taken(play: Play, event: Event) -> None:
    """A name stays taken while its session lives, or may live; nothing is sent and the old record stays."""
    scene = play(event)
    scene.store.save(SESSION)
    with pytest.raises(UsageError, match="'s1' on testbed is not over"):
        scene.start()
    assert scene.host.count("submit") == 0
    assert scene.store.get("s1") == SESSION


def test_name_of_an_ended_session_is_free(play: Play) -> None:
    """Once its session is over a name serves again; the old directory is moved out of the way first."""
    scene = play(Event(0, squeue("COMPLETED")), submit=[ACCEPTED])
    scene.store.save(replace(SESSION, job_id="7"))
    assert scene.start().job_id == "7"
    assert scene.host.ran == ["look", "aside", "submit"]


def test_name_taken_over_there(play: Play) -> None:
    """A session of that name which only the cluster knows is left alone, and no record of ours is kept."""
    scene = play(submit=[Answer("@directory\n@exists\n", "", 3)])
    with pytest.raises(UsageError, match="there is a session 's1' on testbed already"):
        scene.start()
    assert scene.store.get("s1") is None


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("@missing sbatch\n", "there is no 'sbatch'"),
        ("@python\n@directory\n", "cannot write in"),
        (
            "@python\n@modules /usr/bin/python3 jupyterlab dask_jobqueue\n",
            "/usr/bin/python3 has no jupyterlab, dask_jobqueue",
        ),
        ("@python\n", "cannot run Python"),
    ],
)
def test_trouble_before_the_submission(play: Play, said: str, words: str) -> None:
    """What is missing on the host is an error of configuration that names the section, and nothing is remembered."""
    scene = play(submit=[Answer(said, "bash: line 1: No space left on device\n", 3)])
    with pytest.raises(SpringlineError, match=words) as error:
        scene.start()
    assert error.value.exit_code == 2
    assert "[testbed]" in error.value.hint
    assert scene.store.get("s1") is None


def test_status_without_a_connection(play: Play) -> None:
    """A look at a session that cannot be reached is a status too: unknown, with the reason."""
    current = lifecycle.status(play(Event(0, lost=LOST)).cluster, SESSION)
    assert current.phase is SessionPhase.UNKNOWN
    assert not isinstance(current.job, Known)


# --- The laptop's memory ---------------------------------------------------------------------------


def test_broken_record_hides_no_other(tmp_path: Path) -> None:
    """A half-written or future record in the laptop's cache is passed over; the others are found."""
    store = Store(tmp_path)
    store.save(SESSION)
    (tmp_path / "half.json").write_text('{"name": "half", ')
    (tmp_path / "future.json").write_text(json.dumps({"name": "future", "colour": "green"}))
    assert store.all() == [SESSION]
    assert store.find(None) == SESSION


def test_several_sessions_need_a_name(tmp_path: Path) -> None:
    """Without a name the only live session is meant; with two, the user is asked which."""
    store = Store(tmp_path)
    store.save(SESSION)
    store.save(replace(SESSION, name="s2", ended="ended"))
    assert store.find(None) == SESSION
    store.save(replace(SESSION, name="s3"))
    with pytest.raises(UsageError, match="s1, s3"):
        store.find(None)


def test_records_are_private(tmp_path: Path) -> None:
    """Nobody else on the laptop can read a record."""
    Store(tmp_path / "sessions").save(SESSION)
    assert (tmp_path / "sessions" / "s1.json").stat().st_mode & 0o077 == 0
    assert (tmp_path / "sessions").stat().st_mode & 0o077 == 0


def test_session_in_doubt_is_looked_for_first(play: Play) -> None:
    """A record without a job id gets one once the scheduler finds its name, and goes once it proves there is none."""
    scene = play(submit=[LOST], find=[NO_ANSWER])
    with pytest.raises(SubmissionUnknown):
        scene.start()
    doubtful = scene.store.find("s1")
    assert not doubtful.job_id
    scene.host.replies["find"] = [FOUND]
    assert lifecycle.recovered(scene.cluster, doubtful, scene.store).job_id
    scene.host.replies["find"] = [NONE]
    with pytest.raises(NotFoundError):
        lifecycle.recovered(scene.cluster, doubtful, scene.store)
