"""The one place that talks to a running HAProxy."""

from distctl.adapters.haproxy.executable import bundled_executable
from distctl.adapters.haproxy.router import HaproxyRouter

__all__ = ["HaproxyRouter", "bundled_executable"]
