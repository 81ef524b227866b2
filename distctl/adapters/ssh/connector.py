"""One node over ssh: scripts, copies and streams over the one connection that all of a run share."""

from __future__ import annotations

import contextlib
import secrets
import shlex
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import cast

import paramiko

from distctl.adapters.copying import become_refused, copy_failed, placing
from distctl.adapters.shell import Dialogue, ending
from distctl.adapters.ssh.auth import Secret
from distctl.adapters.ssh.channels import REFUSED, open_tcp, open_unix, pump
from distctl.adapters.ssh.copier import (
    STAGING,
    Copy,
    CopyError,
    copy_all,
    home,
    make_private,
    staged,
    total_of,
)
from distctl.adapters.ssh.forward import Forward
from distctl.adapters.ssh.links import Links, in_words
from distctl.adapters.ssh.packets import within
from distctl.adapters.ssh.route import Route
from distctl.adapters.ssh.sftp import Session
from distctl.adapters.ssh.terminal import join
from distctl.cluster.spec import Endpoint, Node
from distctl.errors import CommandFailed, DeadlineExceeded, NodeError, NothingListens, Unreachable
from distctl.ports import Progress, Result, Upload

_ENDING = 1.5  # seconds for killing what ran past its deadline


class SshConnector:
    """Fulfils `ports.Connector` for one node. Opens nothing until the first call; safe for many threads."""

    def __init__(self, node: Node, route: Route, links: Links, secret: Secret) -> None:
        self._node, self._route, self._links, self._secret = node, route, links, secret
        self._forwards: dict[Endpoint, Forward] = {}

    def run(self, script: str, *, tried: str, deadline: float) -> Result:
        """Run a script; see `ports.Connector`. At the deadline its whole process group is killed."""
        until = time.monotonic() + deadline
        dialogue = self._dialogue(script)
        with self._lost_is_unreachable(tried, deadline, until), self._session(until) as channel:
            # The outer shell turns a death by signal into a status, which paramiko would not tell.
            channel.exec_command(f"sh -c {shlex.quote(dialogue.command + '; exit $?')}")
            ended = pump(channel, dialogue, until)
            status = channel.exit_status
        if not ended and not dialogue.refused:
            self._end(dialogue.token)
        return self._result(dialogue, tried, deadline, ended=ended, status=status)

    def put(self, uploads: Sequence[Upload], *, deadline: float, progress: Progress | None = None) -> None:
        """Copy files; see `ports.Connector`. With `become` they pass through the login user's home."""
        until = time.monotonic() + deadline
        tried = f"copying {uploads[0].target}" if len(uploads) == 1 else f"copying {len(uploads)} files"
        try:
            total = total_of(uploads)
            with self._lost_is_unreachable(tried, deadline, until), self._session(until) as channel:
                copies = self._copy(Session(channel, until), uploads, total, progress)
        except CopyError as error:
            raise copy_failed(self._node.name, error.target, error.cause) from error
        if self._node.ssh.become is not None:
            self._place(copies, max(until - time.monotonic(), 1.0))

    def dial(self, target: Endpoint | str, *, timeout: float) -> socket.socket:
        """A stream through the connection; see `ports.Connector`."""
        tried = f"connecting to {target}"
        transport = self._transport()
        try:
            if isinstance(target, Endpoint):
                channel = open_tcp(transport, target.host, target.port, timeout=timeout)
            else:
                channel = open_unix(transport, target, timeout=timeout)
        except paramiko.ChannelException as error:
            raise self._refused_stream(target, tried, error) from error
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise Unreachable(self._node.name, tried, in_words(error)) from error
        channel.settimeout(timeout)
        return cast(socket.socket, channel)

    def forward(self, target: Endpoint) -> Endpoint:
        """A loopback endpoint that leads to `target` as the node sees it, until `close`."""
        if target not in self._forwards:
            self._forwards[target] = Forward(lambda timeout: self.dial(target, timeout=timeout))
        return self._forwards[target].endpoint

    def shell(self) -> int:
        """A login shell on the node, joined to this terminal until it ends; its exit status.

        Raises Unreachable when there is no connection, or when it is lost.
        """
        tried = "opening a shell"
        try:
            channel = self._transport().open_session(timeout=self._node.timeouts.connect)
            with contextlib.closing(channel):
                return join(channel)
        except (OSError, EOFError, paramiko.SSHException) as error:
            raise self._lost(tried) from error

    def close(self) -> None:
        """End the forwards; the connection belongs to `Connections`, which closes it."""
        for forward in self._forwards.values():
            forward.close()
        self._forwards.clear()

    def _transport(self) -> paramiko.Transport:
        return self._links.transport(self._route, self._node.name, timeout=self._node.timeouts.connect)

    def _dialogue(self, script: str) -> Dialogue:
        become, token = self._node.ssh.become, secrets.token_hex(12)
        if become is None:
            return Dialogue(script, token)
        password = self._secret(become.password) if become.password else None
        return Dialogue(script, token, become=True, password=password)

    @contextmanager
    def _session(self, until: float) -> Iterator[paramiko.Channel]:
        transport = self._transport()
        with within(until):
            channel = transport.open_session(timeout=max(until - time.monotonic(), 0.1))
            try:
                channel.settimeout(max(until - time.monotonic(), 0.1))
                yield channel
            finally:
                with contextlib.suppress(EOFError):
                    channel.close()

    @contextmanager
    def _lost_is_unreachable(self, tried: str, deadline: float, until: float) -> Iterator[None]:
        try:
            yield
        except (OSError, EOFError, paramiko.SSHException) as error:
            if time.monotonic() >= until:
                raise DeadlineExceeded(self._node.name, tried, deadline) from error
            raise self._lost(tried) from error

    def _copy(
        self, session: Session, uploads: Sequence[Upload], total: int, progress: Progress | None
    ) -> list[Copy]:
        session.start()
        copies = [Copy(upload, upload.target) for upload in uploads]
        if self._node.ssh.become is not None:
            folder = home(session)
            make_private(session, f"{folder}/{STAGING}")
            copies = staged(uploads, folder)
        done = 0

        def count(size: int) -> None:
            nonlocal done
            done += size
            if progress:
                progress(done, total)

        copy_all(session, copies, count)
        return copies

    def _place(self, copies: Sequence[Copy], deadline: float) -> None:
        tried = "moving copies to their places"
        result = self.run(
            placing([(copy.path, copy.upload) for copy in copies]), tried=tried, deadline=deadline
        )
        if result.status:
            output = result.stderr.splitlines()[-20:]
            raise CommandFailed(self._node.name, tried, result.status, output=output)

    def _end(self, token: str) -> None:
        """Kill what ran past its deadline, if that works at once."""
        dialogue, until = self._dialogue(ending(token)), time.monotonic() + _ENDING
        gone = contextlib.suppress(OSError, EOFError, paramiko.SSHException, NodeError)
        with gone, self._session(until) as channel:
            channel.exec_command(dialogue.command)
            pump(channel, dialogue, until)

    def _lost(self, tried: str, output: Sequence[str] = ()) -> Unreachable:
        return Unreachable(
            self._node.name,
            tried,
            f"the connection to {self._route} was lost; the step may still be running there",
            output=output,
            hint="run the same command again: it goes on from what it finds",
        )

    def _result(self, dialogue: Dialogue, tried: str, deadline: float, *, ended: bool, status: int) -> Result:
        output = dialogue.err.lines() or dialogue.out.lines()
        if dialogue.refused or (ended and status >= 0 and not dialogue.started):
            raise become_refused(self._node.name, tried, dialogue)
        if not ended:
            raise DeadlineExceeded(self._node.name, tried, deadline, output=output)
        if status < 0:
            raise self._lost(tried, output)
        return Result(status, dialogue.out.text(), dialogue.err.text())

    def _refused_stream(
        self, target: Endpoint | str, tried: str, error: paramiko.ChannelException
    ) -> NodeError:
        if error.code == 1:  # SSH_OPEN_ADMINISTRATIVELY_PROHIBITED
            hint = (
                f"allow AllowTcpForwarding and AllowStreamLocalForwarding in sshd_config of {self._node.name}"
            )
            return NodeError(self._node.name, tried, "its sshd forbids forwarding", hint=hint)
        if isinstance(target, Endpoint) and error.text != REFUSED:
            return NodeError(self._node.name, tried, error.text or "no way there")
        if isinstance(target, str) and self._may_not_use(target):
            hint = f"see who owns it: ls -l {target}"
            return NodeError(self._node.name, tried, "the login user may not use that socket", hint=hint)
        return NothingListens(self._node.name, tried, "nothing listens there")

    def _may_not_use(self, path: str) -> bool:
        """Whether a socket is there and closed to the login user, which sshd tells like an absent one.

        A router whose socket we may not open must not be taken for one that is not running.
        """
        dialogue = Dialogue(
            f"[ -S {shlex.quote(path)} ] && [ ! -w {shlex.quote(path)} ]", secrets.token_hex(12)
        )
        until = time.monotonic() + self._node.timeouts.connect
        lost = self._lost_is_unreachable(f"looking at {path}", self._node.timeouts.connect, until)
        with lost, self._session(until) as channel:
            channel.exec_command(dialogue.command)
            return pump(channel, dialogue, until) and channel.exit_status == 0
