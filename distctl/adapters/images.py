"""What the images of an inventory mean in one session: asked once, the same for the plan and the nodes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping

from distctl.adapters.registry import digest_of
from distctl.cluster.image import Image, Pinned, parse_image
from distctl.cluster.spec import Container, Login, SecretRef
from distctl.commands.images import Access
from distctl.policy.images import Answer, pin

Ask = Callable[[Image, Login | None], Answer]


class Images:
    """The pins of a session. `secret` reads the password of a registry that asks for one."""

    def __init__(self, secret: Callable[[SecretRef], str] = lambda _: "", *, ask: Ask | None = None) -> None:
        self._secret, self._ask = secret, ask or self._by_http
        self._pins: dict[str, Pinned] = {}
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()

    def pinned(self, name: str) -> Pinned:
        """What an image means; without a digest before `settle` or a node has told one."""
        with self._lock:
            return self._pins.get(name) or Pinned(parse_image(name))

    def settle(
        self,
        wanted: Mapping[str, Login | None],
        known: Iterable[str],
        seen: Iterable[Mapping[str, str]],
        *,
        fresh: bool,
    ) -> None:
        """Find out what images mean. `fresh`: what the registry says now; else only where nobody else knows.

        `known` and `seen` are what the record and the nodes say (see `policy.images.pin`).
        """
        said, there = tuple(known), tuple(seen)
        for name, login in wanted.items():
            image = parse_image(name)
            found = pin(image, self._answer(image, login) if fresh else None, said, there)
            if not found.digest and not fresh:
                found = pin(image, self._answer(image, login), said, there)
            with self._lock:
                self._pins[name] = found

    def learn(self, name: str, digest: str) -> None:
        """Take what a node that pulled an image says, if nobody knew it before."""
        with self._lock:
            known = self._pins.get(name) or Pinned(parse_image(name))
            if not known.digest:
                self._pins[name] = Pinned(known.image, digest, "node")

    def access(self, container: Container) -> Access | None:
        """What the registry of a container's image is to be told at a pull; None where no login is named."""
        if container.login is None:
            return None
        registry = parse_image(container.image).registry
        return Access(registry, container.login.user, self._secret(container.login.password))

    def _answer(self, image: Image, login: Login | None) -> Answer | None:
        if image.local or image.digest:
            return None
        if str(image) not in self._answers:
            self._answers[str(image)] = self._ask(image, login)
        return self._answers[str(image)]

    def _by_http(self, image: Image, login: Login | None) -> Answer:
        if login is None:
            return digest_of(image)
        return digest_of(image, lambda: (login.user, self._secret(login.password)))
