"""What paramiko's channels lack: unix sockets, words for a refusal, one wait for outputs, end and deadline.

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

    Raises paramiko.ChannelException with sshd's own words when it could not connect, TimeoutError,
    paramiko.SSHException.
    """
    fields = Message()
    fields.add_string(host)
    fields.add_int(port)
    fields.add_string("127.0.0.1")
    fields.add_int(0)
    return _open(transport, "direct-tcpip", fields, timeout)


def open_unix(transport: paramiko.Transport, path: str, *, timeout: float) -> Channel:
    """A stream to a unix socket on the node: `direct-streamlocal@openssh.com`, PROTOCOL section 2.4.

    The payload after the usual four fields is: string path, string reserved, uint32 reserved.
    Raises paramiko.ChannelException when sshd refuses, TimeoutError, paramiko.SSHException.
    """
    fields = Message()
    fields.add_string(path)
    fields.add_string("")
    fields.add_int(0)
    return _open(transport, "direct-streamlocal@openssh.com", fields, timeout)


def _open(transport: paramiko.Transport, kind: str, fields: Message, timeout: float) -> Channel:
    wire: Any = transport
    refusals = _refusals(transport)
    with transport.lock:
        number = wire._next_channel()
        message = Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string(kind)
        message.add_int(number)
        message.add_int(_STREAM_WINDOW)
        message.add_int(_PACKET)
        message.add_bytes(fields.asbytes())
        channel: Any = Channel(number)
        wire._channels.put(number, channel)
        transport.channel_events[number] = event = threading.Event()
        transport.channels_seen[number] = True
        channel._set_transport(transport)
        channel._set_window(_STREAM_WINDOW, _PACKET)
    wire._send_user_message(message)
    _wait_open(transport, event, timeout)
    opened: Channel | None = wire._channels.get(number)
    if opened is None:  # refused: paramiko forgot the channel
        raise refusals.pop(number, None) or paramiko.SSHException("the channel was refused")
    return opened


def _refusals(transport: paramiko.Transport) -> dict[int, paramiko.ChannelException]:
    """Refusals with sshd's words, by channel.

    paramiko keeps one for all channels, and says "Connect failed" of a refusal and of a missing route alike.
    """
    wire: Any = transport
    with transport.lock:
        handle = wire._handler_table[MSG_CHANNEL_OPEN_FAILURE]
        known: dict[int, paramiko.ChannelException] | None = getattr(handle, "refusals", None)
        if known is not None:
            return known
        found: dict[int, paramiko.ChannelException] = {}

        def keeping(message: Message) -> None:
            number, reason = message.get_int(), message.get_int()
            found[number] = paramiko.ChannelException(reason, message.get_text())
            message.rewind()
            handle(message)

        wrapper: Any = keeping
        wrapper.refusals = found
        wire._handler_table[MSG_CHANNEL_OPEN_FAILURE] = wrapper
        return found


def _wait_open(transport: paramiko.Transport, event: threading.Event, timeout: float) -> None:
    until = time.monotonic() + timeout
    while not event.wait(0.1):
        if not transport.is_active():
            raise EOFError
        if time.monotonic() >= until:
            raise TimeoutError(f"no answer within {timeout:g} s")


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
