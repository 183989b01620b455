"""What can go wrong with a remote store, said to a person, and whether it will go on going wrong."""

from __future__ import annotations

import errno
from collections.abc import Iterator

from xharness.errors import ExitCode, HarnessError, Problem, StoreError
from xharness.remote.address import scrubbed, shown
from xharness.store.files import WORDS


class RemoteError(HarnessError):
    """A remote store that cannot be read or written."""

    exit_code = ExitCode.FAILED

    def __init__(self, problem: Problem | str, lasting: bool = False) -> None:
        super().__init__(problem)
        self.lasting = lasting
        """Whether asking again, in this run, is for nothing."""

    def __reduce__(self) -> tuple[type[HarnessError], tuple[Problem, ...]]:
        return type(self), self.problems


class NotWhole(StoreError):
    """Something in a remote store that is not as it was stored."""


class NotOurs(StoreError):
    """A step of a remote store that is whole, and not the one that a plan means by its key."""


class Silent(Exception):
    """Nothing has moved on the line for too long."""


_REFUSED = {
    "AccessDenied",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "AllAccessDisabled",
    "403",
    "401",
}
_ABSENT = {"NoSuchBucket", "NoSuchContainer", "ContainerNotFound"}
_LACKING = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
    "TokenRetrievalError", "SSOTokenLoadError", "UnauthorizedSSOTokenError",
}  # fmt: skip
_LINE = {
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
    "ClientConnectorError",
    "HTTPClientError", "ServerTimeoutError", "ServerDisconnectedError", "ClientPayloadError", "FSTimeoutError",
    "ResponseStreamingError", "IncompleteRead", "SSLError",
}  # fmt: skip
_FULL = (errno.ENOSPC, errno.EDQUOT)
CREDENTIALS = "Its credentials are fsspec's: the environment, the provider's own files, fsspec's configuration."
_EXTRAS = {"s3": "s3fs", "s3a": "s3fs"}


def code_of(error: BaseException) -> str:
    """What the service itself calls an error (`NoSuchBucket`, `AccessDenied`); empty where it has not said."""
    for one in _chain(error):
        answer = getattr(one, "response", None)
        if isinstance(answer, dict):
            return str(answer.get("Error", {}).get("Code", ""))
        if isinstance(found := getattr(one, "error_code", None), str):
            return found
    return ""


def trouble_of(error: BaseException, url: str) -> RemoteError:
    """An error of whatever library as a sentence."""
    if isinstance(error, RemoteError):
        return error
    code, names = code_of(error), {c.__name__ for one in _chain(error) for c in type(one).__mro__}
    number = getattr(error, "errno", None)

    def told(what: str, hint: str = "", lasting: bool = True) -> RemoteError:
        return RemoteError(Problem(shown(url), what, hint), lasting)

    if isinstance(error, ImportError):
        package = _EXTRAS.get(url.partition("://")[0], "")
        hint = f"`pip install 'xharness-stilts[s3]'` ({package})." if package else scrubbed(str(error), url)
        return told("the package that reads and writes there is not installed.", hint)
    if code in _ABSENT:
        return told(f"there is no such bucket ({code}).", "Make it, or correct the URL.")
    if isinstance(error, PermissionError) and url.startswith(("file://", "local://")):
        return told("may not be read or written by you.", "Have its owner let you.")
    if code in _REFUSED or isinstance(error, PermissionError):
        return told(f"refuses access ({code or 'permission denied'}).", CREDENTIALS)
    if names & _LACKING:
        return told("needs credentials, and there are none.", CREDENTIALS)
    if number in _FULL:
        return told(f"{WORDS[number]} there." if number in WORDS else "the disk there is full.")
    if number in WORDS:
        return told(f"cannot be used: {WORDS[number]}.")
    if isinstance(error, Silent | TimeoutError | ConnectionError) or names & _LINE:
        return told("does not answer, or too slowly.", lasting=False)
    said = scrubbed(" ".join(str(error).split()), url)[:300]
    return told(f"{type(error).__name__}: {said}", lasting="ParamValidationError" in names)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """An error and what it was made of."""
    seen: set[int] = set()
    found: BaseException | None = error
    while found is not None and id(found) not in seen:
        seen.add(id(found))
        yield found
        found = found.__cause__ or found.__context__
