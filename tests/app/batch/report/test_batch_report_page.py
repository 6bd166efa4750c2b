"""report.html in a real browser, opened as the file that it is."""

import csv
import json
import re
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest

from app.batch.report import write_reports
from app.batch.report.csv_report import FORMULA
from app.batch.report.words import texts
from app.batch.rows import Row
from gestures.drawing import encode
from gestures.reading.poses import pose_table

PATIENT_MS = 60_000
DESK = {"viewport": {"width": 1280, "height": 800}}
PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


@pytest.fixture
def visit(browser):
    """Opens a report. Whatever it asks of anyone, complains of, or pops up, fails the test."""
    contexts, trouble = [], []

    def open_(folder, **options):
        context = browser.new_context(locale="id-ID", timezone_id="Asia/Jakarta", color_scheme="light", **(DESK | options))
        context.set_default_timeout(PATIENT_MS)
        contexts.append(context)
        page = context.new_page()
        page.expected = []
        page.on(
            "request",
            lambda request: trouble.append((page, request.url)) if not request.url.startswith(("data:", "file:", "blob:")) else None,
        )
        page.on("console", lambda message: trouble.append((page, message.text)) if message.type in ("error", "warning") else None)
        page.on("pageerror", lambda error: trouble.append((page, str(error))))
        page.on("dialog", lambda dialog: trouble.append((page, dialog.message)))
        page.goto((folder / "report.html").as_uri())
        page.wait_for_selector("#found:not(:empty)")
        return page

    yield open_
    left = [what for page, what in trouble if not any(part in what for part in page.expected)]
    for context in contexts:
        context.close()
    assert left == []


@pytest.fixture
def page(visit, reports):
    return visit(reports)


@pytest.fixture
def expect():
    """Playwright's assertions, which wait for what they state."""
    return pytest.importorskip("playwright.sync_api").expect


@pytest.fixture(scope="module")
def people(batch, tmp_path_factory, contest):
    """The folder with the report of one photo of three people: one rests, two pose. Their crops are 20, 40 and 60 pixels wide."""
    hands = [row.result["hands"][0] | {"box": [60 * place, 100, 50, 50]} for place, row in enumerate((batch[5], batch[0], batch[1]))]
    crops = tuple(encode(np.zeros((40, 20 * (place + 1), 3), np.uint8)) for place in range(3))
    messages = [{"key": "lists-disagree", "text": {"id": "Daftar imbauan berbeda.", "en": "Lists differ."}}]
    result = batch[0].result | {"name": "rapat.jpg", "hands": hands, "messages": messages, "taken_at": "2023-11-08T09:12:00"}
    folder = tmp_path_factory.mktemp("people")
    write_reports([replace(batch[0], result=result, crops=crops)], folder, lang="id", batch="orang", contest=contest)
    return folder


def names(page):
    return page.locator(".tile").evaluate_all("(tiles) => tiles.map((tile) => tile.title)")


def view(page, place=0):
    page.locator(".tile").nth(place).click()
    page.wait_for_selector("#viewer[open]")


def leave(page):
    """Close the viewer, and wait for what the page does once the browser says that it is closed: keep the note, go to the tile."""
    page.evaluate("() => { window.left = new Promise((done) => document.querySelector('#viewer').addEventListener('close', done)); }")
    page.keyboard.press("Escape")
    page.evaluate("async () => { await window.left; }")  # the browser goes to a tile by itself before it says so
    page.wait_for_selector(".tile:focus")


def mark_elsewhere(page, mark):
    """Do what another tab does that marks the first hand: keep it, upon which the browser tells the page."""
    page.evaluate(
        """(mark) => {
            const hand = JSON.parse(document.querySelector("script.photo").textContent).hands[0].at(-1);
            localStorage.setItem("jari-report:rapat", JSON.stringify({ [hand]: mark }));
            dispatchEvent(new StorageEvent("storage", { key: "jari-report:rapat" }));
        }""",
        mark,
    )


def write_note(page, note):
    page.get_by_role("textbox", name="Catatan").fill(note)


