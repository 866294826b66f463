"""Finds kinds of things that are extended by adding a file, and makes them from names and parameters."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import msgspec

from service.problems import Problem, wrong_field

T = TypeVar("T", bound=msgspec.Struct)


def find(base: type[T], package: str, path: Iterable[str]) -> dict[str, type[T]]:
    """Every class of a package that derives from ``base`` and has a name, by that name in order.

    By where they are defined: a class derived elsewhere, such as in a test, is none of the service's.

    Parameters
    ----------
    base : type
        A `msgspec.Struct` whose fields are parameters.
    package, path
        ``__name__`` and ``__path__`` of the package.
    """
    modules = [importlib.import_module(module.name) for module in pkgutil.iter_modules(path, f"{package}.")]
    kinds = [
        (str(kind.__dict__["name"]), kind)
        for module in modules
        for kind in vars(module).values()
        if isinstance(kind, type)
        and issubclass(kind, base)
        and kind.__module__ == module.__name__
        and "name" in kind.__dict__
    ]
    return dict(sorted(kinds, key=lambda found: found[0]))


def make(known: Mapping[str, type[T]], what: str, name: str, parameters: Mapping[str, Any]) -> T:
    """Make one from its name and parameters.

    Parameters
    ----------
    known : mapping
        As `find` gives it.
    what : str
        What these are, for messages, such as ``rating system``.
    name : str
        A key of ``known``.
    parameters : mapping
        Values by name; text is read as the parameter's type. Those not named have their defaults.

    Raises
    ------
    Problem
        ``unknown_name`` or ``invalid_parameter``, naming what is known or what is wrong.
    """
    kind = named(known, what, name)
    for key in parameters:
        if key not in kind.__struct_fields__:
            fields = ", ".join(kind.__struct_fields__)
            remedy = f"one of: {fields}" if fields else "leave it out"
            raise wrong_field("invalid_parameter", key, f"{name} has no such parameter", remedy)
    try:
        return msgspec.convert(dict(parameters), kind, strict=False)
    except msgspec.ValidationError as error:
        text, _, where = str(error).partition(" - at `$.")
        raise wrong_field("invalid_parameter", where.rstrip("`"), text, f"see the parameters of {name}") from None


def named(known: Mapping[str, type[T]], what: str, name: str) -> type[T]:
    """The kind of this name.

    Raises
    ------
    Problem
        ``unknown_name``, with what is known.
    """
    if name not in known:
        raise Problem("unknown_name", f"no {what} {name!r}; there are: {', '.join(known)}")
    return known[name]
