"""From what is wanted and what was seen to a plan: the one place where changes are decided.

The order of steps is the promise to clients: a router knows its pools before anything joins, a replica is
ready before it joins, replacements join before anything leaves, and nothing is stopped or unloaded before it
was drained. Where two servers would be taken out of use, one comes after the other.
"""

from __future__ import annotations

from collections.abc import Iterator

from distctl.cluster.record import Record
from distctl.cluster.router import RouterSight
from distctl.cluster.snapshot import Snapshot
from distctl.cluster.spec import RouterId
from distctl.policy.arrivals import arrive
from distctl.policy.departures import depart, leave_with_node, retire
from distctl.policy.lives import Life, gone
from distctl.policy.operations import DrainRouter, SetRouterUp, Sign, StopRouter
from distctl.policy.plan import Plan, Skip
from distctl.policy.pruning import prune_contents
from distctl.policy.restarts import restart
from distctl.policy.sharing import addressed, give_up, release, share
from distctl.policy.wish import Wish
from distctl.policy.work import Work


def diff(wish: Wish, record: Record, snapshot: Snapshot) -> Plan:
    """The plan that leads from what was seen to what is wanted; empty when that is the same."""
    work = Work(wish, record, snapshot)
    _routers(work)
    outdated = [server for node in wish.spec.nodes for server in arrive(work, node)]
    restart(work, outdated)
    for node in wish.spec.nodes:
        depart(work, node)
        retire(work, node)
    for node in wish.leaving:
        leave_with_node(work, node)
    for router in (*wish.spec.router_ids, *(wish.left if not wish.prune else ())):
        _settle(work, router)
    for node in wish.spec.nodes:
        prune_contents(work, node)
    for sentence in _notes(wish):
        work.draft.note(sentence)
    return work.draft.plan()


def _notes(wish: Wish) -> Iterator[str]:
    """What the reader should know of models, whatever is to be done."""
    for name, why in sorted(wish.unresolved.items()):
        yield f"{name}: its requirements are not resolved yet, which `up` does first: {why}"
    for shortage in wish.placement.shortages:
        yield f"{shortage.model}: {shortage.placed} of {shortage.wanted} replicas fit ({shortage.why})"
    for model in wish.spec.models:
        if model.replay == "auto" and model.name in wish.unread:
            why = f"its configuration could not be read ({wish.unread[model.name]})"
            yield f"{model.name}: replay stays off: {why}; write `replay: on` or `off` for it"


def _routers(work: Work) -> None:
    """Those that are to run first, so that others end when clients have somewhere to go."""
    ids = work.wish.spec.router_ids
    for router in ids:
        if work.wish.fate(router).life is Life.RUN:
            _router(work, router)
    for router in sorted(work.record.routers - set(ids)):
        _leftover_router(work, router)
    share(work)
    for router in ids:
        if work.wish.fate(router).life is not Life.RUN:
            _ending_router(work, router)


def _router(work: Work, router: RouterId) -> None:
    sight = work.snapshot.routers.get(router)
    if sight is not None and sight.error:
        work.draft.skipped.append(Skip(str(router), sight.error))
    elif sight is None or not sight.running:
        work.routers.add(work.draft.add(SetRouterUp(router), "it does not run"))
    else:
        _bring(work, router, sight)


def _ending_router(work: Work, router: RouterId) -> None:
    """Plan the end of a router that is not to run, once those are up that are; servers leave after it."""
    fate, sight = work.wish.fate(router), work.snapshot.routers.get(router)
    if gone(fate, work.record, router, sight):
        if fate.life is Life.STOP and sight is not None and not sight.error and router in work.record.routers:
            work.draft.add(StopRouter(router), fate.why)
    elif sight is None or sight.error:
        work.draft.skipped.append(Skip(str(router), sight.error if sight else "it was not looked at"))
    else:
        operation = StopRouter(router) if fate.life is Life.STOP else DrainRouter(router)
        step = work.draft.add(operation, fate.why, work.routers | addressed(work, router))
        work.closing.add(step)
        if fate.life is Life.STOP:
            release(work, router, fate.why, {step})


def _bring(work: Work, router: RouterId, sight: RouterSight) -> None:
    """Plan what makes a running router be as the record wants it, before anything is told step by step."""
    if sight.stopping:
        step = SetRouterUp(router, Sign.UPDATE)
        work.routers.add(work.draft.add(step, "it was ending, and is wanted again: one reload"))
    elif sight.outdated:
        step = SetRouterUp(router, Sign.UPDATE)
        work.routers.add(work.draft.add(step, f"{sight.outdated}: one reload"))
    elif sight.structure != work.wish.structures.get(router, sight.structure):
        step = SetRouterUp(router, Sign.UPDATE)
        work.routers.add(work.draft.add(step, "its pools, servers or settings changed: one reload"))
    elif stray := _stray(work, router):
        work.routers.add(work.draft.add(SetRouterUp(router, Sign.UPDATE), stray))
    elif sight.config != work.wish.configs.get(router, sight.config):
        step = SetRouterUp(router, Sign.UPDATE)
        work.routers.add(work.draft.add(step, "its keys, certificate or limits changed: without a reload"))


def _stray(work: Work, router: RouterId) -> str:
    """Why the states of a router's slots must be set again, "" when they are what the record wants."""
    for model, server, seen in work.snapshot.routers[router].slots:
        wanted = work.slot((server, model))
        if seen.state is not wanted:
            return f"slot {server.slot} of {model} is {seen.state.value}, not {wanted.value}"
    return ""


def _leftover_router(work: Work, router: RouterId) -> None:
    sight = work.snapshot.routers.get(router)
    answers = sight is not None and not sight.error
    if not work.wish.prune and answers and router in work.wish.left:
        work.draft.note(
            f"router {router} left the file: it runs on, told of every change, until `up --prune`"
        )
        if sight is not None and sight.running:
            _bring(work, router, sight)
    elif not work.wish.prune:
        work.draft.note(f"router {router} left the file: it runs on as it is until `up --prune`")
    elif sight is not None and sight.error:
        work.draft.skipped.append(Skip(str(router), sight.error))
    else:
        needs = give_up(work, router, "it left the file: another place takes the address first")
        stop = work.draft.add(StopRouter(router), "it left the file", needs)
        release(work, router, "it left the file", {stop})
        work.closing.add(stop)


def _settle(work: Work, router: RouterId) -> None:
    """Take the servers that left out of a router's pools, once all of them have left."""
    sight = work.snapshot.routers.get(router)
    meanwhile = work.wish.structures.get(router)
    if not work.departed or sight is None or sight.error or work.wish.fate(router).life is not Life.RUN:
        return
    if work.wish.settled.get(router, meanwhile) != meanwhile:
        step = SetRouterUp(router, Sign.UPDATE)
        work.draft.add(step, "servers left its pools for good: one reload", work.departed)
