"""The floor: what OpenSSH, Slurm and Jupyter need when somebody types as little as can be. Scripts for the laptop."""

from __future__ import annotations

from tests.slurm.requirements import VENV_PYTHON

OPTIONS = "-o BatchMode=yes -o ExitOnForwardFailure=yes"
PLAIN = f"{VENV_PYTHON} -m jupyterlab"
# The same with the shortcuts of `launcher/node/lab/server.py`, to tell what springline's launcher costs from what its
# node program saves.
SHORTCUTS = (
    "import sys; sys.modules['rfc3987_syntax'] = None; import jupyterlab.commands as commands; "
    "commands._yarn_config = lambda *_: {'yarn config': {}, 'npm config': {}}; "
    "from jupyterlab.labapp import main; main()"
)
QUICK = f'{VENV_PYTHON} -c "{SHORTCUTS}"'
_JOB = """\
#!/bin/bash
#SBATCH --cpus-per-task=1 --mem=1G --time=30 --output=floor.log
hostname >floor.new && mv floor.new floor.node
exec {jupyter} --no-browser --ip="$(hostname)" --port={port} --ServerApp.port_retries=0
"""
# One connection: it submits, waits over there, says where, and carries the tunnel.
_TIGHT = """\
control=$(mktemp -u)
exec 3< <(exec ssh -M -S $control {options} login bash <<'remote'
cat >floor.sh <<'job'
{job}job
rm -f floor.node; sbatch --parsable floor.sh >/dev/null
until read -r node 2>/dev/null <floor.node && (exec 4<>/dev/tcp/$node/{port}) 2>/dev/null; do sleep 0.05; done
echo $node
exec sleep 1000
remote
)
read -r node <&3
ssh -S $control -O forward -L {local}:$node:{port} login
exec sleep 1000
"""
# As a person's first script does it: one ssh for each step, polling.
_POLLING = """\
ask() {{ ssh {options} login "$@"; }}
id=$(ask 'cat >floor.sh; rm -f floor.log; sbatch --parsable floor.sh' <<'job'
{job}job
)
until node=$(ask squeue -h -j $id -t R -o %N) && [ -n "$node" ]; do sleep 0.2; done
until ask grep -q 'is.running.at' floor.log; do sleep 0.2; done
exec ssh -N {options} -L {local}:$node:{port} login
"""


def tight(local: int, port: int, jupyter: str = PLAIN) -> list[str]:
    """One ssh, a wait over there, a forward in the same connection; `port` is Jupyter's on the node."""
    return _bash(_TIGHT, local, port, jupyter)


def polling(local: int, port: int) -> list[str]:
    """One ssh for each step, and `ssh -L` at last."""
    return _bash(_POLLING, local, port, PLAIN)


def forward(local: int, target: str, *destination: str) -> list[str]:
    """A plain `ssh -L`."""
    return ["ssh", "-N", *OPTIONS.split(), "-L", f"{local}:{target}", *destination]


def _bash(script: str, local: int, port: int, jupyter: str) -> list[str]:
    job = _JOB.format(jupyter=jupyter, port=port)
    return ["bash", "-c", script.format(options=OPTIONS, job=job, local=local, port=port)]
