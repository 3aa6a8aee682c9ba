"""Inputs built from the model, in both protocols: valid, broken in one place, and mutilated.

botocore is the oracle: its serializer to our parser, our renderer to its parser.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import cbor2
import pytest
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.parsers import ResponseParserFactory
from botocore.serialize import create_serializer
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hookline import config
from hookline.api.aws_json import AWS_JSON
from hookline.api.cbor import CBOR
from hookline.api.codebuild import not_built as codebuild
from hookline.api.codepipeline import not_built as codepipeline
from hookline.api.constraints import check
from hookline.api.endpoint import Endpoint
from hookline.api.protocol import Protocol
from hookline.api.service import CODEBUILD, CODEPIPELINE, Operation
from hookline.app import Application
from hookline.scoreboard import FIRST_WORKER, Scoreboard
from hookline.sealing import make_master_key
from support import sqlite
from support.broken_values import broken
from support.calling import Sent, send, send_cbor, target
from support.model_values import OPERATIONS, full, values

PROTOCOLS = {"json": AWS_JSON, "smithy-rpc-v2-cbor": CBOR}
SLOW = settings(suppress_health_check=list(HealthCheck))
# For each operation, of which there are many.
FEW = settings(SLOW, max_examples=max(1, SLOW.max_examples // 8))
FORM = re.compile(r"1 validation error detected: Value .* at '([^']*)' failed to satisfy constra.*")

in_both_protocols = pytest.mark.parametrize("name", PROTOCOLS)
for_each_operation = pytest.mark.parametrize("operation", OPERATIONS, ids=str)


def sent(name: str, operation: Operation, parameters: dict[str, Any]) -> bytes:
    serializer = create_serializer(name, include_validation=False)
    request = serializer.serialize_to_request(parameters, operation.model)
    body: bytes = request["body"]
    return body


def received(name: str, operation: Operation, body: bytes) -> Any:
    factory = ResponseParserFactory()
    factory.set_parser_defaults(timestamp_parser=float)
    response = {"status_code": 200, "headers": {}, "body": body}
    shape = cast("Shape", operation.model.output_shape)  # the parser takes None as well
    parsed = factory.create_parser(name).parse(response, shape)
    del parsed["ResponseMetadata"]
    return parsed


def written(protocol: Protocol, shape: Shape, value: Any) -> Any:
    """A value as the protocol writes it, nulls included: botocore's serializer writes none."""
    match shape:
        case StructureShape() if isinstance(value, dict):
            members = shape.members
            return {
                key: written(protocol, members[key], item) if key in members else item
                for key, item in value.items()
            }
        case ListShape() if isinstance(value, list):
            return [written(protocol, shape.member, item) for item in value]
        case MapShape() if isinstance(value, dict):
            return {key: written(protocol, shape.value, item) for key, item in value.items()}
        case _ if shape.type_name == "timestamp" and isinstance(value, float):
            return protocol.timestamp(value)
    return value


def body_of(protocol: Protocol, operation: Operation, parameters: Any) -> bytes:
    value = written(protocol, operation.input_shape, parameters)
    # Not the protocol's own encoder for JSON: it has no numbers of more than 64 bits.
    return json.dumps(value, default=repr).encode() if protocol is AWS_JSON else cbor2.dumps(value)


@in_both_protocols
@for_each_operation
def test_w1_a_full_input_is_read_as_botocore_wrote_it(name: str, operation: Operation) -> None:
    parameters = full(operation.input_shape)
    assert PROTOCOLS[name].parse(operation, sent(name, operation, parameters)) == parameters
    check(operation, parameters)


@in_both_protocols
@for_each_operation
def test_w1_a_full_output_is_read_by_botocore_as_given(name: str, operation: Operation) -> None:
    shape = operation.model.output_shape
    output = full(shape) if shape else {}
    assert received(name, operation, PROTOCOLS[name].render(operation, output)) == output


@for_each_operation
@FEW
@given(data=st.data())
def test_w1_any_input_is_read_as_botocore_wrote_it(
    operation: Operation, data: st.DataObject
) -> None:
    parameters = data.draw(values(operation.input_shape))
    for name, protocol in PROTOCOLS.items():
        assert protocol.parse(operation, sent(name, operation, parameters)) == parameters
    check(operation, parameters)


@for_each_operation
@FEW
@given(data=st.data())
def test_w1_any_output_is_read_by_botocore_as_given(
    operation: Operation, data: st.DataObject
) -> None:
    shape = operation.model.output_shape
    output = data.draw(values(shape)) if shape else {}
    for name, protocol in PROTOCOLS.items():
        assert received(name, operation, protocol.render(operation, output)) == output


