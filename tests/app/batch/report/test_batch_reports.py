"""The reports as files: what stands in the tables, and that they are written whole or not at all."""

import csv
import gc
import io
import json
import re
import tracemalloc
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser

import openpyxl
import pytest

from app.batch import REPORTS, RESULTS
from app.batch.report import write_reports, xlsx_report
from app.batch.report.html_report import content_security_policy
from app.batch.report.summary import Summary, ballot_readings
from app.batch.report.words import texts
from app.batch.rows import Row
from gestures import Checker, contests
from gestures.words import text


@pytest.fixture(scope="module")
def table(reports):
    return list(csv.DictReader((reports / "report.csv").read_text(encoding="utf-8-sig").splitlines()))


@pytest.fixture(scope="module")
def book(reports):
    return openpyxl.load_workbook(reports / "report.xlsx")


@pytest.fixture(scope="module")
def page(reports):
    return (reports / "report.html").read_text(encoding="utf-8")


class TestCsv:
    def test_a_row_a_photo_and_a_row_a_hand(self, batch, table):
        hands = [len(row.result.get("hands", [])) for row in batch]
        assert [row["row"] for row in table] == [kind for count in hands for kind in ["photo", *["hand"] * count]]
        photo, hand = table[:2]
        assert (photo["level"], photo["codes"], photo["hands"], photo["to_review"], photo["unclear"]) == (
            "review",
            "2",
            str(hands[0]),
            "1",
            "0",
        )
        assert (hand["pose"], hand["number"], hand["strength"], hand["flagged"]) == ("peace", "2", "official", "1")
        assert "jari" in hand["why"]
        assert [int(hand[side]) for side in ("x", "y", "width", "height")] == batch[0].result["hands"][0]["box"]

    def test_a_photo_that_failed_counts_no_hands(self, table):
        failed = table[-1]
        assert (failed["name"], failed["error"], failed["detail"]) == ("gagal.jpg", "photo-damaged", "Foto rusak. Simpan ulang fotonya.")
        assert {failed[key] for key in ("level", "hands", "to_review", "unclear")} == {""}

    def test_what_is_unclear_is_counted_as_unclear_and_not_flagged(self, table):
        photo = next(row for row in table if row["level"] == "unclear")
        hand = table[table.index(photo) + 1]
        assert (photo["hands"], photo["to_review"], photo["unclear"], hand["flagged"]) == ("1", "0", "1", "0")

    def test_names_that_look_like_formulas(self, batch, tmp_path, contest):
        names = ("=1+1.jpg", "+62.jpg", "-a.jpg", "@b.jpg", "\tc.jpg", "\n=d.jpg", "biasa.jpg", "\udcff.jpg")
        rows = [Row(batch[-1].result | {"name": name}) for name in names]
        write_reports(rows, tmp_path, lang="en", batch="x", contest=contest)
        with (tmp_path / "report.csv").open(encoding="utf-8-sig", newline="") as file:
            found = [row["name"] for row in csv.DictReader(file)]
        assert found == ["'=1+1.jpg", "'+62.jpg", "'-a.jpg", "'@b.jpg", "'\tc.jpg", "'\n'=d.jpg", "biasa.jpg", "\\udcff.jpg"]

    @pytest.mark.parametrize(("ends", "separator"), [("\r", ","), ("\n", ","), ("\r", ";"), ("\n", ";"), ("", ";"), ("\t", "\t")])
    @pytest.mark.parametrize("formula", ["=6*7", "＝6*7", "+6", "＋6", "-6", "－6", "@a", "＠a", ' "=6*7"', '"=6*7'])
    def test_no_name_breaks_its_row_or_is_a_formula_wherever_a_spreadsheet_parts_it(
        self, ends, separator, formula, batch, tmp_path, contest
    ):
        name = f"a;{ends}{formula};{ends}{formula}.jpg"
        write_reports([Row(batch[-1].result | {"name": name})], tmp_path, lang="id", batch="x", contest=contest)
        text = (tmp_path / "report.csv").read_bytes().decode("utf-8-sig")
        read = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
        if separator == ",":
            assert [len(row) for row in read] == [len(read[0])] * 2
            assert read[1][read[0].index("name")].replace("'", "") == name
        for cell in (cell for row in read for cell in row):
            assert not cell.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")), text


