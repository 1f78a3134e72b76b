"""Uploaded files: in memory or in a folder, for a while, and no more of them than there is room."""

import tempfile
import threading
import time

import pytest

from sensor2llm.errors import ConfigError
from sensor2llm.serving.http.api_error import ApiError
from sensor2llm.serving.http.files import FileShelf, safe_name
from tests.serving import served

CSV = b"total_acc_x,total_acc_y,total_acc_z\n0.1,0.2,0.9\n"


@pytest.fixture(scope="module")
def server():
    with served.client() as client:
        yield client


def upload(server, name="walk.csv", content=CSV, purpose="user_data"):
    files = {"file": (name, content)}
    return server.post("/v1/files", files=files, data={"purpose": purpose})


def test_a_file_is_uploaded_listed_shown_read_and_deleted(server):
    entry = upload(server).json()
    assert entry["object"] == "file"
    assert (entry["filename"], entry["bytes"], entry["purpose"]) == (
        "walk.csv",
        len(CSV),
        "user_data",
    )
    assert entry["expires_at"] - entry["created_at"] == 3600
    assert entry in server.get("/v1/files").json()["data"]
    assert server.get(f"/v1/files/{entry['id']}").json() == entry
    assert server.get(f"/v1/files/{entry['id']}/content").content == CSV
    deleted = server.delete(f"/v1/files/{entry['id']}").json()
    assert deleted == {"id": entry["id"], "object": "file", "deleted": True}
    assert server.get(f"/v1/files/{entry['id']}").status_code == 404


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [
        ("walk.csv", b"", "empty_file"),
        ("table.yaml", b"files: /etc/passwd", "unknown_kind"),
        ("walk", CSV, "unknown_kind"),
    ],
)
def test_what_cannot_be_read_is_not_taken(server, name, content, code):
    response = upload(server, name, content)
    assert response.status_code == 400
    assert response.json()["error"]["code"] == code


def test_a_form_without_a_file_is_refused(server):
    assert server.post("/v1/files", json={}).status_code == 415
    response = server.post("/v1/files", files={"other": ("a.csv", CSV)})
    assert response.json()["error"]["message"] == "the form has 1 files; send one called 'file'"
    head = {"content-type": "multipart/form-data"}
    response = server.post("/v1/files", content=b"x", headers=head)
    assert response.json()["error"]["code"] == "bad_form"
    head = {"content-type": f"multipart/form-data; boundary={'b' * 400}"}
    response = server.post("/v1/files", content=b"x", headers=head)
    assert response.json()["error"]["message"].startswith("the form cannot be read: Boundary")
    two = [("file", ("a.csv", CSV)), ("file", ("b.csv", CSV))]
    response = server.post("/v1/files", files=two)
    assert "the form has 2 files" in response.json()["error"]["message"]
    many = {str(number): "x" for number in range(20)}
    response = server.post("/v1/files", files={"file": ("a.csv", CSV)}, data=many)
    assert response.json()["error"]["code"] == "bad_form"
    cut = b"--b\r\nContent-Disposition: form-data; name=file; filename=a.csv\r\n\r\n1,2"
    head = {"content-type": "multipart/form-data; boundary=b"}
    assert server.post("/v1/files", content=cut, headers=head).status_code == 400


def test_without_a_folder_nothing_is_written_to_disk(server, monkeypatch):
    def refuse(*words, **settings):
        raise AssertionError("a temporary file")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    large = CSV * 60_000  # what a form's parser would roll over to disk
    assert upload(server, content=large).status_code == 200


@pytest.mark.parametrize(
    ("name", "safe"),
    [("walk.csv", "walk.csv"), ("../../etc/walk.csv", "walk.csv"), ("C:\\my w.csv", "my_w.csv"),
     ("..csv", "csv"), ("é.csv", "_.csv"), ("x" * 200 + ".csv", "x" * 76 + ".csv")],
)  # fmt: skip
def test_a_name_has_no_folders(name, safe):
    if safe == "csv":
        with pytest.raises(ApiError, match="cannot read csv"):
            safe_name(name)
    else:
        assert safe_name(name) == safe


