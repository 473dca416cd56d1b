"""ClickHouse's HTTP interface in front of chdb, the embedded engine.

Speaks what the Rust `clickhouse` crate and curl use: GET and POST `/`, the
query in `?query=` or in the body, insert data in the body, `param_*` and
settings in the URL, `database`, `default_format`, `X-ClickHouse-*` headers,
`/ping`. No compression, no sessions, no multipart external tables.

One process per data directory: chdb insists, and a lock file makes a second
process wait for the first to be gone. Statements run one at a time.

Prints one line, `{"ready":true,"port":N}`, when it can be used. SIGTERM stops
it cleanly. With --exit-with-stdin it also stops when standard input ends, that
is when the parent is gone, however it went.

CLICKHOUSE_USER and CLICKHOUSE_PASSWORD, when set, are what callers must send.
"""

import argparse
import base64
import fcntl
import hmac
import json
import os
import re
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from chdb.state import connect

# URL parameters that are not settings.
NOT_SETTINGS = {
    "query", "database", "default_format", "user", "password", "query_id", "session_id",
    "session_timeout", "session_check", "role", "wait_end_of_query", "buffer_size",
    "send_progress_in_http_headers", "client_protocol_version", "compress", "decompress",
}  # fmt: skip
INSERT = re.compile(r"^\s*INSERT\s+INTO\b", re.IGNORECASE)
INSERT_FORMAT = re.compile(r"\s+FORMAT\s+(\w+)\s*;?\s*$", re.IGNORECASE)
INSERT_VALUES = re.compile(r"\s+VALUES\s*;?\s*$", re.IGNORECASE)
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
ERROR_CODE = re.compile(r"Code: (\d+)\.")

# As the server's exceptionCodeToHTTPStatus; everything else is 500.
STATUS = {
    **dict.fromkeys((6, 26, 27, 33, 36, 38, 41, 43, 46, 47, 50, 53, 62, 70, 72, 108, 115, 117, 130, 131, 349), 400),
    **dict.fromkeys((60, 81, 16, 164, 218), 404),
    **dict.fromkeys((194,), 401),
    **dict.fromkeys((192, 193, 516, 497), 403),
    159: 408, 48: 501, 202: 503, 209: 503, 210: 503, 236: 503,
}  # fmt: skip
MAX_BODY_BYTES = 64 << 20


class Refused(Exception):
    """An error as ClickHouse would word it."""

    def __init__(self, code: int, text: str):
        super().__init__(f"Code: {code}. DB::Exception: {text}")
        self.code = code


class Engine:
    """The one connection. Settings of a request live exactly as long as it."""

    def __init__(self, path: str):
        self._connection = connect(path)
        self._lock = threading.Lock()
        self._database = "default"

    def run(self, request: "Request") -> tuple[bytes, int]:
        """Runs one statement; returns its output and the number of rows it wrote."""
        with self._lock:
            if self._connection is None:
                raise Refused(236, "the server is shutting down (ABORTED)")
            self._use(request.database)
            try:
                self._set(request.settings)
                return self._run(request)
            except Refused:
                raise
            except Exception as error:
                text = str(error)
                found = ERROR_CODE.search(text)
                raise Refused(int(found[1]) if found else 1002, ERROR_CODE.sub("", text, count=1)
                              .replace(" DB::Exception: ", "", 1).strip()) from error  # fmt: skip
            finally:
                self._unset(request.settings)

    def close(self) -> None:
        """Waits for the statement that runs, then closes the engine."""
        with self._lock:
            connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _run(self, request: "Request") -> tuple[bytes, int]:
        if request.data_format is None:
            answer = self._connection.query(request.sql, request.output_format, params=request.params)
            return answer.bytes() or b"", 0
        insert = self._connection.send_insert(request.sql, request.data_format)
        try:
            insert.append(request.data)
            return b"", insert.finish().rows_written
        finally:
            insert.cancel()  # no effect once finished

    def _use(self, database: str) -> None:
        if database == self._database:
            return
        try:
            self._connection.query(f"USE {quoted_name(database)}")
        except Exception as error:
            raise Refused(81, f"Database {database} does not exist. (UNKNOWN_DATABASE)") from error
        self._database = database

    def _set(self, settings: dict[str, str]) -> None:
        if settings:
            pairs = ", ".join(f"{name} = {quoted(value)}" for name, value in settings.items())
            self._connection.query(f"SET {pairs}")

    def _unset(self, settings: dict[str, str]) -> None:
        for name in settings:
            try:
                self._connection.query(f"SET {name} = DEFAULT")
            except Exception:  # an unknown setting was never set
                continue


