"""A real PostgreSQL server for tests: one for a test process, in a folder and of an account without rights.

It answers on a unix socket, where everybody is trusted, and on a port of this machine's loopback, where a
password is asked for. Each test takes a database of its own, which costs less than 0.1 s.

    with Postgres() as server:
        url = server.database()  # through the socket
        url, password = server.database(by="loopback"), PASSWORD
        server.restart("immediate")  # as after a crash
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg
from certificates import Made
from sqlalchemy.engine import make_url

USER, PASSWORD = "distctl", "pa55 w0rd/%@:"
FIRST_PORT = 15500
HBA = "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"
# Nothing has to outlive this machine; a server that crashes loses nothing all the same.
SETTINGS = {"fsync": "off", "shared_buffers": "16MB", "max_connections": "40", "lc_messages": "C"}
# What a server of a team's is not given: workers and vacuum cost this machine time.
QUIET = {"autovacuum": "off", "max_wal_senders": "0", "wal_level": "minimal", "min_wal_size": "32MB"}


def program(name: str) -> str:
    """The path of one of the server's programs; "" when it is not installed."""
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return shutil.which(name) or (str(versions[-1]) if versions else "")


def missing() -> str:
    """Why no server can be had here; empty when one can."""
    return "" if program("initdb") else "a PostgreSQL server is needed (apt-get install postgresql)"