@in_both_protocols
@for_each_operation
def test_w3_one_broken_constraint_is_named_by_its_path_alone(
    name: str, operation: Operation
) -> None:
    shape, protocol = operation.input_shape, PROTOCOLS[name]
    for parameters, path in broken(shape, full(shape), ""):
        parsed = protocol.parse(operation, body_of(protocol, operation, parameters))
        with pytest.raises(operation.service.refusal) as caught:
            check(operation, parsed)
        form = FORM.fullmatch(caught.value.message.partition("; ")[0].replace("\n", " "))
        # A value too long for its member often breaks the member's pattern as well.
        found = form[1] if form else re.findall(r" at '([^']*)' failed", caught.value.message)[-1]
        assert found == path


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """The endpoint of a worker, with all its operations on a database of its own."""
    folder: Path = tmp_path_factory.mktemp("worker")
    make_master_key(folder / "master.key")
    environment = {
        "HOOKLINE_DATA_DIR": str(folder),
        "HOOKLINE_VERIFY_CREDENTIALS": "false",
        "HOOKLINE_CONFIG": "/dev/null",
    }
    read = config.load(environment)
    sqlite.create_database(folder / "hookline.db")
    scoreboard = Scoreboard.create(workers=1)
    application = Application(read, scoreboard, scoreboard.slot(FIRST_WORKER))
    yield application._api(read)
    application._last_used.close()
    application._database.close()


def call(tested: Endpoint, protocol: Protocol, operation: Operation, body: bytes) -> Sent:
    if protocol is CBOR:
        return send_cbor(tested, operation, body)
    return send(tested, target(operation), body)


def places(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield place
    match value:
        case dict():
            items = list(value.items())
        case list():
            items = list(enumerate(value))
        case _:
            items = []
    for key, item in items:
        yield from places(item, (*place, key))


def put_at(value: Any, place: tuple[Any, ...], wrong: Any) -> Any:
    if not place:
        return wrong
    changed = dict(value) if isinstance(value, dict) else list(value)
    changed[place[0]] = put_at(value[place[0]], place[1:], wrong)
    return changed


BUILT = [
    operation
    for service, table in ((CODEPIPELINE, codepipeline), (CODEBUILD, codebuild))
    for operation in service.operations.values()
    if operation.name not in table.NOT_BUILT
]
FULL = {name: full(name.input_shape) for name in BUILT}
PLACES = {name: list(places(FULL[name])) for name in BUILT}
WRONG: st.SearchStrategy[Any] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["a" * 5_000, "\x00", "$.ref", "{Branch}", "****", "aws:x", "[A-Z"]),
    st.just([]),
    st.just([None, {}]),
    st.just({}),
    st.just({"name": None}),
)


def is_no_failure_of_ours(answer: Sent) -> bool:
    status, _, content = answer
    return status == 200 or (status < 500 and set(content) == {"__type", "message"})


@SLOW
@given(data=st.data(), protocol=st.sampled_from([AWS_JSON, CBOR]), operation=st.sampled_from(BUILT))
def test_w4_another_value_anywhere_is_never_a_failure_of_ours(
    real: Endpoint, data: st.DataObject, protocol: Protocol, operation: Operation
) -> None:
    place = data.draw(st.sampled_from(PLACES[operation]))
    document = put_at(FULL[operation], place, data.draw(WRONG))
    answer = call(real, protocol, operation, body_of(protocol, operation, document))
    assert is_no_failure_of_ours(answer), answer


@SLOW
@given(data=st.data(), protocol=st.sampled_from([AWS_JSON, CBOR]), operation=st.sampled_from(BUILT))
def test_w4_a_mutilated_body_is_never_a_failure_of_ours(
    real: Endpoint, data: st.DataObject, protocol: Protocol, operation: Operation
) -> None:
    body = bytearray(body_of(protocol, operation, FULL[operation]))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, max(len(body) - 1, 0)))
        match data.draw(st.sampled_from(["flip", "cut", "insert", "drop"])):
            case "flip" if body:
                body[place] ^= data.draw(st.integers(1, 255))
            case "cut":
                del body[place:]
            case "insert":
                body[place:place] = data.draw(st.binary(min_size=1, max_size=4))
            case _:
                del body[place : place + data.draw(st.integers(1, 4))]
    answer = call(real, protocol, operation, bytes(body))
    assert is_no_failure_of_ours(answer), answer
