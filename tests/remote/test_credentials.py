"""What opens a remote store is nowhere to be read: not in its files or ours, not in a report, a log, or a warning."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from manners.conftest import House
from xharness.remote.address import scrubbed, shown, without_secrets
from xharness.remote.trouble import trouble_of

from .conftest import Lab, counts
from .s3 import KEY_ID, S3, SECRET

USER, PASSWORD, QUERY = "someuser", "pa55-w0rd/with#all", "sig=0123456789abcdef"
SECRETS = (SECRET, KEY_ID, USER, PASSWORD, "pa55-w0rd", "0123456789abcdef")


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("s3://bucket/prefix", "s3://bucket/prefix"),
        ("sftp://user:password@host:22/a/b", "sftp://host:22/a/b"),
        ("sftp://user:pass/word@host/a", "sftp://host/a"),
        ("sftp://user:pass#w?rd/@host/a", "sftp://host/a"),
        ("s3://bucket/our@lab/cache", "s3://bucket/our@lab/cache"),
        ("s3://bucket/our@lab;1/cache", "s3://bucket/our@lab"),
        ("s3://key:123/45@bucket/a", "s3://bucket/a"),
        ("http://host:9000/our@lab", "http://lab"),
        ("webdav://user:p::ss@host/x", "webdav://host/x"),
        ("sftp://user:123/45@host/x", "sftp://host/x"),
        ("ftp://us/er@dom:pw@host/x", "ftp://host/x"),
        ("memory://user:pa ss@host/x", "memory://host/x"),
        ("https://h/x;sig=abc", "https://h/x"),
        ("https://host/a?token=123#more", "https://host/a"),
        ("https://token@host/a", "https://host/a"),
        ("simplecache::ftp://user:password@host/a?b=c", "simplecache::ftp://host/a"),
        ("file:///shared/cache", "file:///shared/cache"),
        ("file:///shared/a#b?q;c/our@lab", "file:///shared/a#b?q;c/our@lab"),
        ("a/folder", "a/folder"),
    ],
)
def test_a_url_is_shown_without_user_password_and_query(url: str, seen: str) -> None:
    assert shown(url) == seen
    assert without_secrets(["run", "--remote", url, f"--remote={url}"])[2:] == [seen, f"--remote={seen}"]


def test_a_librarys_words_have_nothing_of_a_password_with_a_space() -> None:
    url = "memory://user:pa ss@host/x"
    assert scrubbed(f"cannot open {url}", url) == "cannot open memory://host/x"


def test_a_librarys_words_are_scrubbed_of_url_and_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("MY_API_TOKEN", "t0ken-of-mine")
    url = f"ftp://{USER}:pa55-w0rd@host/a?{QUERY}"
    said = f"cannot connect to {url} as {USER} with pa55-w0rd, {SECRET}, t0ken-of-mine or sig 0123456789abcdef"
    for text in (scrubbed(said, url), str(trouble_of(RuntimeError(said), url))):
        assert "cannot connect to ftp://host/a" in text
        assert not [secret for secret in (*SECRETS, "t0ken-of-mine") if secret in text]


def texts(*folders: Path) -> Iterator[tuple[Path, bytes]]:
    """All files of folders, packed ones unpacked."""
    for path in (path for folder in folders for path in folder.rglob("*") if path.is_file()):
        yield path, path.read_bytes()
        if path.suffix == ".gz":
            with tarfile.open(path) as packed:
                yield from ((path, found.read()) for m in packed if (found := packed.extractfile(m)) is not None)


def require_silence(house: House, *said: str) -> None:
    """None of the secrets is in what was printed, or in any file that came of it."""
    for command in (
        ("report", "-o", "report.html"),
        ("store", "export", "small", "run.tar.gz"),
        ("show",),
        ("status",),
    ):
        ended = house(*command)
        assert ended.returncode == 0, ended.stderr
        said += (ended.stdout, ended.stderr)
    for text in said:
        assert not [secret for secret in SECRETS if secret in text], text
    looked = 0
    for path, content in texts(house.store, house.root):
        looked += 1
        assert not [secret for secret in SECRETS if secret.encode() in content], path
    assert looked > 50


def test_the_keys_of_a_bucket_are_nowhere(lab: Lab, s3: S3) -> None:
    one = lab("one")
    ended = one.run(
        "--remote", s3.url, "none->*", "--events", "told.jsonl", "--junit-xml", "junit.xml", "-vv", **s3.env
    )
    assert ended.returncode == 0, ended.stderr
    pushed = one("store", "push", "--all", "--remote", s3.url, **s3.env)
    s3.require_keys()
    refused = one.run("--remote", s3.url, "colours->plants", **s3.env)
    assert "refuses access" in refused.stderr
    unlisted = one("store", "ls", "--remote", s3.url, **s3.env)
    assert unlisted.returncode == 1
    assert "refuses access" in unlisted.stderr
    outputs = [text for done in (ended, pushed, refused, unlisted) for text in (done.stdout, done.stderr)]
    require_silence(one, *outputs)
    s3.reset()


def test_the_files_of_a_bucket_have_no_keys(lab: Lab, s3: S3) -> None:
    one = lab("one")
    one.run("--remote", s3.url, "none->plants", **s3.env)
    one("store", "push", "--all", "--remote", s3.url, **s3.env)
    names = s3.names()
    assert any(name.endswith("index.json") for name in names)
    for name in names:
        assert not [secret for secret in SECRETS if secret.encode() in s3.body(name)], name


def test_a_url_with_a_password_is_kept_without_it(lab: Lab) -> None:
    """A place in memory stands for one that takes a user and a password in its URL."""
    url = f"memory://{USER}:{PASSWORD}@host/cache?{QUERY}"
    one, other = lab("one"), lab("other")
    ended = one.run("--remote", url, "none->plants", "--events", "told.jsonl")
    assert ended.returncode == 0, ended.stderr
    assert "uploaded" in ended.stdout
    assert "memory://host/cache" in ended.stdout
    assert one.last()["remote"]["at"] == "memory://host/cache"
    assert "memory://host/cache" in one.last()["argv"]
    pushed = one("store", "push", "--all", f"--remote={url}")
    fetched = other.run(f"--remote={url}", "none->plants")
    assert counts(other) == (0, 1, 1)
    require_silence(one, ended.stdout, ended.stderr, pushed.stdout, pushed.stderr)
    require_silence(other, fetched.stdout, fetched.stderr)


def test_a_url_that_does_not_answer_is_told_without_its_password(lab: Lab) -> None:
    one = lab("one")
    ended = one.run("--remote", f"ftp://{USER}:pa55-w0rd@127.0.0.1:9/cache", "none->plants")
    assert ended.returncode == 0
    assert "warning: ftp://127.0.0.1:9/cache: does not answer" in ended.stderr
    require_silence(one, ended.stdout, ended.stderr)


def test_a_bucket_takes_no_user_in_its_url(lab: Lab) -> None:
    ended = lab("one").run("--remote", f"s3://{USER}:pa55-w0rd@labs/cache")
    assert ended.returncode == 4
    assert "the URL carries a user or a key, which S3's do not" in ended.stderr
    assert not [secret for secret in SECRETS if secret in ended.stderr]
