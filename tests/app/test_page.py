"""The page in a real browser, at phone and desk size: Chromium, driven by Playwright."""

import json
import os
import re
from io import BytesIO
from urllib.parse import urljoin, urlsplit

import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api")

PATIENT_MS = 120_000
SIZES = {
    "phone": {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2},
    "desk": {"viewport": {"width": 1280, "height": 800}},
}


@pytest.fixture(params=SIZES)
def context(browser, request):
    context = browser.new_context(locale="id-ID", color_scheme="light", **SIZES[request.param])
    context.set_default_timeout(PATIENT_MS)
    yield context
    context.close()


# For tests of what is the same at any size.
any_size = pytest.mark.parametrize("context", ["desk"], indirect=True)


@pytest.fixture
def path():
    """Which page is opened, where a test does not say: the one for a photo."""
    return ""


@pytest.fixture
def page(context, server, path):
    """The open page. Whatever it asks of other hosts, or complains of on the console, fails the test."""
    page = context.new_page()
    asked, complaints = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.expected = []  # parts of complaints that a test provokes
    page.goto(server + path)
    alive(page)
    yield page
    here = urlsplit(server).netloc
    assert {urlsplit(url).netloc for url in asked if not url.startswith(("blob:", "data:"))} == {here}
    assert [one for one in complaints if not any(part in one for part in page.expected)] == []


def alive(page):
    """Wait until the page's script has run: it fetches the words first, and by then the browser counts the page as loaded."""
    page.wait_for_selector("body:not(:has(#late, #contest:empty))")


def turn(page, scheme):
    """Turn the device light or dark, and wait until the page has heard of it."""
    page.emulate_media(color_scheme=scheme)
    page.wait_for_selector(f"html[data-theme={scheme}]")


def photo(data, name="foto.jpg"):
    return {"name": name, "mimeType": "image/jpeg", "buffer": data}


def choose(page, data, name="foto.jpg"):
    page.set_input_files("#file", photo(data, name))


def result(page):
    page.wait_for_selector("#result:not([hidden])")


def drop(context, page, paths):
    """Drop files and folders of this machine on the page."""
    session = context.new_cdp_session(page)
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    for kind in ("dragEnter", "dragOver", "drop"):
        session.send("Input.dispatchDragEvent", {"type": kind, "x": 200, "y": 300, "data": data})


def advised(page, change):
    """Have the service's advice changed by a test before the page hears it."""

    def answer(route):
        told = route.fetch()
        advice = told.json()
        change(advice)
        route.fulfill(response=told, json=advice)

    page.route("**/v1/checks", answer)


def note_sent(page):
    """Note the fields of the form that is sent last, without the files."""
    page.evaluate(
        """() => {
            const { prototype } = XMLHttpRequest, { send } = prototype;
            prototype.send = function (form) {
                window.sent = Object.fromEntries([...form].filter(([, value]) => typeof value === "string"));
                send.call(this, form);
            };
        }"""
    )


def share(page, address, field, files):
    """Send files to an address as the phone's system does, once the page's worker is there: by no page's form."""
    page.wait_for_function("async () => (await navigator.serviceWorker.getRegistration('share'))?.active")
    page.goto("about:blank")
    page.set_content(
        f'<form method="post" enctype="multipart/form-data" action="{address}"><input type="file" name="{field}" multiple></form>'
    )
    page.set_input_files("input", files)
    page.evaluate("() => document.forms[0].submit()")


def pixels(page, points):
    """The colours of the picture that is shown, without its marks."""
    return page.locator(".sheet img").evaluate(
        """(image, points) => {
            const canvas = new OffscreenCanvas(image.naturalWidth, image.naturalHeight);
            const context = canvas.getContext("2d", { willReadFrequently: true });
            context.drawImage(image, 0, 0);
            return points.map(([x, y]) => [...context.getImageData(x, y, 1, 1).data].slice(0, 3));
        }""",
        points,
    )


def fits(page):
    """Nothing sticks out to the side, and everything to touch is large enough."""
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    small = page.evaluate(
        """() => [...document.querySelectorAll("button, select, summary, .foot a, .check")]
            .filter((one) => one.offsetParent)
            .filter((one) => one.getBoundingClientRect().height < 44 || one.getBoundingClientRect().width < 44)
            .map((one) => one.outerHTML.slice(0, 80))"""
    )
    assert small == []


