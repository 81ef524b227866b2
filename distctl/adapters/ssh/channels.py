"""What paramiko's channels lack: unix sockets, sshd's words for a refusal, and one wait for both outputs, the end and the deadline.

The message for the first is built from paramiko's own parts, because it has no public way to send it, and
its handler of refusals drops the words; only this file and the agent in `auth` reach into its private names.
"""

from __future__ import annotations

import selectors
import threading
import time
from typing import Any

import paramiko
from paramiko.channel import Channel
from paramiko.common import MSG_CHANNEL_OPEN_FAILURE, cMSG_CHANNEL_OPEN
from paramiko.message import Message

from distctl.adapters.shell import Dialogue

GRACE = 0.3  # seconds of silence after the shell's end before output that a daemon holds open is given up
_POLL = 0.05  # seconds; an exit status wakes no selector, so that it has to be looked for
_LONGEST_POLL = 0.5
_CHUNK = 256 * 1024
_PACKET = 32768  # bytes; OpenSSH's own
_STREAM_WINDOW = 2 * 1024 * 1024


REFUSED = "Connection refused"  # strerror(ECONNREFUSED), which sshd sends word for word, in no other language


def open_tcp(transport: paramiko.Transport, host: str, port: int, *, timeout: float) -> Channel:
    """A stream to a TCP endpoint as the node sees it: `direct-tcpip`, RFC 4254 section 7.2.

    Raises paramiko.ChannelException with sshd's own words when it could not connect (paramiko's own says
    "Connect failed" of a refusal and of a missing route alike), paramiko.SSHException.
    """
    _keep_words(transport)
    channel: Channel = transport.open_channel("direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=timeout)
    return channel


def _keep_words(transport: paramiko.Transport) -> None:
    handlers: Any = transport._handler_table  # type: ignore[attr-defined]  # made to be changed, says paramiko
    handle = handlers[MSG_CHANNEL_OPEN_FAILURE]
    if getattr(handle, "keeps_words", False):
        return

    def keeping(message: Message) -> None:
        number, reason = message.get_int(), message.get_int()
        words = message.get_text()
        message.rewind()
        with transport.lock:
            event = transport.channel_events.pop(number, None)
        handle(message)
        transport.saved_exception = paramiko.ChannelException(reason, words)
        if event is not None:
            wire: Any = transport
            wire._channels.delete(number)
            event.set()

    keeping.keeps_words = True  # type: ignore[attr-defined]
    handlers[MSG_CHANNEL_OPEN_FAILURE] = keeping


def open_unix(transport: paramiko.Transport, path: str, *, timeout: float) -> Channel:
    """A stream to a unix socket on the node: `direct-streamlocal@openssh.com`, PROTOCOL section 2.4.

    The payload after the usual four fields is: string path, string reserved, uint32 reserved.
    Raises paramiko.ChannelException when sshd refuses, TimeoutError, paramiko.SSHException.
    """
    wire: Any = transport
    with transport.lock:
        number = wire._next_channel()
        message = Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string("direct-streamlocal@openssh.com")
        message.add_int(number)
        message.add_int(_STREAM_WINDOW)
        message.add_int(_PACKET)
        message.add_string(path)
        message.add_string("")
        message.add_int(0)
        channel: Any = Channel(number)
        wire._channels.put(number, channel)
        transport.channel_events[number] = event = threading.Event()
        transport.channels_seen[number] = True
        channel._set_transport(transport)
        channel._set_window(_STREAM_WINDOW, _PACKET)
    wire._send_user_message(message)
    _wait_open(transport, event, timeout)
    opened: Channel | None = wire._channels.get(number)
    if opened is None:  # refused: paramiko forgot the channel and kept the reason
        raise transport.get_exception() or paramiko.SSHException("the channel was refused")
    return opened


def _wait_open(transport: paramiko.Transport, event: threading.Event, timeout: float) -> None:
    until = time.monotonic() + timeout
    while not event.wait(0.1):
        if not transport.is_active():
            raise EOFError
        if time.monotonic() >= until:
            raise TimeoutError("no answer to opening a channel")


def pump(channel: Channel, dialogue: Dialogue, until: float) -> bool:
    """Carry bytes both ways until the command ended; False when the deadline came first or sudo refused.

    Both outputs are read as they come, since a command that fills the one nobody reads would never end.
    Raises OSError and EOFError when the connection is lost.
    """
    quiet_since, pause = time.monotonic(), _POLL
    with selectors.DefaultSelector() as selector:
        selector.register(channel, selectors.EVENT_READ)
        _send(channel, dialogue.opening(), dialogue, until)
        while not dialogue.refused:
            now = time.monotonic()
            if now >= until:
                return False
            if _drain(channel, dialogue, until):
                quiet_since, pause = time.monotonic(), _POLL
            elif channel.exit_status_ready() and (channel.eof_received or now - quiet_since >= GRACE):
                return True
            elif channel.eof_received or channel.closed:
                channel.status_event.wait(
                    _POLL
                )  # the selector would spin: an ended stream is always readable
            else:
                selector.select(min(until - now, pause))
                pause = _POLL if channel.exit_status_ready() else min(pause * 1.5, _LONGEST_POLL)
    return False


def _drain(channel: Channel, dialogue: Dialogue, until: float) -> bool:
    moved = False
    if channel.recv_ready() and (chunk := channel.recv(_CHUNK)):
        moved = True
        _send(channel, dialogue.stdout(chunk), dialogue, until)
    if channel.recv_stderr_ready() and (chunk := channel.recv_stderr(_CHUNK)):
        moved = True
        _send(channel, dialogue.stderr(chunk), dialogue, until)
    return moved


def _send(channel: Channel, data: bytes, dialogue: Dialogue, until: float) -> None:
    if not data:
        return
    channel.settimeout(max(until - time.monotonic(), 0.01))
    channel.sendall(data)
    if dialogue.started:
        channel.shutdown_write()
