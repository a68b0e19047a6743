"""A schema as a YAML file that people review: what is not set is not written, and a wrong word is named.

features:
- name: fare
  type: FLOAT
  presence: {min_count: 1, min_fraction: 1.0}
  shape: [1]
  drift_comparator: {kolmogorov_smirnov: 0.1}
"""

from __future__ import annotations

import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

from millrace.core.errors import DataError, did_you_mean
from millrace.data.atomic_output import write_file
from millrace.data.schema import model
from millrace.data.schema.model import BoolDomain, Domain, Feature, FloatDomain, IntDomain, Schema, StringDomain

SCHEMA_NAME = "schema.yaml"

_DOMAINS: Mapping[str, type[Domain]] = {
    "string_domain": StringDomain,
    "int_domain": IntDomain,
    "float_domain": FloatDomain,
    "bool_domain": BoolDomain,
}
_HEADING = "# What the data is expected to look like. Inferred once; meant to be reviewed, changed and kept.\n"


class _Dumper(yaml.SafeDumper):
    """Small mappings and lists of scalars on one line, the rest in blocks."""


def _short(value: Any) -> bool:
    items = value.values() if isinstance(value, dict) else value
    return len(str(value)) < 90 and all(not isinstance(item, dict | list) for item in items)


def _represent_mapping(dumper: yaml.SafeDumper, value: dict[str, Any]) -> yaml.Node:
    return dumper.represent_mapping(
        "tag:yaml.org,2002:map", value.items(), flow_style=_short(value) and "name" not in value
    )


def _represent_list(dumper: yaml.SafeDumper, value: list[Any]) -> yaml.Node:
    return dumper.represent_sequence("tag:yaml.org,2002:seq", value, flow_style=_short(value))


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # Line separators and control characters survive in double quotes only, where they are escaped.
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=None if value.isprintable() else '"')


_Dumper.add_representer(str, _represent_text)
_Dumper.add_representer(dict, _represent_mapping)
_Dumper.add_representer(list, _represent_list)


def save_schema(schema: Schema, path: str | Path) -> Path:
    """Write `schema` to `path`, or to `schema.yaml` in it where it is a folder; gives the file."""
    target = _file(Path(path))
    write_file(target, schema_to_yaml(schema).encode())
    return target


def load_schema(path: str | Path) -> Schema:
    """Read a schema file, or the `schema.yaml` of a folder; raises `DataError` that names the wrong entry."""
    source = _file(Path(path))
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"the schema cannot be read: {error}", where=str(source)) from error
    return schema_from_yaml(text, where=str(source))


def _file(path: Path) -> Path:
    return path / SCHEMA_NAME if path.is_dir() or not path.suffix else path


def schema_to_yaml(schema: Schema) -> str:
    document = yaml.dump(
        _to_plain(schema), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=110, default_flow_style=None
    )
    return _HEADING + document


def schema_from_yaml(text: str, *, where: str = "schema") -> Schema:
    try:
        document = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise DataError(f"the schema is no YAML: {error}", where=where) from error
    schema = _from_plain(Schema, document or {}, where)
    assert isinstance(schema, Schema)
    return schema


def _to_plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_plain(item) for item in value]
    if not attrs.has(type(value)):
        return value
    plain: dict[str, Any] = {}
    for field in attrs.fields(type(value)):
        item = getattr(value, field.name)
        if field.name == "domain" and item is not None:
            name = next(name for name, kind in _DOMAINS.items() if isinstance(item, kind))
            plain[name] = _to_plain(item)
        elif item != field.default:
            plain[field.name] = _to_plain(item)
    return plain


def _from_plain(kind: type, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise DataError(f"expected a mapping, found {value!r}", where=where)
    hints = typing.get_type_hints(kind, vars(model))
    known = [field.name for field in attrs.fields(kind) if field.name != "domain"]
    if kind is Feature:
        known += list(_DOMAINS)
        where = f"{where}, column {value.get('name', '?')!r}"
    arguments: dict[str, Any] = {}
    for key, item in value.items():
        if key not in known:
            raise DataError(f"there is no {key!r} here", where=where, remedy=did_you_mean(str(key), known))
        if key in _DOMAINS:
            if "domain" in arguments:
                raise DataError("a column has one domain at most", where=where)
            arguments["domain"] = _from_plain(_DOMAINS[key], item, where)
        else:
            arguments[key] = _value(hints[key], item, f"{where}, {key}")
    try:
        return kind(**arguments)
    except TypeError as error:
        raise DataError(f"an entry is missing: {error}", where=where) from error


def _value(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type that `hint` asks for."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in typing.get_args(hint) if option is not type(None))
    if typing.get_origin(hint) is tuple:
        item_hint = typing.get_args(hint)[0]
        if not isinstance(value, list):
            raise DataError(f"expected a list, found {value!r}", where=where)
        return tuple(_value(item_hint, item, where) for item in value)
    if attrs.has(hint):
        return _from_plain(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise DataError(f"expected {hint.__name__}, found {value!r}", where=where)
    return value
