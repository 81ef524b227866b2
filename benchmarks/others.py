"""Other tools at work on the suite's test hosts: OpenSSH by hand, Ansible; and distctl beside them."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.work import CHECKOUT, MODELS, Work, distctl, environment, run, say
from distctl.adapters.artifacts import Artifacts, default_cache

sys.path.insert(0, str(CHECKOUT / "tests"))
if TYPE_CHECKING:
    from hosts import Hosts

HERE = Path(__file__).parent / "provision"
LIMIT = 900  # seconds that one provisioning may take
ANSIBLE = "ansible-core==2.19.14"


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody with test hosts and every tool's files for them."""

    hosts: Hosts
    folder: Path
    python: str

    @property
    def addresses(self) -> list[str]:
        """The hosts' addresses."""
        return [host.address for host in self.hosts]

    @property
    def environment(self) -> dict[str, str]:
        """Their home has the key; what was downloaded stays where it is kept."""
        return environment(HOME=str(self.hosts.home), DISTCTL_CACHE=str(default_cache()))

    @property
    def ssh_config(self) -> Path:
        """A configuration for OpenSSH, which finds no home by HOME."""
        return self.hosts.config

    @property
    def inventory(self) -> Path:
        """distctl's file."""
        return self.folder / "cluster.yaml"

    def up(self) -> dict[str, list[dict[str, float]]]:
        """`distctl up`; the steps of each node."""
        said = run(
            [*distctl(), "up", "-y", "-o", "json", "-i", self.inventory], timeout=LIMIT, env=self.environment
        )
        return {node["node"]: node["steps"] for node in json.loads(said)["nodes"]}

    def by_hand(self, addresses: Sequence[str] = ()) -> None:
        """The script with OpenSSH, for all hosts or for some."""
        files = [self.folder / "runtime.tar.gz", MODELS / "floats", self.folder / "start.sh"]
        run(
            ["sh", HERE / "by_hand.sh", self.ssh_config, *files, *(addresses or self.addresses)],
            timeout=LIMIT,
        )

    def ansible(self, program: Path) -> str:
        """The playbook, with pipelining and eight forks."""
        extra = {
            "runtime": str(self.folder / "runtime.tar.gz"),
            "model": str(MODELS / "floats"),
            "start": str(self.folder / "start.sh"),
        }
        lines = [f"h{n} ansible_host={address} ansible_user=root" for n, address in enumerate(self.addresses)]
        listed = self.folder / "hosts.ini"
        python = f"ansible_python_interpreter={self.python}\n"
        listed.write_text("[all]\n" + "\n".join(lines) + f"\n[all:vars]\n{python}")
        settings = {
            "ANSIBLE_PIPELINING": "1",
            "ANSIBLE_FORKS": "8",
            "ANSIBLE_SSH_ARGS": f"-F {self.ssh_config} -C -o ControlMaster=auto -o ControlPersist=60s",
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_SSH_CONTROL_PATH_DIR": str(self.hosts.home / "cp"),
        }
        argv = [program, "-i", listed, HERE / "playbook.yml", "-e", json.dumps(extra)]
        return run(argv, timeout=LIMIT, env={**self.environment, **settings})


@contextmanager
def operator(work: Work, count: int, *, systemd: bool = False) -> Iterator[Operator]:
    """So many test hosts that have nothing yet, gone at the end with all that runs on them."""
    from hosts import Hosts

    say(f"{count} test hosts")
    with Hosts() as hosts:
        for number in range(count):
            hosts.add(f"n{number:02d}", size="640m", systemd=systemd)
        hosts.write_config(
            f"Host *\n  IdentityFile {hosts.key}\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {hosts.known_hosts}\n  LogLevel ERROR\n"
        )
        folder = work.folder / f"operator-{os.urandom(3).hex()}"
        folder.mkdir()
        found = Operator(hosts, folder, _python())
        _prepare(found)
        yield found
        shutil.rmtree(folder, ignore_errors=True)


def _python() -> str:
    """The interpreter of the hosts, which share this machine's files, for Triton and for Ansible."""
    for version in ("3.11", "3.12", "3.10"):
        if Path(f"/usr/bin/python{version}").exists():
            return f"/usr/bin/python{version}"
    raise RuntimeError("no /usr/bin/python3.10 to 3.12 is here for the test hosts")


def _prepare(found: Operator) -> None:
    version = found.python.rpartition("python")[2]
    archive = Artifacts.from_environment().runtime(version)
    (found.folder / "runtime.tar.gz").symlink_to(archive.path)
    library = next(Path("/usr/lib").glob(f"*/libpython{version}.so.1.0")).parent
    text = (HERE / "start.sh").read_text().replace("@PYTHON@", found.python)
    (found.folder / "start.sh").write_text(text.replace("@LIBRARY@", str(library)))
    lines = ["version: 1", "cluster: bench", "servers: {ports: 9000}", "ssh: {user: root}", "nodes:"]
    lines += [f"  {host.name}: {{address: {host.address}}}" for host in found.hosts]
    count = len(found.addresses)
    lines += ["models:", f"  floats: {{source: {MODELS / 'floats'}, replicas: {count}}}"]
    found.inventory.write_text("\n".join(lines) + "\n")


def ansible_playbook(work: Work) -> Path:
    """ansible-playbook from an environment of its own, made once and kept in the cache."""
    folder = work.cache / ANSIBLE.replace("==", "-")
    program = folder / "bin" / "ansible-playbook"
    if not program.exists():
        say(f"installing {ANSIBLE}")
        run([sys.executable, "-m", "venv", folder], timeout=120)
        run([folder / "bin" / "pip", "install", "-q", "--disable-pip-version-check", ANSIBLE], timeout=300)
    return program


def unavailable(needed: Sequence[str] = ("ssh", "scp", "curl")) -> str:
    """Why this cannot be measured here; "" when it can."""
    from hosts import missing

    lacking = [tool for tool in needed if not shutil.which(tool)]
    return missing() or (f"needs {', '.join(lacking)}" if lacking else "")