class TestDoors:
    def test_a_chosen_file(self, page, peace, shot):
        fits(page)
        shot(page, "-start")
        with page.expect_file_chooser() as chooser:
            page.get_by_role("button", name="Pilih foto").click()
        chooser.value.set_files(photo(peace))
        result(page)
        assert page.get_by_role("heading", level=1).inner_text() == "Ada pose yang perlu ditinjau"
        assert page.evaluate("() => document.activeElement.id") == "level"
        card = page.locator(".card").first
        assert "Dua jari terbuka" in card.inner_text()
        assert "nomor 2" in card.inner_text()
        assert page.locator("#chips .chip", has_text="2").count() == 1
        assert page.title() == "Ada pose yang perlu ditinjau · Jari Netral"
        fits(page)
        shot(page, "-result")
        page.go_back()
        page.wait_for_selector("#start:not([hidden])")
        assert page.title() == "Jari Netral: periksa pose jari sebelum foto diunggah"

    def test_a_camera(self, page, peace):
        touch = page.evaluate("() => matchMedia('(pointer: coarse)').matches")
        assert page.get_by_role("button", name="Ambil foto").is_visible() == touch
        page.set_input_files("#camera", photo(peace))
        result(page)

    @any_size
    def test_a_sample(self, page):
        page.get_by_role("button", name="Kepalan tangan").click()
        result(page)
        assert page.get_by_role("heading", level=1).inner_text() == "Tidak ditemukan pose yang perlu ditinjau"
        assert page.locator(".card.flagged").count() == 0

    @any_size
    def test_a_sample_that_comes_late_does_not_take_the_place_of_a_photo(self, page, peace):
        held = []
        page.route("**/samples/fist.jpg", lambda route: held.append(route))
        page.get_by_role("button", name="Kepalan tangan").click()
        page.wait_for_selector("#working:not([hidden])")
        choose(page, peace)
        result(page)
        checks = []
        page.on("request", lambda request: checks.append(request.url) if request.method == "POST" else None)
        for route in held:
            route.continue_()
        page.evaluate("async () => { await fetch('static/samples/fist.jpg?') }")  # answered after it
        assert checks == []
        assert page.locator("#result").is_visible()
        assert "Dua jari terbuka" in page.locator(".card").first.inner_text()

    @any_size
    def test_a_sample_that_is_left(self, page):
        held = []
        page.route("**/samples/fist.jpg", lambda route: held.append(route))
        page.get_by_role("button", name="Kepalan tangan").click()
        page.get_by_role("button", name="Batalkan").click()
        page.wait_for_selector("#start:not([hidden])")
        checks = []
        page.on("request", lambda request: checks.append(request.url) if request.method == "POST" else None)
        for route in held:
            route.continue_()
        page.evaluate("async () => { await fetch('static/samples/fist.jpg?') }")
        assert checks == []
        assert page.locator("#start").is_visible()

    @any_size
    @pytest.mark.parametrize("answer", [None, {"status": 503, "json": {"title": "Layanan sedang sibuk"}}])
    def test_a_sample_that_is_lost_and_again(self, page, answer):
        page.expected = ["ERR_FAILED", "503"]
        page.route("**/samples/fist.jpg", lambda route: route.fulfill(**answer) if answer else route.abort(), times=1)
        page.get_by_role("button", name="Kepalan tangan").click()
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Contoh tidak dapat dibuka"
        page.get_by_role("button", name="Coba lagi").click()
        result(page)

    @any_size
    @pytest.mark.parametrize(("event", "field"), [("paste", "clipboardData"), ("drop", "dataTransfer")])
    def test_paste_and_drop(self, page, event, field):
        page.evaluate(
            """async ([event, field]) => {
                const data = new DataTransfer();
                data.items.add(new File([await (await fetch("static/samples/peace.jpg")).blob()], "foto.jpg"));
                const kind = event === "paste" ? ClipboardEvent : DragEvent;
                document.body.dispatchEvent(new kind(event, { [field]: data, bubbles: true, cancelable: true }));
            }""",
            [event, field],
        )
        result(page)

    @pytest.mark.parametrize("context", ["phone"], indirect=True)
    def test_a_photo_shared_from_another_app(self, context, page, server, peace):
        session = context.new_cdp_session(page)
        manifest = session.send("Page.getAppManifest")
        target = json.loads(manifest["data"])["share_target"]
        assert manifest["errors"] == []
        hindrances = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert {one["errorId"] for one in hindrances} <= {"in-incognito"}  # as all contexts of Playwright are
        share(page, urljoin(manifest["url"], target["action"]), target["params"]["files"][0]["name"], [photo(peace)])
        result(page)
        assert "Dua jari terbuka" in page.locator(".card").first.inner_text()
        assert page.url == server
        page.reload()
        alive(page)
        assert page.locator("#note").inner_text() == ""

    @any_size
    def test_several_shared_from_another_app(self, page, server, peace):
        share(page, f"{server}share", "photo", [photo(peace), photo(peace, "lain.jpg")])
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Lebih dari satu foto"

    @any_size
    def test_one_that_is_shared_while_the_page_waits_for_another(self, page, context, server, peace, samples):
        held = []
        page.route("**/v1/contests*", lambda route: held.append(route))
        share(page, f"{server}share", "photo", [photo(peace)])
        page.wait_for_url("**/?shared*", wait_until="commit")
        other = context.new_page()
        other.goto(server)
        share(other, f"{server}share", "photo", [photo((samples / "fist.jpg").read_bytes())])
        result(other)
        for route in held:
            route.continue_()
        result(page)
        assert [len(one.locator(".card.flagged").all()) for one in (page, other)] == [1, 0]

    @any_size
    def test_a_shared_photo_that_is_lost(self, page, server):
        page.goto(f"{server}share")
        alive(page)
        page.wait_for_selector("#note:not(.unseen)")
        assert page.locator("#note").inner_text() == "Foto yang dibagikan tidak sampai ke halaman ini. Pilih fotonya di sini."
        assert page.url == server

    @pytest.mark.parametrize("context", ["phone"], indirect=True)
    def test_it_can_be_installed_where_the_browser_says_so(self, page):
        install = page.get_by_role("button", name="Pasang")
        assert install.is_hidden()
        page.evaluate("() => dispatchEvent(Object.assign(new Event('beforeinstallprompt'), { prompt: () => (document.title = 'asked') }))")
        install.click()
        assert page.title() == "asked"
        assert install.is_hidden()  # the browser asks once, and says so if it would again
        page.evaluate("() => dispatchEvent(Object.assign(new Event('beforeinstallprompt'), { prompt: () => {} }))")
        assert install.is_visible()
        page.evaluate("() => dispatchEvent(new Event('appinstalled'))")
        assert install.is_hidden()

    @any_size
    def test_several_are_not_taken_for_one(self, page):
        page.evaluate(
            """() => {
                const data = new DataTransfer();
                for (const name of ["a.jpg", "b.jpg"]) data.items.add(new File(["x"], name, { type: "image/jpeg" }));
                document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true }));
            }"""
        )
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Lebih dari satu foto"
        assert not page.get_by_role("button", name="Coba lagi").is_visible()
        assert page.get_by_role("link", name="Banyak foto sekaligus").count() == 0  # which this service does not check

    @any_size
    @pytest.mark.parametrize("path", ["", "batch"])
    def test_where_many_photos_are_not_checked(self, page, path):
        if path:
            page.wait_for_selector("#problem:not([hidden])")
            assert page.get_by_role("heading", level=1).inner_text() == "Pemeriksaan banyak foto tidak tersedia"
        else:
            page.wait_for_selector("#formats:text-is('JPEG, PNG, WebP, AVIF, atau HEIC, paling besar 25 MB')")
            assert page.get_by_role("link", name="Banyak foto sekaligus").count() == 0

    @any_size
    def test_where_to_drop_is_shown(self, page):
        over = page.locator(".drop-over")
        for kind, shown in (("dragover", True), ("dragleave", False)):
            page.evaluate("(kind) => document.body.dispatchEvent(new DragEvent(kind, { bubbles: true, cancelable: true }))", kind)
            assert over.is_visible() is shown

    @any_size
    def test_a_folder_is_not_taken_for_a_photo(self, page, context, tmp_path):
        drop(context, page, [tmp_path])
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Ini folder, bukan foto"
        assert not page.get_by_role("button", name="Coba lagi").is_visible()

    @any_size
    @pytest.mark.parametrize(
        ("event", "field", "said", "translated"),
        [
            ("paste", "clipboardData", "Yang ditempel bukan foto.", "What was pasted is not a photo."),
            ("drop", "dataTransfer", "Yang dilepas di sini bukan foto.", "What was dropped here is not a photo."),
        ],
    )
    def test_pasting_and_dropping_what_is_no_photo(self, page, peace, shot, event, field, said, translated):
        page.set_viewport_size({"width": 1280, "height": 400})
        page.evaluate("() => scrollTo(0, document.body.scrollHeight)")
        page.evaluate(
            """([event, field]) => {
                const data = new DataTransfer();
                data.setData("text/plain", "foto.jpg");
                const kind = event === "paste" ? ClipboardEvent : DragEvent;
                document.body.dispatchEvent(new kind(event, { [field]: data, bubbles: true, cancelable: true }));
            }""",
            [event, field],
        )
        note = page.locator("#note")
        assert note.inner_text().startswith(said)
        assert page.evaluate("() => document.querySelector('#note').getBoundingClientRect().top") >= 0  # however far it was scrolled
        assert note.get_attribute("role") == "status"
        shot(page)
        page.get_by_role("button", name="English").click()
        assert note.inner_text().startswith(translated)
        choose(page, peace)
        result(page)
        assert note.inner_text() == ""

    @any_size
    def test_the_contest_that_was_chosen(self, page, peace):
        page.get_by_label("Kontestasi").select_option("pilpres-2024")
        with page.expect_response("**/v1/checks") as answer:
            choose(page, peace)
        assert answer.value.json()["contest"] == "pilpres-2024"
        result(page)
        assert page.locator("#used").inner_text() == "Kontestasi: Pemilihan Presiden 2024"
        page.locator("#contest").evaluate("(select) => (select.value = 'default')")  # for the next photo
        page.get_by_role("button", name="English").click()
        note_sent(page)
        with page.expect_download():
            page.get_by_role("button", name="Download a marked copy").click()
        assert page.evaluate("() => sent") == {"lang": "en", "contest": "pilpres-2024"}
        page.get_by_role("button", name="Bahasa Indonesia").click()
        page.reload()
        alive(page)
        assert page.get_by_label("Kontestasi").input_value() == "pilpres-2024"
        page.get_by_label("Kontestasi").select_option("default")  # which may be another at the next election
        assert page.evaluate("() => localStorage.getItem('contest')") is None

    @any_size
    def test_the_files_name_stays_in_the_browser(self, page, peace):
        with page.expect_request("**/v1/checks") as asked:
            choose(page, peace, "rapat-rahasia.jpg")
        assert b"rahasia" not in (asked.value.post_data_buffer or b"")
        result(page)


