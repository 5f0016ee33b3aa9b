"""Decorates functions, plain and ``async`` ones alike."""

import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def after(function: F, tell: Callable[[Any], None]) -> F:
    """The function, whose results are told; where it raises, nothing is."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            return await _awaited(function(*args, **kwargs), tell)

        return awaited  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        if inspect.iscoroutine(result):
            # a plain function around an async one, as many decorators make it
            return _awaited(result, tell)
        tell(result)
        return result

    return called  # type: ignore[return-value]


async def _awaited(coroutine: Coroutine[Any, Any, Any], tell: Callable[[Any], None]) -> Any:
    result = await coroutine
    tell(result)
    return result
