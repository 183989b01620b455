"""A Hub on loopback that holds what a test gives it: data set repositories, their commits, what was asked of them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]
API = re.compile(r"/api/datasets/([^/]+/[^/]+)(?:/(revision|tree|paths-info)/([^/]+)(?:/(.*))?)?")
FILE = re.compile(r"/datasets/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")


@dataclass
class Hub:
    """What it holds, and where it is asked."""

    home: Path
    """The cache of those who ask."""
    url: str = ""
    commits: dict[str, dict[str, Files]] = field(default_factory=dict)
    """Repository -> commit -> files; the last commit is `main`."""
    asked: list[str] = field(default_factory=list)

    def commit(self, repo: str, files: Mapping[str, bytes | str]) -> str:
        """Files of a repository as its newest commit."""
        whole = {name: data.encode() if isinstance(data, str) else data for name, data in files.items()}
        sha = hashlib.sha1(repr(sorted(whole.items())).encode()).hexdigest()
        self.commits.setdefault(repo, {})[sha] = whole
        return sha

    def told(self, code: str, **environment: str) -> Any:
        """What a fresh process that runs `code` prints, as JSON."""
        names = {k: v for k, v in os.environ.items() if not k.startswith("HF_")}
        env = names | {"HF_ENDPOINT": self.url, "HF_HOME": str(self.home)} | environment
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: ClassVar[Hub]

    def log_message(self, *args: object) -> None:
        """Nothing is logged."""

    def answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def found(self, repo: str, revision: str | None) -> tuple[str, Files] | None:
        held = self.hub.commits.get(repo, {})
        sha = next(reversed(held), "") if revision in (None, "main") else str(revision)
        return (sha, held[sha]) if sha in held else None

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        path = unquote(url.path)
        self.hub.asked.append(path)
        if match := FILE.fullmatch(path):
            repo, revision, name = match.groups()
            held = self.found(repo, revision)
            if held is None or name not in held[1]:
                return self.answer(404, b"{}", X_Error_Code="EntryNotFound" if held else "RepoNotFound")
            data = held[1][name]
            return self.answer(200, data, ETag=f'"{hashlib.sha1(data).hexdigest()}"', X_Repo_Commit=held[0])
        match = API.fullmatch(path)
        held = self.found(match[1], match[3]) if match else None
        if match is None or held is None:
            return self.answer(404, b"{}", X_Error_Code="RepoNotFound")
        sha, files = held
        entries: list[dict[str, Any]] = [
            {"type": "file", "path": n, "size": len(d), "oid": hashlib.sha1(d).hexdigest()} for n, d in files.items()
        ]
        if match[2] == "tree":
            deep = parse_qs(url.query).get("recursive", ["false"])[0].lower() in ("true", "1")
            below = f"{match[4].rstrip('/')}/" if match[4] else ""
            inside = [e for e in entries if e["path"].startswith(below)]
            above = {str(p) for e in inside for p in PurePosixPath(e["path"]).parents}
            folders = {p for p in above if p != "." and p.startswith(below)}
            shown = [{"type": "directory", "path": f, "oid": "0" * 40, "size": 0} for f in sorted(folders)] + inside
            shown = [e for e in shown if deep or "/" not in e["path"][len(below) :]]
            return self.answer(200, json.dumps(shown).encode(), Content_Type="application/json")
        if match[2] == "paths-info":
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
            wanted = json.loads(body)["paths"] if body.startswith("{") else parse_qs(body)["paths"]
            shown = [e for e in entries if e["path"] in wanted]
            dirs = [w for w in wanted if any(e["path"].startswith(f"{w}/") for e in entries)]
            shown += [{"type": "directory", "path": w, "oid": "0" * 40} for w in dirs]
            return self.answer(200, json.dumps(shown).encode(), Content_Type="application/json")
        info = {"id": match[1], "sha": sha, "siblings": [{"rfilename": name} for name in files], "tags": []}
        return self.answer(200, json.dumps(info).encode(), Content_Type="application/json")

    do_HEAD = do_POST = do_GET


@contextmanager
def serving(home: Path) -> Iterator[Hub]:
    """An empty Hub, and a cache that is empty too."""
    hub = Hub(home)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