class TestWorkbook:
    def test_sheets_in_both_languages(self, batch, book, tmp_path, contest):
        assert book.sheetnames == ["Foto", "Tangan", "Tentang"]
        assert [cell.value for cell in book["Tangan"][1]][:5] == ["Foto", "Tangan", "Hasil", "Pose", "Keyakinan"]
        write_reports(batch, tmp_path, lang="en", batch="x", contest=contest)
        english = openpyxl.load_workbook(tmp_path / "report.xlsx")
        assert english.sheetnames == ["Photos", "Hands", "About"]
        assert english["Hands"]["C2"].value == "To review"

    def test_rows(self, batch, book):
        photos, hands = book["Foto"], book["Tangan"]
        assert photos.max_row == 1 + len(batch)
        assert hands.max_row == 1 + sum(len(row.result.get("hands", [])) for row in batch)
        assert [photos.cell(row, 2).value for row in range(2, 9)] == [
            *["Perlu ditinjau"] * 3,
            "Belum jelas",
            *["Nihil"] * 2,
            "Gagal diperiksa",
        ]
        assert photos.cell(8, 8).value == "Foto rusak. Simpan ulang fotonya."
        assert [hands.cell(2, column).value for column in (2, 3, 4, 6)] == [1, "Perlu ditinjau", "dua jari terbuka (V)", 2]
        assert hands.cell(2, 5).number_format == "0%"
        assert all(hands.cell(row, 5).value for row in range(2, hands.max_row + 1))

    def test_what_is_counted_of_a_photo(self, book):
        """Its hands, those to review, those unclear, and the numbers on the ballot; four fingers are not on that of the fifth photo."""
        counted = [[cell.value or 0 for cell in row] for row in book["Foto"].iter_rows(min_row=2, max_row=6, min_col=3, max_col=6)]
        assert counted == [[1, 1, 0, 2], [1, 1, 0, 3], [1, 1, 0, 2], [1, 0, 1, 0], [1, 0, 0, 0]]

    def test_no_number_is_a_blank_cell(self, book):
        """An empty text, which a spreadsheet counts as a value, would be read back as one."""
        assert [book["Foto"].cell(row, 6).value for row in (6, 7, 8)] == [None] * 3

    def test_what_is_said_of_a_hand(self, batch, tmp_path, contest):
        hand = batch[0].result["hands"][0]
        avoid, safe = ({"list": f"{kind}-2024", "name": {"id": f"Daftar {kind}"}, "stance": kind} for kind in ("avoid", "safe"))
        readings = [{"number": 2, "strength": "official"}, {"number": 3, "strength": "possible"}]
        told = hand | {"lists": [avoid, safe], "readings": readings, "together": [], "box": [1, 2, 3, 4]}
        write_reports([Row(batch[0].result | {"hands": [told]})], tmp_path, lang="id", batch="x", contest=contest)
        row = [cell.value for cell in openpyxl.load_workbook(tmp_path / "report.xlsx")["Tangan"][2]]
        basis = "; ".join(f"{one['number']}: {texts('id')['strength.' + one['strength']]}" for one in readings)
        assert row[5:] == ["2, 3", basis, "Daftar avoid", "Daftar safe", hand["why"]["id"], 1, 2, 3, 4]

    def test_colours_are_those_of_the_words(self, book):
        for sheet, column in (("Foto", 2), ("Tangan", 3)):
            fills = {row[column - 1].value: row[column - 1].fill.start_color.rgb for row in book[sheet].iter_rows(min_row=2)}
            assert (fills["Perlu ditinjau"], fills["Belum jelas"]) == ("FFFCEFD9", "FFE2EFF9")

    def test_one_number_is_a_number_and_several_are_text(self, batch, tmp_path, contest):
        result = batch[0].result
        several = [code | {"number": number, "on_ballot": True} for code in result["codes"][:1] for number in (2, 3)]
        rows = [Row(result | {"codes": codes}) for codes in (several[:1], several)]
        write_reports(rows, tmp_path, lang="id", batch="x", contest=contest)
        sheet = openpyxl.load_workbook(tmp_path / "report.xlsx")["Foto"]
        assert [sheet[cell].value for cell in ("F2", "F3")] == [2, "2, 3"]

    def test_no_confidence_in_a_pose_that_cannot_be_read(self, batch, tmp_path, contest):
        unread = batch[3].result["hands"][0] | {"pose": None, "pose_name": None, "readings": [], "lists": []}
        row = replace(batch[3], result=batch[3].result | {"hands": [unread]})
        write_reports([row], tmp_path, lang="id", batch="x", contest=contest)
        told = openpyxl.load_workbook(tmp_path / "report.xlsx")["Tangan"]
        assert [told.cell(2, column).value for column in (3, 4, 5)] == ["Belum jelas", None, None]

    def test_filters_frozen_heads_and_widths(self, book):
        for name in ("Foto", "Tangan"):
            sheet = book[name]
            assert sheet.freeze_panes == "B2"
            assert sheet.auto_filter.ref == sheet.dimensions
            assert sheet.column_dimensions["A"].width > 40

    def test_nothing_is_a_formula_or_a_link(self, book):
        for sheet in book:
            for row in sheet.iter_rows():
                for cell in row:
                    assert cell.data_type != "f"
                    assert cell.hyperlink is None
        assert book["Foto"]["A4"].value.startswith("2024-11-27/=HYPERLINK")

    def test_no_name_is_taken_for_the_workbook_s_own_xml(self, batch, tmp_path, contest):
        names = ("<r>&</r>", '<r><t>a.jpg</t></r></is></c><c r="F2"><f>HYPERLINK("http://x","y")</f></c><c><is><r></r>')
        rows = [Row(batch[-1].result | {"name": name}) for name in names]
        write_reports(rows, tmp_path, lang="id", batch="x", contest=contest)
        sheet = openpyxl.load_workbook(tmp_path / "report.xlsx")["Foto"]
        assert [sheet[cell].value.removeprefix("\u200b") for cell in ("A2", "A3")] == list(names)
        assert sheet["F2"].data_type != "f"

    def test_a_name_that_no_cell_can_hold_is_shortened(self, batch, tmp_path, contest):
        names = ("a" * 32_767, "b" * 32_768, "\N{CAMERA}" * 20_000)
        rows = [Row(batch[-1].result | {"name": name}) for name in names]
        write_reports(rows, tmp_path, lang="id", batch="x", contest=contest)
        sheet = openpyxl.load_workbook(tmp_path / "report.xlsx")["Foto"]
        found = [sheet[cell].value for cell in ("A2", "A3", "A4")]
        assert found == [names[0], "b" * 32_766 + "…", "\N{CAMERA}" * 16_383 + "…"]

    def test_when_a_photo_was_taken(self, batch, tmp_path, contest):
        rows = [Row(batch[0].result | {"taken_at": when}) for when in ("2023-11-08T09:12:00", "0001-01-01T00:00:00")]
        write_reports(rows, tmp_path, lang="id", batch="x", contest=contest)
        sheet = openpyxl.load_workbook(tmp_path / "report.xlsx")["Foto"]
        assert [sheet[cell].value for cell in ("G2", "G3")] == [datetime(2023, 11, 8, 9, 12), "0001-01-01T00:00:00"]

    def test_how_to_read_it(self, book):
        said = " ".join(str(row[1].value) for row in book["Tentang"].iter_rows())
        assert "klarifikasi" in said
        assert "bukan temuan atau keputusan" in said

    def test_how_many_photos_came_out_how_and_what_that_means(self, book):
        said = [tuple(cell.value for cell in row) for row in book["Tentang"].iter_rows()]
        assert said[3:7] == [("Perlu ditinjau", 3), ("Belum jelas", 1), ("Nihil", 2), ("Gagal diperiksa", 1)]
        notes = {value for _, value in said[7:]}
        assert {text("often-without-intent", "id"), texts("id")["notice.clear"]} <= notes

    def test_more_rows_than_a_sheet_holds(self, batch, monkeypatch, tmp_path, contest):
        monkeypatch.setattr(xlsx_report, "LAST_ROW", 2)
        rows = [Row(batch[-1].result | {"name": f"{place}.jpg"}) for place in range(5)]
        write_reports(rows, tmp_path, lang="id", batch="x", contest=contest)
        book = openpyxl.load_workbook(tmp_path / "report.xlsx")
        assert [name for name in book.sheetnames if name.startswith("Foto")] == ["Foto", "Foto 2", "Foto 3"]
        found = [[row[0].value for row in book[name].iter_rows(min_row=2)] for name in ("Foto", "Foto 2", "Foto 3")]
        assert found == [["0.jpg", "1.jpg"], ["2.jpg", "3.jpg"], ["4.jpg"]]


