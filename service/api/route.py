"""Routes whose dependencies are laid out once, when they are made, not found out anew for every request.

What a handler and its dependencies need is declared as FastAPI has it, and documented by FastAPI. FastAPI itself walks
the tree of dependencies at every request, which takes longer than all else that a read does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Final, cast

from fastapi import Request, Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.types import Receive, Scope, Send

from service.problems import Problem

MOST_S: Final = 30.0
"""Time from a request's head until its answer begins, its body and all waits included; the longest wait is 18 s."""

Call = Callable[..., Coroutine[Any, Any, Any]]


@dataclass(frozen=True, slots=True)
class _Parameter:
    """One value out of the request."""

    name: str
    alias: str
    where: str
    several: bool
    required: bool
    default: Any
    check: Callable[..., tuple[Any, list[dict[str, Any]]]]

    def read(self, request: Request, errors: list[dict[str, Any]]) -> Any:
        source: Any = {"path": request.path_params, "query": request.query_params, "header": request.headers}[
            self.where
        ]
        if self.alias not in source:
            if self.required:
                errors.append({"loc": (self.where, self.alias), "msg": "missing", "type": "missing"})
            return self.default
        given = source.getlist(self.alias) if self.several else source[self.alias]
        value, wrong = self.check(given, {}, loc=(self.where, self.alias))
        errors += wrong
        return value


@dataclass(frozen=True, slots=True)
class _Step:
    """One call: a dependency, or last of all the handler."""

    call: Call
    request_name: str | None
    parameters: Sequence[_Parameter]
    results: Mapping[str, Call] = field(default_factory=dict)


class _Limit:
    """Cancels this task when its time is over; as `asyncio.timeout`, which costs four times as much."""

    __slots__ = ("passed", "task", "timer")

    def __init__(self) -> None:
        self.task = cast("asyncio.Task[object]", asyncio.current_task())
        self.passed = False
        self.timer = asyncio.get_running_loop().call_later(MOST_S, self._pass)

    def _pass(self) -> None:
        self.passed = True
        self.task.cancel()


class Route(APIRoute):
    """A route of a resource. Its dependencies are coroutines without ``yield``, its handler answers a response."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        answer = self.get_route_handler()

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            limit = _Limit()
            try:
                response = await answer(Request(scope, receive, send))
            except asyncio.CancelledError:
                if limit.passed and not limit.task.uncancel():
                    told = f"no answer within {MOST_S:g} s; what was sent may have arrived"
                    raise Problem("timed_out", told) from None
                raise
            finally:
                limit.timer.cancel()
            # A stream lasts as long as its client likes.
            await response(scope, receive, send)

        self.app = app

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Make what answers a request."""
        *dependencies, handler = _steps(self.dependant)

        async def answer(request: Request) -> Response:
            replaced = request.app.dependency_overrides
            found: dict[Call, Any] = {}
            errors: list[dict[str, Any]] = []
            for step in dependencies:
                arguments = _arguments(step, request, found, errors)
                # What is wrong is told in one answer; until then nothing is done with the rest.
                if not errors:
                    found[step.call] = await replaced.get(step.call, step.call)(**arguments)
            arguments = _arguments(handler, request, found, errors)
            if errors:
                raise RequestValidationError(errors)
            return cast("Response", await handler.call(**arguments))

        return answer


def _arguments(
    step: _Step, request: Request, found: Mapping[Call, Any], errors: list[dict[str, Any]]
) -> dict[str, Any]:
    arguments = {parameter.name: parameter.read(request, errors) for parameter in step.parameters}
    if not errors:
        for name, call in step.results.items():
            arguments[name] = found[call]
    if step.request_name is not None:
        arguments[step.request_name] = request
    return arguments


def _steps(top: Dependant) -> list[_Step]:
    """Lay out a tree of dependencies: each once, after those that it needs."""
    steps: dict[Call, _Step] = {}

    def add(node: Dependant) -> None:
        for inner in node.dependencies:
            add(inner)
        call = cast("Call", node.call)
        assert iscoroutinefunction(call) or iscoroutinefunction(getattr(call, "__call__", None)), call  # noqa: B004  # an object may have one
        assert not node.body_params, "bodies are read by service.api.bodies"
        steps.setdefault(
            call,
            _Step(
                call,
                node.request_param_name,
                [_parameter(one) for one in (*node.path_params, *node.query_params, *node.header_params)],
                {inner.name: cast("Call", inner.call) for inner in node.dependencies if inner.name},
            ),
        )

    add(top)
    return list(steps.values())


def _parameter(found: Any) -> _Parameter:
    info = found.field_info
    required = info.is_required()
    return _Parameter(
        name=found.name,
        alias=found.alias,
        where=info.in_.value,
        several=_is_list(info.annotation),
        required=required,
        default=None if required else info.get_default(call_default_factory=True),
        check=found.validate,
    )


def _is_list(annotation: Any) -> bool:
    return any(getattr(one, "__origin__", one) is list for one in (annotation, *getattr(annotation, "__args__", ())))
