"""The configurations of docs/proxy.md, run by the real nginx and Caddy in front of the real service."""

import base64
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest

from app.keys import new_key

NAME = "jari.dinas.example"
# Which block has the lines for a path, and from where on they take the place of the first block's.
BELOW_A_PATH = {"nginx": (2, "    location /"), "caddy": (1, "\t@photo not")}
STAFF = {"Authorization": "Basic " + base64.b64encode(b"staf:rahasia").decode()}
# The same password, by bcrypt's least cost of 4: at 14, as `caddy hash-password` has it, each look at it takes a second.
HASHED = "$2b$04$UmuaUUqC/rSEeWhW1UAmJO./bhWphojK.NQZ0fCW31tJbyHbzvvhO"


@pytest.fixture(scope="module")
def keys() -> dict[str, tuple[str, str]]:
    return {name: (secret, str(entry)) for name in ("page", "cms") for secret, entry in [new_key(name)]}


@pytest.fixture(scope="module", params=["", "/jari"], ids=["at the root", "below a path"])
def prefix(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def service(keys, prefix, tmp_path_factory):
    """The service's host and port."""
    entries = ",".join(entry for _, entry in keys.values())
    with serving(JARI_API_KEYS=entries, JARI_ROOT_PATH=prefix, JARI_SPOOL=str(tmp_path_factory.mktemp("spool"))) as service:
        yield service


@pytest.fixture(scope="module")
def without_keys():
    """Two services without keys: one that knows its name, and one that does not."""
    with serving(JARI_HOSTS=NAME) as named, serving(JARI_HOSTS="") as unnamed:
        yield named, unnamed


@contextmanager
def serving(**settings: str) -> Iterator[str]:
    command = [sys.executable, "-m", "app.cli", "serve", "--port", "0", "--workers", "1"]
    environment = os.environ | settings
    process = subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    yield re.search(r"http://([\d.:]+)/", process.stdout.readline())[1]
    process.terminate()
    process.wait(60)
    process.stdout.close()


def block(root, language: str, place: int = 0) -> str:
    return re.findall(rf"```{language}\n(.*?)```", (root / "docs/proxy.md").read_text(encoding="utf-8"), re.DOTALL)[place]


def example(root, language: str, prefix: str) -> str:
    whole = block(root, language)
    place, begin = BELOW_A_PATH[language]
    return whole[: whole.index(begin)] + block(root, language, place) + "}" if prefix else whole


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nginx(root, folder, port, service, key="", prefix="") -> list[str]:
    (folder / "passwords").write_text("staf:{PLAIN}rahasia\n")
    (folder / "key.conf").write_text(with_key(block(root, "nginx", 1), "jari_…", key))
    server = example(root, "nginx", prefix).replace("listen 443 ssl", f"listen 127.0.0.1:{port}").replace("127.0.0.1:8080", service)
    server = re.sub(r" *ssl_certificate.*\n", "", server)
    files = {"/etc/nginx/jari.htpasswd": "passwords", "/etc/nginx/jari-key.conf": "key.conf", "/var/log/nginx/error.log": "log"}
    for path, file in files.items():
        server = server.replace(path, str(folder / file))
    user = "user root;" if os.geteuid() == 0 else ""  # else it gives up rights, and can't read the test's files
    places = "".join(f"{kind}_temp_path {folder}/{kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    (folder / "nginx.conf").write_text(f"{user} daemon off; pid {folder}/pid; error_log stderr; events {{}} http {{ {places} {server} }}")
    return ["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")]


def caddy(root, folder, port, service, key="", prefix="") -> list[str]:
    names = f"http://127.0.0.1:{port}, http://{NAME}:{port}"
    site = with_key(example(root, "caddy", prefix), "{$JARI_PAGE_KEY}", key).replace("127.0.0.1:8080", service)
    site = site.replace(NAME, names).replace("$2a$14$…", HASHED)
    (folder / "Caddyfile").write_text(f"{{\n\tadmin off\n\tdefault_bind 127.0.0.1\n}}\n{site}")
    return ["caddy", "run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]


def with_key(configuration: str, place: str, key: str) -> str:
    """A configuration with the page's key; without one, what the document says to leave out."""
    return configuration.replace(place, key) if key else re.sub(r".*Authorization.*\n", "", configuration)


@pytest.fixture(scope="module", params=[nginx, caddy], ids=["nginx", "caddy"])
def running(request, root, service, keys, prefix, tmp_path_factory):
    """The proxy's address, and the folder of all that it writes."""
    with proxying(request.param, root, tmp_path_factory, service, keys["page"][0], prefix) as running:
        yield running


@contextmanager
def proxying(proxy, root, tmp_path_factory, *service: str) -> Iterator[tuple[str, Path]]:
    name = proxy.__name__
    if not shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin"):
        pytest.skip(f"needs {name}")
    folder, port = tmp_path_factory.mktemp(name), free_port()
    folder.chmod(0o755)
    command = proxy(root, folder, port, *service)
    log = folder / "log"
    with log.open("w") as stream:
        environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin", "HOME": str(folder)}
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream)
    for _ in range(200):
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.1)
    yield f"http://127.0.0.1:{port}", folder
    process.terminate()
    process.wait(30)


@pytest.fixture
def proxy(running, prefix):
    """Where the service stands behind the proxy."""
    return running[0] + prefix


def ask(address: str, headers: dict[str, str], body: bytes | Iterable[bytes] | None = None):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=60) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def kind(answer) -> str:
    return json.loads(answer[2])["type"]


