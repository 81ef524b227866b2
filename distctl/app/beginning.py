"""A first inventory, with the sample model beside it, from nothing but node names."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from distctl.data import data_folder
from distctl.errors import InputError

TEMPLATE = """\
# One file is one cluster. Every key, with its meaning: `distctl inventory --schema`.
version: 1
cluster: {cluster}

nodes:
{nodes}

models:
  digits:
    source: model_repo/digits   # a folder beside this file: pushed to the nodes
    replicas: {replicas}

routers:
  main:
    on: [{router}]
"""


def first_inventory(file: Path, cluster: str, nodes: Sequence[str]) -> None:
    """Write an inventory of `nodes`, or of two nodes on this machine, and copy the sample model beside it.

    Raises InputError when the file is there already.
    """
    if file.exists():
        raise InputError(f"{file} is there already", hint="name another with --file")
    lines = [f"  {name}: {{}}" for name in nodes] or [
        "  n1: {connection: local, servers: {ports: 9000}}",
        "  n2: {connection: local, servers: {ports: 9100}}",
    ]
    text = TEMPLATE.format(
        cluster=cluster,
        nodes="\n".join(lines),
        replicas=max(1, len(lines)),
        router=nodes[0] if nodes else "local",
    )
    source = data_folder("model_repo") / "digits"
    target = file.parent / "model_repo" / "digits"
    if not target.exists():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    file.write_text(text, encoding="utf-8")