class Request:
    """One statement with all that belongs to it, taken from an HTTP request."""

    def __init__(self, url_query: str, headers, body: bytes):
        pairs = parse_qsl(url_query, keep_blank_values=True)
        url = dict(pairs)
        if url.get("decompress") == "1" or url.get("compress") == "1":
            raise Refused(48, "this front does not compress (NOT_IMPLEMENTED)")
        self.database = url.get("database") or headers.get("X-ClickHouse-Database") or "default"
        self.output_format = url.get("default_format") or headers.get("X-ClickHouse-Format") or "TabSeparated"
        self.params = {name[6:]: value for name, value in pairs if name.startswith("param_")}
        self.settings = {}
        for name, value in pairs:
            if name in NOT_SETTINGS or name.startswith("param_"):
                continue
            if not NAME.match(name):
                raise Refused(115, f"Unknown setting '{name}'. (UNKNOWN_SETTING)")
            self.settings[name] = value
        self.data_format, self.data = None, b""
        self.sql = url.get("query", "")
        if not self.sql.strip():
            self.sql = body.decode("utf-8", "replace")
        elif INSERT.match(self.sql) and (found := INSERT_FORMAT.search(self.sql)):
            self.sql, self.data_format, self.data = self.sql[: found.start()], found[1], body
        elif INSERT.match(self.sql) and (found := INSERT_VALUES.search(self.sql)):
            self.sql, self.data_format, self.data = self.sql[: found.start()], "Values", body
        elif body:
            self.sql += "\n" + body.decode("utf-8", "replace")
        if not self.sql.strip():
            raise Refused(62, "Empty query. (SYNTAX_ERROR)")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # An answer is a head and a body; without this the second waits for the
    # acknowledgement of the first.
    disable_nagle_algorithm = True
    wbufsize = -1
    engine: Engine
    account: tuple[str, str] | None

    def do_GET(self):
        self._serve()

    def do_POST(self):
        self._serve()

    def _serve(self):
        try:
            body = self._body()
        except (ValueError, ConnectionError, TimeoutError):
            # An aborted upload must never be taken for a shorter one.
            self.close_connection = True
            return
        url = urlsplit(self.path)
        if url.path in ("/ping", "/replicas_status"):
            return self._answer(200, b"Ok.\n")
        if url.path != "/":
            return self._answer(404, b"There is no handle " + url.path.encode() + b"\n")
        if url.query == "" and not body:
            return self._answer(200, b"Ok.\n")
        try:
            self._authenticate(url.query)
            output, written = self.engine.run(Request(url.query, self.headers, body))
            summary = json.dumps({"written_rows": str(written)})
            self._answer(200, output, {"X-ClickHouse-Summary": summary})
        except Refused as error:
            headers = {"X-ClickHouse-Exception-Code": str(error.code)}
            self._answer(STATUS.get(error.code, 500), str(error).encode() + b"\n", headers)

    def _authenticate(self, query: str):
        if self.account is None:
            return
        url = dict(parse_qsl(query))
        user = self.headers.get("X-ClickHouse-User") or url.get("user") or "default"
        password = self.headers.get("X-ClickHouse-Key") or url.get("password") or ""
        scheme, _, credentials = self.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                user, _, password = base64.b64decode(credentials).decode().partition(":")
            except ValueError:
                password = ""
        expected = "\0".join(self.account).encode()
        if not hmac.compare_digest(f"{user}\0{password}".encode(), expected):
            raise Refused(516, f"{user}: Authentication failed. (AUTHENTICATION_FAILED)")

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", "").lower():
            length = int(self.headers.get("Content-Length") or 0)
            if length > MAX_BODY_BYTES:
                raise ValueError("body too large")
            return self._exactly(length)
        chunks, total = [], 0
        while size := int(self.rfile.readline(64).split(b";")[0], 16):
            total += size
            if total > MAX_BODY_BYTES:
                raise ValueError("body too large")
            chunks.append(self._exactly(size))
            self.rfile.readline(8)
        while self.rfile.readline(8192) not in (b"\r\n", b"\n"):
            pass
        return b"".join(chunks)

    def _exactly(self, length: int) -> bytes:
        data = self.rfile.read(length)
        if len(data) != length:
            raise ConnectionError("the request ended early")
        return data

    def _answer(self, status: int, body: bytes, headers: dict[str, str] | None = None):
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, *_):
        """Requests are not logged: their URLs may hold credentials."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A caller that goes away is not worth a stack trace."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


def quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quoted_name(name: str) -> str:
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def locked(directory: Path):
    """Holds the directory for this process; released by its end, however it ends."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = open(directory.with_name(directory.name + ".lock"), "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--port", type=int, default=8123, help="0 for any free one")
    options.add_argument("--data", type=Path, help="directory to keep; in memory if absent")
    options.add_argument("--exit-with-stdin", action="store_true")
    options = options.parse_args()

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())

    def watch_parent():
        while os.read(0, 4096):
            pass
        stop.set()
        # The engine may be opening or in a long statement; the parent is gone
        # and nobody waits for either.
        if not stopped.wait(5):
            os._exit(1)

    stopped = threading.Event()
    if options.exit_with_stdin:
        threading.Thread(target=watch_parent, daemon=True).start()

    lock = locked(options.data) if options.data else None
    Handler.engine = Engine(str(options.data) if options.data else ":memory:")
    user, password = os.environ.get("CLICKHOUSE_USER"), os.environ.get("CLICKHOUSE_PASSWORD")
    Handler.account = (user or "default", password or "") if user or password else None
    server = Server(("127.0.0.1", options.port), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    print(json.dumps({"ready": True, "port": server.server_port}, separators=(",", ":")), flush=True)

    stop.wait()
    server.shutdown()
    Handler.engine.close()
    stopped.set()
    if lock:
        lock.close()


if __name__ == "__main__":
    main()
