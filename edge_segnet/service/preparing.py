"""Loads models on a thread of its own: at start and at a reload, while the old one still works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from edge_segnet.core.errors import SettingsError
from edge_segnet.core.types import View
from edge_segnet.scene import interpreter as refine
from edge_segnet.service import model as models
from edge_segnet.service.model import Loaded
from edge_segnet.settings.schema import Config

logger = logging.getLogger(__name__)
MODEL_KEYS: Final = ("model", "backend", "fallback", "memory", "size", "colours", "threads")


@dataclass(frozen=True)
class Prepared:
    """Settings, and the model that they ask for."""

    config: Config
    loaded: Loaded

    @cached_property
    def view(self) -> View:
        """What their results are to be read with."""
        card, config = self.loaded.card, self.config
        return View(card.classes, card.fit, config.regions, config.rules)


class ModelLoader:
    """At most one preparation is under way; ``take`` gives its outcome once."""

    def __init__(self, wait: bool, stopping: Callable[[], bool], waiting: Callable[[str], None]) -> None:
        """``wait``: whether the first model's file may come later; ``waiting`` hears why it is waited for."""
        self._wait, self._stopping, self._waiting = wait, stopping, waiting
        self._pool = ThreadPoolExecutor(1, "prepare")
        self._future: Future[Prepared | None] | None = None
        self._said = ""

    @property
    def busy(self) -> bool:
        """Whether a preparation is under way, or its outcome not taken."""
        return self._future is not None

    def begin(self, config: Config, current: tuple[Config, Loaded] | None) -> None:
        """Prepare ``config``; ``current``: what is at work now."""
        self._future = self._pool.submit(self._prepare, config, current)

    def take(self) -> Prepared | None:
        """The outcome, if there is one.

        Raises:
            ModelError, SettingsError: the model can't be used.
        """
        if self._future is None or not self._future.done():
            return None
        done, self._future = self._future, None
        return done.result()

    def _prepare(self, config: Config, current: tuple[Config, Loaded] | None) -> Prepared | None:
        if current is None:
            if self._wait:
                models.wait_for(config.model, self._stopping, self._say)
            return None if self._stopping() else _loaded(config)
        old, loaded = current
        if _is_another(config, old, loaded):
            return _loaded(config)
        refine.check(config, models.network_of(loaded))
        return Prepared(config, loaded)

    def _say(self, why: str) -> None:
        self._waiting(why)
        if why != self._said:
            self._said = why
            logger.warning("waiting for the model: %s", why, extra={"event": "model-missing"})

    def close(self) -> None:
        """Don't wait for a load that is under way."""
        self._pool.shutdown(wait=False, cancel_futures=True)


def _loaded(config: Config) -> Prepared:
    """Raises SettingsError where the settings' regions and rules don't go with the model."""
    loaded = models.load(config)
    try:
        refine.check(config, models.network_of(loaded))
    except SettingsError:
        loaded.backend.close()
        raise
    return Prepared(config, loaded)


def _is_another(config: Config, old: Config, loaded: Loaded) -> bool:
    """Whether the settings ask for another model, or its file has changed."""
    if any(getattr(config, key) != getattr(old, key) for key in MODEL_KEYS):
        return True
    rates = [[camera.rate for camera in each.cameras.values()] for each in (config, old)]
    if config.size == "auto" and rates[0] != rates[1]:
        return True
    return models.fingerprint(config) != loaded.fingerprint
