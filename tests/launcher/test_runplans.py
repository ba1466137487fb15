"""What is sent for a run: the analysis's words, how many workers, and the user's own script."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jobs import registry
from launcher.commands.run import goes_elsewhere, run_elsewhere
from launcher.errors import UsageError
from launcher.model import Platform, Resources, Workers
from launcher.runs.plans import LARGEST_SCRIPT, NO_LIMIT, Wish, plan
from launcher.schedulers import scheduler_for
from launcher.sessions.planning import Plan

CLUSTER = Platform(
    "hpc",
    host="login",
    resources=Resources(cores=4, walltime=3600),
    workers=Workers(cores=2, memory=2**30, processes=2, max_jobs=10),
)
HERE = Platform("local", transport="local", scheduler="local", workers=Workers(count=2))


def made(*arguments: str, platform: Platform = CLUSTER, **wish: Any) -> Plan:  # noqa: ANN401
    """The plan of a run with these words."""
    return plan(platform, scheduler_for(platform.scheduler), Wish(arguments, **wish))


def asked(*arguments: str, platform: Platform = CLUSTER, **wish: Any) -> dict[str, Any]:  # noqa: ANN401
    """What its node program is asked to do."""
    document: dict[str, Any] = json.loads(made(*arguments, platform=platform, **wish).files["request.json"])
    return document


def test_run_has_a_name_of_its_own() -> None:
    """A run cannot be taken for a session, nor its workers for a session's, even where both are called the same."""
    session = made("spring-index", name="demo").session
    assert session.job_name.startswith("springline-run_demo-")
    assert made("spring-index").session.name.startswith("spring-index-")
    with pytest.raises(UsageError, match="'A b' is not a run name"):
        made("map", name="A b")


def test_workers_are_told_apart_from_an_earlier_runs() -> None:
    """A name may be used again, and whoever cancels the earlier run must not reach the later one's workers."""
    first, second = (made("spring-index", name="demo") for _ in range(2))
    names = [json.loads(one.files["request.json"])["worker_name"] for one in (first, second)]
    assert names == [f"{one.session.job_name}-worker" for one in (first, second)] and names[0] != names[1]
    assert names[0] == first.session.worker_name


def test_batch_script_goes_on_after_a_lost_node() -> None:
    """Unlike a session's job a run's may be requeued: it adds to its log and finds the state it left."""
    script = made("map", name="x").files["job.sh"]
    assert "#SBATCH --requeue\n#SBATCH --open-mode=append\n" in script and "rm -f" not in script
    assert script.splitlines()[-1].endswith('node run "$HOME"/.springline/runs/x')


def test_words_of_the_analysis_are_passed_on() -> None:
    """They arrive as they were typed; the wait for worker jobs, which may be long, has no end."""
    words = ("map", "pkg:f", "--inputs", "a b*.nc", "--limit", "5")
    assert asked(*words)["analysis"]["arguments"] == ["run", *words, "--wait", NO_LIMIT]
    assert asked(*words, "--wait", "9")["analysis"]["arguments"] == ["run", *words, "--wait", "9"]


@pytest.mark.parametrize(
    ("workers", "count", "minimum", "maximum"),
    [(None, 2, None, None), ("3", 6, None, None), ("2:5", 2, 4, 10), ("0:5", 2, 2, 10)],
)
def test_worker_jobs(workers: str | None, count: int, minimum: int | None, maximum: int | None) -> None:
    """A number of jobs means so many times their processes, and there is always one."""
    request = asked("map", workers=workers)
    analysis = request["analysis"]
    assert (request["workers"]["count"], analysis["minimum"], analysis["maximum"]) == (count, minimum, maximum)
    assert not analysis["in_allocation"]


