"""Decorates functions, plain and ``async`` ones alike."""

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


def after(function: F, tell: Callable[[Any], None]) -> F:
    """The function, whose results are told; where it raises, nothing is."""
    if inspect.iscoroutinefunction(function):

        @functools.wraps(function)
        async def awaited(*args: Any, **kwargs: Any) -> Any:
            result = await function(*args, **kwargs)
            tell(result)
            return result

        return awaited  # type: ignore[return-value]

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        result = function(*args, **kwargs)
        tell(result)
        return result

    return called  # type: ignore[return-value]
