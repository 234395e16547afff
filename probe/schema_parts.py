"""What are the JSON Schemas of the documents made of? Their few words, as data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from enum import StrEnum

Schema = dict[str, Any]

ANY: Final[Schema] = {}
TEXT: Final[Schema] = {"type": "string"}
COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
TIME_NS: Final[Schema] = {"type": "integer", "description": "CLOCK_MONOTONIC, ns"}
NUMBER: Final[Schema] = {"type": "number"}
SHARE: Final[Schema] = {"type": "number", "minimum": 0, "maximum": 1 + 1e-9}
FLAG: Final[Schema] = {"type": "boolean"}


def either(*schemas: Schema) -> Schema:
    """Return a schema that any of these fulfils."""
    return {"anyOf": [*schemas]}


def or_null(schema: Schema) -> Schema:
    """Return the schema of a field that is null where it does not apply."""
    return either(schema, {"type": "null"})


def one_of(values: Iterable[StrEnum]) -> Schema:
    """Return the schema of the values of an enumeration."""
    return {"enum": [each.value for each in values]}


def with_fields(**properties: Schema) -> Schema:
    """Return the schema of an object with exactly these fields."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(items: Schema) -> Schema:
    """Return the schema of a list of these."""
    return {"type": "array", "items": items}


def said(schema: Schema, description: str) -> Schema:
    """Return the schema with a description."""
    return schema | {"description": description}