class TestPhotos:
    def test_a_sideways_photo_is_shown_upright_and_marked_where_the_hand_is(self, page, pictures):
        image = Image.open(pictures / "peace.jpg").crop((150, 0, 650, 768)).transpose(Image.Transpose.ROTATE_90)
        exif = Image.Exif()
        exif[0x0112] = 6
        file = BytesIO()
        image.save(file, "JPEG", exif=exif, quality=92)
        with page.expect_response("**/v1/checks") as answer:
            choose(page, file.getvalue())
        result(page)
        body = answer.value.json()
        assert (body["width"], body["height"]) == (500, 768)
        shown, box = page.locator(".picture").bounding_box(), page.locator(".sheet rect.line").first.bounding_box()
        assert shown["width"] / shown["height"] == pytest.approx(500 / 768, rel=0.02)
        x, y, width, height = (body["hands"][0]["box"][side] / (500, 768)[side % 2] for side in range(4))
        centre = (box["x"] + box["width"] / 2 - shown["x"]) / shown["width"], (box["y"] + box["height"] / 2 - shown["y"]) / shown["height"]
        assert centre == pytest.approx((x + width / 2, y + height / 2), abs=0.02)

    @any_size
    @pytest.mark.parametrize("orientation", [3, 6])
    def test_a_turned_webp_is_shown_upright(self, page, pictures, orientation):
        """Its shape may tell nothing of it."""
        image = Image.open(pictures / "peace.jpg").resize((384, 384))
        image.paste("red", (0, 0, 60, 60))
        exif = Image.Exif()
        exif[0x0112] = orientation
        file = BytesIO()
        image.transpose({3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]).save(
            file, "WEBP", exif=exif, quality=92
        )
        choose(page, file.getvalue(), "foto.webp")
        result(page)
        red, green, blue = pixels(page, [(20, 20)])[0]
        assert red > 200 > 100 > max(green, blue)

    def test_a_mark_stays_within_the_picture_where_the_edge_cuts_the_hand_off(self, page, pictures):
        file = BytesIO()
        Image.open(pictures / "like.jpg").crop((220, 0, 768, 768)).save(file, "JPEG", quality=92)
        choose(page, file.getvalue())
        result(page)
        shown, badge = page.locator(".picture").bounding_box(), page.locator(".sheet .badge").first.bounding_box()
        assert shown["x"] <= badge["x"] < shown["x"] + 10

    @any_size
    def test_a_photo_that_the_browser_cannot_show(self, page, pictures):
        pillow_heif = pytest.importorskip("pillow_heif")
        file = BytesIO()
        original = Image.open(pictures / "peace.jpg")
        pillow_heif.from_pillow(original).save(file, quality=90)

        def once_it_is_said(route):
            page.wait_for_selector("#no-preview:not([hidden])")
            route.continue_()

        page.route("**/v1/checks", once_it_is_said)
        with page.expect_response("**/v1/checks") as answer:
            choose(page, file.getvalue(), "foto.heic")
        result(page)
        assert page.locator(".sheet img").evaluate("(image) => image.naturalWidth") == 768
        assert "Dua jari terbuka" in page.locator(".card").first.inner_text()
        # Nothing is drawn into it: the page draws the marks, which can be hidden.
        x, y, width, _ = answer.value.json()["hands"][0]["box"]
        edge = [(x + step, y) for step in range(0, width, 4)]
        shown, there = pixels(page, edge), [original.getpixel(point) for point in edge]
        assert sum(abs(a - b) for one, other in zip(shown, there, strict=True) for a, b in zip(one, other, strict=True)) / len(edge) < 40

    @any_size
    @pytest.mark.parametrize("lost", ["the connection", "the login"])
    def test_without_its_picture_the_advice_is_there(self, page, samples, lost, shot):
        page.expected = ["ERR_FAILED"]
        answer = {"content_type": "text/html", "body": "<h1>Masuk</h1>"}
        page.route("**/upright", lambda route: route.abort() if lost == "the connection" else route.fulfill(**answer))
        page.set_input_files("#file", samples / "three.heic")
        result(page)
        assert page.locator("#note").inner_text() == "Foto sudah diperiksa, tetapi gambarnya belum dapat ditampilkan."
        assert "Tiga jari" in page.locator(".card").inner_text()
        shot(page)
        page.get_by_role("button", name="English").click()
        assert page.locator("#note").inner_text().startswith("The photo was checked")
        page.locator(".card-main").click()
        assert page.locator(".sheet .badge.selected").inner_text() == "1"

    @any_size
    def test_each_card_has_a_crop_of_its_hand(self, page, peace):
        with page.expect_response("**/v1/checks") as answer:
            choose(page, peace)
        result(page)
        x, y, width, height = answer.value.json()["hands"][0]["box"]
        page.get_by_role("button", name="English").click()  # which makes the cards anew
        # The first crop is drawn before the next frame but one.
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => requestAnimationFrame(done))))")
        points = [(column, row) for column in range(32, 192, 32) for row in range(32, 192, 32)]
        shown = page.locator(".crop").first.evaluate(
            """(canvas, points) => {
                const { data } = canvas.getContext("2d").getImageData(0, 0, 192, 192);
                return points.map(([x, y]) => [...data.slice(4 * (192 * y + x), 4 * (192 * y + x) + 3)]);
            }""",
            points,
        )
        side, photo = 1.5 * max(width, height), Image.open(BytesIO(peace))
        there = [
            photo.getpixel((round(x + width / 2 + (column / 192 - 0.5) * side), round(y + height / 2 + (row / 192 - 0.5) * side)))
            for column, row in points
        ]
        assert sum(abs(a - b) for one, other in zip(shown, there, strict=True) for a, b in zip(one, other, strict=True)) / len(points) < 40

    def test_many_hands(self, page, group, shot):
        def once_it_is_shown(route):
            page.wait_for_selector("#preview img")
            shot(page, "-working")
            route.continue_()

        page.route("**/v1/checks", once_it_is_shown)  # else it may be checked before a slow browser shows it
        choose(page, group)
        result(page)
        assert page.locator(".card").count() >= 12
        assert page.locator(".picture.many").count() == 1
        sync_api.expect(page.locator(".sheet .line.thin").first).to_have_css("opacity", "0")  # the joints would hide the hands
        fits(page)
        # What is said of each pose's lists would fill the page: what goes beyond a few is folded.
        notes = "li.pose-on-list, li.lists-disagree"
        assert page.locator(notes).count() >= 4
        assert page.locator(notes).locator("visible=true").count() == 2
        assert page.locator("#messages > .initial-advice").is_visible()
        folded = page.locator(".folded summary")
        assert folded.inner_text() == f"{page.locator(notes).count() - 2} catatan lain tentang daftar imbauan"
        # On paper no hand can be picked for its number to show, and nothing unfolded.
        page.emulate_media(media="print")
        assert page.locator(".folded ul").evaluate("(list) => list.checkVisibility()")
        sync_api.expect(page.locator(".sheet .badge").first).to_have_css("opacity", "1")
        page.emulate_media(media="screen")
        folded.focus()
        page.keyboard.press("Enter")
        page.wait_for_selector(".folded details[open]")
        assert page.locator(notes).locator("visible=true").count() == page.locator(notes).count()
        fits(page)
        page.locator(".card-main").nth(3).click()
        card = page.locator(".card.selected")
        assert card.count() == 1
        page.wait_for_function(
            """() => {
                const { top, bottom } = document.querySelector(".picture").getBoundingClientRect();
                return top >= 0 && bottom <= innerHeight;
            }"""
        )
        shot(page, "-picked")


