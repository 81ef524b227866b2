"""From a name's meaning to its explanation."""

from __future__ import annotations

from distctl.policy.explain.model import model
from distctl.policy.explain.naming import Target
from distctl.policy.explain.node import node, server
from distctl.policy.explain.router import router
from distctl.policy.explain.told import Explanation, Told


def explain(target: Target, told: Told) -> Explanation:
    """What it is, why it is so, what happened last, what would change it. Pure."""
    if target.kind == "router":
        return router(target.router, told)
    return {"model": model, "node": node, "server": server}[target.kind](target.name, told)
