"""What operators and sensors share: a source's options as their keyword arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from functools import cache
from typing import Any, ClassVar

from airflow_provider_spotify.core import registry
from airflow_provider_spotify.core.errors import ConfigurationError
from airflow_provider_spotify.hooks.options import (
    connection_argument,
    documentation,
    initializer,
    options,
    plain,
    refuse_unknown,
    validate,
)
from airflow_provider_spotify.hooks.templates import refuse_foreign


class SourceWords:
    """Gives a task class the arguments, templates and docs of the source that it names.

    A subclass with ``source_type`` takes each key of the source's Config as a keyword argument,
    and the connection as ``<connection type>_conn_id``. What is known when the DAG is parsed is
    judged then; a template or another task's output is judged when the task runs.
    """

    source_type: ClassVar[str] = ""
    default_conn_id: ClassVar[str | None] = None
    template_fields: Sequence[str] = ()
    task_id: str
    _given: tuple[str, ...]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "source_type" in vars(cls):
            _equip(cls)

    @property
    def conn_id(self) -> str | None:
        """The connection to read with."""
        argument = connection_argument(self.source_type)
        return getattr(self, argument) if argument else None

    @property
    def _where(self) -> str:
        """How an error names this task."""
        return f"{type(self).__name__}({self.task_id!r})"

    def source_options(self) -> dict[str, Any]:
        """Return the options that were given, under their YAML keys."""
        given = [o for o in options(self.source_type) if o.argument in self._given]
        return {option.key: getattr(self, option.argument) for option in given}

    def import_id(self, name: str | None) -> str:
        """Return an import's name; the task's id in snake_case where none is given."""
        return name or re.sub(r"[^a-z0-9_]+", "_", self.task_id.lower())

    def _take(self, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Remove the source's arguments from the keyword arguments and return them.

        :raises ConfigurationError: if an argument is left that nobody knows
        """
        where = f"{type(self).__name__}({kwargs.get('task_id')!r})"
        if not self.source_type:
            raise ConfigurationError(f"{where}: this is a base; use the class of a source")
        own = [option.argument for option in options(self.source_type)]
        taken = {name: kwargs.pop(name) for name in own if name in kwargs}
        if argument := connection_argument(self.source_type):
            taken[argument] = kwargs.pop(argument, self.default_conn_id)
        rest = [name for name in kwargs if not name.startswith("_airflow")]
        kind: Any = type(self)
        refuse_unknown(rest, known=_known(kind), where=where, offer=own)
        return taken

    def _hold(self, taken: dict[str, Any]) -> None:
        """Keep the source's arguments as attributes, where Jinja finds them, and judge them."""
        for option in options(self.source_type):
            setattr(self, option.argument, plain(taken.get(option.argument)))
        if argument := connection_argument(self.source_type):
            setattr(self, argument, taken[argument])
        self._given = tuple(taken)
        validate(registry.source(self.source_type).Config, self.source_options(), where=self._where)

    def _confine(self) -> None:
        """Refuse templates that reach beyond the run.

        :raises ConfigurationError: naming the argument and what it may not use
        """
        for field in self.template_fields:
            refuse_foreign(getattr(self, field), where=f"{self._where}: {field}")


def _equip(cls: type[SourceWords]) -> None:
    rows = [documentation(cls.source_type), _word_rows(cls)]
    cls.__doc__ = "\n\n".join([inspect.cleandoc(cls.__doc__ or ""), "\n".join(rows).strip()])
    fields = [option.argument for option in options(cls.source_type) if option.templated]
    if argument := connection_argument(cls.source_type):
        fields.append(argument)
    cls.template_fields = (*cls.template_fields, *fields)
    if "__init__" not in vars(cls):
        base = next(kind for kind in cls.mro() if "__init__" in vars(kind))
        cls.__init__ = initializer(  # type: ignore[method-assign]
            base, source_type=cls.source_type, default_conn_id=cls.default_conn_id
        )


def _word_rows(cls: type) -> str:
    """Return the rows on the words that every class of this kind takes."""
    inherited = inspect.cleandoc(cls.mro()[1].__doc__ or "")
    return inherited[inherited.find(":param") :] if ":param" in inherited else ""


@cache
def _known(cls: type) -> frozenset[str]:
    """Return every argument that a class or one of its bases takes."""
    inits = [vars(kind)["__init__"] for kind in cls.mro()[:-1] if "__init__" in vars(kind)]
    return frozenset(name for init in inits for name in inspect.signature(init).parameters) - {
        "self",
        "kwargs",
    }
