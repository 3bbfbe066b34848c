"""Finds the families: every module of this package that defines PERSONA."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType

import simulators.personas as package
from simulators.personas.base import Persona


@cache
def all_personas() -> Mapping[str, Persona]:
    """Family name to persona, sorted by name."""
    found: dict[str, Persona] = {}
    for module_info in pkgutil.iter_modules(package.__path__):
        module = importlib.import_module(f"{package.__name__}.{module_info.name}")
        persona: Persona | None = getattr(module, "PERSONA", None)
        if persona is not None:
            found[persona.family] = persona
    return MappingProxyType(dict(sorted(found.items())))


def persona_for(family: str) -> Persona:
    """The persona of a family. Raises ValueError with the known names for any other."""
    personas = all_personas()
    if family not in personas:
        raise ValueError(f"unknown family {family!r}; known: {', '.join(personas)}")
    return personas[family]
