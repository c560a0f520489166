"""Some of the requests of ``make attack-server``; and that it notices what it is to notice."""

from __future__ import annotations

import collections

import pytest
from checks.attack_server import FAULTS, REFUSED, Report, _judge, attack

from tests.app.conversation import Reply, Server

onnx = pytest.importorskip("onnx")


def model() -> bytes:
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = helper.make_tensor("w", kind, [2, 1, 3, 3], [0.5] * 18)
    ends = [helper.make_tensor_value_info(name, kind, None) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Conv", ["x", "w"], ["y"], name="first")], "g", ends[:1], ends[1:], [weight])
    return bytes(helper.make_model(graph, ir_version=8).SerializeToString())


def test_malformed_requests(server: Server) -> None:
    """Each kind of them, from four connections at a time, while others are silent or do not read."""
    report = attack(server, 120, seed=7, models=[model()])
    assert report.faults == []
    assert len({label.rpartition(" ")[0] for label in report.statuses}) == 8
    assert report.growth < 1.5


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(500, {}, b""), "status 500"),
        (Reply(200, {}, b"root:x:0:0:root:/root:/bin/bash"), "a file of this machine"),
        (Reply(200, {"content-type": "application/json"}, b"{"), "no JSON"),
        (Reply(200, {"content-type": "application/json"}, b'{"problem": {"message": "%s: KeyError"}}' % FAULTS[0].encode()), "went wrong"),
    ],
)
def test_faults_are_noticed(reply: Reply, said: str) -> None:
    report = Report()
    _judge(report, "lies", "", reply, REFUSED | {200})
    assert report.statuses == collections.Counter([f"lies {reply.status}"])
    assert said in report.faults[0]
