"""What a controller tells over HTTP: metrics, service discovery and one page, from what it saw last."""

from distctl.adapters.telling.desk import Desk
from distctl.adapters.telling.token import token_of

__all__ = ["Desk", "token_of"]
