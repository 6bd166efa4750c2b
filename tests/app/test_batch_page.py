"""The page for many photos in a real browser: one service, batches from the choice to their deletion, at phone and desk size."""

import json
import os
import re
import signal
from io import BytesIO
from urllib.parse import urlsplit

import pytest
from PIL import Image

PATIENT_MS = 40_000
SIZES = {
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2},
    "desk": {"viewport": {"width": 1280, "height": 800}},
}


@pytest.fixture(scope="module")
def service(serve, tmp_path_factory):
    folder = tmp_path_factory.mktemp("batches")
    with serve(folder / "log", JARI_SPOOL=str(folder / "spool"), JARI_FINDER="mediapipe", JARI_BATCH_FILES="60") as running:
        yield running


@pytest.fixture(scope="module")
def address(service):
    return f"{service[0]}batch"


@pytest.fixture(scope="module")
def photos(samples):
    made = []
    for name in ("peace", "fist", "palm", "ok"):
        for quality in range(60, 75):
            file = BytesIO()
            Image.open(samples / f"{name}.jpg").resize((200, 200)).save(file, "JPEG", quality=quality)
            made.append({"name": f"{name}-{quality}.jpg", "mimeType": "image/jpeg", "buffer": file.getvalue()})
    return made


@pytest.fixture
def complaints():
    return []


@pytest.fixture
def open_page(browser, address, complaints):
    """Opens the page; whatever is asked of other hosts, or complained of, fails the test."""
    contexts, asked = [], []

    def open_(size="desk", at="", prepare=lambda page: None):
        context = browser.new_context(locale="id-ID", color_scheme="light", **SIZES[size])
        context.set_default_timeout(PATIENT_MS)
        contexts.append(context)
        context.on("request", lambda request: asked.append(request.url))
        context.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        prepare(page)
        page.goto(at or address)
        page.wait_for_selector("body[data-ready]")
        return page

    yield open_
    for context in contexts:
        context.close()
    assert {urlsplit(url).netloc for url in asked if not url.startswith(("blob:", "data:"))} == {urlsplit(address).netloc}


def fits(page, shot=None, what=""):
    """At either size nothing sticks out to the side, and everything to touch is large enough. `shot` keeps a screenshot of each."""
    before = page.viewport_size
    for name, size in SIZES.items():
        page.set_viewport_size(size["viewport"])
        assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"), name
        small = page.evaluate(
            """() => [...document.querySelectorAll("button, select, .foot a, .check, a.button, a.touch")].filter((one) => one.offsetParent)
                .filter((one) => one.getBoundingClientRect().height < 44 || one.getBoundingClientRect().width < 44)
                .map((one) => one.outerHTML.slice(0, 80))"""
        )
        assert small == [], name
        if shot:
            shot(page, f"{what}-{name}")
    page.set_viewport_size(before)


def view(page, name):
    page.wait_for_selector(f"#{name}:not([hidden])")


def focused(page):
    return page.evaluate("() => document.activeElement.closest('section')?.id")


def checked(page, photos):
    """Have photos checked to the end."""
    page.set_input_files("#files", photos)
    page.get_by_role("button", name="Mulai pemeriksaan").click()
    view(page, "done")


def drop(page, path):
    """Drop a file or folder of this machine on the page."""
    session = page.context.new_cdp_session(page)
    data = {"items": [], "files": [str(path)], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})


ID = "a" * 32
RUNNING = {
    "id": ID, "state": "running", "photos": 50, "done": 20, "counts": {"clear": 9, "review": 5, "unclear": 5, "failed": 1},
    "rate": 10.6, "remaining_s": 3, "ahead": 0, "results_deleted_at": None, "problem": None,
}  # fmt: skip


# Stands for the browser's own, so that a test decides what comes and when the connection is lost.
EVENTS = """
    window.EventSource = class extends EventTarget {
        static CLOSED = 2;
        readyState = 1;
        constructor() { super(); window.events = this; }
        close() { this.readyState = 2; }
        tell(data) { this.dispatchEvent(new MessageEvent("progress", { data: JSON.stringify(data) })); }
        lose() { this.readyState = 0; this.onerror(); }
    };
"""


