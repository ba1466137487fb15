"""With slurmdbd: what accounting adds to the answers about a session."""

from __future__ import annotations

import json

from tests.slurm.laptop import Springline

FORGETFUL = """\
cat >/tmp/forgetful <<'end'
#!/bin/sh
echo 'slurm_load_jobs error: Invalid job id specified' >&2
exit 1
end
chmod 755 /tmp/forgetful
mount --bind /tmp/forgetful /usr/bin/squeue
mount --bind /tmp/forgetful /usr/bin/scontrol
"""


def test_a_session_is_remembered_by_accounting_alone(accounting_springline: Springline) -> None:
    """Once squeue and scontrol no longer know the job, sacct's word proves its end."""
    springline = accounting_springline
    up = springline("up", "testbed", "--name", "past", "--detach", "--json")
    assert up.returncode == 0, up.stderr
    assert springline("stop", "past").returncode == 0
    springline.cluster.login.run(FORGETFUL)
    try:
        status = json.loads(springline("status", "past", "--json").stdout)
    finally:
        springline.cluster.login.run("umount /usr/bin/squeue /usr/bin/scontrol")
    assert status["state"] == "ended", status