class TestWriting:
    def test_all_or_nothing(self, batch, tmp_path, contest):
        def broken():
            yield batch[0]
            raise OSError(28, "No space left on device")

        write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)
        before = {name: (tmp_path / name).read_bytes() for name in REPORTS}
        with pytest.raises(OSError, match="No space left"):
            write_reports(broken(), tmp_path, lang="id", batch="x", contest=contest)
        assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before

    @pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # the library leaves its own temporary files to the collector
    def test_a_disk_that_is_full_when_the_workbook_is_closed(self, batch, monkeypatch, tmp_path, contest):
        def full(*_args, **_options):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("xlsxwriter.workbook.ZipFile", full)
        with pytest.raises(OSError, match="No space left"):
            write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)
        gc.collect()
        assert list(tmp_path.iterdir()) == []

    def test_what_a_killed_run_left_is_cleared(self, batch, tmp_path, contest):
        (tmp_path / ".reports").mkdir()
        (tmp_path / ".reports" / "report.html").write_text("half")
        paths = write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)
        assert [path.name for path in paths] == list(REPORTS)
        assert sorted(file.name for file in tmp_path.iterdir()) == sorted(REPORTS)

    def test_nothing_is_written_elsewhere(self, batch, monkeypatch, tmp_path, contest):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "none"))
        write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)

    @pytest.mark.parametrize("failed", [0, 1])
    def test_a_batch_of_which_nothing_could_be_checked(self, batch, failed, tmp_path, contest):
        write_reports(batch[-1:] * failed, tmp_path, lang="id", batch="x", contest=contest)
        assert all((tmp_path / name).stat().st_size for name in REPORTS if failed or name != RESULTS)
        assert openpyxl.load_workbook(tmp_path / "report.xlsx")["Tentang"]["B2"].value == contest.id
        assert "Maju" in (tmp_path / "report.html").read_text(encoding="utf-8")

    def test_memory_does_not_grow_with_the_batch(self, batch, tmp_path, contest):
        def many():
            for place in range(150):
                yield Row(batch[0].result | {"name": f"{place}.jpg"}, batch[0].crops, bytes(100_000))

        write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)  # loads what is loaded once
        tracemalloc.start()
        write_reports(many(), tmp_path, lang="id", batch="x", contest=contest)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert (tmp_path / "report.html").stat().st_size > 20e6
        assert peak < 8e6


