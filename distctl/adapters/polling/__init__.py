"""Many servers and routers watched at once, over HTTP and sockets: one event loop in one thread.

`http` is one bounded question, `server` what is made of a server's answers, `prober` made-up requests that
find out who is ready and wrong, `poller` who asks whom when, and `once` one look without a history. What is
asked how often stands in `policy.asking` and `policy.probing`.
"""

from distctl.adapters.polling.once import observe_servers
from distctl.adapters.polling.poller import Poller
from distctl.adapters.polling.server import Target

__all__ = ["Poller", "Target", "observe_servers"]
