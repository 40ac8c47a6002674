"""The look through logs finds what it is there for, and nothing else."""

import shutil
from pathlib import Path

from tests.no_numbers import logs_with_numbers


def test_numbers_in_logs_are_found_and_what_only_looks_like_one_is_not(tmp_path: Path) -> None:
    (tmp_path / "data/mongo-6.0").mkdir(parents=True)
    (tmp_path / "data/mongo-6.0/mongod.log").write_text('{"n":{"number":"+33612345678"}}\nfine\n')
    (tmp_path / "log").write_text("fine\nfor 0033612345678\nfor 33699999999, twice\n")
    (tmp_path / "server.log").write_text("1764192061 12.5 ms 33612345678901 a33612345678f\n")
    (tmp_path / "report.txt").write_text("+33612345678\n")

    found = logs_with_numbers(tmp_path)

    assert found == ["data/mongo-6.0/mongod.log:1", "log:2", "log:3"]
    shutil.rmtree(tmp_path)  # the look after the whole run shall not find them