class Blocks(HTMLParser):
    """The elements of a page as a browser cuts them."""

    def __init__(self):
        super().__init__()
        self.scripts, self.tags = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "script":
            self.scripts.append([dict(attrs), ""])

    def handle_data(self, data):
        if self.lasttag == "script":
            self.scripts[-1][1] += data


class TestPageFile:
    def test_names_cannot_leave_their_block(self, page, batch):
        blocks = Blocks()
        blocks.feed(page)
        kinds = [attrs.get("class") or attrs.get("id") or attrs.get("type") for attrs, _ in blocks.scripts]
        assert kinds.count("photo") == len(batch)
        assert kinds[-2:] == ["shared", "module"]
        assert "img" not in blocks.tags
        names = [json.loads(text)["name"] for attrs, text in blocks.scripts if attrs.get("class") == "photo"]
        assert names == [row.result["name"] for row in batch]

    def test_it_asks_for_nothing(self, page):
        assert not re.search(r"""(?:src|href|action)\s*=\s*["'](?!#|data:)""", page.replace("window.harmed", ""))
        assert "url(" not in page
        assert "http://" not in page.replace("http://www.w3.org", "").replace("http://x.example", "")

    def test_the_policy_is_the_page_s_own(self, page):
        assert content_security_policy() in page
        assert "unsafe" not in content_security_policy()

    def test_what_the_browser_keeps_tells_no_name(self, page):
        keys = re.findall(r'"([0-9a-f]{16})"', page)
        assert len(keys) == len(set(keys)) == 5

    def test_that_lists_call_a_pose_safe_stands_with_its_photo(self, samples, tmp_path, contest):
        rules = replace(contests()["default"], numbers=(5,), lists=("pj-gubernur-jateng",))
        with Checker() as checker:
            result = checker.check((samples / "palm.jpg").read_bytes(), contest=rules).to_dict()
        (text,) = [message["text"] for message in result["messages"] if message["key"] == "lists-safe"]
        write_reports([Row(result)], tmp_path, lang="id", batch="x", contest=contest)
        blocks = Blocks()
        blocks.feed((tmp_path / "report.html").read_text(encoding="utf-8"))
        photo, shared = (
            json.loads(next(text for attrs, text in blocks.scripts if attrs.get("class") == kind)) for kind in ("photo", "shared")
        )
        assert text in [shared["messages"][place] for place in photo["messages"]]

    def test_what_is_said_of_a_photo_stands_with_it(self, batch, tmp_path, contest):
        kinds = ("two-hands-together", "lists-disagree", "photo-date", "photo-date-stage")
        messages = [{"key": key, "text": {"id": f"Kata {key}.", "en": f"Words {key}."}} for key in kinds]
        write_reports([Row(batch[0].result | {"messages": messages})], tmp_path, lang="id", batch="x", contest=contest)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert [kind for kind in kinds if f"Kata {kind}." not in page] == []

    def test_a_page_that_would_grow_too_large(self, batch, monkeypatch, tmp_path, contest):
        monkeypatch.setattr("app.batch.report.html_report.MOST_BYTES", 10_000)
        write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        assert page.count('class="photo"') == 1
        assert '"left_out":6' in page
        assert '"failed":1' in page