def test_there_is_room_for_so_many_bytes():
    shelf = FileShelf(None, 60, 2 * len(CSV))
    first, _ = shelf.add("a.csv", CSV, ""), shelf.add("b.csv", CSV, "")
    with pytest.raises(ApiError, match=r"no room for 48 bytes: 96 of 96 are taken") as error:
        shelf.add("c.csv", CSV, "")
    assert error.value.status == 413
    shelf.delete(first.id)
    assert shelf.add("c.csv", CSV, "").filename == "c.csv"


@pytest.mark.parametrize("folder", [False, True])
def test_a_file_is_forgotten_after_its_time(tmp_path, monkeypatch, folder):
    shelf = FileShelf(tmp_path / "files" if folder else None, 60, 1000)
    entry = shelf.add("a.csv", CSV, "")
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert shelf.entries() == []
    with pytest.raises(ApiError, match="upload it"):
        shelf.content(entry.id)
    assert list(tmp_path.rglob("*.csv")) == []


def test_a_folder_outlives_the_server(tmp_path):
    entry = FileShelf(tmp_path, 60, 1000).add("a.csv", CSV, "user_data")
    again = FileShelf(tmp_path, 60, 1000)
    assert again.entries() == [entry]
    assert again.content(entry.id) == CSV
    with again.reading(entry.id) as path:
        assert path.read_bytes() == CSV


def test_what_is_left_of_an_upload_that_was_cut_off_is_deleted_in_its_time(tmp_path, monkeypatch):
    entry = FileShelf(tmp_path, 60, 1000).add("a.csv", CSV, "user_data")
    (tmp_path / entry.id / "file.json").unlink()
    (tmp_path / "file-of-somebody").mkdir()
    assert FileShelf(tmp_path, 60, 1000).entries() == []
    assert (tmp_path / entry.id).exists()
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 61)
    assert FileShelf(tmp_path, 60, 1000).entries() == []
    assert [path.name for path in tmp_path.iterdir()] == ["file-of-somebody"]


def test_a_description_that_no_server_wrote_is_one_line(tmp_path):
    place = tmp_path / "file-1"
    place.mkdir()
    for text in ("{", "[1]", '{"id": "file-1"}'):
        (place / "file.json").write_text(text)
        with pytest.raises(ConfigError, match=r"file\.json describes no uploaded file"):
            FileShelf(tmp_path, 60, 1000)


@pytest.mark.parametrize("folder", [False, True])
def test_of_several_who_delete_a_file_one_did(tmp_path, folder):
    shelf = FileShelf(tmp_path if folder else None, 60, 1000)
    entry, outcomes = shelf.add("a.csv", CSV, ""), []

    def delete():
        try:
            outcomes.append(shelf.delete(entry.id))
        except ApiError as error:
            outcomes.append(error.status)

    threads = [threading.Thread(target=delete) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, outcomes)) == [*["404"] * 7, str(entry)]


def test_a_file_that_is_deleted_while_it_is_read_is_not_found(tmp_path):
    shelf = FileShelf(tmp_path, 60, 1000)
    entry = shelf.add("a.csv", CSV, "")

    def read_what_is_gone():
        with shelf.reading(entry.id) as path:
            shelf.delete(entry.id)
            path.read_bytes()

    with pytest.raises(ApiError, match="there is no file"):
        read_what_is_gone()


def test_while_it_is_read_a_file_has_a_path_and_then_no_more():
    shelf = FileShelf(None, 60, 1000)
    entry = shelf.add("a.csv", CSV, "")
    with shelf.reading(entry.id) as path:
        assert path.read_bytes() == CSV
        assert path.stat().st_mode & 0o777 in (0o644, 0o600)
        assert path.parent.stat().st_mode & 0o777 == 0o700
    assert not path.parent.exists()