@pytest.fixture
def open_told(open_page, address):
    """Opens the page of a batch that is as a test says."""

    def open_(status, lang="id"):
        def prepare(page):
            page.add_init_script(EVENTS)
            page.route(re.compile(rf"/v1/batches/{ID}(\?|$)"), lambda route: route.fulfill(json=status))

        return open_page(at=f"{address}?lang={lang}#{ID}", prepare=prepare)

    return open_


def test_from_the_choice_to_the_deletion(open_page, photos, complaints):
    page = open_page("phone")
    fits(page)
    assert "24 jam" in page.locator("#kept").inner_text()
    page.set_input_files("#files", [*photos[::4][:15], photos[1], {"name": "catatan.txt", "mimeType": "text/plain", "buffer": b"x"}])
    assert page.locator("#chosen-count").inner_text().startswith("16 berkas dipilih")
    assert "1 berkas lain" in page.locator("#chosen-skipped").inner_text()
    assert page.evaluate("() => document.activeElement.id") == "begin"
    fits(page)
    assert page.locator("#crops").evaluate("(box) => [box.offsetWidth, box.offsetHeight]") == [20, 20]
    page.keyboard.press("Enter")
    page.wait_for_selector("#progress:text-matches('^[1-9][0-9]* dari 16 foto')", state="attached")  # on a quick machine it is over by now
    assert page.locator("#bar").get_attribute("value")
    fits(page)

    # Another page with the same address follows the same batch.
    place = page.url
    assert re.fullmatch(r".*/batch#[\w-]{32}", place)
    other = open_page(at=place)
    for one in (page, other):
        view(one, "done")
        assert one.get_by_role("heading", level=1).inner_text() == "Selesai: 16 foto"
        assert one.title() == "Selesai · Periksa banyak foto: Jari Netral"
        assert sum(int(count) for count in one.locator("#done .tallies strong").all_inner_texts()) == 16
    assert "dihapus otomatis pada" in page.locator("#deleted-at").inner_text()
    report, whole = page.get_by_role("link", name="Buka laporan").bounding_box(), page.locator("#done").bounding_box()
    assert report["width"] == whole["width"]
    fits(page)

    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Buka laporan").click()
    report = opened.value
    report.wait_for_selector("#found:not(:empty)")  # made once all is there
    assert "16 foto" in report.locator("body").inner_text()
    report.close()  # a page behind another is drawn but once a second
    for name, ending in (("Unduh Excel (XLSX)", ".xlsx"), ("Unduh CSV", ".csv")):
        with page.expect_download() as download:
            page.get_by_role("link", name=name).click()
        assert download.value.suggested_filename.endswith(ending)

    page.get_by_role("button", name="English").click()
    assert page.get_by_role("heading", level=1).inner_text() == "Done. Photos: 16"
    page.get_by_role("button", name="Delete now").click()
    page.keyboard.press("Escape")
    assert page.locator("#done").is_visible()
    page.get_by_role("button", name="Delete now").click()
    page.get_by_role("button", name="Yes, delete").click()
    view(page, "start")
    assert complaints == []
    page.goto(place)
    view(page, "problem")
    assert page.get_by_role("heading", level=1).inner_text() == "This batch is gone"


def test_a_folder_a_deletion_elsewhere_and_too_many(open_page, photos, complaints, tmp_path, service, halted):
    folder = tmp_path / "acara"
    (folder / "hari-1").mkdir(parents=True)
    for photo in photos:
        (folder / "hari-1" / photo["name"]).write_bytes(photo["buffer"])
    page = open_page()
    page.set_input_files("#folder", folder)
    with halted(service[1].pid):  # it is not over before it is deleted
        with page.expect_request("**/v1/batches") as sent:
            page.get_by_role("button", name="Mulai pemeriksaan").click()
        assert b"acara/hari-1/peace-60.jpg" in (sent.value.post_data_buffer or b"acara/hari-1/peace-60.jpg")
        page.wait_for_selector("#progress:text-matches('dari 60 foto')")
        other = open_page(at=page.url)
        view(other, "working")
        page.get_by_role("button", name="Batalkan dan hapus").click()
        page.get_by_role("button", name="Ya, hapus").click()
        view(page, "start")
        view(other, "problem")
    assert other.get_by_role("heading", level=1).inner_text() == "Kumpulan foto ini tidak ada lagi"
    assert [one for one in complaints if "404" not in one] == []

    page.set_input_files("#files", [photo | {"name": f"{number}-{photo['name']}"} for number in (1, 2) for photo in photos])
    page.get_by_role("button", name="Mulai pemeriksaan").click()
    view(page, "problem")
    assert "batasnya 60 berkas" in page.locator("#problem-detail").inner_text()


