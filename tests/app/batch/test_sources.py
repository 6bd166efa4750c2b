import importlib.util
import io
import os
import re
import socket
import struct
import sys
import tarfile
import tempfile
import threading
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from app.batch.sources import ENTRY, FREE, MOST_ENTRIES, MOST_GROWTH, Sources, archive
from app.errors import ArchiveRefused, describe
from app.photo_names import shown
from app.terminal.words import TerminalError

MOST = 1000


def files(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())
    return folder


def listed(*given):
    """Every source by name, with its bytes or the type of what stands in the way."""
    found = {}
    for source in Sources([str(one) for one in given]):
        assert source.name not in found
        try:
            found[source.name] = source.read(MOST)
        except (TerminalError, ArchiveRefused) as error:
            found[source.name] = error.type
    return found


def wrong(*given):
    """What stands in the way of all places, and which of them it is said of."""
    try:
        Sources([str(one) for one in given]).check()
    except TerminalError as error:
        return error.type, error.params.get("path")


def zipped(path, entries, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as out:
        for name, data in entries:
            out.writestr(name, data)
    return path


class TestFolders:
    def test_gives_pictures_at_any_depth_named_from_the_folder(self, tmp_path):
        files(tmp_path, "a.jpg", "deep/er/b.PNG", "notes.txt")
        assert listed(tmp_path) == {"a.jpg": b"a.jpg", "deep/er/b.PNG": b"deep/er/b.PNG"}

    def test_files_that_are_no_photos_by_their_names_are_counted(self, tmp_path):
        files(tmp_path, "a.jpg", "b/c.CR3", "b/notes.txt", ".cache/d.NEF", "._a.jpg", "hasil/report.html", "hasil/ledger.sqlite-wal")
        sources = Sources([str(tmp_path), str(tmp_path / "b")])
        for _ in range(2):  # a run goes over them twice
            assert len(list(sources)) == 2
            assert sources.passed == 2

    def test_what_a_pattern_names_is_not_counted_as_passed_over(self, tmp_path):
        sources = Sources([str(files(tmp_path, "a.jpg", "b.CR3")), f"{tmp_path}/*.CR3"])
        assert len(list(sources)) == 2
        assert sources.passed == 0

    def test_names_of_several_begin_with_their_source(self, tmp_path):
        files(tmp_path, "one/x.jpg", "two/x.jpg", "y.jpg")
        given = [tmp_path / "one", tmp_path / "two", tmp_path / "y.jpg", tmp_path / "one"]
        assert list(listed(*given)) == [f"{tmp_path}/one/x.jpg", f"{tmp_path}/two/x.jpg", f"{tmp_path}/y.jpg"]

    def test_what_is_named_outright_is_always_tried(self, tmp_path):
        files(tmp_path, "photo")
        assert listed(tmp_path / "photo") == {f"{tmp_path}/photo": b"photo"}

    def test_what_is_named_twice_is_one_photo(self, tmp_path):
        files(tmp_path, "a.jpg")
        found = [source.name for source in Sources([str(tmp_path), f"{tmp_path}/", f"{tmp_path}/*.jpg", f"{tmp_path}/a.jpg"])]
        assert found == [f"{tmp_path}/a.jpg"]

    def test_however_it_is_written(self, tmp_path, monkeypatch):
        files(tmp_path, "k/Hari Jadi/a.jpg", "k/catatan.txt")
        monkeypatch.chdir(tmp_path / "k")
        sources = Sources([".", "Hari Jadi", "../k", str(tmp_path / "k"), "./*/*.jpg"])
        assert [source.name for source in sources] == ["./Hari Jadi/a.jpg"]
        assert sources.passed == 1

    def test_archives_in_it_are_looked_into_or_told(self, tmp_path):
        files(tmp_path, "a.jpg", "hari 2/lama.rar", "hari 2/catatan.txt", "log.gz", "._surat.zip", "foto.tar.gz", "b.JPG.gz")
        zipped(tmp_path / "hari 2" / "acara.zip", [("b.jpg", b"B"), ("dalam.zip", b"-")])
        zipped(tmp_path / "surat.zip", [("undangan.pdf", b"-")])
        (tmp_path / "rusak.zip").write_bytes(b"PK")
        assert listed(tmp_path) == {
            "a.jpg": b"a.jpg",
            "hari 2/lama.rar": "archive-unsupported",
            "foto.tar.gz": "archive-unsupported",
            "b.JPG.gz": "archive-unsupported",
            "hari 2/acara.zip/b.jpg": b"B",
            "hari 2/acara.zip/dalam.zip": "archive-nested",
            "rusak.zip": "archive-damaged",
        }

    def test_every_archive_that_is_no_zip_is_told(self, tmp_path):
        names = ["a.7z", "a.rar", "a.tar", "a.tgz", "a.tar.gz", "a.tar.bz2", "a.jpg.xz", "a.tar.zst"]
        assert listed(files(tmp_path, *names)) == dict.fromkeys(names, "archive-unsupported")

    def test_a_folder_of_archives_alone(self, tmp_path):
        zipped(tmp_path / "surat.zip", [("undangan.pdf", b"-")])
        assert listed(tmp_path) == {str(tmp_path): "folder-empty"}
        zipped(tmp_path / "acara.zip", [("b.jpg", b"B")])
        assert listed(tmp_path) == {"acara.zip/b.jpg": b"B"}

    def test_places_that_are_not_there(self, tmp_path):
        files(tmp_path, "a.jpg")
        nowhere = str(tmp_path / "b")
        for other in (nowhere + "c", str(tmp_path / "*.png"), "nonsense://x"):
            assert wrong(nowhere, other) == ("sources-missing", nowhere)
        for other in (str(tmp_path / "a.jpg"), str(tmp_path / "*.jpg")):
            assert wrong(nowhere, other) is None

    def test_a_pattern(self, tmp_path):
        files(tmp_path, "a/1.jpg", "b/2.jpg", "b/3.txt")
        assert set(listed(tmp_path / "*" / "*.jpg")) == {f"{tmp_path}/a/1.jpg", f"{tmp_path}/b/2.jpg"}
        assert listed(tmp_path / "*.gif") == {f"{tmp_path}/*.gif": "file-missing"}

    def test_a_pattern_for_any_depth_follows_no_links_to_folders(self, tmp_path):
        files(tmp_path, "1.jpg", "a/2.jpg", "b/c [1]/3.jpg", ".hidden/4.jpg", "b/note.txt")
        (tmp_path / "a/up").symlink_to("..")
        (tmp_path / "link.jpg").symlink_to("1.jpg")
        photos = {"1.jpg", "link.jpg", "a/2.jpg", "b/c [1]/3.jpg"}
        for pattern, names in (("**/*.jpg", photos), ("**", photos | {"b/note.txt"}), ("**/*/?.jpg", {"a/2.jpg", "b/c [1]/3.jpg"})):
            found = {f"{tmp_path}/{name}" for name in names}
            assert set(listed(tmp_path / pattern)) == found
            if importlib.util.find_spec("fsspec"):
                remote = {name for name in listed(f"file://{tmp_path}/{pattern}") if "/." not in name}
                assert remote == {f"file://{name}" for name in found}

    def test_a_name_with_a_bracket_is_a_name_first(self, tmp_path):
        files(tmp_path, "a[1].jpg", "a1.jpg")
        assert list(listed(tmp_path / "a[1].jpg")) == [f"{tmp_path}/a[1].jpg"]

    @pytest.mark.parametrize(("place", "type_"), [("nowhere", "file-missing"), ("nowhere.zip", "file-missing"), ("empty", "folder-empty")])
    def test_says_where_there_is_nothing(self, tmp_path, place, type_):
        files(tmp_path, "empty/notes.txt")
        assert listed(tmp_path / place) == {str(tmp_path / place): type_}

    def test_links_that_go_round_end(self, tmp_path):
        files(tmp_path, "a/x.jpg")
        (tmp_path / "a/round").symlink_to(tmp_path)
        (tmp_path / "a/self.jpg").symlink_to("self.jpg")
        (tmp_path / "a/gone.jpg").symlink_to("nowhere.jpg")
        assert listed(tmp_path) == {"a/x.jpg": b"a/x.jpg", "a/self.jpg": "file-unreadable", "a/gone.jpg": "file-missing"}

    def test_what_may_not_be_read_says_so(self, tmp_path, unprivileged):
        files(tmp_path, "a.jpg", "closed/b.jpg", "c.jpg")
        (tmp_path / "a.jpg").chmod(0)
        (tmp_path / "closed").chmod(0)
        try:
            assert listed(tmp_path) == {"a.jpg": "file-unreadable", "closed": "folder-unreadable", "c.jpg": b"c.jpg"}
        finally:
            (tmp_path / "closed").chmod(0o700)

    def test_a_file_that_fails_says_so(self, tmp_path):
        for name in ("a.jpg", "b.zip"):
            (tmp_path / name).symlink_to("/proc/self/mem")  # at whose beginning nothing is to be read, and which has no end
        assert listed(tmp_path) == {"a.jpg": "file-unreadable", "b.zip": "file-unreadable"}

    def test_a_pipe_is_not_waited_for(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.jpg")
        os.mkfifo(tmp_path / "pipe.zip")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(tmp_path / "socket.jpg"))
            assert listed(tmp_path) == {"pipe.jpg": "file-odd", "pipe.zip": "file-odd", "socket.jpg": "file-unreadable"}

    def test_no_more_is_read_than_asked_for(self, tmp_path):
        (tmp_path / "x.jpg").write_bytes(bytes(10 * MOST))
        assert len(listed(tmp_path)["x.jpg"]) == MOST

    def test_names_that_are_not_utf8_stay_apart(self, tmp_path):
        for name in (b"\xff.jpg", b"\xfe.jpg"):
            Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(name)
        found = listed(tmp_path)
        assert sorted(found.values()) == [b"\xfe.jpg", b"\xff.jpg"]
        assert {shown(name) for name in found} == {"\N{REPLACEMENT CHARACTER}.jpg"}


class TestArchives:
    def test_gives_the_pictures(self, tmp_path):
        path = zipped(tmp_path / "ACARA.ZIP", [("a.jpg", b"A"), ("b/c.png", b"C"), ("notes.txt", b"-"), ("__MACOSX/._a.jpg", b"-")])
        assert listed(path) == {"a.jpg": b"A", "b/c.png": b"C"}
        assert list(listed(path, tmp_path / "x.jpg")) == [f"{path}/a.jpg", f"{path}/b/c.png", str(tmp_path / "x.jpg")]

    def test_a_photo_may_be_larger_than_any_table_of_contents(self, tmp_path):
        data = bytes(MOST_ENTRIES * ENTRY + 2)
        path = zipped(tmp_path / "x.zip", [("a.jpg", data)])
        assert [source.read(len(data)) for source in Sources([str(path)])] == [data]

    def test_the_same_name_twice_is_two_photos(self, tmp_path):
        with pytest.warns(UserWarning, match="Duplicate"):
            path = zipped(tmp_path / "x.zip", [("a.jpg", b"1"), ("a.jpg", b"2"), ("a.jpg (2).jpg", b"-"), ("a.jpg", b"3")])
        assert listed(path) == {"a.jpg": b"1", "a.jpg (2)": b"2", "a.jpg (2).jpg": b"-", "a.jpg (3)": b"3"}

    def test_notes_of_macos_are_no_photos(self, tmp_path):
        path = zipped(
            tmp_path / "x.zip", [("a.jpg", b"A"), ("._a.jpg", b"-"), ("b/._c.jpg", b"-"), ("b/._d.zip", b"-"), ("b\\._e.jpg", b"")]
        )
        assert listed(path) == {"a.jpg": b"A"}

    def test_a_slash_in_a_folder_s_name_as_macos_writes_it(self, tmp_path):
        names = ("1:6 Hari Pancasila/a.jpg", "a:n Bupati/b.jpg")
        assert list(listed(zipped(tmp_path / "x.zip", [(name, b"-") for name in names]))) == list(names)

    def test_names_in_utf8_that_do_not_say_so(self, tmp_path):
        path = zipped(tmp_path / "x.zip", [("Café 😀.jpg", b"1"), ("Caf\ufffd.jpg", b"2"), ("lain.jpg", b"3")])
        data = bytearray(path.read_bytes().replace("\ufffd".encode(), b"\xff\xfe\xfd"))  # in no encoding
        for header, flags in ((b"PK\x03\x04", 7), (b"PK\x01\x02", 9)):
            for found in re.finditer(re.escape(header), data):
                data[found.start() + flags] = 0
        path.write_bytes(data)
        assert listed(path) == {"Café 😀.jpg": b"1", b"Caf\xff\xfe\xfd.jpg".decode("cp437"): b"2", "lain.jpg": b"3"}

    @pytest.mark.parametrize("method", [zipfile.ZIP_LZMA, zipfile.ZIP_BZIP2])
    def test_what_may_take_any_memory_to_unpack_says_so(self, tmp_path, method):
        path = zipped(tmp_path / "x.zip", [("a.jpg", b"A"), ("b.jpg", b"B")], method)
        assert listed(path) == {"a.jpg": "archive-unsupported", "b.jpg": "archive-unsupported"}

    @pytest.mark.parametrize("name", ["../a.jpg", "b/../../a.jpg", "/etc/a.jpg", "..\\a.jpg", "C:\\a.jpg", "c:/a.jpg"])
    def test_paths_that_lead_out_are_refused(self, tmp_path, name):
        path = zipped(tmp_path / "x.zip", [("fine.jpg", b"-"), (name, b"-")])
        assert listed(path) == {str(path): "archive-climbs"}

    def test_archives_within_are_named_and_not_opened(self, tmp_path):
        inner = zipped(tmp_path / "inner.zip", [("b.jpg", b"B")])
        path = zipped(tmp_path / "x.zip", [("a.jpg", b"A"), ("inner.ZIP", inner.read_bytes()), ("old.rar", b"-")])
        assert listed(path) == {"a.jpg": b"A", "inner.ZIP": "archive-nested", "old.rar": "archive-nested"}

    def test_an_archive_that_grows_too_large_is_refused_unopened(self, tmp_path):
        path = zipped(tmp_path / "x.zip", [("a.jpg", bytes(FREE))], zipfile.ZIP_DEFLATED)
        assert listed(path) == {"a.jpg": bytes(MOST)}
        zipped(path, [("a.jpg", bytes(FREE + 1))], zipfile.ZIP_DEFLATED)
        assert listed(path) == {str(path): "archive-bomb"}

    def test_an_archive_that_is_large_itself_may_hold_much(self, tmp_path, monkeypatch):
        monkeypatch.setattr("app.batch.sources.FREE", 10)
        path = zipped(tmp_path / "x.zip", [("a.jpg", bytes(MOST))])
        assert listed(path) == {"a.jpg": bytes(MOST)}

    def test_as_many_entries_as_are_let_in(self, tmp_path, monkeypatch):
        monkeypatch.setattr("app.batch.sources.MOST_ENTRIES", 2)
        assert len(listed(zipped(tmp_path / "x.zip", [("a.jpg", b""), ("b.jpg", b"")]))) == 2

    def test_a_size_that_lies_gives_no_more_than_it_says(self, tmp_path):
        path = zipped(tmp_path / "x.zip", [("a.jpg", bytes(2**20))], zipfile.ZIP_DEFLATED)
        data = path.read_bytes()
        path.write_bytes(data.replace(struct.pack("<L", 2**20), struct.pack("<L", 10)))
        assert listed(path) == {"a.jpg": "archive-damaged"}

    def test_too_many_entries_are_refused(self, tmp_path):
        path = zipped(tmp_path / "x.zip", [(f"{number}.jpg", b"") for number in range(MOST_ENTRIES + 1)])
        assert listed(path) == {str(path): "archive-too-many"}

    def test_words_give_the_bounds_as_each_language_writes_them(self):
        for kind, bound in (("archive-too-many", MOST_ENTRIES), ("archive-bomb", MOST_GROWTH)):
            assert f" {bound:,} " in describe(ArchiveRefused(kind), "en")[1]
            assert f" {bound:,} ".replace(",", ".") in describe(ArchiveRefused(kind), "id")[1]

    def test_a_hundred_thousand_entries_are_refused_before_they_are_held(self):
        name = b"0.jpg"
        entry = struct.pack("<4s4B4HL2L5H2L", b"PK\x01\x02", 20, 0, 20, 0, 0, 0, 0, 0, 0, 0, 0, len(name), 0, 0, 0, 0, 0, 0) + name
        table = entry * 400_000
        end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 9, 9, len(table), 0, 0)  # which says that there are nine
        file = io.BytesIO(table + end)
        tracemalloc.start()
        with pytest.raises(ArchiveRefused) as refused:
            next(archive(file))
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert refused.value.type == "archive-too-many"
        assert peak < 20 * 2**20

    def test_a_password_says_so(self, tmp_path):
        path = zipped(tmp_path / "x.zip", [("a.jpg", b"A")])
        data = bytearray(path.read_bytes())
        data[6] |= 1
        data[data.index(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(data)
        assert listed(path) == {"a.jpg": "archive-encrypted"}

    @pytest.mark.parametrize("data", [b"", b"PK", b"not an archive at all", b"PK\x05\x06" + b"\xff" * 18])
    def test_what_is_no_archive_says_so(self, tmp_path, data):
        (tmp_path / "x.zip").write_bytes(data)
        assert listed(tmp_path / "x.zip") == {f"{tmp_path}/x.zip": "archive-damaged"}

    def test_one_without_photos_says_so(self, tmp_path):
        assert listed(zipped(tmp_path / "x.zip", [("a.txt", b"")])) == {f"{tmp_path}/x.zip": "archive-empty"}

    def test_damage_in_one_photo_leaves_the_others(self, tmp_path):
        path = zipped(tmp_path / "x.zip", [("a.jpg", b"AAAA"), ("b.jpg", b"BBBB")])
        path.write_bytes(path.read_bytes().replace(b"AAAA", b"AAAX"))
        assert listed(path) == {"a.jpg": "archive-damaged", "b.jpg": b"BBBB"}

    @pytest.mark.parametrize("offset", [2**40, 2**63 - 2, 2**64 - 1])
    def test_a_photo_far_past_the_end_is_damage(self, offset):
        with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:  # where one can go to 2**63 - 2, but not read there
            path = Path(folder, "x.zip")
            with zipfile.ZipFile(path, "w") as out:
                out.writestr("a.jpg", b"A")
                out.filelist[0].header_offset = offset
            assert listed(path) == {"a.jpg": "archive-damaged"}


class TestRemote:
    @pytest.fixture
    def memory(self):
        fsspec = pytest.importorskip("fsspec", reason="needs fsspec")
        system = fsspec.filesystem("memory")
        for name in ("a.jpg", "deep/b.png", "notes.txt"):
            system.pipe(f"/bucket/{name}", name.encode())
        yield system
        system.rm("/bucket", recursive=True)

    @pytest.fixture
    def web(self, memory, monkeypatch):
        """What fsspec makes of web servers: address → bytes, links in the page of a folder, or why there is nothing."""
        answers = {}

        def info(url):
            if isinstance(answers[url], Exception):
                raise FileNotFoundError(url) from answers[url]
            return {"type": "directory" if isinstance(answers[url], tuple) else "file"}

        def ls(url, detail):
            return [{"name": f"{url}/{link}", "type": "directory" if link.endswith("/") else "file"} for link in answers[url]]

        monkeypatch.setattr("fsspec.core.url_to_fs", lambda url: (memory, url))
        monkeypatch.setattr(memory, "info", info)
        monkeypatch.setattr(memory, "isdir", lambda url: False)
        monkeypatch.setattr(memory, "ls", ls)
        monkeypatch.setattr(memory, "open", lambda url, mode: io.BytesIO(answers[url]))
        return answers

    @pytest.fixture
    def locked(self):
        """An FTP server that takes no password, and where it is."""
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=refuse, args=(server,), daemon=True)
            thread.start()
            yield f"127.0.0.1:{server.getsockname()[1]}"
            server.shutdown(socket.SHUT_RDWR)
            thread.join()

    def test_a_folder(self, memory):
        assert listed("memory://bucket") == {"a.jpg": b"a.jpg", "deep/b.png": b"deep/b.png"}

    def test_a_file_and_a_pattern(self, memory):
        assert listed("memory://bucket/a.jpg") == {"memory://bucket/a.jpg": b"a.jpg"}
        assert listed("memory://bucket/deep/*.png") == {"memory://bucket/deep/b.png": b"deep/b.png"}
        assert set(listed("memory://bucket/*")) == {f"memory://bucket/{name}" for name in ("a.jpg", "notes.txt", "deep/b.png")}
        assert list(listed("memory://bucket/**/*.*g", "memory://bucket")) == ["memory://bucket/a.jpg", "memory://bucket/deep/b.png"]

    def test_an_archive(self, memory, tmp_path):
        memory.pipe("/bucket/x.zip", zipped(tmp_path / "x.zip", [("c.jpg", b"C")]).read_bytes())
        assert listed("memory://bucket/x.zip") == {"c.jpg": b"C"}

    def test_an_archive_is_not_called_damaged_where_its_place_fails(self, tmp_path):
        pytest.importorskip("fsspec", reason="needs fsspec")
        place = tmp_path / "place.tar"
        with tarfile.open(place, "w") as out:
            for name in ("x.zip", "y.zip"):
                out.add(zipped(tmp_path / name, [(f"{number}.jpg", bytes(2**16)) for number in range(3)]), name)
        found = {}
        for source in Sources([f"tar://*.zip::file://{place}"]):
            try:
                found[source.name] = source.read(MOST)
            except (TerminalError, ArchiveRefused) as error:
                found[source.name] = error.type
            os.truncate(place, 2**16)  # within the first photo
        assert found == {
            f"tar://x.zip::file://{place}/0.jpg": bytes(MOST),
            f"tar://x.zip::file://{place}/1.jpg": "remote-unreadable",
            f"tar://x.zip::file://{place}/2.jpg": "remote-unreadable",
            f"tar://y.zip::file://{place}": "remote-unreadable",
        }

    def test_photos_of_the_same_name_in_two_archives_stay_apart(self, tmp_path):
        pytest.importorskip("fsspec", reason="needs fsspec")
        given = [f"zip://*.jpg::{zipped(tmp_path / f'{name}.zip', [('1.jpg', name.encode())])}" for name in "ab"]
        assert listed(*given) == {f"zip://1.jpg::{tmp_path}/{name}.zip": name.encode() for name in "ab"}

    def test_a_folder_is_as_one_of_this_machine(self, memory, tmp_path):
        files(tmp_path, "a.jpg", "notes.txt", "._a.jpg", "deep/b.png", "deep/lain.rar", "log.gz", "foto.tar.gz")
        zipped(tmp_path / "acara.zip", [("c.jpg", b"C"), ("dalam.zip", b"-")])
        zipped(tmp_path / "surat.zip", [("undangan.pdf", b"-")])
        memory.put(f"{tmp_path}/", "/bucket/", recursive=True)
        found = listed(tmp_path)
        assert len(found) == 6
        assert listed("memory://bucket") == listed(f"file://{tmp_path}") == found
        memory.rm("/bucket", recursive=True)
        memory.pipe("/bucket/surat.zip", (tmp_path / "surat.zip").read_bytes())
        assert listed("memory://bucket") == {"memory://bucket": "folder-empty"}

    def test_a_name_with_a_bracket_is_a_name_first(self, memory):
        memory.pipe("/bucket/Foto [2024]/c.jpg", b"C")
        assert listed("memory://bucket/Foto [2024]") == {"c.jpg": b"C"}
        assert list(listed("memory://bucket/Foto [[]2024]/*")) == ["memory://bucket/Foto [2024]/c.jpg"]

    def test_a_folder_that_is_listed_among_what_it_holds(self, memory, monkeypatch):
        """As object storage does where somebody has made a folder by hand."""
        ls = memory.ls
        itself = {"name": "/bucket/", "size": 0, "type": "directory"}
        monkeypatch.setattr(memory, "ls", lambda path, **options: [*[itself] * (path == "/bucket"), *ls(path, **options)])
        assert listed("memory://bucket") == {"a.jpg": b"a.jpg", "deep/b.png": b"deep/b.png"}

    def test_a_folder_without_a_name_says_so(self, memory, monkeypatch):
        """As s3fs gives the folder of keys with two slashes in a row, and would list it as the one that holds it."""
        ls = memory.ls
        nameless = {"name": "/bucket/", "size": 0, "type": "directory", "StorageClass": "DIRECTORY"}
        monkeypatch.setattr(memory, "ls", lambda path, **options: [*[nameless] * (path == "/bucket"), *ls(path, **options)])
        assert listed("memory://bucket") == {"memory://bucket": "remote-nameless", "a.jpg": b"a.jpg", "deep/b.png": b"deep/b.png"}
        assert listed("memory://bucket/*.jpg") == {"memory://bucket/a.jpg": b"a.jpg"}
        assert wrong("memory://bucket/*/*.png") is None

    def test_links_of_a_page_to_itself_or_out_of_its_folder_are_not_followed(self, web):
        web["http://h/foto"] = ("?C=N;O=D", "./", "../lain/", "./a.jpg", "b/")
        web["http://h/foto/b"] = ("c.jpg", "./")
        sources = Sources(["http://h/foto"])
        assert [source.name for source in sources] == ["./a.jpg", "b/c.jpg"]
        assert sources.passed == 0

    def test_only_what_a_web_server_does_not_have_is_missing(self, web):
        refused, gone = Exception(), Exception()
        refused.status, gone.status = 401, 404
        web.update(
            {"http://h/refused.jpg": refused, "http://h/gone.jpg": gone, "http://h/down.jpg": ConnectionRefusedError(111, "refused")}
        )
        assert wrong("http://h/gone.jpg") == ("sources-missing", "http://h/gone.jpg")
        for name, reason in (("refused", "HTTP 401"), ("down", "refused")):
            place = f"http://h/{name}.jpg?sig=abc"
            web[place] = web[f"http://h/{name}.jpg"]
            assert wrong(place) == ("sources-unreachable", f"http://h/{name}.jpg")
            with pytest.raises(TerminalError) as unreadable:
                next(iter(Sources([place]))).read(MOST)
            assert unreadable.value.params == {"reason": reason}

    def test_what_signs_a_web_address_is_not_told(self, web, tmp_path):
        signed = "?X-Amz-Date=20261201&X-Amz-Signature=abc"
        archive = zipped(tmp_path / "x.zip", [("b.jpg", b"B")]).read_bytes()
        web.update({f"https://h/a.jpg{signed}": b"A", "https://h/a.jpg?sig=abc": b"C", f"https://h/x.zip{signed}": archive})
        assert listed(*web) == {"https://h/a.jpg": b"A", "https://h/a.jpg (2)": b"C", "https://h/x.zip/b.jpg": b"B"}

    def test_a_place_of_another_kind(self, memory, tmp_path):
        assert listed(f"file://{files(tmp_path, 'a.jpg')}") == {"a.jpg": b"a.jpg"}

    def test_links_to_folders_are_as_those_of_this_machine(self, tmp_path):
        pytest.importorskip("fsspec", reason="needs fsspec")
        files(tmp_path, "real/a.jpg")
        (tmp_path / "link").symlink_to("real")
        (tmp_path / "link.jpg").symlink_to("real")
        (tmp_path / "real/round").symlink_to(tmp_path)
        (tmp_path / "gone.jpg").symlink_to("nowhere.jpg")
        for pattern, photos in (("*", 4), ("*/*.jpg", 3)):
            found = listed(f"{tmp_path}/{pattern}")
            assert len(found) == photos
            assert listed(f"file://{tmp_path}/{pattern}") == {f"file://{name}": data for name, data in found.items()}
        assert listed(f"file://{tmp_path}") == listed(tmp_path) == {"real/a.jpg": b"real/a.jpg", "gone.jpg": "file-missing"}

    def test_a_folder_that_cannot_be_listed_says_so(self, tmp_path, unprivileged):
        pytest.importorskip("fsspec", reason="needs fsspec")
        files(tmp_path, "a.jpg", "closed/b.jpg")
        (tmp_path / "closed").chmod(0)
        try:
            assert listed(f"file://{tmp_path}") == {"a.jpg": b"a.jpg", "closed": "remote-unreadable"}
            assert listed(f"file://{tmp_path}/*/*.jpg") == {f"file://{tmp_path}/closed": "remote-unreadable"}
        finally:
            (tmp_path / "closed").chmod(0o700)

    def test_what_is_not_there_says_so(self, memory):
        assert listed("memory://bucket/none.jpg") == {"memory://bucket/none.jpg": "file-missing"}
        assert listed("memory://bucket/*.gif") == {"memory://bucket/*.gif": "file-missing"}
        assert listed("nonsense://x") == {"nonsense://x": "remote-unreadable"}
        for none in ("memory://none", "memory://bucket/*.gif", "memory://none/*.gif"):
            assert wrong(none) == ("sources-missing", none)
        assert wrong("memory://none", "memory://bucket") is wrong("memory://bucket/*.jpg") is None

    def test_a_place_that_cannot_be_reached_says_so_and_tells_no_password(self, memory, locked):
        url, told = f"ftp://humas:Rahasia123@{locked}/foto", f"ftp://{locked}/foto"
        assert wrong(url) == ("sources-unreachable", told)
        assert listed(url) == {told: "remote-unreadable"}
        assert listed(url, f"ftp://lain:Rahasia456@{locked}/foto", "memory://bucket/a.jpg") == {
            told: "remote-unreadable",
            f"{told} (2)": "remote-unreadable",
            "memory://bucket/a.jpg": b"a.jpg",
        }

    def test_a_library_that_is_missing_is_named(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "s3fs", None)
        assert wrong("s3://bucket/folder") == ("remote-missing", None)
        assert listed("s3://bucket/folder") == {"s3://bucket/folder": "remote-missing"}


def refuse(server):
    """Speak FTP (RFC 959) to one after another, until the socket is shut, and take no password."""
    while True:
        try:
            caller, _ = server.accept()
        except OSError:
            return
        with caller, caller.makefile("rw", newline="\r\n") as line:
            for answer in ("220 hi", "331 password", "530 no"):
                print(answer, file=line, flush=True)
                if not answer.startswith("530"):
                    line.readline()
