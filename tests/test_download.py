"""The download of CIFAR-10, from a server on this machine, and where it is kept."""

# ruff: noqa: F401, F811 - some of what is imported are fixtures, which arguments name

import hashlib
import http.server
import re
import sys
import threading

import numpy as np
import pytest
from cifar10_files import ROWS, images, pack, small, write_binary

from handgrad.cli.main import main
from handgrad.data import download
from handgrad.data.cifar10 import read_cifar10
from handgrad.data.download import data_directory, download_cifar10


def test_directory_comes_from_the_environment(monkeypatch, tmp_path, images):
    monkeypatch.setenv("HANDGRAD_DATA", str(tmp_path))
    assert data_directory() == tmp_path
    monkeypatch.delenv("HANDGRAD_DATA")
    assert data_directory().name == "handgrad"


@pytest.fixture
def server(tmp_path, images):
    """A server on this machine with the archive of the images; it can be set to break off."""
    folder = write_binary(tmp_path / "served", images)
    content = pack(folder, tmp_path / "served.tar.gz").read_bytes()

    class Handler(http.server.BaseHTTPRequestHandler):
        cut = None

        def do_GET(self):
            self.send_response(200 if self.path == "/good" else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[: Handler.cut])

        def log_message(self, *arguments):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{listening.server_port}"
        yield url, hashlib.sha256(content).hexdigest(), Handler
        listening.shutdown()
        thread.join()


def test_download_is_verified_kept_and_read(server, tmp_path, images, capsys):
    url, sha256, handler = server
    cache = tmp_path / "cache"
    path = download_cifar10(cache, f"{url}/good", sha256)
    assert "CIFAR-10: 100 %" in capsys.readouterr().err
    np.testing.assert_array_equal(read_cifar10(cache)[0], images[0])
    handler.cut = 0
    assert download_cifar10(cache, f"{url}/good", sha256) == path  # is there: nothing is fetched


@pytest.mark.parametrize(
    ("page", "cut", "changed", "error"),
    [("good", None, True, ValueError), ("good", 100, False, OSError), ("missing", None, False, OSError)],
)
def test_a_failed_download_leaves_nothing(server, tmp_path, page, cut, changed, error):
    url, sha256, handler = server
    handler.cut = cut
    cache = tmp_path / "cache"
    with pytest.raises(error):
        download_cifar10(cache, f"{url}/{page}", "0" * 64 if changed else sha256)
    assert list(cache.iterdir()) == []


def test_the_command_downloads_and_reads(tmp_path, images, monkeypatch, capsys):
    path = pack(write_binary(tmp_path, images), tmp_path / "some.tar.gz")
    asked = []
    monkeypatch.setattr(download, "download_cifar10", lambda directory: asked.append(directory) or path)
    monkeypatch.setenv("HANDGRAD_DATA", str(tmp_path / "kept"))
    for arguments in ([], ["--data-dir", str(tmp_path)]):
        monkeypatch.setattr(sys, "argv", ["handgrad", "data", "cifar10", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0
        assert capsys.readouterr().out == f"{path}: {6 * ROWS} images\n"
    assert asked == [tmp_path / "kept", tmp_path]


def test_failed_download_is_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(
        sys, "argv", ["handgrad", "data", "cifar10", "--data-dir", str(tmp_path / "file" / "x")]
    )
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert re.fullmatch(
        r"handgrad: cannot download .*\. Download it another way, save it as .*\.tar\.gz, and run this .*\n",
        capsys.readouterr().err,
    )