@pytest.mark.parametrize(
    ("platform", "wish", "processes"),
    [
        (CLUSTER, {"in_allocation": True}, 4),
        (CLUSTER, {"in_allocation": True, "workers": "3"}, 3),
        (HERE, {}, None),
        (HERE, {"workers": "1:6"}, 6),
    ],
)
def test_everything_in_one_job(platform: Platform, wish: dict[str, Any], processes: int | None) -> None:
    """In the allocation, and on this computer, there are no worker jobs: as many processes as cores, or as asked."""
    request = asked("map", platform=platform, **wish)
    assert request["analysis"]["in_allocation"] and request["analysis"]["processes"] == processes
    assert "--wait" not in request["analysis"]["arguments"]


def test_rehearsal_takes_no_workers() -> None:
    """The analysis's own --dry-run is passed on, and needs no worker jobs."""
    analysis = asked("map", "--dry-run")["analysis"]
    assert analysis["in_allocation"] and analysis["arguments"] == ["run", "map", "--dry-run"]


@pytest.mark.parametrize(
    ("words", "wish", "said"),
    [
        ((), {}, "which analysis"),
        (("--limit", "5"), {}, "which analysis"),
        (("map", "--dask", "local"), {}, "--dask and --on"),
        (("map", "--session=x"), {}, "--on"),
        (("map",), {"workers": "0"}, "without workers"),
        (("map",), {"workers": "11"}, "allows 10"),
        (("map",), {"workers": "1:11"}, "allows 10"),
        (("map",), {"workers": "many"}, "not a number of workers"),
    ],
)
def test_what_cannot_be(words: tuple[str, ...], wish: dict[str, Any], said: str) -> None:
    """Each mistake is said before anything is sent."""
    with pytest.raises(UsageError, match=said):
        made(*words, **wish)


def test_resubmission_needs_a_walltime() -> None:
    """Without one nobody knows when to go on elsewhere."""
    with pytest.raises(UsageError, match="walltime"):
        made("map", platform=replace(CLUSTER, resources=Resources()), resubmit=True)
    assert asked("map", resubmit=True)["analysis"]["resubmit"]


def test_script_goes_along(tmp_path: Path) -> None:
    """A script of this computer is sent with its text, and the word that named it names the copy."""
    script = tmp_path / "my script.py"
    script.write_text("def f(source, target):\n    '''Grüße'''\n", encoding="utf-8")
    made_plan = made("map", f"{script}:f", "--inputs", "x")
    assert made_plan.files["script/my script.py"] == script.read_text(encoding="utf-8")
    analysis = json.loads(made_plan.files["request.json"])["analysis"]
    assert analysis["arguments"][analysis["script_at"]] == "script/my script.py:f"


def test_module_or_script_of_the_cluster_stays(tmp_path: Path) -> None:
    """What is no file here, but a module or a whole path, is meant over there."""
    assert asked("map", "package.module:f")["analysis"]["script_at"] is None
    there = f"{tmp_path}/of-the-cluster.py:f"
    analysis = asked("map", there)["analysis"]
    assert analysis["script_at"] is None and there in analysis["arguments"]


@pytest.mark.parametrize("content", [None, b"\xff\xfe", b"a\0b", b"#" * (LARGEST_SCRIPT + 1)])
def test_script_that_cannot_go_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None) -> None:
    """One that is missing, no text or too large is named."""
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "my.py").write_bytes(content)
    with pytest.raises(UsageError, match=r"my\.py"):
        made("map", "my.py:f")


@pytest.mark.parametrize(
    ("words", "elsewhere"),
    [("map --on spider", True), ("--on=spider map", True), ("map --online x", False), ("map -- --on x", False)],
)
def test_platform_is_named(words: str, elsewhere: bool) -> None:
    """Only --on sends a run away, and not behind `--`."""
    assert goes_elsewhere(words.split()) is elsewhere


def test_options_of_springline_and_of_analyses_are_apart() -> None:
    """No analysis has an option that springline would take for its own."""
    ours = {name.lstrip("-") for parameter in run_elsewhere.params for name in parameter.opts}
    loaded = [registry.load(name) for name in registry.names() if name != registry.MAP]
    loaded.append(registry.function_job("tests.jobs.batch.functions:copy"))
    assert len(loaded) >= 2
    assert [(job.name, option.name) for job in loaded for option in job.options if option.name in ours] == []