class TestResult:
    def test_what_to_do_comes_first(self, page, pictures, shot):
        page.set_viewport_size({"width": 360, "height": 640})
        file = BytesIO()
        Image.open(pictures / "peace.jpg").crop((96, 0, 672, 768)).save(file, "JPEG", quality=92)
        choose(page, file.getvalue())
        result(page)
        assert page.locator("#messages > li").first.get_attribute("class") == "consider-another"
        assert page.locator(".pose-read-as-number, .pose-possibly-read, .safe-poses").count() == 0  # by the chips and as pictures
        assert page.locator(".picture").bounding_box()["height"] <= 0.44 * 640 + 1
        assert page.locator("#messages").bounding_box()["y"] < 1.2 * 640
        assert page.locator(".actions .primary").locator("visible=true").all_inner_texts() == ["Unduh salinan yang disamarkan"]
        button, hint = page.locator("[data-copy=redacted]").bounding_box(), page.locator("#redacted-hint").bounding_box()
        assert 0 < hint["y"] - button["y"] - button["height"] < 20
        shot(page)

    @any_size
    def test_what_is_not_sure_is_asked(self, page, peace):
        advised(page, lambda advice: advice["hands"][0].update(state="unclear", flagged=False))
        choose(page, peace)
        result(page)
        assert page.locator(".card.unclear .card-pose").inner_text() == "Dua jari terbuka (V)?"
        assert page.locator(".card-reads").all_inner_texts() == ["Mungkin ditafsirkan sebagai nomor 2"]

    @any_size
    def test_each_hand_is_shown_as_what_it_is(self, page, peace):
        two, one = {"number": 2, "strength": "official"}, {"number": 1, "strength": "possible"}

        def change(advice):
            (hand,) = advice["hands"]
            avoid, safe = ({"list": "a", "name": {"id": "Daftar", "en": "List"}, "stance": stance} for stance in ("avoid", "safe"))
            advice["ballot"] = [1, 2]
            advice["codes"] = [two | {"on_ballot": True}, {"number": 4, "strength": "official", "on_ballot": False}]
            advice["hands"] = [
                hand | {"flagged": False, "needs_look": False, "readings": [{"number": 4, "strength": "official"}], "lists": [safe]},
                hand | {"flagged": False, "state": "unclear", "readings": [], "together": [one], "lists": [avoid, safe]},
                hand | {"pose_confidence": 0.9999, "readings": [two], "lists": [avoid]},
                hand | {"flagged": False, "needs_look": False, "state": "rest"},
            ]

        advised(page, change)
        choose(page, peace)
        result(page)
        kinds = ["flagged", "unclear", "fine"]  # what is to review comes first
        for part in (".card", ".sheet .hand", ".sheet .badge"):
            shown = page.locator(part).evaluate_all("(all) => all.map((one) => one.getAttribute('class').split(' ').at(-1))")
            assert shown == kinds, part
        assert page.locator(".legend li").locator("visible=true").count() == 3
        assert page.locator(".chip").all_inner_texts() == ["2"]  # four is not on the ballot
        assert page.locator(".card-reads").all_inner_texts() == [
            "Dapat ditafsirkan sebagai nomor 2",
            "Mungkin ditafsirkan sebagai nomor 1",
        ]
        assert "(keyakinan 99%)" in page.locator(".card.flagged .card-why").inner_text()
        assert page.locator(".card-lists summary").all_inner_texts() == [
            "Disarankan dihindari dalam 1 daftar imbauan",
            "Disarankan dihindari: 1 daftar; dianggap aman: 1 daftar",
            "Dianggap aman dalam 1 daftar imbauan",
        ]
        stances = page.locator(".stance").evaluate_all("(all) => all.map((one) => [one.className, one.textContent])")
        avoided, safe = ["stance avoid", "Dihindari"], ["stance safe", "Aman"]
        assert stances == [avoided, avoided, safe, safe]
        assert page.locator("#rest").inner_text() == "Satu tangan lain tampak tidak berpose sehingga tidak ditandai."

    @any_size
    def test_where_nothing_is_blurred_another_photo_comes_first(self, page):
        page.get_by_role("button", name="Kepalan tangan").click()
        result(page)
        assert page.locator(".actions .button").locator("visible=true").all_inner_texts() == ["Periksa foto lain"]
        assert page.locator("#again.primary").count() == 1
        assert page.locator("#level-icon").get_attribute("href") == "static/icons.svg#clear"
        assert page.locator(".result").get_attribute("data-level") == "clear"
        assert page.locator("#rest").inner_text() == "Tidak ada tangan yang tampak berpose."
        for part in ("#numbers", "#instead", "#result figcaption"):
            assert page.locator(part).is_hidden(), part

    def test_it_is_read_in_the_order_in_which_it_is_seen(self, page, peace):
        choose(page, peace)
        result(page)
        wide = page.viewport_size["width"] > 960  # the picture then stands beside the words
        parts = ".verdict, .advice, .actions, .instead, .hands" + ("" if wide else ", .stage")
        tops = page.evaluate("(parts) => [...document.querySelectorAll(parts)].map((one) => one.getBoundingClientRect().top)", parts)
        assert len(tops) == 6 - wide
        assert tops == sorted(tops)
        headings = page.get_by_role("heading", level=2).all_inner_texts()
        assert headings == ["Saran", "Sebagai gantinya", "Tangan dalam foto"]

    @any_size
    def test_the_picture_is_called_marked_where_it_is(self, page, peace):
        choose(page, peace)
        result(page)
        assert page.get_by_alt_text("Foto yang diperiksa, dengan tangan bertanda").count() == 1
        file = BytesIO()
        Image.new("RGB", (384, 384), "grey").save(file, "JPEG")
        with page.expect_response("**/v1/checks"):
            choose(page, file.getvalue())
        result(page)
        assert page.locator("#rest").inner_text() == "Tidak ada tangan yang ditemukan di foto ini."
        assert page.get_by_alt_text("Foto yang diperiksa", exact=True).count() == 1

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_on_paper(self, page, peace, theme, shot):
        turn(page, theme)
        page.get_by_role("button", name="Ganti tampilan").dblclick()  # the same, now because it was chosen
        choose(page, peace)
        result(page)
        page.locator(".card-main").click()
        page.pdf()
        assert page.locator(".selected").count() == 0  # which would be printed as a piece of the photo
        page.emulate_media(media="print", color_scheme=theme)
        for part in (".bar-tools", ".actions", ".check"):
            assert page.locator(part).locator("visible=true").count() == 0
        for part in (".verdict", ".chip", ".card .badge"):
            assert page.locator(part).first.evaluate("(one) => getComputedStyle(one).printColorAdjust") == "exact"
        assert page.evaluate("() => getComputedStyle(document.documentElement).colorScheme") == "light"
        shot(page)


