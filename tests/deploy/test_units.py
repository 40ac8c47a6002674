"""What nothing here can start (Kubernetes, systemd) says what it must, as far as that can be read."""

import re
from configparser import ConfigParser
from pathlib import Path

from gql_server.settings import unknown_variables

DEPLOY = Path(__file__).parents[2] / "deploy"


def test_pods_are_given_no_variables_after_our_service_which_look_like_settings() -> None:
    documents = (DEPLOY / "kubernetes/gql-server.yaml").read_text("utf-8").split("\n---\n")
    service = next(each for each in documents if "\nkind: Service\n" in each)
    # what Kubernetes would set, which a server would call unknown
    name = re.search(r"^  name: (.+)$", service, re.MULTILINE)
    assert name is not None
    variable = name[1].upper().replace("-", "_") + "_PORT"
    assert unknown_variables({variable: "tcp://10.0.0.1:80"}) == [variable]

    pods = [each for each in documents if "\n      containers:\n" in each]

    assert len(pods) == 2
    assert all("\n      enableServiceLinks: false\n" in pod for pod in pods)


def test_the_unit_has_a_worker_to_replace_time_to_migrate_and_is_never_given_up() -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.read(DEPLOY / "gql-server.service", "utf-8")
    service = unit["Service"]
    given = dict(word.split("=", 1) for word in service["Environment"].split())

    # a reload: tests/test_replacing.py does it, with one worker as well
    assert service["ExecReload"] == "/bin/kill -HUP $MAINPID"
    assert given["GQL_WORKERS"] == "1"
    # not the usual 90 seconds
    assert service["ExecStartPre"].endswith(" migrate")
    assert service["TimeoutStartSec"] == "infinity"
    # not the usual five starts
    assert (service["Restart"], unit["Unit"]["StartLimitIntervalSec"]) == ("always", "0")
