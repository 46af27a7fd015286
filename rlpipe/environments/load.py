"""Environments by the name of their file."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from rlpipe.environments.catalogue import environments
from rlpipe.environments.settings import EnvironmentSettings
from rlpipe.types import Environment


def load_environment(name: str) -> Environment:
    """What `rlpipe/environments/<name>.py` makes by its function of that name.

    Raises: ValueError for a name that no file has.
    """
    if name not in environments():
        raise ValueError(f"environment.name = {name}: no such environment; there are {', '.join(environments())}")
    found: Environment = getattr(import_module(f"rlpipe.environments.{name}"), name)()
    return found


def environment_of(section: Mapping[str, Any] | None) -> dict[str, Any]:
    """The fields of a Plan that the section `environment` of params.yaml decides; none without the section."""
    if section is None:
        return {}
    settings = EnvironmentSettings.model_validate(section)
    return {"environment": load_environment(settings.name), "max_turns": settings.max_turns}
