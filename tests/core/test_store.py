from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reelwright_core.errors import StorageError
from reelwright_core.records import digest
from reelwright_core.store import Store, artifacts
from reelwright_core.takes import Artifact

KEY = digest("a stage")
SHOWN = "shots/s01/take-1/clip.mp4"


def made(store: Store, content: bytes = b"film", path: str = SHOWN) -> Artifact:
    aside = store.aside(path.replace("/", "-"))
    aside.write_bytes(content)
    return store.add(aside, path)


def finished(run: Path) -> tuple[Store, Artifact]:
    """A store with one finished stage that made one file."""
    store = Store(run)
    artifact = made(store)
    store.keep(KEY, "film", {"clip": artifact.data(), "seconds": 1.5})
    return store, artifact


def record(run: Path) -> Path:
    return next((run / "store/stages").rglob("*.json"))


def test_a_file_is_kept_once_and_shown_where_it_belongs(tmp_path: Path) -> None:
    store = Store(tmp_path)
    artifact = made(store)
    again = made(store, path="film.mp4")
    assert (tmp_path / SHOWN).read_bytes() == b"film"
    assert (tmp_path / SHOWN).samefile(store.path(artifact))
    assert (tmp_path / "film.mp4").samefile(store.path(again))
    assert store.has(artifact)
    assert (artifact.bytes, artifact.sha256) == (again.bytes, again.sha256)
    files = [path for path in (tmp_path / "store").rglob("*") if path.is_file()]
    assert files == [store.path(artifact)]


def test_a_finished_stage_is_found_with_its_outputs(tmp_path: Path) -> None:
    store, artifact = finished(tmp_path)
    assert store.find(KEY) == {"clip": artifact.data(), "seconds": 1.5}
    assert Store(tmp_path).find(KEY) == store.find(KEY)
    assert store.find(digest("another stage")) is None


def test_finding_changes_no_times(tmp_path: Path) -> None:
    store, _ = finished(tmp_path)
    os.utime(tmp_path / SHOWN, (1e9, 1e9))
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert store.find(KEY)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


@pytest.mark.parametrize("copied", [False, True])
def test_a_shown_file_that_was_deleted_is_shown_again(tmp_path: Path, copied: bool) -> None:
    store, artifact = finished(tmp_path)
    (tmp_path / SHOWN).unlink()
    if copied:  # As after copying the run folder to another disk: the same, but no link.
        (tmp_path / SHOWN).write_bytes(b"film")
    assert store.find(KEY)
    assert (tmp_path / SHOWN).read_bytes() == b"film"
    assert (tmp_path / SHOWN).samefile(store.path(artifact)) is not copied


def test_a_shown_file_that_was_replaced_is_shown_again(tmp_path: Path) -> None:
    store, _ = finished(tmp_path)
    (tmp_path / SHOWN).unlink()
    (tmp_path / SHOWN).write_bytes(b"mine")
    assert store.find(KEY)
    assert (tmp_path / SHOWN).read_bytes() == b"film"


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[1] ^= 1
    path.write_bytes(content)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize("harm", [flip_a_bit, cut, Path.unlink])
def test_a_kept_file_that_is_not_whole_is_a_miss_until_it_is_made_again(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    store, artifact = finished(tmp_path)
    harm(store.path(artifact))
    assert not store.has(artifact)
    assert store.find(KEY) is None
    assert made(store) == artifact
    assert store.find(KEY)
    assert (tmp_path / SHOWN).read_bytes() == b"film"


def test_a_shown_file_that_was_edited_in_place_is_a_miss_and_made_again(tmp_path: Path) -> None:
    store, artifact = finished(tmp_path)
    with (tmp_path / SHOWN).open("ab") as file:
        file.write(b"!")
    assert store.find(KEY) is None
    assert made(store) == artifact
    assert (tmp_path / SHOWN).read_bytes() == b"film"


@pytest.mark.parametrize("harm", [flip_a_bit, cut, Path.unlink])
def test_a_record_that_is_not_whole_is_a_miss(
    tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    store, _ = finished(tmp_path)
    harm(record(tmp_path))
    assert store.find(KEY) is None


@pytest.mark.parametrize(
    "edit",
    [
        {"outputs": {"seconds": 2.5}},
        {"key": digest("another stage")},
        {"schema": "Stage.2"},
        {"sha256": "0" * 64},
        {"more": 1},
    ],
)
def test_a_record_that_was_edited_is_a_miss(tmp_path: Path, edit: dict[str, Any]) -> None:
    store, _ = finished(tmp_path)
    path = record(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **edit}))
    assert store.find(KEY) is None