class TestGrid:
    def test_hands_that_need_a_look(self, page):
        assert page.locator("#counts strong").all_inner_texts() == ["3", "1", "2", "1"]
        assert page.locator(".tile").count() == 4
        tile = page.locator(".tile").first
        assert tile.locator(".tile-number").text_content() == "2"
        assert tile.locator(".tile-pose").text_content() == "Dua jari terbuka (V)"
        assert tile.locator(".tile-sure").text_content().endswith("%")
        page.wait_for_function("() => [...document.querySelectorAll('.tile img')].every((image) => image.naturalWidth > 20)")

    @pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
    def test_a_tile_tells_every_pose_apart(self, visit, reports, size):
        poses = [f"{name}?" for row in pose_table().values() for name in (row.name.id, row.name.en)]
        cut = """(tile, poses) => poses.filter((pose) => {
            tile.textContent = pose;
            return tile.scrollHeight > tile.clientHeight;
        })"""
        assert visit(reports, **size).locator(".tile-pose").first.evaluate(cut, poses) == []

    def test_a_tile_fills_its_place(self, page):
        """The service's own styles come first, and what they call by the same name would put a second frame round it."""
        place, tile = page.locator("#tiles > li").first.bounding_box(), page.locator(".tile").first.bounding_box()
        assert (place["x"], place["width"]) == (tile["x"], tile["width"])

    def test_crops_are_not_enlarged(self, page):
        assert page.locator(".tile img").first.evaluate("(image) => getComputedStyle(image).objectFit") == "scale-down"

    def test_names_that_mean_harm_are_shown_as_they_are(self, page, batch):
        shown = [row.result["name"] for row in batch[:4]]
        assert names(page) == shown
        assert page.evaluate("() => window.harmed") is None
        assert page.locator(".tile-name").nth(0).text_content().endswith("script>.jpg")
        page.get_by_text("Tidak perlu ditinjau", exact=True).click()
        turned = names(page)[-1]
        assert turned == "2024-11-27/foto\ufffdgpj.exe"

    def test_filters(self, page):
        def shown():
            return page.locator(".tile").count()

        page.locator("#numbers label", has_text="2").click()
        assert shown() == 2
        page.locator("#numbers label", has_text="3").click()
        assert shown() == 3
        page.get_by_role("button", name="Hapus saringan").click()
        assert shown() == 4
        page.locator("#pose").select_option("ok")
        assert shown() == 1
        page.get_by_role("button", name="Hapus saringan").click()
        page.locator("#list").select_option(label="Penjabat Gubernur Jawa Tengah")
        assert shown() == 2
        page.get_by_role("button", name="Hapus saringan").click()
        page.locator("#kinds label", has_text="Perlu ditinjau").first.click()
        assert page.locator(".tile.unclear").count() == shown() == 1
        page.get_by_label("Nama foto").fill("tidak ada")
        assert page.locator("#found").inner_text() == "Tidak ada tangan yang sesuai dengan pilihan ini."

    def test_a_name_is_found_however_its_accents_are_written(self, visit, batch, tmp_path, contest):
        names = ("Cafe\u0301.jpg", "Caf\xe9.jpg", "Cafe.jpg")
        write_reports(
            [replace(batch[0], result=batch[0].result | {"name": name}) for name in names], tmp_path, lang="id", batch="x", contest=contest
        )
        page = visit(tmp_path)
        for written in ("CAFE\u0301", "caf\xe9"):
            page.get_by_label("Nama foto").fill(written)
            assert page.locator(".tile").count() == 2

    def test_a_row_of_the_summary_is_a_filter(self, page):
        page.get_by_text("Menurut nomor, pose, dan daftar imbauan").click()
        page.locator("#bars").get_by_role("button", name="nomor 3").click()
        # A tile that was just made has no inner text before the browser has told that it can be seen.
        assert page.locator(".tile-pose").all_text_contents() == ["Simbol OK"]

    @pytest.mark.parametrize(("order", "reverse"), [("sure", True), ("unsure", False)])
    def test_sorting_by_confidence(self, page, order, reverse):
        page.get_by_label("Urutan").select_option(order)
        found = [int(one.rstrip("%")) for one in page.locator(".tile-sure").all_text_contents()]
        assert found == sorted(found, reverse=reverse)

    def test_more_hands_than_are_made_at_once(self, visit, batch, tmp_path, contest):
        rows = [Row(batch[0].result | {"name": f"{place}.jpg"}, batch[0].crops, batch[0].preview) for place in range(700)]
        write_reports(rows, tmp_path, lang="id", batch="banyak", contest=contest)
        page = visit(tmp_path)
        assert page.locator("#found").inner_text() == "700 tangan dari 700 foto"
        assert page.locator(".tile").count() < 700
        page.locator(".tile").first.focus()
        page.keyboard.press("End")
        last = page.locator(".tile:focus")
        assert last.get_attribute("title") == "699.jpg"
        page.wait_for_function("() => document.activeElement.querySelector('img').naturalWidth > 20")

    def test_scrolling_and_printing_bring_the_rest_of_them(self, visit, batch, tmp_path, contest):
        rows = [Row(batch[0].result | {"name": f"{place}.jpg"}) for place in range(300)]
        write_reports(rows, tmp_path, lang="id", batch="banyak", contest=contest)
        page = visit(tmp_path)
        assert page.locator(".tile").count() < 300
        page.wait_for_function(
            "() => { scrollTo(0, document.body.scrollHeight); return document.querySelectorAll('.tile').length === 300; }"
        )
        page = visit(tmp_path)  # a reload would go back to where it was
        page.evaluate("() => { window.print = () => { window.printed = document.querySelectorAll('.tile').length; }; }")
        page.get_by_role("button", name="Cetak").click()
        page.wait_for_function("() => window.printed === 300")

    def test_photos_that_the_page_has_no_room_for_are_told(self, visit, batch, monkeypatch, tmp_path, contest):
        monkeypatch.setattr("app.batch.report.html_report.MOST_BYTES", 10_000)
        write_reports(batch, tmp_path, lang="id", batch="x", contest=contest)
        assert "6 foto terakhir hanya dihitung di sini" in visit(tmp_path).locator("#notice").inner_text()

    def test_a_number_that_is_merely_possible_has_a_question_mark(self, visit, batch, tmp_path, contest):
        hand = batch[1].result["hands"][0] | {"readings": [{"number": 3, "strength": "possible"}], "pose_confidence": 1.0}
        write_reports([replace(batch[1], result=batch[1].result | {"hands": [hand]})], tmp_path, lang="id", batch="x", contest=contest)
        page = visit(tmp_path)
        assert page.locator(".tile-number").all_text_contents() == ["3?"]
        assert page.locator(".tile-sure").all_text_contents() == ["99%"]  # nothing that is computed is certain
        view(page)
        assert "Mungkin ditafsirkan sebagai nomor 3" in page.locator("#said").inner_text()

    def test_a_list_counts_and_finds_only_what_it_advises_against(self, visit, batch, tmp_path, contest):
        def advice(hand, **stances):
            return hand | {"lists": [{"list": key, "name": {"id": key, "en": key}, "stance": stance} for key, stance in stances.items()]}

        hands = [advice(batch[0].result["hands"][0], A="avoid"), advice(batch[1].result["hands"][0], A="safe", B="safe")]
        rows = [replace(batch[0], result=batch[0].result | {"hands": [hand]}) for hand in hands]
        write_reports(rows, tmp_path, lang="id", batch="x", contest=contest)
        page = visit(tmp_path)
        assert page.locator("#list option").all_text_contents() == ["Semua", "A"]
        page.locator("#list").select_option("A")
        assert page.locator(".tile").count() == 1

    def test_failed_and_clear_photos(self, page):
        assert page.locator("#reasons dt").inner_text() == "gagal.jpg"
        assert page.locator("#reasons dd").inner_text() == "Foto rusak Simpan ulang fotonya."
        page.locator("#clear summary").click()
        page.wait_for_selector("#clear li")  # the list is made once the browser says that it was opened, which is a little later
        assert page.locator("#clear li").count() == 2