class TestNarrow:
    """Large text and small screens: whoever needs either never has to scroll to the side."""

    def test_small_screens(self, page, server, peace, shot):
        page.set_viewport_size({"width": 240, "height": 640})
        self.fits_everywhere(page, server, peace, shot)

    def test_large_text(self, context, page, server, peace, shot):
        page.set_viewport_size({"width": 280, "height": 640})
        session = context.new_cdp_session(page)

        def enlarge():
            session.send("Page.setFontSizes", {"fontSizes": {"standard": 32, "fixed": 26}})  # as the browser's settings do
            page.wait_for_function("() => getComputedStyle(document.documentElement).fontSize === '32px'")

        self.fits_everywhere(page, server, peace, shot, enlarge)
        page.set_viewport_size({"width": 320, "height": 640})
        enlarge()  # another size takes it back
        lists = page.locator(".card-lists")
        lists.locator("summary").click()
        assert lists.evaluate("(lists) => lists.scrollWidth <= lists.clientWidth")  # what goes beyond is cut off
        assert self.broken(lists) == []
        page.get_by_role("button", name="Periksa foto lain").click()
        page.wait_for_selector("#start:not([hidden])")
        assert self.broken(page.locator("#choose")) == []
        shot(page, "-start")

    def test_a_long_screenshot_is_more_than_a_thread(self, page, pictures, peace, shot):
        page.set_viewport_size({"width": 360, "height": 640})
        long, file = Image.new("RGB", (400, 5200), "grey"), BytesIO()
        long.paste(Image.open(pictures / "peace.jpg").resize((400, 400)), (0, 3000))
        long.save(file, "JPEG", quality=92)
        choose(page, file.getvalue())
        result(page)
        frame, hand = page.locator(".picture"), page.locator(".sheet rect.line")
        assert frame.bounding_box()["width"] == 144
        shot(page)
        page.locator(".card-main").click()
        page.locator(".sheet").evaluate("(sheet) => Promise.all(sheet.getAnimations().map((one) => one.finished))")
        assert frame.bounding_box()["height"] < 300  # it stays in sight above the cards
        around, box = frame.bounding_box(), hand.bounding_box()
        assert box["width"] > 40
        assert around["y"] < box["y"] < box["y"] + box["height"] < around["y"] + around["height"]
        shot(page, "-picked")
        choose(page, peace)
        result(page)
        assert page.locator(".picked").count() == 0

    @pytest.mark.parametrize("context", ["phone"], indirect=True)
    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_phones_do_not_show_it_as_if_it_were_wide(self, page):
        assert page.evaluate("() => innerWidth") == SIZES["phone"]["viewport"]["width"]

    def fits_everywhere(self, page, server, peace, shot, enlarge=lambda: None):
        fits = "() => document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        for path in ("privacy", "batch", ""):
            page.goto(server + path)
            page.wait_for_selector("#late", state="detached")
            enlarge()
            assert page.evaluate(fits), path
            skip = page.locator(".skip").bounding_box()
            assert skip["y"] + skip["height"] <= 0, path
        alive(page)
        choose(page, peace)
        result(page)
        assert page.evaluate(fits)
        shot(page)

    def broken(self, part):
        """The words in it that go on in another line."""
        return part.evaluate(
            """(part) => {
                const words = [], texts = document.createTreeWalker(part, NodeFilter.SHOW_TEXT), range = new Range();
                while (texts.nextNode()) {
                    for (const { index, 0: word } of texts.currentNode.data.matchAll(/\\S+/g)) {
                        range.setStart(texts.currentNode, index);
                        range.setEnd(texts.currentNode, index + word.length);
                        if (range.getClientRects().length > 1) words.push(word);
                    }
                }
                return words;
            }"""
        )


class TestHighlighting:
    def test_from_the_card_to_the_picture_and_back(self, page, peace):
        choose(page, peace)
        result(page)
        main = page.locator(".card-main").first
        main.click()
        assert main.get_attribute("aria-pressed") == "true"
        assert page.locator(".sheet .badge.selected").inner_text() == "1"
        main.click()
        assert main.get_attribute("aria-pressed") == "false"
        page.locator(".sheet .badge").first.click()
        assert page.locator(".card.selected .badge").inner_text() == "1"
        page.locator(".picture").click(position={"x": 24, "y": 24})  # beside the hand
        assert page.locator(".card.selected").count() == 0
        sync_api.expect(page.locator(".sheet .line.thin").first).to_have_css("opacity", "1")  # the joints of few hands are always shown
        main.click()
        page.keyboard.press("Escape")
        assert page.locator(".card.selected").count() == 0
        main.click()
        page.go_back()
        page.wait_for_selector("#start:not([hidden])")
        page.keyboard.press("Escape")  # where nothing is highlighted any more

    @any_size
    def test_marks_can_be_hidden(self, page, peace):
        choose(page, peace)
        result(page)
        page.get_by_label("Tampilkan tanda").uncheck()
        assert not page.locator(".sheet .badge").first.is_visible()
        page.locator(".card-main").click()
        assert page.locator(".sheet .badge.selected").is_visible()


@any_size
class TestCopies:
    @pytest.mark.parametrize(
        ("button", "file"), [("Unduh salinan yang disamarkan", "foto-disamarkan.jpg"), ("Unduh salinan bertanda", "foto-bertanda.jpg")]
    )
    def test_download(self, page, peace, button, file):
        choose(page, peace)
        result(page)
        with page.expect_download() as download:
            page.get_by_role("button", name=button).click()
        assert download.value.suggested_filename == file
        with Image.open(download.value.path()) as picture:
            assert picture.size == (384, 384)
        sync_api.expect(page.locator("#status")).to_have_text("Salinan sudah diunduh.")

    def test_one_that_is_being_made_is_not_asked_for_again(self, page, peace):
        choose(page, peace)
        result(page)
        held = []
        page.route("**/v1/checks/annotated", lambda route: held.append(route))
        button = page.locator("[data-copy=annotated]")
        for _ in range(2):
            button.click()
            assert button.inner_text() == "Menyiapkan salinan…"
        assert len(held) == 1
        with page.expect_download():
            held[0].continue_()
        sync_api.expect(button).to_have_text("Unduh salinan bertanda")

    def test_without_a_network(self, page, context, peace):
        page.expected = ["ERR_INTERNET_DISCONNECTED"]
        choose(page, peace)
        result(page)
        context.set_offline(True)
        page.get_by_role("button", name="Unduh salinan bertanda").click()
        sync_api.expect(page.locator("#copy-problem")).to_contain_text("Layanan tidak terjangkau. Salinan belum dibuat. Periksa sambungan")
        context.set_offline(False)
        choose(page, peace)
        page.wait_for_selector("#result:not([hidden])")
        assert page.locator("#copy-problem").inner_text() == ""

    def test_a_login_that_is_over_is_no_copy(self, page, peace):
        choose(page, peace)
        result(page)
        page.route("**/v1/checks/redacted", lambda route: route.fulfill(content_type="text/html", body="<h1>Masuk</h1>"))
        page.get_by_role("button", name="Unduh salinan yang disamarkan").click()
        sync_api.expect(page.locator("#copy-problem")).to_contain_text("Jawaban layanan tidak dapat dibaca. Salinan belum dibuat.")
        assert page.locator("#status").inner_text() == ""

    def test_of_a_file_that_is_gone(self, page, peace, tmp_path):
        page.expected = ["ERR_FILE_NOT_FOUND", "ERR_UPLOAD_FILE_CHANGED"]
        file = tmp_path / "foto.jpg"
        file.write_bytes(peace)
        page.set_input_files("#file", file)
        result(page)
        file.unlink()
        page.get_by_role("button", name="Unduh salinan bertanda").click()
        sync_api.expect(page.locator("#copy-problem")).to_contain_text("Berkas tidak dapat dibaca lagi. Salinan belum dibuat.")


