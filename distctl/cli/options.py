"""The options that many commands share, said once."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Optional

import typer


class Format(str, Enum):
    """How results are written to stdout."""

    TABLE = "table"
    WIDE = "wide"
    JSON = "json"


InventoryFile = Annotated[
    Optional[Path],  # noqa: UP045 - typer evaluates it on Python 3.10
    typer.Option(
        "-i",
        "--inventory",
        envvar="DISTCTL_INVENTORY",
        help="The cluster's file. Absent: ./cluster.yaml, else the only file in ./inventory.",
        show_default=False,
    ),
]
Output = Annotated[Format, typer.Option("-o", "--output", help="How results are written to stdout.")]
Yes = Annotated[bool, typer.Option("-y", "--yes", envvar="DISTCTL_YES", help="Do not ask.")]
Force = Annotated[bool, typer.Option("--force", help="Do it although it breaks a promise to clients.")]
Limit = Annotated[
    str, typer.Option("--limit", help="Only these nodes: names, globs, ranges, separated by commas.")
]
LeaseWait = Annotated[
    str, typer.Option("--lease-wait", help="How long to wait for the lease, such as 15m; 0 is not at all.")
]
Why = Annotated[str, typer.Option("-m", "--message", help="Why, for the record and for colleagues.")]
Timeout = Annotated[
    Optional[str],  # noqa: UP045
    typer.Option(
        "--timeout", help="Deadline of a drain, such as 5m; absent: the inventory's.", show_default=False
    ),
]
KeyFile = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--key-file", help="A file with an API key; absent: the variable DISTCTL_KEY."),
]
OwnCertificate = Annotated[
    Optional[Path],  # noqa: UP045
    typer.Option("--certificate", help="Your certificate and its private key, in one PEM file."),
]
