"""One inventory, from its file to the spec, or one error that tells all that is wrong with it.

The stages, each only when the one before found nothing: YAML; words that are traps, empty keys, keys of later
versions and the schema, together; nodes; what sections say of each other. Nothing is contacted.
"""

from __future__ import annotations

import os.path
from collections.abc import Iterator
from pathlib import Path

from distctl.cluster.spec import RouterSpec, Spec
from distctl.config import build, checks, controlling, document, later, schema, specs
from distctl.config.document import Document
from distctl.config.healing import healing_spec
from distctl.config.inventory import Inventory
from distctl.config.models import InventorySection
from distctl.config.patterns import expand
from distctl.config.problems import Path as Place
from distctl.config.problems import Problem, error
from distctl.config.shared import address_problems, sharing_problems
from distctl.config.values import LOCAL, LONGEST_NAME, MODEL_NAME, is_node_name, name_hint
from distctl.errors import InputError

LONGEST_MODEL_NAME = 128


def load(path: Path) -> Inventory:
    """Read, check and resolve an inventory.

    Nothing is contacted and no other file is opened; only whether the folders of models exist is looked up.
    Raises InventoryError with file, line, path inside the document and a suggestion; several problems are
    told together.
    """
    read = document.read(path)
    model = _checked(read)
    base = Path(os.path.abspath(path)).parent  # noqa: PTH100 - a link's own folder, not its target's
    built = build.nodes(read.value, model, base, read.lines)
    _stop(read, built.problems)
    routers, problems = _routers(model, list(built.nodes), base)
    models = tuple(specs.model_spec(name, said, base) for name, said in model.models.items())
    store = specs.store_spec(model.store, model.cluster, base)
    problems += _named(model)
    problems += [problem for spec in models for problem in checks.model_problems(spec, built.nodes)]
    problems += checks.store_problems(store)
    problems += sharing_problems(routers, built.nodes)
    _stop(read, problems)
    listeners = checks.listeners(built.nodes, built.written, routers)
    _stop(read, [*checks.port_problems(listeners), *checks.reach_problems(built.nodes, routers)])
    healing = healing_spec(model.healing)
    spec = Spec(model.cluster, tuple(built.nodes.values()), models, routers, model.directory, healing)
    return Inventory(path, spec, store, built.origins, controlling.listen(model.controller))


def _stop(read: Document, problems: list[Problem]) -> None:
    if problems:
        raise error(read.file, problems, read.lines)


def _checked(read: Document) -> InventorySection:
    """The document in the schema's classes."""
    found = [*_traps(read), *_empty(read.value, ()), *later.problems(read.value)]
    model, wrong = schema.validate(read.value)
    told = {problem.path for problem in found}
    unknown = {problem.path for problem in wrong if problem.message == schema.UNKNOWN}
    found = [problem for problem in found if not any(_inside(problem.path, path) for path in unknown - told)]
    found += [problem for problem in wrong if not any(_inside(problem.path, path) for path in told)]
    if found or model is None:
        raise error(read.file, found, read.lines)
    return model


def _inside(path: Place, outer: Place) -> bool:
    return path[: len(outer)] == outer


def _traps(read: Document) -> Iterator[Problem]:
    """Words that YAML readers take differently, but for `on:` of routers and power, `replay: on`."""
    for path, (trap, word) in read.key_traps.items():
        placed = len(path) == 3 and path[0] == "routers" and path[2] == "on"  # noqa: PLR2004 - routers.NAME.on
        if not (placed or (path[-2:-1] == ("power",) and path[-1] in ("on", "off"))):
            yield Problem(path, f"the key `{word}`: {trap.reason}", trap.hint)
    for path, (trap, word) in read.traps.items():
        if not (len(path) == 3 and path[0] == "models" and path[2] == "replay"):  # noqa: PLR2004 - models.NAME.replay
            yield Problem(path, f"`{word}`: {trap.reason}", trap.hint)


def _empty(value: object, path: Place) -> Iterator[Problem]:
    """Keys without a value. A node or a group may be empty: everything about it comes from elsewhere."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _empty(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _empty(inner, (*path, index))
    elif value is None and not (len(path) == 2 and path[0] in ("nodes", "groups")):  # noqa: PLR2004
        hint = (
            "write `none` for a node without servers"
            if path[-1] == "servers"
            else "remove it, or give it a value"
        )
        yield Problem(path, "has no value", hint)


def _named(model: InventorySection) -> Iterator[Problem]:
    """Names that would be no safe part of a path or of HAProxy's configuration."""
    for name in model.models:
        if not MODEL_NAME.fullmatch(name) or len(name) > LONGEST_MODEL_NAME:
            hint = f"letters, digits, _, . and -, at most {LONGEST_MODEL_NAME}, not beginning with . or -"
            yield Problem(("models", name), f"`{name}` cannot be the name of a model", hint)
    for section, names in (("routers", model.routers), ("groups", model.groups)):
        for name in names:
            if not is_node_name(name) and (
                section == "routers" or not MODEL_NAME.fullmatch(name[:LONGEST_NAME])
            ):
                hint = name_hint(name)
                yield Problem((section, name), f"`{name}` cannot be the name of a {section[:-1]}", hint)


def _routers(
    model: InventorySection, nodes: list[str], base: Path
) -> tuple[tuple[RouterSpec, ...], list[Problem]]:
    routers: list[RouterSpec] = []
    problems: list[Problem] = []
    for name, said in model.routers.items():
        try:
            places = tuple(place for written in said.on for place in expand(written))
        except InputError as exc:
            problems.append(Problem(("routers", name, "on"), exc.message, exc.hint))
            continue
        problems += checks.place_problems(name, places, nodes, said.address)
        problems += address_problems(name, said.address, said.keepalived, places, LOCAL)
        routers.append(specs.router_spec(model.cluster, name, said, places, base))
    return tuple(routers), problems
