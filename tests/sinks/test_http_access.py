"""Who is let in: tokens, sessions, Host headers, methods, bodies; and what every answer says about itself."""

from __future__ import annotations

import contextlib
import shutil
import socket
import ssl
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from edge_segnet.core.errors import SettingsError
from edge_segnet.sinks.http.settings import HttpConfig
from edge_segnet.sinks.http.sink import HttpSink
from tests.support.service import StreetService, drive, driving, serving
from tests.support.tls import self_signed
from tests.support.waiting import wait_until

TOKEN = "correct-horse-battery"
GOOD = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture(scope="module")
def token(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("secrets") / "token"
    path.write_text(TOKEN + "\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def client(token: Path) -> Iterator[httpx.Client]:
    service = StreetService()
    with serving(service, auth={"token_file": token}) as sink:
        service.publish(drive(1)[0])
        with httpx.Client(base_url=sink.url, timeout=20.0) as client:
            yield client


@pytest.fixture(scope="module")
def open_url() -> Iterator[str]:
    service = StreetService()
    with serving(service, allowed_hosts=["robot.example"]) as sink:
        service.publish(drive(1)[0])
        yield sink.url


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        (GOOD, 200),
        ({"Authorization": f"bearer {TOKEN}"}, 200),
        ({"Authorization": "Bearer wrong-horse-battery"}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer \xff\xfe"}, 401),
        ({"Authorization": f"Basic {TOKEN}"}, 401),
        ({"Cookie": f"edge_segnet_session={TOKEN}"}, 401),
        ({"Cookie": "edge_segnet_session=99999999999.nonce.c2lnbmF0dXJl"}, 401),
        ({"Cookie": 'edge_segnet_session="; =;;'}, 401),
    ],
)
def test_the_token_opens_the_api(client: httpx.Client, headers: dict[str, str], status: int) -> None:
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = client.get("/api/status", headers=encoded)
    assert answer.status_code == status
    assert TOKEN not in answer.text
    if status == 401:
        assert answer.headers["www-authenticate"].startswith("Bearer") and "token" in answer.json()["error"]


@pytest.mark.parametrize("path", ["/stream/mask.mjpg", "/stream/layers", "/frame/mask.jpg", "/metrics", "/api/stream"])
def test_nothing_is_shown_without_the_token(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 401
    assert client.get(f"/static/..{path}").status_code in (401, 404)
    assert client.get(f"/healthz/..{path}", follow_redirects=True).status_code in (401, 404)


def test_the_token_is_not_taken_from_the_address(client: httpx.Client) -> None:
    assert client.get("/api/status", params={"token": TOKEN}).status_code == 401


def test_health_is_open_and_says_nothing_else(client: httpx.Client) -> None:
    assert client.get("/healthz").json() == {"healthy": True}
    assert client.get("/readyz").json() == {"ready": True}


def test_a_browser_is_led_to_the_login_page(client: httpx.Client) -> None:
    answer = client.get("/", headers={"Accept": "text/html,*/*"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert client.get("/login").status_code == 200


def test_a_session_outlives_a_restart_but_not_another_token(token: Path, tmp_path: Path) -> None:
    auth = {"token_file": token}
    with serving(StreetService(), auth=auth) as sink, httpx.Client(base_url=sink.url) as client:
        answer = client.post("/login", data={"token": TOKEN})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie and "SameSite=strict" in cookie and TOKEN not in cookie
        assert "Secure" not in cookie, "a browser would not send it back over plain HTTP"
        assert client.get("/api/status").status_code == 200
        session = dict(client.cookies)
    with serving(StreetService(), auth=auth) as sink, httpx.Client(base_url=sink.url, cookies=session) as client:
        assert client.get("/api/status").status_code == 200
    other = tmp_path / "token"
    other.write_text("another-token-altogether")
    other.chmod(0o600)
    with (
        serving(StreetService(), auth={"token_file": other}) as sink,
        httpx.Client(base_url=sink.url, cookies=session) as client,
    ):
        assert client.get("/api/status").status_code == 401


@pytest.mark.parametrize("restarted", [False, True])
def test_who_logs_out_is_out_with_every_copy_of_the_cookie(token: Path, restarted: bool) -> None:
    auth = {"token_file": token}
    with contextlib.ExitStack() as stack:
        url = stack.enter_context(serving(StreetService(), auth=auth)).url
        mine, other = (stack.enter_context(httpx.Client(base_url=url)) for _ in range(2))
        for client in (mine, other):
            client.post("/login", data={"token": TOKEN})
        copy = dict(mine.cookies)
        answer = mine.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        if restarted:
            url = stack.enter_context(serving(StreetService(), auth=auth)).url
        assert httpx.get(f"{url}/api/status", cookies=copy).status_code == 401
        assert httpx.get(f"{url}/api/status", cookies=dict(other.cookies)).status_code == 200


def test_guessing_is_stopped_and_locks_nobody_out(client: httpx.Client) -> None:
    for _ in range(10):
        answer = client.post("/login", data={"token": "a-guess-of-a-token"})
        assert answer.headers["location"] == "/login?wrong"
    assert client.post("/login", data={"token": "another"}).headers["location"] == "/login?wait"
    assert client.get("/api/status", headers={"Authorization": "Bearer guess"}).status_code == 429
    assert client.get("/api/status", headers=GOOD).status_code == 200
    assert client.post("/login", data={"token": TOKEN}).headers["location"] == "/"


@pytest.mark.parametrize(
    ("path", "password", "status"),
    [
        ("/frame/mask.jpg", TOKEN, 200),
        ("/frame/mask.jpg", f"{TOKEN}x", 401),
        ("/frame/mask.jpg", "", 401),
        ("/api/status", TOKEN, 401),
        ("/", TOKEN, 401),
    ],
)
def test_players_give_the_token_as_a_password(client: httpx.Client, path: str, password: str, status: int) -> None:
    assert client.get(path, auth=("anyone", password)).status_code == status
    answer = client.get(path)
    asked = answer.headers.get_list("www-authenticate")
    assert any(challenge.startswith("Basic") for challenge in asked) == path.startswith("/frame")
    assert "Basic" not in str(client.get("/stream/layers").headers)


@pytest.mark.skipif(shutil.which("ffprobe") is None, reason="ffprobe is not installed")
def test_ffprobe_opens_a_stream_with_a_password(token: Path) -> None:
    service = StreetService()
    with serving(service, auth={"token_file": token}) as sink, driving(service, drive(2)):
        port = sink.url.rpartition(":")[2]
        command = ["ffprobe", "-v", "error", "-show_streams", f"http://me:{TOKEN}@127.0.0.1:{port}/stream/mask.mjpg"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0 and "codec_name=mjpeg" in done.stdout, done.stderr


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:8080", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:1", 200),
        ("[::1]:8080", 200),
        ("192.168.1.20", 200),
        ("robot.example:8080", 200),
        ("front.localhost", 200),
        ("evil.example", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("robot.example@evil.example", 403),
        ("", 403),
        ("[::1", 403),
        ("localhost:99999999", 403),
    ],
)
def test_only_this_machines_names_are_answered(open_url: str, host: str, status: int) -> None:
    answer = httpx.get(open_url + "/api/status", headers={"Host": host})
    assert answer.status_code == status
    if status == 403:
        assert "allowed_hosts" in answer.json()["error"]


def test_this_machines_name_is_known(open_url: str) -> None:
    assert httpx.get(open_url + "/healthz", headers={"Host": socket.gethostname()}).status_code == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/api/status", 405),
        ("DELETE", "/", 405),
        ("TRACE", "/api/result", 405),
        ("PUT", "/static/x", 405),
        ("BREW", "/healthz", 405),
        ("GET", "/../../etc/passwd", 404),
        ("GET", "/static/../../../../etc/passwd", 404),
        ("GET", "/static/%2e%2e/%2e%2e/__init__.py", 404),
        ("GET", "/static//etc/passwd", 404),
        ("GET", "/stream/%00.mjpg", 404),
        ("GET", "/frame/labels.jpg", 404),
    ],
)
def test_what_is_not_there_is_not_there(open_url: str, method: str, path: str, status: int) -> None:
    with httpx.Client() as client:
        request = client.build_request(method, open_url)
        request.url = request.url.copy_with(raw_path=path.encode())
        answer = client.send(request)
    assert answer.status_code == status
    assert "root:" not in answer.text


def test_a_form_of_another_site_is_refused(client: httpx.Client) -> None:
    answer = client.post("/login", data={"token": TOKEN}, headers={"Origin": "https://evil.example"})
    assert answer.status_code == 403
    own = {"Origin": str(client.base_url).rstrip("/")}
    assert client.post("/login", data={"token": TOKEN}, headers=own).status_code == 303


@pytest.mark.parametrize("headers", [{"Content-Length": "9999999999"}, {"Transfer-Encoding": "chunked"}])
def test_large_bodies_are_refused_unread(open_url: str, headers: dict[str, str]) -> None:
    port = int(open_url.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), timeout=20) as raw:
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        raw.sendall(f"POST /login HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())
        answer = b""
        while chunk := raw.recv(4096):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 413") and b"connection: close" in answer.lower()


@pytest.mark.parametrize("path", ["/", "/login", "/static/dashboard.css", "/api/status", "/frame/mask.jpg", "/nothing"])
def test_every_answer_is_locked_down(open_url: str, path: str) -> None:
    headers = httpx.get(open_url + path).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers
    assert headers["cache-control"] == ("no-store" if "static" not in path and path != "/" else "no-cache")


def test_an_open_door_needs_plain_words(token: Path) -> None:
    for host in ("0.0.0.0", "192.168.1.20", "robot.local", "::"):
        with pytest.raises(SettingsError, match=r"http\.auth is not set"):
            HttpSink(HttpConfig(host=host), StreetService())
        HttpSink(HttpConfig(host=host, auth="none"), StreetService())
        HttpSink(HttpConfig.model_validate({"host": host, "auth": {"token_file": token}}), StreetService())


def test_tls(certificate: tuple[Path, Path], token: Path) -> None:
    tls = {"certificate": certificate[0], "key": certificate[1]}
    context = ssl.create_default_context(cafile=str(certificate[0]))
    with (
        serving(StreetService(), tls=tls, auth={"token_file": token}) as sink,
        httpx.Client(base_url=sink.url, verify=context, timeout=20.0) as client,
    ):
        assert sink.url.startswith("https://")
        assert client.get("/healthz").status_code == 200
        assert "Secure" in client.post("/login", data={"token": TOKEN}).headers["set-cookie"]
        assert client.get("/api/status").status_code == 200
        port = int(sink.url.rpartition(":")[2])
        for _ in range(3):
            plain = httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=20.0)
            assert plain.status_code == 400 and "https://" in plain.text
        wait_until(lambda: sink.status()["connections"] <= 1)
        assert client.get("/healthz").status_code == 200


def test_a_wrong_certificate_is_one_line(certificate: tuple[Path, Path], tmp_path: Path) -> None:
    absent = {"certificate": tmp_path / "none.pem", "key": certificate[1]}
    with pytest.raises(SettingsError, match=r"http\.tls: .*none\.pem: "):
        HttpSink(HttpConfig.model_validate({"tls": absent}), StreetService())
    swapped = {"certificate": certificate[1], "key": certificate[0]}
    with pytest.raises(SettingsError, match=r"http\.tls: .*no passphrase"):
        HttpSink(HttpConfig.model_validate({"tls": swapped}), StreetService())


@pytest.mark.parametrize(("host", "reached"), [("::", ["127.0.0.1", "[::1]"]), ("0.0.0.0", ["127.0.0.1"])])
def test_all_addresses_means_all(host: str, reached: list[str]) -> None:
    if host == "::" and not socket.has_dualstack_ipv6():
        pytest.skip("this kernel has no IPv6")
    with serving(StreetService(), host=host, auth="none") as sink:
        port = sink.url.rpartition(":")[2]
        for address in reached:
            assert httpx.get(f"http://{address}:{port}/healthz", timeout=20.0).status_code == 200
