"""The page's files: all are there, none comes from elsewhere, and they need no key."""

import io
import re

import pytest
from pyarrow import csv

from sensor2llm.serving.page.assets import STATIC, read_assets
from tests.serving import served


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    keys = tmp_path_factory.mktemp("keys") / "keys.txt"
    keys.write_text("a-key\n")
    with served.client(api_key_file=keys) as client:
        yield client


@pytest.mark.parametrize("address", read_assets())
def test_every_file_is_served_without_a_key(server, address):
    response = server.get(address)
    assert response.status_code == 200
    assert response.content == (STATIC / (address[len("/page/") :] or "index.html")).read_bytes()
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
    assert "unsafe" not in policy
    assert response.headers["x-content-type-options"] == "nosniff"


def test_what_the_page_asks_the_server_needs_the_key(server):
    assert server.get("/v1/models").status_code == 401
    assert server.post("/window").status_code == 401
    assert server.get("/pages").status_code == 401


def test_there_is_a_recording_to_begin_with(server):
    response = server.get("/page/simulated.csv")
    table = csv.read_csv(io.BytesIO(response.content))
    assert table.column_names == list(served.recording())
    assert table.num_rows == 3 * 16 * 50


@pytest.mark.parametrize("name", ["", "nothing.js", "..%2Fassets.py", "uplot"])
def test_what_is_no_file_of_the_page_is_not_found(server, name):
    response = server.get(f"/page/{name}")
    assert response.status_code == 404
    assert response.json()["error"]["message"].startswith("the page has no file")


def test_files_name_only_one_another():
    assets = read_assets()
    ours = {path: path.read_text() for path in STATIC.glob("*.*")}
    for path, text in ours.items():
        assert re.findall(r"https?://(?!www\.w3\.org/2000/svg)\S+", text) == [], path
        names = re.findall(r"""["'](/page/[^"']+)["']""", text)
        names += [f"/page/{name}" for name in re.findall(r'from "\./([^"]+)"', text)]
        assert set(names) <= {*assets, "/page/simulated.csv"}, path
    markup = ours[STATIC / "index.html"]
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", markup)
    assert not re.search(
        r"innerHTML|insertAdjacentHTML|document\.write|eval\(|Storage", "".join(ours.values())
    )


def test_the_charting_library_lies_beside_its_licence():
    assert (STATIC / "uplot" / "LICENSE").read_text().startswith("The MIT License (MIT)")
    script = (STATIC / "uplot" / "uPlot.iife.min.js").read_text()
    assert script.startswith("/*! https://github.com/leeoniya/uPlot (v1.6.32) */")


def test_all_files_together_are_light():
    assert sum(len(asset.body) for asset in read_assets().values()) < 150_000