class TestProblems:
    def test_not_a_photo(self, page, shot):
        page.expected = ["415"]
        choose(page, b"hello", "catatan.jpg")
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Jenis berkas belum didukung"
        assert not page.get_by_role("button", name="Coba lagi").is_visible()
        assert page.locator("#status").inner_text() == ""
        fits(page)
        shot(page)
        page.get_by_role("button", name="Pilih foto lain").click()
        page.wait_for_selector("#start:not([hidden])")
        assert page.evaluate("() => document.activeElement.id") == "choose"

    @any_size
    def test_a_file_over_the_limit_is_not_sent(self, page, tmp_path):
        large = tmp_path / "besar.jpg"
        large.write_bytes(b"\xff" * (25 * 2**20 + 1))
        sent = []
        page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
        page.set_input_files("#file", large)
        page.wait_for_selector("#problem:not([hidden])")
        assert "25 MB" in page.locator("#problem-detail").inner_text()
        assert sent == []

    @any_size
    def test_a_photo_of_too_many_pixels(self, page, peace):
        def fewer(route):
            answer = route.fetch()
            route.fulfill(response=answer, json=answer.json() | {"pixels": 384 * 384 - 1})

        page.route("**/v1/limits", fewer)
        page.reload()
        alive(page)
        choose(page, peace)
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Foto terlalu besar"

    @any_size
    @pytest.mark.parametrize(
        ("status", "kind", "again", "numbered"),
        [
            (503, "queue-full", True, False),
            (500, "internal-error", True, True),
            (422, "photo-timeout", True, False),
            (408, "upload-slow", True, False),
            (422, "photo-damaged", False, False),
        ],
    )
    def test_what_can_be_tried_again_and_when(self, page, peace, status, kind, again, numbered):
        page.expected = [str(status)]
        body = {"type": kind, "title": "Belum", "detail": "Tunggu.", "status": status, "instance": "urn:uuid:abc"}
        headers = {"Content-Type": "application/problem+json", "Retry-After": "1"}
        page.route("**/v1/checks", lambda route: route.fulfill(status=status, headers=headers, body=json.dumps(body)))
        page.clock.install()
        choose(page, peace)
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("button", name="Coba lagi (1)").is_visible() is again
        assert page.locator("#problem-reference").inner_text() == ("Nomor permintaan: abc" if numbered else "")
        page.clock.run_for(1000)
        assert page.get_by_role("button", name="Coba lagi", exact=True).is_visible() is again

    @any_size
    def test_without_a_network_and_again(self, page, context, peace):
        page.expected = ["ERR_INTERNET_DISCONNECTED"]
        context.set_offline(True)
        choose(page, peace)
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Layanan tidak terjangkau"
        assert "Foto ini belum diperiksa." in page.locator("#problem-detail").inner_text()
        context.set_offline(False)
        page.get_by_role("button", name="Coba lagi").click()
        result(page)

    @any_size
    @pytest.mark.parametrize("status", [200, 401])
    def test_a_login_that_is_over(self, page, peace, status, shot):
        page.expected = ["401"]
        page.route("**/v1/checks", lambda route: route.fulfill(status=status, content_type="text/html", body="<h1>Masuk</h1>"), times=1)
        choose(page, peace)
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Jawaban layanan tidak dapat dibaca"
        assert page.locator("#problem-detail").inner_text().endswith("muat ulang halaman ini untuk masuk lagi.")
        shot(page)
        page.get_by_role("button", name="Coba lagi").click()
        result(page)

    @any_size
    def test_a_file_that_is_changed_is_to_be_chosen_again(self, page, context, peace, tmp_path):
        page.expected = ["ERR_INTERNET_DISCONNECTED", "ERR_FILE_NOT_FOUND", "ERR_UPLOAD_FILE_CHANGED"]
        file = tmp_path / "foto.jpg"
        file.write_bytes(peace)
        context.set_offline(True)
        page.set_input_files("#file", file)
        page.wait_for_selector("#problem:not([hidden])")
        assert page.get_by_role("heading", level=1).inner_text() == "Layanan tidak terjangkau"
        file.write_bytes(peace + b"\0")
        os.utime(file, (0, 0))  # browsers go by whole seconds
        context.set_offline(False)
        page.get_by_role("button", name="Coba lagi").click()
        page.wait_for_selector("#problem-title:text-is('Berkas tidak dapat dibaca lagi')")
        assert page.locator("#problem-detail").inner_text().startswith("Foto ini belum diperiksa.")
        assert not page.get_by_role("button", name="Coba lagi").is_visible()

    @any_size
    @pytest.mark.parametrize("by", ["button", "going back"])
    def test_cancelling(self, page, peace, by):
        page.route("**/v1/checks", lambda route: None)  # a check that is never done
        with page.expect_request("**/v1/checks"):
            choose(page, peace)
        with page.expect_event("requestfailed"):  # nothing more of it is sent
            if by == "button":
                page.get_by_role("button", name="Batalkan").click()
            else:
                page.wait_for_selector("#working:not([hidden])")
                page.go_back()
        page.wait_for_selector("#start:not([hidden])")
        assert page.locator("#status").inner_text() == "Pemeriksaan dibatalkan."
        assert page.locator("#problem").is_hidden()
        page.get_by_role("button", name="English").click()
        assert page.locator("#status").inner_text() == "The check was cancelled."

    @any_size
    def test_the_back_button_leads_to_the_start(self, page, peace):
        choose(page, peace)
        result(page)
        page.go_back()
        page.wait_for_selector("#start:not([hidden])")


class TestWorking:
    def test_it_can_be_cancelled_without_scrolling(self, page, pictures, shot):
        page.set_viewport_size({"width": 360, "height": 640})
        page.route("**/v1/checks", lambda route: None)  # a check that is never done
        file = BytesIO()
        Image.open(pictures / "peace.jpg").crop((96, 0, 672, 768)).save(file, "JPEG", quality=92)
        choose(page, file.getvalue())
        page.wait_for_selector("#preview img")
        cancel = page.get_by_role("button", name="Batalkan").bounding_box()
        assert cancel["y"] + cancel["height"] <= 640
        shot(page)

    @any_size
    def test_what_takes_long_is_excused(self, page, peace):
        page.route("**/v1/checks", lambda route: None)  # a check that is never done
        page.clock.install()
        choose(page, peace)
        page.wait_for_selector("#working:not([hidden])")
        assert page.locator("#long").is_hidden()
        page.clock.run_for(7000)
        assert page.locator("#long").is_visible()

    @any_size
    def test_a_second_photo_begins_at_the_first_step(self, page, peace):
        choose(page, peace)
        result(page)
        page.route("**/v1/checks", lambda route: None)  # a check that is never done
        choose(page, peace)
        page.wait_for_selector("#working:not([hidden])")
        assert page.locator("#steps li").evaluate_all("(steps) => steps.map((one) => one.className)") == ["now", "", ""]

    @any_size
    def test_each_step_is_announced_once(self, page, peace):
        page.evaluate(
            """() => {
                window.heard = [];
                const line = document.getElementById("status");
                new MutationObserver((changes) => heard.push(...changes.map(() => line.textContent))).observe(line, { childList: true });
            }"""
        )
        choose(page, peace)
        result(page)
        heard = [one for one in page.evaluate("() => heard") if one]
        assert "Mencari tangan dan membaca pose" in heard
        assert len(heard) == len(set(heard))


@any_size
class TestLanguage:
    def test_switch(self, page, peace, server):
        choose(page, peace)
        result(page)
        page.get_by_role("button", name="English").click()
        assert page.get_by_role("heading", level=1).inner_text() == "There is a pose to review"
        assert "Two fingers apart" in page.locator(".card").first.inner_text()
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.locator("[aria-pressed=true][data-language]").all_inner_texts() == ["EN"]
        assert page.get_by_role("button", name="Switch between light and dark").count() == 1
        assert page.locator("#used").inner_text().startswith("Contest: General")
        page.goto(server)
        page.get_by_role("button", name="Choose a photo").wait_for()
        assert page.get_by_label("Contest").evaluate("(select) => select.options[0].text").startswith("General")

    def test_what_the_service_said_stays_in_its_language(self, page):
        page.expected = ["415"]
        choose(page, b"hello", "catatan.jpg")
        page.wait_for_selector("#problem:not([hidden])")
        page.get_by_role("button", name="English").click()
        for part in ("#problem-title", "#problem-detail"):
            assert page.locator(part).get_attribute("lang") == "id"
        assert page.locator("#problem-title").inner_text() == "Jenis berkas belum didukung"

    def test_what_nobody_chose_is_not_kept(self, page):
        assert page.evaluate("() => localStorage.length") == 0
        page.get_by_role("button", name="English").click()
        assert page.evaluate("() => localStorage.getItem('language')") == "en"

    @pytest.mark.parametrize("path", ["?lang=en"])
    def test_by_address(self, page):
        assert page.locator("html").get_attribute("lang") == "en"
        assert page.title() == "Jari Netral: check hand poses before you post a photo"