class TestSummary:
    def test_counts_lead_to_what_they_count(self, page, expect):
        page.get_by_role("link", name="1 foto · Belum jelas").click()
        expect(page.locator(".tile")).to_have_count(1)
        expect(page.locator(".tile.unclear")).to_be_in_viewport()
        page.get_by_role("link", name="3 foto · Perlu ditinjau").press("Enter")
        expect(page.locator(".tile.flagged")).to_have_count(3)
        expect(page.locator(".tile")).to_have_count(3)
        expect(page.locator("#hands")).to_be_focused()
        page.get_by_role("link", name="2 foto · Nihil").click()
        expect(page.locator("#clear li")).to_have_count(2)
        page.get_by_role("link", name="1 foto · Gagal diperiksa").click()
        expect(page.locator("#reasons")).to_be_in_viewport()

    def test_a_count_of_none_leads_nowhere(self, visit, batch, tmp_path, contest, expect):
        write_reports(batch[:1], tmp_path, lang="en", batch="satu", contest=contest)
        page = visit(tmp_path)
        assert page.locator("#counts strong").all_inner_texts() == ["1", "0", "0", "0"]
        assert page.locator("#counts a").count() == 1
        expect(page.get_by_role("link", name="See 1 hand")).to_be_visible()
        write_reports(batch[5:], tmp_path, lang="en", batch="dua", contest=contest)
        page = visit(tmp_path)
        expect(page.locator("#look")).to_be_hidden()
        expect(page.locator("#charts")).to_be_hidden()

    @pytest.mark.parametrize("size", [DESK, PHONE])
    def test_the_first_screen_leads_to_the_hands(self, visit, reports, size, expect):
        page = visit(reports, **size)
        look = page.get_by_role("link", name="Lihat 4 tangan", exact=True)
        expect(look).to_be_in_viewport(ratio=1)
        look.press("Enter")
        expect(page.locator("#hands-title")).to_be_in_viewport()
        expect(page.locator("#hands")).to_be_focused()
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="CSV")).to_be_focused()

    def test_all_hands_are_counted_by_what_they_show(self, visit, people, expect):
        expect(visit(people).locator("#seen")).to_have_text(
            "3 tangan terlihat: 2 perlu ditinjau, 0 belum jelas, 0 berpose, tetapi tidak perlu ditinjau, dan 1 tidak berpose."
        )

    def test_what_is_shown_most_comes_first_and_has_the_longest_bar(self, visit, batch, tmp_path, contest):
        write_reports([batch[1], batch[0], batch[0]], tmp_path, lang="id", batch="x", contest=contest)
        page = visit(tmp_path)
        poses = page.locator("#bars > div").nth(1)
        assert [name.split(" ")[1] for name in poses.locator(".bar-name").all_text_contents()] == ["Dua", "Simbol"]
        widths = poses.locator(".bar-fill").evaluate_all("(bars) => bars.map((bar) => bar.style.width)")
        assert widths == ["100%", "50%"]

    def test_rows_are_called_by_what_is_seen_of_them(self, page, expect):
        page.get_by_text("Menurut nomor, pose, dan daftar imbauan").click()
        row = page.locator(".bar-row").first
        expect(row).to_have_accessible_name("Dapat ditafsirkan sebagai nomor 2 : 2 tangan. Tampilkan tangan ini saja")
        assert page.locator(".bar-row[aria-label]").count() == 0
        page.get_by_role("button", name="English").click()
        expect(row).to_have_accessible_name("May be read as number 2 : 2 to review. Show only these hands")

    def test_counts_stand_two_by_two_or_in_one_row(self, page):
        for width, rows in ((320, 2), (390, 2), (600, 2), (700, 1), (768, 1), (1280, 1)):
            page.set_viewport_size({"width": width, "height": 800})
            tops = page.locator("#counts li").evaluate_all("(items) => items.map((item) => item.offsetTop)")
            assert len(set(tops)) == rows, width
            assert all(tops.count(top) == 4 / rows for top in tops), width

    @pytest.mark.parametrize(("width", "letters"), [(280, 100), (280, 200), (390, 200), (768, 200), (1280, 200)])
    def test_nothing_sticks_out_to_the_side(self, page, width, letters):
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("(percent) => { document.documentElement.style.fontSize = `${percent}%`; }", letters)
        page.evaluate("() => { for (const one of document.querySelectorAll('details')) one.open = true; }")
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")
        skip = page.locator(".skip").bounding_box()
        assert skip["y"] + skip["height"] <= 0


