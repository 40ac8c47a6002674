"""Operations that nobody would write: whatever the schema allows is answered, in time, and a refusal has its code."""

import asyncio
import contextlib
import json
import random
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from graphql import OperationDefinitionNode, parse, print_ast, visit
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from hypothesis_graphql import from_schema

from gql_server.settings import Settings
from tests.conftest import Api
from tests.resolvers.test_compiled import SCALARS, SDL, Sensible
from tests.wires import nothing_went_wrong

MakeApi = Callable[..., contextlib.AbstractAsyncContextManager[Api]]


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("count", [150, pytest.param(5000, marks=pytest.mark.long)])
async def test_any_operation_of_the_schema_is_answered_in_time_and_with_codes(
    make_api: MakeApi,
    settings: Settings,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
    count: int,
) -> None:
    seconds: list[float] = []
    kinds: Counter[str] = Counter()
    codes: Counter[str] = Counter()
    # given a server that sets no limit to how much is asked in a minute
    async with make_api(cost_per_minute=0, new_documents_per_minute=0) as api:
        campaigns = [await api.new_campaign(7) for _ in range(2)]
        known = campaigns + [m["id"] for m in await api.add(campaigns[0], ["+33611111111"])]

        async def ask(document: str) -> None:
            began = time.perf_counter()
            answer = await api.post(document)
            seconds.append(time.perf_counter() - began)
            assert answer.status_code < 500, (answer.text, document)
            told: dict[str, Any] = answer.json()
            kinds["errors" if "errors" in told else "data"] += 1
            for error in told.get("errors", ()):
                code = error.get("extensions", {}).get("code")
                codes[str(code)] += 1
                assert code not in (None, "INTERNAL_ERROR"), (error, document)

        loop = asyncio.get_running_loop()

        # when whatever the schema allows is asked
        @_settings(count)
        @given(
            document=from_schema(SDL, custom_scalars=SCALARS),
            chance=st.randoms(use_true_random=False),
        )
        def any_operation(document: str, chance: random.Random) -> None:
            sensible = visit(parse(document), Sensible(known, chance))
            (operation,) = sensible.definitions
            assert isinstance(operation, OperationDefinitionNode)
            kinds[operation.operation.value] += 1
            asyncio.run_coroutine_threadsafe(ask(print_ast(sensible)), loop).result()

        await asyncio.to_thread(any_operation)
        nothing_went_wrong(caplog)

    # then nearly all are answered long before they would be given up
    p99 = sorted(seconds)[len(seconds) * 99 // 100]
    figures = {"p99_ms": round(p99 * 1000, 1), **kinds, **codes}
    (tmp_path / "figures.json").write_text(json.dumps(figures))
    assert p99 < settings.operation_seconds
    # and it was worth while
    assert len(seconds) >= count * 0.9
    assert kinds["data"] > count / 20, kinds
    assert kinds["errors"] > count / 20, kinds
    assert kinds["query"] > count / 20, kinds
    assert kinds["mutation"] > count / 20, kinds


def _settings(count: int) -> examples:
    return examples(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