@any_size
def test_a_browser_that_keeps_nothing(page, peace):
    page.add_init_script("Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError') } })")
    page.reload()
    alive(page)
    page.get_by_role("button", name="English").click()
    assert page.locator("html").get_attribute("lang") == "en"
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    choose(page, peace)
    result(page)


@any_size
@pytest.mark.parametrize("path", ["", "batch", "privacy"])
def test_all_that_its_scripts_need_is_asked_for_at_once(page):
    """One after another they would take a phone on a slow network twice as long, with buttons that do nothing yet."""
    page.wait_for_load_state("networkidle")
    fetched = page.evaluate("() => performance.getEntriesByType('resource').map((one) => one.name)")
    named = page.evaluate("() => [...document.querySelectorAll('link, script')].map((one) => one.href ?? one.src)")
    needed = {url for url in fetched if re.search(r"\.(js|json)$", url)}
    assert needed
    assert needed - set(named) == set()


class TestPartsThatAreLost:
    """Each reload may find the service too busy to give all that the page is made of."""

    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_without_its_script_the_page_says_so(self, context, server, path, shot):
        page = context.new_page()
        page.route("**/words.js", lambda route: route.abort())
        page.goto(server + path)
        notice = page.locator("#late")
        assert notice.evaluate("(notice) => notice.getAnimations()[0].effect.getTiming().delay") >= 5000  # none sees it on a slow network
        notice.evaluate("(notice) => notice.getAnimations()[0].finish()")
        assert notice.is_visible()
        assert "Halaman belum termuat lengkap. Muat ulang." in notice.inner_text()
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        shot(page)

    @any_size
    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_with_its_script_it_does_not(self, page):
        assert page.locator("#late").count() == 0

    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_without_scripts_the_page_says_so(self, browser, server, path):
        context = browser.new_context(java_script_enabled=False)
        page = context.new_page()
        page.goto(server + path)
        assert page.locator("noscript p").is_visible()
        context.close()

    @any_size
    @pytest.mark.parametrize("path", ["privacy"])
    def test_what_could_not_be_asked_is_not_called_empty(self, page, shot):
        page.expected = ["503"]
        busy = {"status": 503, "json": {"title": "Layanan sedang sibuk"}}
        page.route("**/privacy", lambda route: route.fulfill(**busy) if route.request.resource_type == "fetch" else route.continue_())
        page.reload()
        alive(page)
        assert page.locator("#contact").inner_text().endswith("belum dapat dibaca. Muat ulang halaman ini.")
        shot(page)

    @any_size
    @pytest.mark.parametrize("path", ["privacy"])
    def test_what_was_set_is_told(self, page):
        told = {"batches": True, "results_kept_s": 600, "contact": "PPDP, ppdp@example.go.id"}
        page.route("**/privacy", lambda route: route.fulfill(json=told) if route.request.resource_type == "fetch" else route.continue_())
        page.reload()
        alive(page)
        assert page.locator("#contact").inner_text() == told["contact"]
        assert "10 menit" in page.locator("#batches").inner_text()
        page.unroute("**/privacy")
        page.reload()
        alive(page)
        assert page.locator("#batches").is_hidden()  # here there are none

    @any_size
    @pytest.mark.parametrize(("lost", "title"), [("en", "Periksa pose jari"), ("id", "Check hand poses")])
    def test_the_page_does_with_the_words_of_one_language(self, page, server, lost, title):
        page.expected = ["503"]
        page.route(f"**/texts.{lost}.json", lambda route: route.fulfill(status=503, json={"title": "Layanan sedang sibuk"}))
        page.goto(server)
        alive(page)
        assert page.get_by_role("heading", level=1).inner_text().startswith(title)
        assert page.locator(f"[data-language={lost}]").is_hidden()

    @any_size
    @pytest.mark.parametrize("lost", ["limits", "contests"])
    def test_the_page_does_without_limits_and_contests(self, page, server, peace, lost):
        page.expected = ["503"]
        page.route(f"**/v1/{lost}", lambda route: route.fulfill(status=503, json={"title": "Layanan sedang sibuk"}))
        page.get_by_label("Kontestasi").select_option("pilpres-2024")
        with page.expect_response(f"**/v1/{lost}"):
            page.goto(server)
        with page.expect_response("**/v1/checks") as answer:
            choose(page, peace)
        assert answer.value.json()["contest"] == "pilpres-2024"  # chosen on an earlier visit
        result(page)
        assert page.locator("#formats").text_content() == "JPEG, PNG, WebP, AVIF, atau HEIC"


class TestKeyboard:
    @any_size
    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_the_link_past_the_bar_moves_the_focus_and_nothing_else(self, page, peace, path):
        if not path:
            choose(page, peace)
            result(page)
        if path == "batch":  # here there are none, and the focus goes to the page's word of it as soon as it is known
            page.wait_for_selector("body[data-ready]")
        before = page.url, page.evaluate("() => history.length")
        page.locator(".skip").focus()
        assert page.locator(".skip").bounding_box()["y"] >= 0
        page.keyboard.press("Enter")
        assert page.evaluate("() => document.activeElement.id") == "main"
        assert (page.url, page.evaluate("() => history.length")) == before
        if not path:
            assert page.locator("#result").is_visible()

    def test_from_the_start_to_a_hand_and_home(self, page):
        def tab_to(matches):
            for _ in range(40):
                page.keyboard.press("Tab")
                if page.evaluate(f"() => document.activeElement.matches('{matches}')"):
                    return
            raise AssertionError(f"{matches} cannot be reached")

        tab_to("[data-sample=peace]")
        assert page.evaluate("() => getComputedStyle(document.activeElement).outlineStyle") == "solid"
        page.keyboard.press("Enter")
        result(page)
        tab_to(".card-main")
        page.keyboard.press("Space")
        assert page.locator(".card.selected").count() == 1
        page.keyboard.press("Escape")
        assert page.locator(".card.selected").count() == 0
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert page.locator(".card-lists").first.get_attribute("open") is not None
        page.get_by_role("button", name="Periksa foto lain").focus()
        page.keyboard.press("Enter")
        page.wait_for_selector("#start:not([hidden])")

    def test_the_picture_that_stays_in_sight_never_covers_the_focus(self, page, group):
        choose(page, group)
        result(page)
        page.locator(".card-main").nth(3).click()
        for width, height in ((390, 844), (640, 360)):
            page.set_viewport_size({"width": width, "height": height})
            for key, before in (("Tab", page.locator("#level")), ("Shift+Tab", page.locator(".foot a").first)):
                before.focus()
                covered, stops = [], 0
                for _ in range(200):
                    page.keyboard.press(key)
                    here, within, top, hidden = page.evaluate(
                        """() => {
                            const { activeElement: one } = document;
                            const { top } = one.getBoundingClientRect();
                            const stage = document.querySelector(".stage");
                            const hidden = stage.contains(one) ? top : stage.getBoundingClientRect().bottom;
                            return [one.outerHTML.slice(0, 80), one.closest(".result") !== null, top, hidden];
                        }"""
                    )
                    if not within:
                        break
                    stops += 1
                    if top < hidden:
                        covered.append(here)
                assert stops > 12
                assert covered == []

    @any_size
    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_what_is_read_on_a_button_is_part_of_its_name(self, page):
        """Whoever speaks to the browser says what is written there."""
        misnamed = page.evaluate(
            """() => [...document.querySelectorAll("[aria-label]")].filter((one) => one.matches("button, a"))
                .filter((one) => !one.ariaLabel.includes(one.innerText.trim())).map((one) => one.outerHTML)"""
        )
        assert misnamed == []

    def test_everything_to_press_has_a_name(self, page, peace):
        choose(page, peace)
        result(page)
        for view in ("result", "start"):
            nameless = page.evaluate(
                """() => [...document.querySelectorAll("button, a, select, input:not([hidden])")].filter((one) => one.offsetParent)
                    .filter((one) => !(one.ariaLabel || one.innerText.trim() || one.labels?.length)).map((one) => one.outerHTML)"""
            )
            assert nameless == [], view
            if view == "result":
                page.get_by_role("button", name="Periksa foto lain").click()
                page.wait_for_selector("#start:not([hidden])")


