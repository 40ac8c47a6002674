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
    "GQL_MOST_CONNECTIONS": (1, 1_000_000),
    "GQL_MOST_CONNECTIONS_OF_A_KEY": (1, 1_000_000),
    "GQL_DRAIN_SECONDS": (0, 600),
    "GQL_ANSWER_CACHE_MB": (0, 16_384),
    "GQL_OPERATION_SECONDS": (1, 600),
    "GQL_COST_PER_MINUTE": (0, 1_000_000_000),
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
