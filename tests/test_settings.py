"""Settings out of the environment: what is possible, and what is refused with the bounds in words."""

import dataclasses

import pytest

from gql_server.errors import StartError
from gql_server.settings import Settings

BOUNDS = {
    "GQL_OUTBOX_HOURS": (1, 8784),
    "GQL_WAITING_EXPIRES_AFTER": (0, 8784),
    "GQL_ORPHANS_PER_SOURCE": (1, 10_000_000),
    "GQL_LANES": (1, 16),
    "GQL_PORT": (0, 65535),
    "GQL_WORKERS": (0, 64),
    "GQL_MOST_CONNECTIONS": (1, 1_000_000),
    "GQL_MOST_CONNECTIONS_OF_A_KEY": (1, 1_000_000),
    "GQL_MOST_OPERATIONS": (1, 1_000_000),
    "GQL_MOST_OPERATIONS_OF_A_KEY": (1, 1_000_000),
    "GQL_DRAIN_SECONDS": (0, 600),
    "GQL_SHUTDOWN_DELAY_SECONDS": (0, 600),
    "GQL_ANSWER_CACHE_MB": (0, 16_384),
    "GQL_MOST_EXPORTS": (1, 1000),
    "GQL_EXPORT_DISK_MB": (0, 1024 * 1024),
    "GQL_OPERATION_SECONDS": (1, 600),
    "GQL_MOST_IMPORTS": (1, 1000),
    "GQL_MOST_IMPORT_LINES": (1, 1_000_000_000),
    "GQL_COST_PER_MINUTE": (0, 1_000_000_000),
    "GQL_NEW_DOCUMENTS_PER_MINUTE": (0, 1_000_000),
    "GQL_SIGN_IN_ATTEMPTS": (0, 1_000_000),
}


@pytest.mark.parametrize("variable", BOUNDS)
def test_a_number_has_two_bounds_and_a_refusal_names_them(variable: str) -> None:
    least, most = BOUNDS[variable]
    field = variable.removeprefix("GQL_").lower()

    for possible in (least, most):
        settings = Settings.from_environment({variable: str(possible)})
        assert getattr(settings, field) == possible
    for impossible in (least - 1, most + 1, 10**12, 10**30):
        with pytest.raises(StartError, match=f"^{variable} must be .*{most}"):
            Settings.from_environment({variable: str(impossible)})


def test_every_number_has_bounds() -> None:
    numbers = {item.name for item in dataclasses.fields(Settings) if isinstance(item.default, int)}

    assert {f"GQL_{name.upper()}" for name in numbers} == set(BOUNDS)


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        ("https://App.Example.com", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://localhost:80", "http://localhost"),
        ("HTTPS://app.example.com:*", "https://app.example.com:*"),
        ("https://app.example.com/page", "https://app.example.com"),
        ("https://app.example.com?x=1", "https://app.example.com"),
        ("https://someone:secret@app.example.com", "https://app.example.com"),
        ("https://*.example.com", "https://app.example.com"),
        ("https://app.example.com:1:*", "https://app.example.com"),
        ("https://app.example.com:99999", "https://app.example.com"),
        ("app.example.com", "https://app.example.com"),
        ("ftp://app.example.com", "https://app.example.com"),
        ("null", "https://app.example.com"),
        ("*", "https://app.example.com"),
    ],
)
def test_an_origin_that_no_browser_sends_is_refused_with_the_one_that_it_does(
    written: str, instead: str
) -> None:
    with pytest.raises(StartError) as refused:
        Settings.from_environment({"GQL_ALLOWED_ORIGINS": f"https://good.example.com,{written}"})

    assert str(refused.value).endswith(f"Write {instead}")


@pytest.mark.parametrize(
    "origin",
    ["https://app.example.com", "http://localhost:*", "http://127.0.0.1:5173", "http://[::1]:8000"],
)
def test_an_origin_as_browsers_send_it_is_taken(origin: str) -> None:
    settings = Settings.from_environment({"GQL_ALLOWED_ORIGINS": origin})

    assert settings.allowed_origins == (origin,)