@pytest.mark.parametrize(
    "change",
    [
        {"schema": "Stage.2"},
        {"key": digest("another stage")},
        {"outputs": {"clip": {"path": "../../film.mp4", "sha256": "0" * 64, "bytes": 1}}},
        {"outputs": {"clip": {"path": "a", "sha256": "../../../etc/passwd", "bytes": 1}}},
        {"outputs": {"clip": {"path": "a", "sha256": "0" * 64, "bytes": 1}}},
    ],
)
def test_a_record_with_a_right_digest_is_believed_no_more_than_what_it_says(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    store, _ = finished(tmp_path)
    path = record(tmp_path)
    forged = {**json.loads(path.read_text()), **change}
    del forged["sha256"]
    path.write_text(json.dumps({**forged, "sha256": digest(forged)}))
    assert store.find(KEY) is None


@pytest.mark.parametrize(
    "content", [b"", b"null", b"[]", b"3", b'{"sha256": 1}', b"\xff", b"[" * 99_999]
)
def test_a_record_that_is_no_record_is_a_miss(tmp_path: Path, content: bytes) -> None:
    store, _ = finished(tmp_path)
    record(tmp_path).write_bytes(content)
    assert store.find(KEY) is None


def test_a_stage_without_files_is_found(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.keep(KEY, "layout", {"boxes": [0.1, 1 / 3], "text": "名前"})
    assert store.find(KEY) == {"boxes": [0.1, 1 / 3], "text": "名前"}


def test_what_has_no_digest_is_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        Store(tmp_path).keep(KEY, "watch", {"score": float("nan")})
    assert Store(tmp_path).find(KEY) is None


def test_threads_may_add_the_same_content(tmp_path: Path) -> None:
    store = Store(tmp_path)
    faults: list[BaseException] = []
    start = threading.Barrier(8)

    def work(number: int) -> None:
        try:
            for turn in range(15):
                aside = store.aside(f"{number}.mp4")
                aside.write_bytes(b"film %d" % turn)
                start.wait(30)
                artifact = store.add(aside, "film.mp4" if number % 2 else f"{number}/film.mp4")
                assert store.has(artifact)
        except BaseException as fault:
            faults.append(fault)
            start.abort()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert (tmp_path / "film.mp4").read_bytes() == b"film 14"
    assert len([path for path in (tmp_path / "store/files").rglob("*") if path.is_file()]) == 15
    assert not list(tmp_path.rglob(".*"))


def test_a_path_that_leaves_the_run_is_refused_before_anything_moves(tmp_path: Path) -> None:
    store = Store(tmp_path / "run")
    aside = store.aside("film.mp4")
    aside.write_bytes(b"film")
    with pytest.raises(ValueError, match="run folder"):
        store.add(aside, "../film.mp4")
    assert aside.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_place_that_is_taken_by_a_folder_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / SHOWN).mkdir(parents=True)
    with pytest.raises(StorageError, match=r"clip\.mp4"):
        made(Store(tmp_path))


def test_artifacts_are_found_wherever_they_stand(tmp_path: Path) -> None:
    store = Store(tmp_path)
    one, two, three = (made(store, b"%d" % i, f"{i}.png") for i in range(3))
    data = {
        "sketch": {"video": one.data(), "things": [["ball", 0]]},
        "takes": [[two.data()], ({"x": three.data()},)],
        "no": {"path": "a", "sha256": "b"},
        "text": "path",
        "more": {**one.data(), "extra": 1},
    }
    assert list(artifacts(data)) == [one, two, three]
    assert list(artifacts(None)) == []