class TestTheme:
    @any_size
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_follows_the_device_until_told_otherwise(self, page, scheme, shot):
        turn(page, scheme)
        dark = "() => getComputedStyle(document.documentElement).colorScheme === 'dark'"
        assert page.evaluate(dark) == (scheme == "dark")
        shot(page)
        page.get_by_role("button", name="Ganti tampilan").click()
        assert page.evaluate(dark) == (scheme == "light")
        page.reload()
        assert page.evaluate(dark) == (scheme == "light")

    @any_size
    def test_what_was_chosen_holds_when_the_device_turns(self, page):
        page.get_by_role("button", name="Ganti tampilan").dblclick()
        page.evaluate(
            """() => {
                window.turned = new Promise((done) => matchMedia("(prefers-color-scheme: dark)").addEventListener("change", done));
            }"""
        )
        page.emulate_media(color_scheme="dark")
        page.evaluate("async () => { await window.turned; }")
        assert page.locator("html").get_attribute("data-theme") == "light"

    @any_size
    @pytest.mark.parametrize("path", ["", "batch", "privacy"])
    def test_every_page_can_be_turned_and_says_what_its_advice_is(self, page):
        page.get_by_role("button", name="Ganti tampilan").click()
        assert page.locator("html").get_attribute("data-theme") == "dark"
        assert "memberi saran, bukan keputusan" in page.locator("footer").inner_text()

    def test_forced_colours_leave_states_told_apart(self, page, peace, shot):
        def drawn(selector):
            return page.locator(selector).first.evaluate(
                """(one) => {
                    const { backgroundColor, borderColor, outlineColor, outlineStyle } = getComputedStyle(one);
                    return [backgroundColor, borderColor, outlineStyle === "none" ? "none" : outlineColor];
                }"""
            )

        page.emulate_media(forced_colors="active")
        assert drawn(".switch [aria-pressed=true]") != drawn(".switch [aria-pressed=false]")
        choose(page, peace)
        result(page)
        assert len({str(drawn(f"[data-step={step}] .dot")) for step in ("send", "look", "picture")}) == 3  # done, now and to come
        before = drawn(".card")
        page.locator(".card-main").first.click()
        assert drawn(".card") != before
        assert drawn(".sheet .badge")[0] == "rgb(230, 159, 0)"  # as the marks in the picture, whose colours stay
        shot(page)

    @any_size
    def test_whoever_wants_less_motion_gets_less(self, page):
        page.emulate_media(reduced_motion="reduce")
        style = (
            "(one, part) => { const { display, transitionProperty } = getComputedStyle(one, part); return [display, transitionProperty]; }"
        )
        assert page.locator(".preview").evaluate(style, "::after")[0] == "none"
        assert page.locator("#choose").evaluate(style)[1] == "none"

    @any_size
    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_contrast(self, page, scheme):
        turn(page, scheme)
        names = [f"{tone}{part}" for tone in ("review", "unclear", "clear") for part in ("", "-tint")]
        names += ["paper", "surface", "sunken", "ink", "muted", "accent", "accent-strong", "on-accent", "tint"]
        colours = page.evaluate(
            """(names) => {
                const style = getComputedStyle(document.documentElement);
                return Object.fromEntries(names.map((one) => [one, style.getPropertyValue(`--${one}`)]));
            }""",
            names,
        )
        pairs = [(text, ground) for text in ("ink", "muted") for ground in ("paper", "surface", "sunken")]
        pairs += [
            ("ink", "tint"),
            ("accent", "paper"),
            ("accent", "surface"),
            ("accent", "tint"),
            ("on-accent", "accent"),
            ("on-accent", "accent-strong"),
        ]
        for tone in ("review", "unclear", "clear"):
            pairs += [(tone, f"{tone}-tint"), (tone, "surface"), (tone, "paper"), ("ink", f"{tone}-tint"), ("surface", tone)]
        for text, ground in pairs:
            assert contrast(colours[text], colours[ground]) >= 4.5, f"{text} on {ground}"


def contrast(one, other):
    """The contrast ratio of two colours, as WCAG 2 defines it."""

    def luminance(colour):
        channels = [int(colour.strip()[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


class TestTexts:
    @pytest.fixture
    def folder(self, root):
        return root / "app/web"

    @pytest.fixture
    def texts(self, folder):
        return {lang: json.loads((folder / f"static/texts.{lang}.json").read_text(encoding="utf-8")) for lang in ("id", "en")}

    def test_both_languages_say_the_same_things(self, texts):
        assert list(texts["id"]) == list(texts["en"])
        for key, words in texts["id"].items():
            assert words
            assert set(re.findall(r"{\w+}", words)) == set(re.findall(r"{\w+}", texts["en"][key])), key

    def test_nobody_is_accused(self, texts, accusing):
        for lang, some in texts.items():
            for words in some.values():
                assert not accusing[lang].search(words), words

    def test_who_sees_the_results_of_a_batch_is_told_with_how_long_they_are_kept(self, texts):
        for key in ("batch.leave", "privacy.batches"):
            assert "siapa pun yang mengetahui alamat" in texts["id"][key]
            assert "whoever has" in texts["en"][key]
        assert "hasil pemeriksaan satu foto hanya ditampilkan kepada Anda" in texts["id"]["privacy.consent"]
        assert "result of a single photo is shown to you alone" in texts["en"]["privacy.consent"]

    def test_the_page_carries_the_indonesian_words(self, texts, folder):
        html = "".join(page.read_text(encoding="utf-8") for page in sorted(folder.glob("*.html")))
        written = re.findall(r'data-text="([\w.-]+)"[^>]*>([^<]*)<', html) + [
            (key, label) for label, key in re.findall(r'aria-label="([^"]*)" data-label="([\w.-]+)"', html)
        ]
        assert len(written) > 40
        for key, words in written:
            assert texts["id"][key] == words

    def test_every_text_is_used_and_every_one_used_is_there(self, texts, folder):
        sources = [page.read_text(encoding="utf-8") for page in sorted(folder.glob("*.html"))]
        sources += [file.read_text(encoding="utf-8") for file in sorted((folder / "static").glob("*.js"))]
        source = "\n".join(sources)
        named = set(re.findall(r'"((?:[a-z-]+\.)+[a-z-]+)"', source)) & set(texts["id"])
        built = [re.compile(re.sub(r"\\\$\\{[^}]*\\}", r"[\\w-]+", re.escape(one))) for one in re.findall(r"text\(`([^`]*)`", source)]
        for key in texts["id"]:
            assert key in named or any(one.fullmatch(key) for one in built), key
        asked = set(re.findall(r'\btext\(\s*"([\w.-]+)"', source)) | set(re.findall(r'data-(?:text|label)="([\w.-]+)"', source))
        assert asked <= set(texts["id"])