class TestViewer:
    def test_the_hand_is_marked_where_it_is(self, page, batch):
        view(page)
        page.wait_for_function("() => document.querySelector('#frame img').naturalWidth > 100")
        result = batch[0].result
        x, y, width, height = result["hands"][0]["box"]
        photo, box = page.locator("#frame img").bounding_box(), page.locator(".box.flagged:not(.other)").bounding_box()
        assert photo["width"] <= result["width"]
        scale = photo["width"] / result["width"]
        centre = box["x"] + box["width"] / 2 - photo["x"], box["y"] + box["height"] / 2 - photo["y"]
        assert centre == pytest.approx(((x + width / 2) * scale, (y + height / 2) * scale), abs=2)
        words = page.locator("#said").inner_text()
        assert "Dapat ditafsirkan sebagai nomor 2" in words
        assert "keyakinan" in words
        page.locator("#said summary").click()
        assert "BKN (video)" in page.locator("#said").inner_text()

    def test_each_hand_of_a_photo_is_itself(self, visit, people, expect):
        page = visit(people)
        page.wait_for_function("() => [...document.querySelectorAll('.tile img')].every((image) => image.naturalWidth)")
        assert page.locator(".tile img").evaluate_all("(images) => images.map((image) => image.naturalWidth)") == [40, 60]
        view(page)
        said = page.locator("#said").inner_text()
        for words in (texts("id")["viewer.resting.one"], "Diambil pada 8 November 2023", "Daftar imbauan berbeda."):
            assert words in said
        page.locator(".box.other").click()
        expect(page.locator("#place")).to_have_text("2 dari 2")
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        expect(page.locator("#viewer")).to_be_hidden()  # it was the last
        assert page.locator(".tile.reviewed").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.place)") == ["1"]

    def test_what_is_said_begins_beside_the_crop(self, page):
        """The service's own styles come first, and what they give to a question's words would part these."""
        view(page)
        crop, words = page.locator(".said-head img").bounding_box(), page.locator(".said-head p").first.bounding_box()
        assert abs(crop["y"] - words["y"]) < 8

    def test_what_an_unclear_hand_seems_to_show(self, page):
        page.locator("#kinds label", has_text="Perlu ditinjau").first.click()
        page.locator("#numbers label", has_text="1").click()  # which no hand to review shows
        assert page.locator(".tile-number").all_text_contents() == ["1?"]
        assert page.locator(".tile-pose").all_text_contents() == ["Telunjuk (satu jari)?"]
        assert page.locator(".tile").get_attribute("aria-label").startswith("Belum jelas: Telunjuk (satu jari)?, nomor 1?")
        view(page)
        words = page.locator("#said").inner_text()
        assert "Telunjuk (satu jari)" in words
        assert "Mungkin ditafsirkan sebagai nomor 1" in words
        assert "Tampak berpose, tetapi belum pasti" in words

    def test_an_unclear_hand_that_cannot_be_read(self, visit, batch, tmp_path, contest):
        unread = {"pose": None, "pose_name": None, "readings": [], "lists": []}
        result = batch[3].result | {"hands": [batch[3].result["hands"][0] | unread]}
        write_reports([replace(batch[3], result=result)], tmp_path, lang="id", batch="kecil", contest=contest)
        page = visit(tmp_path)
        assert page.locator(".tile-number").all_text_contents() == ["?"]
        assert page.locator(".tile-sure").count() == 0  # of a reading that is not told
        assert page.locator(".tile").get_attribute("aria-label").startswith("Belum jelas: Pose tidak dikenali, tanpa nomor, foto ")
        view(page)
        assert "Pose tidak dikenali" in page.locator("#said").inner_text()
        assert "keyakinan" not in page.locator("#said").inner_text()

    def test_reviewed_with_a_note_which_the_browser_keeps(self, page, batch):
        note = '=sudah; ＝diklarifikasi\n"=1'
        view(page)
        write_note(page, note)
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        assert page.locator("#photo-name").inner_text().endswith("harmed = 1'>.jpg")
        leave(page)
        assert page.locator("#reviewed").inner_text() == "1 dari 4 tangan sudah ditinjau"
        assert not any(name in page.evaluate("() => JSON.stringify(localStorage)") for name in ("2024", "script", "jpg"))

        page.reload()
        page.wait_for_selector(".tile.reviewed")
        assert page.locator(".tile.reviewed .tile-note").text_content() == note
        page.locator("#state").select_option("open")
        assert page.locator(".tile").count() == 3
        page.locator("#state").select_option("noted")
        assert page.locator(".tile").count() == 1

        with page.expect_download() as download:
            page.get_by_role("button", name="JSON").click()
        noted = json.loads(download.value.path().read_text(encoding="utf-8"))
        assert noted["batch"] == "rapat"
        assert [(one["photo"], one["pose"], one["numbers"], one["note"]) for one in noted["hands"]] == [
            (batch[0].result["name"], "peace", "2", note)
        ]
        for lang, name, delimiter, point in (("Indonesia", "catatan-tinjauan.csv", ";", ","), ("English", "review-notes.csv", ",", ".")):
            page.get_by_role("button", name=lang).click()
            with page.expect_download() as download:
                page.get_by_role("button", name="CSV").click()
            assert download.value.suggested_filename == name
            written = download.value.path().read_bytes().decode("utf-8-sig")
            (row,) = csv.DictReader(StringIO(written, newline=""), delimiter=delimiter)
            confidence = str(batch[0].result["hands"][0]["pose_confidence"]).replace(".", point)
            assert (row["photo"], row["confidence"], row["note"]) == (batch[0].result["name"], confidence, FORMULA.sub("'", note))
        page.get_by_role("button", name="Indonesia").click()

        view(page)
        page.get_by_role("button", name="Tandai belum ditinjau").click()
        leave(page)
        assert page.locator("#reviewed").inner_text() == "0 dari 4 tangan sudah ditinjau"

    def test_notes_are_taken_to_another_browser(self, page, visit, reports, batch, tmp_path):
        """Two people have looked through the report: what one noted is added to what the other did, and nothing is lost."""
        for note in ("satu", "dua"):
            view(page, ("satu", "dua").index(note))
            write_note(page, note)
            leave(page)
        view(page, 2)
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        leave(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="JSON").click()
        file = tmp_path / "catatan.json"
        download.value.save_as(file)

        other = visit(reports)
        view(other)
        write_note(other, "satu lagi")
        other.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        leave(other)
        for _ in range(2):  # the same file may come twice
            with other.expect_file_chooser() as chooser:
                other.get_by_role("button", name="Tambahkan catatan dari berkas").press("Enter")
            chooser.value.set_files(file)
            other.wait_for_selector("#imported:not(:empty)")
            assert other.locator("#imported").inner_text() == "Tanda dan catatan untuk 3 tangan sudah ditambahkan."
            assert other.locator(".tile-note").all_text_contents() == ["satu lagi\nsatu", "dua"]
            assert other.locator("#reviewed").inner_text() == "2 dari 4 tangan sudah ditinjau"
            other.reload()
            other.wait_for_selector(".tile-note")

        # Of hands that are not here, and what is no such file.
        rows = json.loads(file.read_text(encoding="utf-8"))
        rows["hands"][0]["key"] = "0123456789abcdef"
        rows["hands"][1] |= {"note": "<img src=x onerror='window.harmed = 1'>", "reviewed": "kapan-kapan"}
        other.set_input_files("#import-file", {"name": "a.json", "mimeType": "application/json", "buffer": json.dumps(rows).encode()})
        other.wait_for_selector("#imported:text-matches('1 lainnya')")
        assert other.locator(".tile-note").nth(1).text_content() == "dua\n<img src=x onerror='window.harmed = 1'>"
        assert other.evaluate("() => window.harmed") is None
        for wrong in (b"hello", b"[]", b'{"hands": 3}', b'{"hands": [null]}', b"null"):
            other.set_input_files("#import-file", {"name": "a.json", "mimeType": "application/json", "buffer": wrong})
            other.wait_for_selector("#imported:text-matches('Tidak ada yang ditambahkan')")
            other.evaluate("() => { document.querySelector('#imported').textContent = ''; }")
        assert other.locator("#reviewed").inner_text() == "2 dari 4 tangan sudah ditinjau"

    def test_notes_stay_with_a_photo_that_is_called_otherwise(self, page, visit, batch, tmp_path, contest):
        """As all are once a further source is added. Here and in another browser; and there too with a file that has names only."""
        view(page)
        write_note(page, "satu")
        leave(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="JSON").click()
        noted = json.loads(download.value.path().read_text(encoding="utf-8"))

        copy = replace(batch[0], result=batch[0].result | {"name": "salinan.jpg"})
        renamed = [replace(row, result=row.result | {"name": f"foto/{row.result['name']}"}) for row in batch]
        write_reports([*renamed, copy], tmp_path, lang="id", batch="rapat", contest=contest)
        page.goto((tmp_path / "report.html").as_uri())
        assert page.locator(".tile:has(.tile-note)").evaluate_all("(tiles) => tiles.map((tile) => tile.dataset.place)") == ["0", "4"]
        view(page, 4)
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        page.wait_for_selector(".tile:focus")
        assert page.locator("#reviewed").inner_text() == "2 dari 5 tangan sudah ditinjau"
        assert page.locator(".tile.reviewed").count() == 2

        def bring(kept):
            file = {"name": "a.json", "mimeType": "application/json", "buffer": json.dumps(kept).encode()}
            other = visit(tmp_path)
            other.set_input_files("#import-file", file)
            other.wait_for_selector("#imported:not(:empty)")
            assert other.locator("#imported").inner_text() == "Tanda dan catatan untuk 1 tangan sudah ditambahkan."
            assert other.locator(".tile-note").all_text_contents() == ["satu", "satu"]

        bring(noted)
        del noted["hands"][0]["key"]
        noted["hands"][0]["photo"] = renamed[0].result["name"]
        bring(noted)

    def test_a_note_from_another_tab_stays(self, page):
        view(page)
        mark_elsewhere(page, {"reviewed": None, "note": "dari tab lain"})
        assert page.get_by_role("textbox", name="Catatan").input_value() == "dari tab lain"
        leave(page)
        assert page.locator(".tile-note").text_content() == "dari tab lain"
        page.reload()
        assert page.locator(".tile-note").text_content() == "dari tab lain"

    def test_a_note_that_is_being_written_survives_the_page(self, page):
        view(page)
        write_note(page, "satu")
        page.reload()
        assert page.locator(".tile-note").text_content() == "satu"

    def test_notes_that_are_written_in_two_tabs_are_both_kept(self, page):
        view(page)
        write_note(page, "satu")
        mark_elsewhere(page, {"reviewed": "2024-11-27T08:00:00Z", "note": "dua"})
        assert page.get_by_role("textbox", name="Catatan").input_value() == "satu"
        assert "27 November 2024" in page.locator("#when").inner_text()
        leave(page)
        assert page.locator(".tile.reviewed .tile-note").text_content() == "dua\nsatu"

    def test_a_review_keeps_its_first_time(self, page, expect):
        view(page)
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        leave(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="JSON").click()
        kept = json.loads(download.value.path().read_text(encoding="utf-8"))
        kept["hands"][0]["reviewed"] = "2024-11-27T08:00:00Z"
        page.set_input_files("#import-file", {"name": "a.json", "mimeType": "application/json", "buffer": json.dumps(kept).encode()})
        page.wait_for_selector("#imported:not(:empty)")
        view(page)
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#when")).to_contain_text("27 November 2024")

    def test_there_is_nothing_to_take_along_where_no_mark_is_left(self, page, expect):
        view(page)
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        page.keyboard.press("ArrowLeft")
        page.get_by_role("button", name="Tandai belum ditinjau").click()
        leave(page)
        page.get_by_role("button", name="JSON").click()
        expect(page.locator("#reviewed")).to_have_text("Belum ada tangan yang ditandai atau diberi catatan.")

    def test_notes_that_another_tab_forgot_are_forgotten(self, page, expect):
        mark_elsewhere(page, {"reviewed": None, "note": "dari tab lain"})
        expect(page.locator(".tile-note")).to_have_count(1)
        page.evaluate("() => { localStorage.clear(); dispatchEvent(new StorageEvent('storage', { key: 'jari-report:rapat' })); }")
        expect(page.locator(".tile-note")).to_have_count(0)

    def test_the_browser_forgets_them_once_asked_to(self, page, expect):
        view(page)
        write_note(page, "satu")
        page.get_by_role("button", name="Sudah ditinjau, lanjut").click()
        leave(page)
        page.evaluate("() => localStorage.setItem('jari-report:lain', '{}')")
        forget = page.get_by_role("button", name="Hapus tanda dan catatan di peramban ini")
        forget.click()
        expect(page.get_by_role("dialog")).to_contain_text("unduh catatannya dahulu")
        page.get_by_role("button", name="Batal").click()
        expect(page.locator(".tile.reviewed .tile-note")).to_have_count(1)
        expect(forget).to_be_focused()
        forget.click()
        page.get_by_role("button", name="Ya, hapus").click()
        expect(page.locator("#imported")).to_have_text("Tanda dan catatan laporan ini sudah dihapus dari peramban ini.")
        expect(page.locator("#reviewed")).to_have_text("0 dari 4 tangan sudah ditinjau")
        expect(page.locator(".tile.reviewed, .tile-note")).to_have_count(0)
        assert page.evaluate("() => Object.keys(localStorage)") == ["jari-report:lain"]  # of another report

    def test_notes_belong_to_their_batch(self, page, visit, batch, tmp_path, contest):
        view(page)
        page.keyboard.press("Enter")
        write_reports(batch, tmp_path, lang="id", batch="lain", contest=contest)
        page.goto((tmp_path / "report.html").as_uri())
        assert page.locator("#reviewed").inner_text() == "0 dari 4 tangan sudah ditinjau"

    def test_by_keyboard(self, page):
        page.locator(".tile").first.focus()
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_selector("#viewer[open]")
        assert page.locator("#place").inner_text() == "2 dari 4"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator("#place").inner_text() == "4 dari 4"
        leave(page)
        assert page.locator("#viewer[open]").count() == 0
        assert page.locator(".tile:focus").get_attribute("data-place") == "3"
        assert page.locator(".tile.reviewed").get_attribute("data-place") == "2"

    def test_keys_in_a_note_and_keys_held_down_turn_to_no_other_hand(self, page, expect):
        view(page)
        write_note(page, "satu")
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        assert page.locator("#place").inner_text() == "1 dari 4"
        page.locator("#done").focus()
        for _ in range(3):
            page.keyboard.down("Enter")
        page.keyboard.up("Enter")
        assert page.locator("#place").inner_text() == "2 dari 4"
        leave(page)
        expect(page.locator(".tile.reviewed")).to_have_count(1)

    def test_arrows_lead_from_row_to_row(self, page):
        page.set_viewport_size({"width": 390, "height": 800})
        tile = page.locator(".tile:focus")
        page.locator(".tile").first.focus()
        before = tile.bounding_box()
        page.keyboard.press("ArrowDown")
        after = tile.bounding_box()
        assert after["x"] == before["x"]
        page.keyboard.press("ArrowUp")
        assert tile.get_attribute("data-place") == "0"

    def test_each_hand_is_said(self, page, expect):
        """In the dialog: while it is open, a screen reader is told of nothing outside."""
        page.locator(".tile").first.focus()
        page.keyboard.press("Enter")
        first = re.compile("^1 dari 4. Perlu ditinjau: Dua jari terbuka \\(V\\), nomor 2, keyakinan [0-9]+%, foto .*jpg$")
        expect(page.locator("#done")).to_be_focused()
        expect(page.locator("#done")).to_have_accessible_description(first)
        page.keyboard.press("Enter")
        said = page.locator("#viewer [role=status]")
        expect(said).to_have_text(re.compile("^2 dari 4. Perlu ditinjau: Simbol OK, nomor 3, "))
        page.keyboard.press("ArrowLeft")
        expect(said).to_have_text(re.compile("^1 dari 4. .* Sudah ditinjau$"))
        page.get_by_role("button", name="Tandai belum ditinjau").press("Enter")
        expect(said).to_have_text(first)

    def test_the_focus_is_never_lost(self, page, expect):
        view(page, 1)
        page.get_by_role("button", name="Tangan sebelumnya").press("Enter")
        expect(page.locator("#previous")).to_be_focused()
        page.keyboard.press("Enter")  # there is none before the first
        page.keyboard.press("ArrowRight")
        expect(page.locator("#place")).to_have_text("2 dari 4")
        page.get_by_role("button", name="Sudah ditinjau, lanjut").press("Enter")
        page.keyboard.press("ArrowLeft")
        page.get_by_role("button", name="Tandai belum ditinjau").press("Enter")
        expect(page.locator("#done")).to_be_focused()
        page.locator("#photo-name").click()
        page.keyboard.press("ArrowRight")
        expect(page.locator("#place")).to_have_text("3 dari 4")
        page.get_by_role("button", name="Tangan berikutnya").press("Enter")
        expect(page.locator("#next")).to_be_focused()

    def test_what_the_browser_does_not_keep_is_said_and_stays_on_the_page(self, page, expect):
        view(page)
        page.keyboard.press("Enter")  # this one is kept
        page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error(); }; }")
        page.keyboard.press("Enter")
        expect(page.locator("#viewer [role=status]")).to_have_text(re.compile("^3 dari 4. .*Peramban ini tidak menyimpan catatan"))
        page.keyboard.press("Enter")
        page.evaluate("() => dispatchEvent(new StorageEvent('storage', { key: 'jari-report:rapat' }))")
        expect(page.locator("#reviewed")).to_have_text("3 dari 4 tangan sudah ditinjau")

    def test_what_is_taken_from_a_file_and_not_kept_is_said(self, page, expect):
        page.evaluate("() => { Storage.prototype.setItem = () => { throw new Error(); }; }")
        page.set_input_files("#import-file", {"name": "a.json", "mimeType": "application/json", "buffer": b'{"hands": []}'})
        expect(page.locator("#imported")).to_contain_text("Peramban ini tidak menyimpan catatan")


