"""A small HTTP server on this machine, with Range, that notes what it was asked and can break off."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread


class Publisher(ThreadingHTTPServer):
    """Serves `files` (path → bytes).

    asked: the Range header of each request, None where there was none.
    breaks: bytes after which each coming connection is cut; the ones after the list are whole.
    ranges: whether Range is honoured.
    tags: path → ETag.
    """

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files = files
        self.asked: list[str | None] = []
        self.breaks: list[int] = []
        self.ranges = True
        self.tags: dict[str, str] = {}

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_port}{path}"


class _Handler(BaseHTTPRequestHandler):
    server: Publisher

    def do_GET(self) -> None:
        asked = self.headers.get("Range")
        self.server.asked.append(asked)
        if self.path not in self.server.files:
            self.send_error(404)
            return
        content, start = self.server.files[self.path], 0
        if asked and self.server.ranges:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(len(content) - start))
        if self.path in self.server.tags:
            self.send_header("ETag", f'"{self.server.tags[self.path]}"')
        self.end_headers()
        end = start + self.server.breaks.pop(0) if self.server.breaks else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on the console."""


@contextmanager
def published(files: dict[str, bytes]) -> Iterator[Publisher]:
    """A running server."""
    with Publisher(files) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
