"""A real SLURM of virtual nodes on this machine, for tests: its own keys, ports, state and logs.

It needs root, and Debian's slurm-wlm and munge. Devices of the fake GPUs are copies of /dev/null.
"""

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

from tests.waiting import wait

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")

SACCT = """#!/bin/bash
# in place of sacct, which needs a data base: submitit asks for -o JobID,State,NodeList of -j ID [-j ID …]
while [ $# -gt 0 ]; do [ "$1" = -j ] && { jobs+=("$2"); shift; }; shift; done
echo 'JobID|State|NodeList'
for job in "${jobs[@]}"; do scontrol -o show job "$job" 2>/dev/null; done | awk '{
  split("", v)
  for (i = 1; i <= NF; i++) { split($i, f, "="); v[f[1]] = f[2] }
  id = ("ArrayJobId" in v) ? v["ArrayJobId"] "_" v["ArrayTaskId"] : v["JobId"]
  print id "|" v["JobState"] "|" v["NodeList"]
}'
"""

ENDED = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY"}


def missing() -> str:
    """Why a cluster cannot be started here; empty where it can."""
    if os.geteuid() != 0:
        return "a SLURM of its own needs root"
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"SLURM is not installed (no {lacking[0]}): apt-get install slurm-wlm munge" if lacking else ""


class Cluster:
    """Virtual nodes n1, n2, … of one machine.

    Args:
        folder: for keys, state and logs; its path must be short, for a socket lies in it.
        nodes: how many, with the feature `fast`. cpus, gpus: of each; the GPUs are fake.
    """

    def __init__(self, folder: Path, nodes: int = 2, cpus: int = 4, gpus: int = 2):
        self.folder, self.cpus, self.gpus = folder, cpus, gpus
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.environment = {
            **os.environ,
            "SLURM_CONF": f"{folder}/slurm.conf",
            "PATH": f"{folder}/bin:{os.environ['PATH']}",
        }

    def start(self) -> None:
        """Starts the daemons and waits until all nodes are idle."""
        for name in ("bin", "state", "log", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)  # munged refuses a socket that others cannot reach
        (self.folder / "bin" / "sacct").write_text(SACCT)
        (self.folder / "bin" / "sacct").chmod(0o755)
        self._name_hosts()
        self._configure()
        key = self.folder / "munge.key"
        key.write_bytes(os.urandom(1024))
        key.chmod(0o400)
        files = {"key-file": key.name, "socket": "munge.sock", "pid-file": "munged.pid", "seed-file": "munge.seed"}
        paths = [f"--{option}={self.folder}/{name}" for option, name in files.items()]
        self.call("munged", "--force", *paths, f"--log-file={self.folder}/log/munged.log")
        self.call("slurmctld", "-c")
        for node in self.nodes:
            self.call("slurmd", "-c", "-N", node)
        wait(lambda: self._states() == ["idle"] * len(self.nodes), 60, lambda: f"{self._states()}\n{self.log()}")

    def stop(self) -> None:
        """Ends the jobs and the daemons that `start` started."""
        subprocess.run(["scancel", "--full", "-u", "root"], env=self.environment, capture_output=True, timeout=60)
        names = [*(f"slurmd-{node}.pid" for node in self.nodes), "slurmctld.pid", "munged.pid"]
        for path in (self.folder / name for name in names):
            if path.exists() and path.read_text().strip():
                end(int(path.read_text()))

    def call(self, *command: str) -> str:
        """A command's output; fails, with what it says, where it does."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def submit(self, *arguments: str, **variables: str) -> str:
        """The id of a batch job."""
        given = ",".join(["ALL", *(f"{name}={value}" for name, value in variables.items())])
        return self.call("sbatch", "--parsable", f"--export={given}", *arguments).strip()

    def job(self, job: str) -> Mapping[str, str]:
        """What the controller knows of a job: JobState, Restarts, …"""
        fields = self.call("scontrol", "-o", "show", "job", job).splitlines()[0].split()
        return dict(field.split("=", 1) for field in fields if "=" in field)

    def ended(self, job: str, seconds: float = 300) -> str:
        """Waits for a job's end and gives its state."""
        wait(lambda: self.job(job)["JobState"] in ENDED, seconds, lambda: f"{dict(self.job(job))}\n{self.log()}")
        return self.job(job)["JobState"]

    def _states(self) -> list[str]:
        return self.call("sinfo", "-h", "-N", "-p", "main", "-o", "%t").split()

    def log(self) -> str:
        """The last lines of the daemons' logs."""
        logs = sorted((self.folder / "log").glob("*.log"))
        return "\n".join(f"{path.name}: " + "\n".join(path.read_text().splitlines()[-15:]) for path in logs)

    def _name_hosts(self) -> None:
        """The first node's name is where the processes of a job meet."""
        for node in self.nodes:
            try:
                socket.gethostbyname(node)
            except OSError:
                with Path("/etc/hosts").open("a") as hosts:
                    hosts.write(f"127.0.0.1 {node}\n")

    def _configure(self) -> None:
        host, ports = socket.gethostname().split(".")[0], free_ports(1 + len(self.nodes))
        lines = [f"SlurmctldHost={host}(127.0.0.1)", f"SlurmctldPort={ports[0]}", *SETTINGS]
        lines += [line.format(folder=self.folder) for line in PLACES]
        devices = [self.folder / f"gpu{number}" for number in range(self.gpus)]
        for device in devices:
            os.mknod(device, 0o20666, os.makedev(1, 3))
        for node, port in zip(self.nodes, ports[1:], strict=True):
            about = f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={port}"
            lines.append(f"{about} CPUs={self.cpus} RealMemory=4000 Gres=gpu:fake:{self.gpus} Features=fast")
        lines.append("PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP")
        lines.append("PartitionName=short Nodes=ALL MaxTime=INFINITE State=UP")
        gres = [f"NodeName={node} Name=gpu Type=fake File={device}" for node in self.nodes for device in devices]
        (self.folder / "gres.conf").write_text("\n".join(gres) + "\n")
        (self.folder / "slurm.conf").write_text("\n".join(lines) + "\n")


SETTINGS = """
ClusterName=tests
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
CredType=cred/munge
GresTypes=gpu
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerType=sched/builtin
SchedulerParameters=sched_interval=1,batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
SwitchType=switch/none
ReturnToService=2
JobRequeue=1
KillWait=5
MinJobAge=3600
SlurmctldTimeout=120
SlurmdTimeout=300
""".strip().splitlines()

PLACES = """
AuthInfo=socket={folder}/munge.sock,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/log/slurmctld.log
SlurmdLogFile={folder}/log/slurmd-%n.log
""".strip().splitlines()


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on."""
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def end(pid: int) -> None:
    """Ends a daemon, gently first."""
    for how in (signal.SIGTERM, signal.SIGKILL):
        for _ in range(50):
            try:
                os.kill(pid, how)
            except ProcessLookupError:
                return
            time.sleep(0.1)