class TestWithoutPictures:
    def test_text_tiles_and_the_place_of_the_hand(self, visit, batch, tmp_path, contest):
        write_reports([replace(row, crops=(), preview=None) for row in batch], tmp_path, lang="id", batch="x", contest=contest)
        assert "image/jpeg;base64,/9j" not in (tmp_path / "report.html").read_text()
        page = visit(tmp_path)
        assert "tanpa gambar" in page.locator("#notice").inner_text()
        assert page.locator(".tile img").count() == 0
        assert page.locator(".tile-pose").first.text_content() == "Dua jari terbuka (V)"
        view(page)
        assert page.locator("#frame .box.flagged").is_visible()


class TestPolicy:
    def test_nothing_foreign_runs_or_is_fetched(self, page):
        page.expected = ["Content Security Policy"]
        page.evaluate(
            """() => {
                const script = document.createElement("script");
                script.textContent = "window.harmed = 1";
                document.body.append(script);
                document.body.insertAdjacentHTML("beforeend", "<img src=x onerror='window.harmed = 1'>");
            }"""
        )
        assert page.evaluate("() => fetch('http://127.0.0.1:9/').then(() => 'sent', () => 'refused')") == "refused"
        assert page.evaluate("() => window.harmed") is None


class TestReading:
    def test_language(self, page):
        page.get_by_role("button", name="English").click()
        assert page.get_by_role("heading", level=1).inner_text() == "Report on hand poses in photos"
        assert page.locator(".tile-pose").first.text_content() == "Two fingers apart (V)"
        assert page.locator("#reasons dd").inner_text() == "The photo is damaged Save it anew."
        assert page.locator("html").get_attribute("lang") == "en"
        page.reload()
        page.wait_for_selector(".tile")
        assert page.title() == "Report on hand poses in photos · Jari Netral"

    def test_it_begins_with_the_batch_s_language(self, visit, batch, tmp_path, contest):
        write_reports(batch, tmp_path, lang="en", batch="x", contest=contest)
        assert visit(tmp_path).locator("#hands-title").inner_text() == "Hands"

    def test_guidance_and_a_chance_to_explain(self, page, accusing):
        assert "klarifikasi" in page.locator("#notice").inner_text()
        for words in ("bukan jaminan", "tanpa maksud tertentu"):
            assert words in page.locator("#foot").inner_text()
        view(page)
        assert not accusing["id"].search(page.locator("body").inner_text())

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_theme(self, page, scheme):
        page.emulate_media(color_scheme=scheme)
        page.wait_for_selector(f"html[data-theme={scheme}]")
        dark = "() => getComputedStyle(document.documentElement).colorScheme === 'dark'"
        assert page.evaluate(dark) == (scheme == "dark")
        page.get_by_role("button", name="Ganti tampilan").click()
        assert page.evaluate(dark) == (scheme == "light")

    def test_forced_colours(self, page):
        """What is chosen, and how long bars are, stands out where the system takes all colours away."""
        page.emulate_media(forced_colors="active")
        page.locator("#numbers label").first.click()

        def background(selector):
            return page.locator(selector).first.evaluate("(one) => getComputedStyle(one).backgroundColor")

        for chosen, other in (
            ("#numbers .pick:has(:checked)", "#numbers .pick:not(:has(:checked))"),
            ("[aria-pressed=true]", "[aria-pressed=false]"),
            (".bar-fill", ".bar-track"),
        ):
            assert background(chosen) != background(other)

    def test_forced_colours_frame_only_what_leads_on(self, visit, batch, tmp_path, contest):
        write_reports(batch[:1], tmp_path, lang="id", batch="satu", contest=contest)
        page = visit(tmp_path, forced_colors="active")
        frame = "(one) => getComputedStyle(one).borderTopColor"
        ground = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert page.locator("a.count").evaluate(frame) != ground
        assert page.locator("div.count").first.evaluate(frame) == ground

    def test_on_a_phone(self, visit, reports):
        page = visit(reports, **PHONE)
        assert page.locator("#filters[open]").count() == 0
        page.get_by_text("Saring dan urutkan").click()
        fits = """() => document.documentElement.scrollWidth <= innerWidth && ![...document.querySelectorAll(
            "button, select, summary, .pick, input[type=search]")].some((one) => one.offsetParent && one.offsetHeight < 44)"""
        assert page.evaluate(fits)
        view(page)
        assert page.evaluate(fits)
        assert page.locator("#viewer").evaluate("(viewer) => viewer.scrollWidth <= innerWidth")

    def test_on_paper(self, page):
        page.emulate_media(media="print")
        for hidden in ("#filters", ".tools", ".bar-tools"):
            assert not page.locator(hidden).is_visible()
        assert page.locator(".tile-folder").first.is_visible()
        assert page.pdf().startswith(b"%PDF")

    def test_paper_says_what_was_chosen_and_names_photos_without_findings(self, page):
        paper = """() => ["#filtered", "#clear", "#bars"].map((one) => document.querySelector(one).innerText)"""
        page.evaluate(f"() => addEventListener('beforeprint', () => {{ window.paper = ({paper})(); }})")

        def printed():
            page.pdf()
            return page.evaluate("() => window.paper")

        filtered, clear, bars = printed()
        assert filtered == ""
        assert "Simbol OK" in bars
        page.wait_for_selector("#charts:not([open])")
        assert clear.splitlines() == ["Foto dengan hasil nihil (2)", "2024-11-27/foto\ufffdgpj.exe", "2024-11-27/rusak\ufffd\ufffd.jpg"]
        page.wait_for_selector("#clear:not([open])")
        page.get_by_text("Menurut nomor, pose, dan daftar imbauan").click()
        page.locator("#bars").get_by_role("button", name="nomor 3").click()
        page.get_by_label("Nama foto").fill("<img")
        assert printed()[0] == "Disaring: hasil Perlu ditinjau; nomor 3; nama foto “<img”"
        page.emulate_media(media="print")
        assert page.locator("#filtered").is_visible()
        page.emulate_media(media="screen")
        assert not page.locator("#filtered").is_visible()

    def test_everything_to_press_has_a_name(self, page):
        page.get_by_text("Menurut nomor, pose, dan daftar imbauan").click()
        view(page)
        nameless = page.evaluate(
            """() => [...document.querySelectorAll("button, select, textarea, input")].filter((one) => one.offsetParent)
                .filter((one) => !(one.ariaLabel || one.innerText?.trim() || one.labels?.length)).map((one) => one.outerHTML)"""
        )
        assert nameless == []