def account() -> dict[str, Any]:
    """Keywords for subprocess: who runs the server, since it refuses to run as root."""
    if os.geteuid() != 0:
        return {}
    names = {entry.pw_name for entry in pwd.getpwall()}
    entry = pwd.getpwnam("postgres" if "postgres" in names else "nobody")
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def free_port() -> int:
    """A port of the loopback below those that the kernel gives to others, apart for each worker of xdist."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    for port in range(FIRST_PORT + 40 * worker, FIRST_PORT + 40 * worker + 40):
        with socket.socket() as tried, contextlib.suppress(OSError):
            tried.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free for PostgreSQL")


class Postgres:
    """A server that runs from `with` to its end; `address` is one more of this machine's where it listens."""

    def __init__(self, address: str = "") -> None:
        self._address = address
        self.folder = Path(tempfile.mkdtemp(prefix="distctl-pg-", dir="/tmp"))  # a socket's path is short
        self.data, self.port = self.folder / "data", free_port()
        self._account, self._made = account(), 0

    def __enter__(self) -> Postgres:
        if self._account:
            os.chown(self.folder, self._account["user"], self._account["group"])
        self._do(
            "initdb", "-D", str(self.data), "-U", "boss", "-A", "trust", "-E", "UTF8", "-N", "--locale=C"
        )
        near = f"host all all {self._address}/24 scram-sha-256\n" if self._address else ""
        (self.data / "pg_hba.conf").write_text(HBA + near)
        addresses = f"127.0.0.1,{self._address}".rstrip(",")
        own = {"port": self.port, "listen_addresses": addresses, "unix_socket_directories": self.folder}
        lines = [f"{name} = '{value}'" for name, value in {**SETTINGS, **QUIET, **own}.items()]
        (self.data / "postgresql.conf").write_text("\n".join(lines) + "\n")
        self.start()
        self.sql(f"CREATE ROLE {USER} LOGIN PASSWORD '{PASSWORD}'")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(subprocess.CalledProcessError):  # a test may have left it stopped
            self.stop("immediate")
        shutil.rmtree(self.folder)

    def _do(self, name: str, *words: str) -> None:
        subprocess.run(
            [program(name), *words],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL if name == "pg_ctl" else None,
            timeout=60,
            check=True,
            cwd="/",
            **self._account,
        )

    def start(self) -> None:
        """Start it and wait until it answers."""
        self._do("pg_ctl", "-D", str(self.data), "-l", str(self.folder / "log"), "-w", "start")

    def stop(self, how: str = "fast") -> None:
        """Stop it: `fast` ends its connections, `immediate` is a crash."""
        self._do("pg_ctl", "-D", str(self.data), "-m", how, "-w", "stop")

    def kill(self) -> None:
        """Kill all its processes at once, as when the machine ran out of memory."""
        first = int((self.data / "postmaster.pid").read_text().split()[0])
        found = subprocess.run(["pgrep", "-P", str(first)], capture_output=True, text=True, check=True)
        for process in (first, *map(int, found.stdout.split())):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while Path(f"/proc/{first}").exists():
            assert time.monotonic() < deadline, "the server did not end"
            time.sleep(0.02)

    def restart(self, how: str = "fast") -> None:
        """Stop it and start it again."""
        self.stop(how)
        self.start()

    def sql(self, statement: str, *, database: str = "postgres") -> Sequence[tuple[Any, ...]]:
        """What a statement of the server's own superuser gives."""
        where = f"host={self.folder} port={self.port} user=boss dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else ()

    def as_store(self, folder: Path) -> dict[str, Any]:
        """What an inventory says of a database of its own here; the password is in a file of `folder`."""
        secret = folder / "password"
        secret.touch(0o600)
        secret.write_text(PASSWORD)
        return {"url": self.database(by="loopback"), "password": {"file": str(secret)}}

    def database(self, *, by: str = "socket", more: str = "") -> str:
        """The URL of a new and empty database; `by` is as in `url`, `more` is for its making."""
        self._made += 1
        name = f"record{self._made}"
        self.sql(f"CREATE DATABASE {name} OWNER {USER} STRATEGY file_copy {more}")
        return self.url(name, by=by)

    def encrypt(self, identity: Made | None) -> None:
        """Offer TLS by a certificate; None: no more."""
        for name, text in (("server.crt", identity.pem), ("server.key", identity.key)) if identity else ():
            file = self.data / name
            file.touch(0o600)
            file.write_text(text)
            if self._account:
                os.chown(file, self._account["user"], self._account["group"])
        self.sql(f"ALTER SYSTEM SET ssl = {'on' if identity else 'off'}")
        self.sql("SELECT pg_reload_conf()")
        deadline = time.monotonic() + 10
        while self.sql("SHOW ssl") != [("on" if identity else "off",)]:
            assert time.monotonic() < deadline, "the server did not take its new settings"
            time.sleep(0.02)

    def place(self, folder: Path) -> str:
        """A tablespace in a folder that becomes the server's; it must be possible to enter those above."""
        if self._account:
            os.chown(folder, self._account["user"], self._account["group"])
        folder.chmod(0o700)
        self._made += 1
        name = f"place{self._made}"
        self.sql(f"CREATE TABLESPACE {name} OWNER {USER} LOCATION '{folder}'")
        return name

    def drop_place(self, place: str) -> None:
        """Drop a tablespace and the databases in it."""
        query = "SELECT datname FROM pg_database d JOIN pg_tablespace t ON t.oid = d.dattablespace"
        for (name,) in self.sql(f"{query} WHERE spcname = '{place}'"):
            self.sql(f"DROP DATABASE {name} WITH (FORCE)")
        self.sql(f"DROP TABLESPACE {place}")

    def url(self, name: str, *, by: str = "socket") -> str:
        """The URL of a database of that name; `by` is socket, loopback, or the other address."""
        if by != "socket":
            host = "127.0.0.1" if by == "loopback" else by
            return f"postgresql://{USER}@{host}:{self.port}/{name}"
        return f"postgresql://{USER}@/{name}?host={self.folder}&port={self.port}"


def name_in(url: str) -> str:
    """The database's name in such a URL."""
    return str(make_url(url).database)


@contextlib.contextmanager
def served(address: str = "") -> Iterator[Postgres]:
    """A running server; the test is skipped aloud where none can be had, and fails under CI."""
    from hosts import demand

    demand(missing())
    with Postgres(address) as server:
        yield server