def test_dropping_and_the_way_from_the_page_for_one_photo(open_page, address):
    page = open_page(at=address.removesuffix("batch") + "batch?lang=en")
    page.evaluate(
        """async () => {
            const data = new DataTransfer();
            data.items.add(new File([await (await fetch("static/samples/peace.jpg")).blob()], "foto.jpg"));
            document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
        }"""
    )
    page.wait_for_selector("#chosen-count:text-matches('^Files chosen: 1,')")
    page.set_viewport_size({"width": 360, "height": 740})  # the longest name of a contest is English
    fits(page)
    page.get_by_role("link", name="Check a single photo").click()
    page.get_by_role("link", name="Many photos at once").click()
    page.wait_for_selector("body[data-ready]")


def test_a_part_of_the_page_is_no_batch(open_page, address, complaints):
    page = open_page(at=f"{address}#main")
    assert page.locator("#start").is_visible()
    assert complaints == []


class TestChoosing:
    def test_a_second_choice_is_added_to_the_first(self, open_page, photos, tmp_path):
        page = open_page()
        for photo in photos[:3]:
            (tmp_path / photo["name"]).write_bytes(photo["buffer"])
        first, second, third = sorted(tmp_path.iterdir())
        count = page.locator("#chosen-count")
        page.set_input_files("#files", [first, second])
        page.set_input_files("#files", [second, third])  # one of them is the same
        assert count.inner_text().startswith("3 berkas dipilih")
        note = photos[0] | {"name": "._peace.jpg"}  # of macOS on a photo
        page.set_input_files("#files", [note, {"name": "catatan.txt", "mimeType": "text/plain", "buffer": b"x"}])
        assert count.inner_text().startswith("3 berkas dipilih")
        assert "1 berkas lain" in page.locator("#chosen-skipped").inner_text()
        page.get_by_role("button", name="Kosongkan pilihan").click()
        assert page.locator("#chosen").is_hidden()
        assert page.evaluate("() => document.activeElement.id") == "choose"

    def test_an_archive_and_a_photo_of_another_name(self, open_page):
        page = open_page()
        archive = {"name": "arsip.zip", "mimeType": "application/zip", "buffer": b"x"}
        page.set_input_files("#files", [archive, {"name": "foto", "mimeType": "image/jpeg", "buffer": b"x"}])
        assert page.locator("#chosen-count").inner_text().startswith("2 berkas dipilih")
        assert page.locator("#chosen-skipped").inner_text() == ""

    @pytest.mark.parametrize(("limit", "said"), [("files", "batasnya 0 berkas"), ("bytes", "batasnya")])
    def test_more_than_is_taken_is_not_sent(self, open_page, photos, limit, said):
        def less(route):
            limits = route.fetch().json()
            limits["batches"][limit] = 0
            route.fulfill(json=limits)

        page = open_page(prepare=lambda page: page.route("**/v1/limits", less))
        sent = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        page.set_input_files("#files", photos[:1])
        page.get_by_role("button", name="Mulai pemeriksaan").click()
        view(page, "problem")
        assert said in page.locator("#problem-detail").inner_text()
        assert page.title().startswith(page.get_by_role("heading", level=1).inner_text())
        assert sent == []

    def test_what_is_no_photo(self, open_page, shot):
        page = open_page()
        page.set_input_files("#files", {"name": "catatan.txt", "mimeType": "text/plain", "buffer": b"x"})
        assert page.locator("#chosen-count").inner_text() == "Tidak ada foto atau ZIP di antara berkas yang dipilih."
        assert page.get_by_role("button", name="Mulai pemeriksaan").is_hidden()
        page.get_by_role("button", name="English").click()
        assert page.locator("#chosen-count").inner_text() == "There is no photo or ZIP among the files chosen."
        shot(page)

    def test_pasting(self, open_page):
        page = open_page()
        paste = """async (name) => {
            const data = new DataTransfer();
            if (name) data.items.add(new File([await (await fetch("static/samples/peace.jpg")).blob()], name, { type: "image/jpeg" }));
            else data.setData("text/plain", "foto");
            document.body.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }));
        }"""
        page.evaluate(paste, "")
        assert page.locator("#note").inner_text().startswith("Yang ditempel bukan foto.")
        for name in ("a.jpg", "b.jpg"):
            page.evaluate(paste, name)
        assert page.locator("#chosen-count").inner_text().startswith("2 berkas dipilih")
        assert page.locator("#note").inner_text() == ""

    def test_dropping_what_is_no_file(self, open_page, shot):
        page = open_page()
        page.evaluate(
            """() => {
                const data = new DataTransfer();
                data.setData("text/plain", "foto");
                document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
            }"""
        )
        page.wait_for_selector("#note:text-matches('^Yang dilepas di sini bukan foto')")
        shot(page)

    def test_a_dropped_folder_of_which_not_all_can_be_read(self, open_page, photos, tmp_path):
        page = open_page()
        (tmp_path / photos[0]["name"]).write_bytes(photos[0]["buffer"])
        odd = tmp_path / os.fsdecode(b"latin\xe9.jpg")  # which Chromium lists but does not open
        odd.write_bytes(photos[1]["buffer"])
        drop(page, tmp_path)
        page.wait_for_selector("#chosen-count:text-matches('^1 berkas dipilih')")
        unread = page.locator("#chosen-unread")
        assert unread.inner_text() == "Ada 1 berkas atau folder yang tidak dikirim karena tidak dapat dibaca."
        odd.rename(tmp_path / "latin.jpg")
        drop(page, tmp_path)
        page.wait_for_selector("#chosen-count:text-matches('^2 berkas dipilih')")
        assert unread.inner_text() == ""

    def test_the_contest_is_kept_for_both_pages(self, open_page, address):
        page = open_page()
        page.set_input_files("#files", {"name": "foto.jpg", "mimeType": "image/jpeg", "buffer": b"x"})
        page.get_by_label("Kontestasi").select_option("pilpres-2024")
        page.goto(address.removesuffix("batch"))
        page.wait_for_selector("#contest option", state="attached")
        assert page.get_by_label("Kontestasi").input_value() == "pilpres-2024"

    def test_the_way_here_from_several_photos(self, open_page, address, shot):
        page = open_page()
        page.goto(address.removesuffix("batch"))
        page.wait_for_selector("#contest option", state="attached")
        page.evaluate(
            """() => {
                const data = new DataTransfer();
                for (const name of ["a.jpg", "b.jpg"]) data.items.add(new File(["x"], name, { type: "image/jpeg" }));
                document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
            }"""
        )
        view(page, "problem")
        shot(page)
        page.get_by_role("link", name="Banyak foto sekaligus").click()
        page.wait_for_selector("body[data-ready]")
        assert page.locator(".batch #start").is_visible()


