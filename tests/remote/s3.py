"""An S3 of the test's own on the loopback address, and a line to it that can be slow, cut, or dead."""

from __future__ import annotations

import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

SECRET = "wJalrXUtnFEMIxK7MDENGxbPxRfiCYSECRETKEY"
KEY_ID = "AKIAIOSFODNN7EXAMPLE"


@dataclass
class S3:
    """A server with one bucket, `labs`."""

    endpoint: str
    client: Any
    url: str = "s3://labs/cache"

    @property
    def env(self) -> dict[str, str]:
        """What a process needs to reach it."""
        return environment(self.endpoint)

    def names(self) -> list[str]:
        """Of all objects."""
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket="labs")
        return [one["Key"] for page in pages for one in page.get("Contents", ())]

    def body(self, name: str) -> bytes:
        """Of an object."""
        content: bytes = self.client.get_object(Bucket="labs", Key=name)["Body"].read()
        return content

    def put(self, name: str, content: bytes) -> None:
        """Put an object in place of another."""
        self.client.put_object(Bucket="labs", Key=name, Body=content)

    def require_keys(self) -> None:
        """Have it know nobody's key from now on: every request is refused."""
        self._tell("reset-auth", b"0")

    def reset(self) -> None:
        """Empty it, and let everybody in."""
        self._tell("reset-auth", b"1000000000")
        self._tell("reset", b"")
        self.client.create_bucket(Bucket="labs")

    def _tell(self, what: str, content: bytes) -> None:
        asked = urllib.request.Request(f"{self.endpoint}/moto-api/{what}", content, {"Content-Type": "text/plain"})
        urllib.request.urlopen(asked).close()


def environment(endpoint: str) -> dict[str, str]:
    """Where S3 is and who asks; nothing of the user's own."""
    return {
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": KEY_ID,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "AWS_EC2_METADATA_DISABLED": "true",
    }


@dataclass
class Line:
    """A port that hands on to another; how well is said while it is in use."""

    port: int
    bytes_a_second: float = float("inf")
    dead: bool = False
    """Takes what comes and answers nothing."""
    cut_after: float = float("inf")
    """Bytes towards the server after which a connection is cut."""
    connections: int = 0
    threads: list[threading.Thread] = field(default_factory=list)

    @property
    def endpoint(self) -> str:
        """As a URL."""
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def line_to(endpoint: str) -> Iterator[Line]:
    """A line to a server."""
    host, _, port = endpoint.rpartition("/")[2].partition(":")
    listening = socket.create_server(("127.0.0.1", 0))
    line = Line(listening.getsockname()[1])
    over = threading.Event()

    def hand_on(source: socket.socket, target: socket.socket, towards: bool) -> None:
        sent = 0
        with suppress(OSError):
            while not over.is_set() and (got := source.recv(4096)):
                while line.dead and not over.is_set():
                    time.sleep(0.05)
                sent += len(got)
                if line.bytes_a_second < float("inf"):
                    time.sleep(len(got) / line.bytes_a_second)
                if towards and sent > line.cut_after:
                    break
                target.sendall(got)
        for one in (source, target):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = listening.accept()
                line.connections += 1
                far = socket.create_connection((host, int(port)))
                for ends in ((near, far, True), (far, near, False)):
                    threading.Thread(target=hand_on, args=ends, daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield line
    finally:
        over.set()
        listening.close()
