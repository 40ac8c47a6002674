"""The page of the providers: their addresses, what they are answered, and what each of their words means here."""

import inspect
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from gql_server.providers import INBOUND, PROVIDERS, Meaning, Provider
from gql_server.providers.shape import Answer

_HEAD: Final = """\
Written by `make reference` from `gql_server/providers/`. Each has the address `/webhooks/<provider>/<token>`, and for
replies the same with `/inbound` behind it. What to set at each of them, and what its secret is:
[Receipts in](../receipts.md). One is missing? [One file](../adding-a-provider.md). A word that is in no table here
leaves a message as it is, is kept, and is counted in `gql_unknown_words_total`."""
_ADDRESS = re.compile(r"https://[^\s`\"'<>|,;]+[^\s`\"'<>|,;.:)]")
_EXAMPLE = re.compile(r"https://(\.\.\.|[^/]*\.example\b)|\{")


def providers() -> str:
    """All of them."""
    parts = [
        "# Providers",
        _HEAD,
        _table(
            ("provider", "methods", "signs", "an id a part", "replies", "is answered"),
            [
                (
                    f"[{name}](#{name})",
                    _methods(provider.methods),
                    "yes" if provider.signed else "no",
                    "yes" if provider.parted else "no",
                    "yes" if name in INBOUND else "no",
                    _answer(provider.answer(1)),
                )
                for name, provider in sorted(PROVIDERS.items())
            ],
        ),
    ]
    for name, provider in sorted(PROVIDERS.items()):
        parts += [f"## {name}", *_provider(provider)]
    return "\n\n".join(parts) + "\n"


def _provider(provider: Provider) -> Iterator[str]:
    modules = _modules(provider)
    path = Path(inspect.getfile(modules[0]))
    place = path.relative_to(path.parents[2 if path.name != "__init__.py" else 3]).as_posix()
    yield f"`/webhooks/{provider.name}/<token>`, read by [`{place}`](../../{place})"
    addresses = [
        address
        for module in modules
        for address in _ADDRESS.findall(inspect.getsource(module))
        if not _EXAMPLE.search(address)
    ]
    if addresses:
        yield "The format is that of:"
        yield "\n".join(f"- <{address}>" for address in dict.fromkeys(addresses))
    tables = {
        id(value): (name, value)
        for module in modules
        for name, value in vars(module).items()
        if _is_table(value)
    }
    for name, table in tables.values():
        yield f"### {provider.name}: {name.strip('_').lower().replace('_', ' ')}"
        yield _table(
            ("its word", "our status", "in words", "the number is the cause"),
            map(_row, table.items()),
        )


def _modules(provider: Provider) -> list[ModuleType]:
    """Its file, or the files of its folder."""
    name = f"gql_server.providers.{provider.name}"
    return [
        module
        for key, module in sorted(sys.modules.items())
        if key == name or key.startswith(f"{name}.")
    ]


def _is_table(value: object) -> bool:
    """Are its words on the left, and what they mean on the right?"""
    if not isinstance(value, Mapping) or not value:
        return False
    meant = [one for each in value.values() for one in _parts(each)]
    return any(isinstance(one, Meaning) for one in meant) and all(
        one is None or isinstance(one, Meaning | str) for one in meant
    )


def _parts(value: object) -> tuple[object, ...]:
    """What a word means; with it, where it has another name as well, that."""
    return value if isinstance(value, tuple) else (value,)


def _row(row: tuple[object, object]) -> tuple[str, ...]:
    word, value = row
    names = [word, *(one for one in _parts(value) if isinstance(one, str))]
    shown = ", ".join(f"`{_cell(str(name))}`" if str(name) else "(nothing)" for name in names)
    meaning = next((one for one in _parts(value) if isinstance(one, Meaning)), None)
    if meaning is None:
        return shown, "-", "no delivery status: no receipt", ""
    status = f"[{meaning.status.value}](types.md#deliverystatus)"
    return shown, status, _cell(meaning.reason or ""), "yes" if meaning.number_caused else ""


def _methods(methods: frozenset[str]) -> str:
    return ", ".join(sorted(methods))


def _answer(answer: Answer) -> str:
    body = answer.body.decode()
    return f"`{_cell(body)}` as `{answer.media_type}`" if body else "nothing"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