@pytest.mark.parametrize("lost", ["limits", "contests"])
def test_without_limits_and_contests(open_page, photos, address, complaints, lost):
    page = open_page()
    page.route(f"**/v1/{lost}", lambda route: route.fulfill(status=503, json={"title": "Layanan sedang sibuk"}))
    page.reload()
    page.wait_for_selector("body[data-ready]")
    page.set_input_files("#files", photos[:1])
    page.get_by_role("button", name="Mulai pemeriksaan").click()
    view(page, "done")
    assert [one for one in complaints if "503" not in one] == []


class TestConnection:
    def test_one_that_is_lost_and_found(self, open_told, shot):
        page = open_told(RUNNING)
        assert page.locator(".measures").inner_text().split("\n") == ["20 dari 50 foto", "10,6 foto per detik", "sekitar 3 detik lagi"]
        page.evaluate("() => events.lose()")
        assert page.locator(".measures").inner_text().split("\n") == ["20 dari 50 foto", "Sambungan terputus, mencoba lagi…"]
        assert page.locator("#status").inner_text() == "Sambungan terputus, mencoba lagi…"
        fits(page, shot)
        page.evaluate("(status) => events.tell(status)", RUNNING | {"done": 21})
        assert page.locator("#rate").inner_text() == "10,6 foto per detik"
        assert page.locator("#remaining").inner_text() == "sekitar 3 detik lagi"
        failed = {"type": "internal-error", "title": "Terjadi kesalahan", "detail": "Silakan coba lagi."}
        page.evaluate("(status) => events.tell(status)", RUNNING | {"state": "failed", "problem": failed})
        view(page, "problem")
        assert page.locator("#status").inner_text() == ""

    @pytest.mark.parametrize("is_gone", [False, True])
    def test_one_that_is_refused_is_tried_again(self, open_told, is_gone):
        """As by a service that starts anew: the browser itself gives up then."""
        page = open_told(RUNNING)
        if is_gone:
            gone = {"status": 404, "headers": {"Content-Type": "application/problem+json"}, "body": json.dumps({"status": 404})}
            page.route(re.compile(rf"/v1/batches/{ID}"), lambda route: route.fulfill(**gone))
        page.clock.install()
        page.evaluate("() => { window.first = events; events.readyState = EventSource.CLOSED; events.onerror(); }")
        assert page.locator("#rate").inner_text() == "Sambungan terputus, mencoba lagi…"
        page.clock.run_for(3000)
        if is_gone:
            view(page, "problem")
            assert page.get_by_role("heading", level=1).inner_text() == "Kumpulan foto ini tidak ada lagi"
        else:
            page.wait_for_function("() => events !== first")
            page.evaluate("(status) => events.tell(status)", RUNNING | {"done": 30})
            assert page.locator("#progress").inner_text() == "30 dari 50 foto"

    @pytest.mark.parametrize("by", ["the end", "going back"])
    def test_is_not_kept_when_nothing_more_is_to_come(self, open_told, by):
        page = open_told(RUNNING)
        if by == "the end":
            page.evaluate("(status) => events.tell(status)", RUNNING | {"state": "done", "done": 50})
            view(page, "done")
        else:
            page.evaluate("() => { location.hash = ''; }")
            view(page, "start")
        assert page.evaluate("() => events.readyState === EventSource.CLOSED")

    def test_who_waits_is_told_for_how_many(self, open_told):
        page = open_told(RUNNING | {"state": "waiting", "done": 0, "ahead": 2})
        assert page.locator("#progress").inner_text() == "Ada 2 kumpulan foto lain yang diperiksa lebih dahulu."
        assert page.title() == f"{page.get_by_role('heading', level=1).inner_text()} · Periksa banyak foto: Jari Netral"

    def test_the_tallies_say_what_they_count(self, open_told):
        page = open_told(RUNNING)
        counted = [one.split("\n") for one in page.locator("#working .tallies li").all_inner_texts()]
        assert counted == [["5", "perlu ditinjau"], ["5", "belum jelas"], ["9", "nihil"], ["1", "gagal diperiksa"]]

    def test_how_far_it_is_is_spoken_now_and_then(self, open_told):
        page = open_told(RUNNING)
        for done, spoken in ((21, "20 dari 50 foto"), (25, "25 dari 50 foto"), (26, "25 dari 50 foto")):
            page.evaluate("(status) => events.tell(status)", RUNNING | {"done": done})
            assert page.locator("#status").inner_text() == spoken

    def test_what_is_dropped_meanwhile_is_not_chosen(self, open_told):
        page = open_told(RUNNING)
        for event, field in (("paste", "clipboardData"), ("drop", "dataTransfer")):
            page.evaluate(
                """([event, field]) => {
                    const data = new DataTransfer();
                    data.items.add(new File(["x"], "a.jpg", { type: "image/jpeg" }));
                    const kind = event === "paste" ? ClipboardEvent : DragEvent;
                    document.body.dispatchEvent(new kind(event, { [field]: data, bubbles: true, cancelable: true }));
                }""",
                [event, field],
            )
        page.evaluate("() => { location.hash = ''; }")
        view(page, "start")
        assert page.locator("#chosen").is_hidden()

    def test_the_tab_tells_how_far_it_is(self, open_told):
        page = open_told(RUNNING)
        assert page.title() == "40% · Periksa banyak foto: Jari Netral"
        page.evaluate("(status) => events.tell(status)", RUNNING | {"done": 21})
        assert page.title() == "42% · Periksa banyak foto: Jari Netral"
        page.get_by_role("button", name="English").click()
        assert page.title() == "42% · Check many photos: Jari Netral"

    def test_its_address_is_copied(self, open_told, shot):
        page = open_told(RUNNING)
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page.get_by_role("button", name="Salin alamat").click()
        page.wait_for_selector("#status:text-is('Alamat sudah disalin')", state="attached")
        assert page.evaluate("() => navigator.clipboard.readText()") == page.url
        fits(page, shot)

    def test_no_time_is_told_as_none(self, open_told):
        page = open_told(RUNNING | {"remaining_s": 0})
        assert page.locator("#rate").inner_text() == "10,6 foto per detik"
        assert page.locator("#remaining").text_content() == ""

    def test_what_the_service_says_is_asked_for_in_the_page_s_language(self, open_told):
        failed = {"type": "internal-error", "title": "It failed", "detail": "A fault."}
        page = open_told(RUNNING | {"state": "failed", "problem": failed}, lang="en")
        view(page, "problem")
        page.get_by_role("button", name="Bahasa Indonesia").click()
        assert page.locator("html").get_attribute("lang") == "id"
        assert page.locator("#problem-title").get_attribute("lang") == "en"

    def test_what_is_done_behind_the_question_has_the_focus_after_it(self, open_told):
        page = open_told(RUNNING)
        page.get_by_role("button", name="Batalkan dan hapus").click()
        page.evaluate("(status) => events.tell(status)", RUNNING | {"state": "done", "done": 50})
        page.get_by_role("button", name="Batal", exact=True).click()
        page.wait_for_selector("#done-title:focus")

    def test_forced_colours_leave_the_bar(self, open_told, shot):
        page = open_told(RUNNING)
        page.emulate_media(forced_colors="active")
        with Image.open(BytesIO(page.locator("#bar").screenshot(animations="disabled"))) as bar:
            done, left = (bar.getpixel((bar.width * share // 100, bar.height // 2)) for share in (20, 80))
        assert done != left
        page.get_by_role("button", name="Batalkan dan hapus").click()
        assert page.get_by_role("dialog").evaluate("(dialog) => getComputedStyle(dialog).borderStyle") == "solid"
        shot(page)


class TestSending:
    def test_what_was_chosen_goes_along(self, open_page, photos):
        page = open_page(at="")
        page.get_by_role("button", name="English").click()
        page.evaluate(
            """() => {
                const { prototype } = XMLHttpRequest;
                prototype.send = (form) => (window.sent = Object.fromEntries([...form].filter(([, value]) => typeof value === "string")));
            }"""
        )
        page.set_input_files("#files", photos[:1])
        page.get_by_label("Contest").select_option("pilpres-2024")
        page.locator("#crops").uncheck()
        page.get_by_role("button", name="Check them").click()
        view(page, "working")
        assert page.evaluate("() => sent") == {"lang": "en", "contest": "pilpres-2024", "crops": "false"}

    def test_the_page_is_held_until_all_is_sent(self, open_page, photos, complaints, shot):
        page = open_page()
        held = []
        page.route("**/v1/batches", lambda route: held.append(route))  # an upload that is never done
        page.set_input_files("#files", photos[:2])
        page.get_by_role("button", name="Mulai pemeriksaan").click()
        view(page, "working")
        assert page.locator("#stay").inner_text() == "Jangan tutup halaman ini sampai semua foto terkirim."
        assert page.locator("#leave").is_hidden()
        fits(page, shot)
        leaves = "() => dispatchEvent(new Event('beforeunload', { cancelable: true }))"
        assert not page.evaluate(leaves)

        page.get_by_role("button", name="Batalkan dan hapus").click()
        asked = page.get_by_role("dialog")
        assert asked.get_by_role("heading").inner_text() == "Batalkan pengiriman?"
        assert not re.search("hasil|laporan", asked.inner_text())
        fits(page, shot, "-asked")
        page.get_by_role("button", name="Ya, batalkan").click()
        view(page, "start")
        assert page.locator("#note").inner_text() == "Pengiriman dibatalkan."
        assert focused(page) == "start"
        assert page.evaluate(leaves)
        shot(page, "-stopped")
        page.get_by_role("button", name="English").click()
        assert page.locator("#note").inner_text() == "Sending was stopped."
        assert complaints == []

    def test_what_is_there_already_is_deleted(self, open_page, photos, complaints, address, service):
        page = open_page()
        page.set_input_files("#files", photos[:1])
        os.kill(service[1].pid, signal.SIGSTOP)  # its system takes the photo all the same
        try:
            page.get_by_role("button", name="Mulai pemeriksaan").click()
            page.wait_for_selector("#progress:text-is('100%')")
            page.get_by_role("button", name="Batalkan dan hapus").click()
            page.get_by_role("button", name="Ya, batalkan").click()
            with page.expect_response(lambda answer: answer.request.method == "POST") as made:
                os.kill(service[1].pid, signal.SIGCONT)
        finally:
            os.kill(service[1].pid, signal.SIGCONT)
        page.wait_for_selector("#note:text-is('Sudah dihapus.')")
        assert complaints == []
        page.goto(f"{address}#{made.value.json()['id']}")
        view(page, "problem")


class TestProblems:
    def test_without_a_network_each_says_what_is_undone(self, open_page, photos):
        page = open_page()
        page.context.set_offline(True)
        page.set_input_files("#files", photos[:1])
        page.get_by_role("button", name="Mulai pemeriksaan").click()
        view(page, "problem")
        assert page.locator("#problem-detail").inner_text().startswith("Foto belum selesai dikirim.")
        page.context.set_offline(False)
        page.get_by_role("button", name="Coba lagi").click()
        view(page, "done")

    def test_a_file_that_is_gone_is_named_and_the_others_are_sent(self, open_page, photos, tmp_path, shot):
        page = open_page()
        for photo in photos[:3]:
            (tmp_path / photo["name"]).write_bytes(photo["buffer"])
        files = sorted(tmp_path.iterdir())
        page.set_input_files("#files", files)
        files[1].unlink()
        page.get_by_role("button", name="Mulai pemeriksaan").click()
        view(page, "problem")
        assert page.get_by_role("heading", level=1).inner_text() == "Sebagian berkas tidak dapat dibaca lagi"
        assert page.locator("#problem-detail").inner_text().endswith(f"setelah dipilih: {files[1].name}.")
        shot(page)
        page.get_by_role("button", name="Kirim sisanya").click()
        view(page, "done")
        assert page.get_by_role("heading", level=1).inner_text() == "Selesai: 2 foto"

    def test_of_many_files_that_are_gone_a_few_are_named(self, open_page, photos, tmp_path):
        page = open_page()
        for photo in photos[:8]:
            (tmp_path / photo["name"]).write_bytes(photo["buffer"])
        files = sorted(tmp_path.iterdir())
        page.set_input_files("#files", files)
        for file in files:
            file.unlink()
        page.get_by_role("button", name="Mulai pemeriksaan").click()
        view(page, "problem")
        assert page.locator("#problem-detail").inner_text().endswith(f"{files[4].name}, dan 3 lainnya.")
        assert page.get_by_role("button", name="Kirim sisanya").is_hidden()

    def test_a_deletion_that_fails_is_tried_again(self, open_page, photos, shot):
        page = open_page()
        checked(page, photos[:1])
        place = page.url
        page.context.set_offline(True)
        page.get_by_role("button", name="Hapus sekarang").click()
        page.get_by_role("button", name="Ya, hapus").click()
        view(page, "problem")
        assert page.locator("#problem-detail").inner_text().startswith("Kumpulan foto ini belum dihapus.")
        shot(page)
        page.context.set_offline(False)
        page.get_by_role("button", name="Coba lagi").click()
        view(page, "start")
        assert page.locator("#note").inner_text() == "Sudah dihapus."
        assert focused(page) == "start"
        page.goto(place)
        view(page, "problem")
        assert page.get_by_role("heading", level=1).inner_text() == "Kumpulan foto ini tidak ada lagi"

    @pytest.mark.parametrize(
        ("answer", "title"),
        [
            ({"status": 200, "content_type": "text/html", "body": "<h1>Masuk</h1>"}, "Jawaban layanan tidak dapat dibaca"),
            ({"status": 404, "content_type": "text/html", "body": "<h1>Masuk</h1>"}, "Jawaban layanan tidak dapat dibaca"),
            ({"status": 302, "headers": {"Location": "/"}}, "Jawaban layanan tidak dapat dibaca"),
            (
                {
                    "status": 429,
                    "headers": {"Content-Type": "application/problem+json", "Content-Language": "id"},
                    "body": json.dumps({"type": "rate-limited", "title": "Terlalu banyak permintaan", "status": 429, "detail": "Tunggu."}),
                },
                "Terlalu banyak permintaan",
            ),
        ],
        ids=["login", "login-404", "redirect", "problem"],
    )
    def test_what_is_neither_a_batch_nor_a_deletion_is_told(self, open_told, answer, title):
        """A login before the service that is over answers in its place."""
        page = open_told(RUNNING)
        page.route(re.compile(rf"/v1/batches/{ID}"), lambda route: route.fulfill(**answer))
        page.get_by_role("button", name="Batalkan dan hapus").click()
        page.get_by_role("button", name="Ya, hapus").click()
        view(page, "problem")
        assert page.get_by_role("heading", level=1).inner_text() == title
        page.reload()
        view(page, "problem")
        assert page.get_by_role("heading", level=1).inner_text() == title

    def test_what_was_deleted_elsewhere_counts_as_deleted(self, open_told):
        page = open_told(RUNNING, lang="en")
        asked = []
        gone = {"status": 404, "headers": {"Content-Type": "application/problem+json"}, "body": json.dumps({"status": 404})}

        def answer(route):
            asked.append((route.request.method, urlsplit(route.request.url).query))
            route.fulfill(**gone)

        page.route(re.compile(rf"/v1/batches/{ID}"), answer)
        page.locator("[data-delete]").first.click()
        page.locator("#sure-yes").click()
        view(page, "start")
        assert page.locator("#note").inner_text() == "Deleted."
        assert asked == [("DELETE", "lang=en")]

    def test_leaving_takes_the_question_along(self, open_page, photos, complaints, shot):
        page = open_page()
        checked(page, photos[:1])
        page.get_by_role("button", name="Hapus sekarang").click()
        page.go_back()
        view(page, "start")
        assert page.get_by_role("dialog").count() == 0
        page.go_forward()
        view(page, "done")
        assert "Hasil “nihil” bukan jaminan" in page.locator("#done").inner_text()
        fits(page, shot)
        page.get_by_role("link", name="Periksa kumpulan foto lain").click()
        view(page, "start")
        assert focused(page) == "start"
        assert complaints == []

    def test_a_deletion_elsewhere_is_noticed_when_the_page_is_used_again(self, open_page, photos):
        other = open_page()
        checked(other, photos[:1])
        pages = {by: open_page(at=other.url) for by in ("looking", "Unduh Excel (XLSX)", "Unduh CSV", "Buka laporan")}
        other.get_by_role("button", name="Hapus sekarang").click()
        other.get_by_role("button", name="Ya, hapus").click()
        view(other, "start")
        for by, page in pages.items():
            assert page.locator("#done").is_visible(), by
            if by == "looking":  # as on the way back to a tab
                page.evaluate("() => document.dispatchEvent(new Event('visibilitychange', { bubbles: true }))")
            else:
                page.get_by_role("link", name=by).click()
            view(page, "problem")
            assert page.get_by_role("heading", level=1).inner_text() == "Kumpulan foto ini tidak ada lagi", by


def test_the_size_of_little(open_page, photos):
    page = open_page()
    page.set_input_files("#files", [photos[0] | {"buffer": b"x" * 34_000}])
    assert page.locator("#chosen-count").inner_text() == "1 berkas dipilih, 34 KB"
    page.get_by_role("button", name="Kosongkan pilihan").click()
    page.set_input_files("#files", [photos[0] | {"buffer": b"x" * 340_000}])
    assert page.locator("#chosen-count").inner_text() == "1 berkas dipilih, 0,3 MB"
