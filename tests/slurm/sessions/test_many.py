"""Several sessions at once: started together, listed together, stopped together."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.slurm.laptop import Springline
from tests.slurm.upping import live, until

NAMES = [f"many-{number}" for number in range(5)]


def test_five_at_once(springline: Springline) -> None:
    """Five `up` started in the same moment give five sessions on two nodes; `ls` shows all, `stop --all` ends all."""
    with ThreadPoolExecutor(5) as pool:
        ups = list(pool.map(lambda name: springline("up", "testbed", "--name", name, "--detach", timeout=280), NAMES))
    assert [up.returncode for up in ups] == [0] * 5, [up.stderr for up in ups]
    listed = json.loads(springline("ls", "--json").stdout)["sessions"]
    assert sorted(one["session"] for one in listed) == NAMES
    assert {one["state"] for one in listed} == {"ready"}
    assert len({one["job_id"] for one in listed}) == 5
    assert {one["node"] for one in listed} == {"node1", "node2"}
    stopped = springline("stop", "--all", "--json")
    assert stopped.returncode == 0, stopped.stderr
    assert {one["state"] for one in json.loads(stopped.stdout)["sessions"]} == {"ended"}
    until(lambda: live(springline) == 0)
    assert json.loads(springline("ls", "--json").stdout)["sessions"] == []


@pytest.mark.parametrize("other", ["scientist", "colleague"])
def test_one_name_twice_at_once(springline: Springline, other: str) -> None:
    """Of two `up` of one name at once, from one laptop or from two, one has the session and the other ends with 2."""
    second = Springline(springline.cluster, fresh=False, user=other)
    with ThreadPoolExecutor(2) as pool:
        ups = list(
            pool.map(lambda command: command("up", "testbed", "--name", "twin", "--detach"), (springline, second))
        )
    assert sorted(up.returncode for up in ups) == [0, 2], [up.stderr for up in ups]
    (refused,) = (up.stderr for up in ups if up.returncode == 2)
    assert "session 'twin' on testbed" in refused and "--name" in refused
    assert live(springline) == 1
    assert json.loads(springline("status", "twin", "--json").stdout)["state"] == "ready"


def test_stop_all_goes_on_over_what_cannot_be_stopped(springline: Springline) -> None:
    """A session on a platform that does not answer keeps no other alive; the exit code is that of the worst."""
    section = "\n[away]\nplatform = testbed\nhost = nowhere.invalid\n"
    ini = springline.home / ".config/springline/platforms.ini"
    ini.write_text(ini.read_text(encoding="utf-8") + section, encoding="utf-8")
    assert springline("up", "testbed", "--name", "near", "--detach").returncode == 0
    records = springline.home / ".local/state/springline/sessions"
    far = json.loads((records / "near.json").read_text()) | {"name": "far", "platform": "away", "login": ""}
    file = records / "far.json"
    file.write_text(json.dumps(far))
    file.chmod(0o644)
    stopped = springline("stop", "--all")
    assert stopped.returncode == 10, stopped.stderr
    assert "over: near" in stopped.stdout and "nowhere.invalid" in stopped.stderr
    until(lambda: live(springline) == 0)
    rows = {one["session"]: one["state"] for one in json.loads(springline("ls", "--json").stdout)["sessions"]}
    assert rows == {"far": "unknown"}