class TestTexts:
    def test_both_languages_say_the_same_things(self):
        assert list(texts("id")) == list(texts("en"))
        for key, words in texts("id").items():
            assert words
            assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", texts("en")[key])), key

    def test_nobody_is_accused(self, accusing):
        for lang in ("id", "en"):
            for words in texts(lang).values():
                assert not accusing[lang].search(words), words

    def test_every_text_is_used_and_every_one_used_is_there(self, root):
        folder = root / "app/batch/report"
        source = "\n".join(
            file.read_text(encoding="utf-8") for file in [*sorted(folder.glob("*.py")), *sorted(folder.glob("page/*.[hj]*"))]
        )
        asked = set(re.findall(r'text\(\s*"([\w.-]+)"', source)) | set(re.findall(r'data-(?:text|label)="([\w.-]+)"', source))
        assert asked - {"for-guidance", "initial-advice", "often-without-intent"} <= set(texts("id"))
        built = [
            re.compile(re.sub(r"\\?\$?\\{[^}]*\\}", r"[\\w-]+", re.escape(one)))
            for one in re.findall(r"text\(f?[`\"]([^`\"]*{[^`\"]*)[`\"]", source)
        ]
        for key in texts("id"):
            assert f'"{key}"' in source or f"${key}" in source or any(one.fullmatch(key) for one in built), key


def test_numbers_that_two_hands_show_together_count_for_both():
    def hand(pose, number, *together):
        readings = [{"number": number, "strength": "official"}]
        state = {"state": "posing", "flagged": True, "needs_look": True}
        return state | {"pose": pose, "lists": [], "readings": readings, "together": list(together)}

    seven = {"number": 7, "strength": "possible"}
    hands = [hand("palm", 5, seven), hand("peace", 2, seven)]
    # Somebody else shows a seven by himself, which makes theirs no surer.
    result = {"level": "review", "hands": hands, "ballot": [2, 7]}
    assert [ballot_readings(hand, result) for hand in hands] == [[seven], [{"number": 2, "strength": "official"}, seven]]
    summary = Summary()
    summary.add(result)
    assert summary.numbers == {7: 2, 2: 1}


def test_only_lists_that_advise_against_a_pose_are_counted(batch):
    lists = [{"list": "bkn-2023", "stance": "avoid"}, {"list": "pj-gubernur-jateng", "stance": "safe"}]
    summary = Summary()
    summary.add(batch[0].result | {"hands": [batch[0].result["hands"][0] | {"lists": lists}]})
    assert summary.lists == {"bkn-2023": 1}