def test_people_log_in_and_need_no_key(running, proxy):
    status, headers, _ = ask(f"{proxy}/", {})
    assert (status, headers["WWW-Authenticate"].split()[0]) == (401, "Basic")
    status, headers, page = ask(f"{proxy}/", STAFF)
    assert status == 200
    assert b"Jari Netral" in page
    assert headers["Strict-Transport-Security"]
    assert headers["Content-Security-Policy"]
    assert ask(proxy, STAFF)[2] == page
    from_page = STAFF | {"Origin": running[0]}
    assert kind(ask(f"{proxy}/v1/checks", from_page, b"x")) == "media-type-unsupported"  # so it was let in
    assert kind(ask(f"{proxy}/v1/checks", STAFF | {"Origin": "http://evil.example"}, b"x")) == "origin-refused"
    assert ask(f"{proxy}/share", STAFF, b"x")[2] == page  # to which it leads
    assert ask(f"{proxy}/share.js", STAFF)[0] == 200


def test_programs_have_keys_of_their_own(proxy, keys):
    bearer = {"Authorization": f"Bearer {keys['cms'][0]}"}
    assert kind(ask(f"{proxy}/api/v1/checks", bearer, b"x")) == "media-type-unsupported"
    assert kind(ask(f"{proxy}/api/v1/checks", {}, b"x")) == "key-needed"
    assert kind(ask(f"{proxy}/api/v1/checks", STAFF, b"x")) == "key-needed"
    assert b'key="page"' in ask(f"{proxy}/api/metrics", bearer)[2]


def test_figures_are_not_for_people(proxy):
    assert ask(f"{proxy}/metrics", STAFF)[0] == 404


def test_the_command_for_a_hash_makes_one():
    if not shutil.which("caddy"):
        pytest.skip("needs caddy")
    ran = subprocess.run(["caddy", "hash-password", "--plaintext", "rahasia"], capture_output=True, text=True, check=True)
    assert ran.stdout.startswith("$2a$14$")


@pytest.mark.parametrize("proxy", [nginx, caddy])
def test_without_keys_the_service_has_to_know_its_name(root, tmp_path_factory, without_keys, proxy):
    named, unnamed = without_keys
    with proxying(proxy, root, tmp_path_factory, named) as (address, _):
        for headers in ({"Host": NAME}, {"Host": NAME, "Origin": f"https://{NAME}"}):
            assert kind(ask(f"{address}/v1/checks", STAFF | headers, b"x")) == "media-type-unsupported"
        assert ask(f"{address}/v1/poses", STAFF | {"Host": NAME})[0] == 200
    with proxying(proxy, root, tmp_path_factory, unnamed) as (address, _):
        assert kind(ask(f"{address}/v1/poses", STAFF | {"Host": NAME})) == "host-unknown"


def test_an_upload_is_not_too_large_for_the_proxy(proxy):
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n' + bytes(4 * 2**20) + b"\r\n--b--\r\n"
    answer = ask(f"{proxy}/v1/checks", STAFF | {"Content-Type": "multipart/form-data; boundary=b"}, body)
    assert kind(answer) == "photo-unsupported"


@pytest.mark.parametrize("running", [nginx], indirect=True, ids=["nginx"])  # Caddy takes in 256 KB itself, and then hangs up
def test_whoever_is_refused_before_all_is_sent_is_told_why(proxy):
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    refusals = {
        ("/v1/checks", "origin-refused"): headers | STAFF | {"Origin": "http://evil.example"},
        ("/api/v1/checks", "key-needed"): headers | {"Authorization": "Bearer jari_none"},
        ("/api/v1/batches", "key-needed"): headers,
    }
    for (path, why), sent in refusals.items():
        assert [kind(ask(proxy + path, sent, bytes(20 * 2**20))) for _ in range(8)] == [why] * 8


@pytest.mark.parametrize("parts", [1, 4], ids=["whole", "in parts of untold number"])
def test_an_upload_is_not_written_to_its_disk(running, proxy, keys, parts):
    """A file that was deleted since has changed its folder too."""

    def changed():
        return {place: place.stat().st_mtime_ns for place in folder.rglob("*") if place.is_dir()}

    _, folder = running
    body = b'--b\r\nContent-Disposition: form-data; name="photo"; filename="x"\r\n\r\n' + bytes(4 * 2**20) + b"\r\n--b--\r\n"
    size = len(body) // parts + 1
    before = changed()
    headers = {"Authorization": f"Bearer {keys['cms'][0]}", "Content-Type": "multipart/form-data; boundary=b"}
    sent = body if parts == 1 else (body[part * size : (part + 1) * size] for part in range(parts))
    assert kind(ask(f"{proxy}/api/v1/checks", headers, sent)) == "photo-unsupported"
    assert changed() == before


@pytest.mark.parametrize(("path", "caller"), [("/v1/batches", "page"), ("/api/v1/batches", "cms")])
def test_a_batch_is_where_its_location_says(proxy, keys, path, caller):
    headers = STAFF if caller == "page" else {"Authorization": f"Bearer {keys[caller][0]}"}
    body = b'--b\r\nContent-Disposition: form-data; name="photos"; filename="x.jpg"\r\n\r\nx\r\n--b--\r\n'
    status, told, batch = ask(f"{proxy}{path}", headers | {"Content-Type": "multipart/form-data; boundary=b"}, body)
    assert status == 202
    status, _, found = ask(urljoin(f"{proxy}{path}", told["Location"]), headers)
    assert status == 200
    assert json.loads(found)["id"] == json.loads(batch)["id"]


def test_who_fails_to_log_in_is_not_named_in_its_log(running, proxy):
    _, folder = running
    for name in ("staf", "budi"):
        wrong = {"Authorization": "Basic " + base64.b64encode(f"{name}:keliru".encode()).decode()}
        assert ask(f"{proxy}/", wrong)[0] == 401
    assert not re.search("staf|budi|client", (folder / "log").read_text())
