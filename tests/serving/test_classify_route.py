"""`/classify`: JSON, CSV and Parquet in, JSON or CSV out; the labels are those of `classify`."""

import io
import json

import pyarrow as pa
import pytest
from pyarrow import csv, parquet

from tests.serving import served


@pytest.fixture(scope="module")
def server():
    with served.client() as client:
        yield client


@pytest.fixture(scope="module")
def expected():
    table = pa.Table.from_pandas(frame) if hasattr(
        frame := served.pipeline().classify(served.recording()), "attrs") else frame  # fmt: skip
    return table.to_pylist()


def parquet_bytes() -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table(served.recording()), sink)
    return sink.getvalue()


def body_of(kind: str) -> dict:
    if kind == "json":
        return {"json": {"values": served.recording(), "model": served.ADAPTER}}
    if kind == "csv":
        return {"content": served.csv_bytes(), "headers": {"content-type": "text/csv; charset=x"}}
    if kind == "parquet":
        head = {"content-type": "application/vnd.apache.parquet"}
        return {"content": parquet_bytes(), "headers": head}
    return {"files": {"file": ("walk.csv", served.csv_bytes())}, "data": {"model": served.ADAPTER}}


def rows_of(response) -> list[dict]:
    assert response.status_code == 200, response.text
    return response.json()["windows"]


def same(rows, expected):
    assert [row["label"] for row in rows] == [row["label"] for row in expected]
    for row, reference in zip(rows, expected, strict=True):
        texts = {"label", "unlike"}
        assert row["unlike"] == reference["unlike"]
        assert {k: v for k, v in row.items() if k not in texts} == pytest.approx(
            {k: v for k, v in reference.items() if k not in texts}, abs=1e-4
        )


@pytest.mark.parametrize("kind", ["json", "csv", "parquet", "form"])
def test_every_kind_of_body_gets_the_labels_of_classify(server, expected, kind):
    body = server.post("/classify", **body_of(kind)).json()
    same(body["windows"], expected)
    assert (body["object"], body["model"]) == ("classification", served.ADAPTER)
    assert body["ledger"]["rows"]["read"] == 1200


@pytest.mark.parametrize(
    "how", [{"params": {"format": "csv"}}, {"headers": {"accept": "text/csv"}}]
)
def test_the_labels_come_as_csv_where_that_is_wanted(server, expected, how):
    response = server.post("/classify", json={"values": served.recording()}, **how)
    assert response.headers["content-type"].startswith("text/csv")
    assert "the_table_labels.csv" in response.headers["content-disposition"]
    same(csv.read_csv(io.BytesIO(response.content)).to_pylist(), expected)


def test_an_uploaded_file_is_classified_by_its_id(server, expected):
    file = server.post("/v1/files", files={"file": ("walk.csv", served.csv_bytes())}).json()
    same(rows_of(server.post("/classify", json={"file_id": file["id"]})), expected)


def test_windows_overlap_as_they_are_told_to(server):
    wanted = {"values": served.recording(), "overlap": 0.5}
    assert len(rows_of(server.post("/classify", json=wanted))) == 17
    head = {"content-type": "text/csv"}
    response = server.post(
        "/classify", params={"overlap": 0.5}, content=served.csv_bytes(), headers=head
    )
    assert len(rows_of(response)) == 17


@pytest.mark.parametrize(
    ("request_", "status", "words"),
    [
        ({"json": {}}, 400, "needs one of values, data and file_id"),
        ({"json": {"values": {}, "wrong": 1}}, 400, "wrong: Extra inputs are not permitted"),
        ({"content": b"{", "headers": {"content-type": "application/json"}}, 400, "Invalid JSON"),
        ({"content": b"x", "headers": {"content-type": "text/html"}}, 415, "body of 'text/html'"),
        ({"content": b"x", "headers": {"content-type": "text/csv"}}, 400, "recording.csv"),
        ({"content": b"", "headers": {"content-type": "text/csv"}}, 400, "recording.csv is empty"),
        ({"content": b"x", "headers": {"content-type": "application/x-parquet"}}, 400, "Parquet"),
        ({"json": {"values": {}, "model": "gpt"}}, 404, "there is no model 'gpt'"),
        ({"json": {"values": {}, "overlap": 1}}, 400, "overlap: Input should be less than 1"),
        ({"json": {"values": {}}, "params": {"format": "xml"}}, 400, "unknown format 'xml'"),
        ({"content": b"x", "headers": {"content-type": "text/csv"}, "params": {"rate_hz": "fast"}},
         400, "rate_hz: Input should be a valid number"),
    ],
)  # fmt: skip
def test_what_cannot_be_labelled_is_refused(server, request_, status, words):
    response = server.post("/classify", **request_)
    assert response.status_code == status
    assert words in response.json()["error"]["message"]


def test_so_many_windows_and_no_more():
    with served.client(windows=8) as small:
        error = small.post("/classify", json={"values": served.recording()}).json()["error"]
        assert error["message"].startswith("the table has more than 8 windows")
        fewer = {name: values[:1030] for name, values in served.recording().items()}
        assert len(rows_of(small.post("/classify", json={"values": fewer}))) == 8


def test_json_is_read_by_every_client(server):
    body = rb'{"values": {"a\ud83d\u00e9": [1]}, "rate_hz": 1}'
    response = server.post("/classify", content=body)
    assert response.status_code == 400
    assert response.content.isascii()
    assert json.loads(response.content)["error"]["type"] == "invalid_request_error"
