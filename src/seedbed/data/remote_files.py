"""Files at a URL: list them, and read each as a stream.

In: a URL of one file or of a folder: `s3://`, `gs://`, `hf://` and any other protocol of fsspec, or
`https://` of one file. Out: names, sizes and tags of the files, and their bytes.
"""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO

from seedbed.base.errors import BadDataError, SeedbedError, UsageError

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
# Entries of fsspec's file information that change with the content, in the order of their worth.
_TAGS = (
    "ETag",
    "etag",
    "md5Hash",
    "crc32c",
    "blob_id",
    "checksum",
    "LastModified",
    "last_modified",
    "mtime",
    "updated",
    "created",
)
_PACKAGES = {
    "s3": "s3fs",
    "s3a": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "hf": "huggingface_hub",
}
# What one file at a web address may be.
_WEB_SUFFIXES = (".tar", ".parquet")
_TIMEOUT_S = 30.0


def is_url(text: object) -> bool:
    """Whether a text names remote files: it begins with a protocol, as s3:// is one."""
    return isinstance(text, str) and _URL.match(text) is not None


def without_secrets(url: str) -> str:
    """A URL without user name, password, query and fragment, for messages and reports."""
    parts = urllib.parse.urlsplit(url)
    host = parts.netloc.rpartition("@")[2] if parts.scheme.startswith("http") else parts.netloc
    return f"{parts.scheme}://{host}{parts.path}"


@dataclass(frozen=True, kw_only=True)
class RemoteFile:
    """A file: its path below the URL, its size in bytes, and a tag that changes with its content.

    `address` is what its backend opens.
    """

    path: str
    size: int | None
    tag: str
    address: str


class RemoteFiles(ABC):
    """The files at a URL."""

    is_folder: bool

    @abstractmethod
    def list(self) -> list[RemoteFile]:
        """All files, ascending by path; hidden ones are left out.

        Raises BadDataError if there is nothing, or if it cannot be reached.
        """

    @abstractmethod
    def open(self, file: RemoteFile) -> BinaryIO:
        """A stream of the bytes of a file."""


def remote_files(url: str) -> RemoteFiles:
    """The files at a URL.

    Raises UsageError for an unknown protocol, or one whose package is not installed.
    """
    if url.partition("://")[0].lower() in ("http", "https"):
        return _WebFile(url)
    return _FileSystem(url)


class UnreachableError(BadDataError):
    """Remote files that may be there, but cannot be read now."""


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Turn the errors of file systems and of the network into BadDataError."""
    try:
        yield
    except SeedbedError:
        raise
    except FileNotFoundError:
        raise BadDataError(f"there is nothing at {without_secrets(url)}", "Check it.") from None
    # The packages of the protocols have errors of their own.
    except Exception as error:
        words = str(error).replace(url, without_secrets(url)).splitlines()
        reason = words[0] if words else type(error).__name__
        raise UnreachableError(
            f"cannot read {without_secrets(url)}: {reason}",
            "Check the connection, the name, and the credentials of this machine.",
        ) from None


class _FileSystem(RemoteFiles):
    """Files by a file system of fsspec."""

    def __init__(self, url: str) -> None:
        import fsspec.core

        protocol = url.partition("://")[0].lower()
        try:
            self._system, self._root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            package = _PACKAGES.get(protocol)
            hint = f"Install it: pip install {package}." if package else str(error)
            raise UsageError(f"{protocol}:// needs a package that is missing", hint) from None
        except ValueError as error:
            if "Protocol not known" not in str(error):
                raise _invalid(url, error) from None
            raise UsageError(
                f"unknown protocol {protocol}:// in {without_secrets(url)}",
                "Valid are https://, file:// and the protocols of fsspec: s3://, gs://, az://, "
                "hf:// and others.",
            ) from None
        except Exception as error:
            raise _invalid(url, error) from None
        self._url = url
        with reaching(url):
            self.is_folder = not self._system.isfile(self._root)

    def list(self) -> list[RemoteFile]:
        with reaching(self._url):
            if not self.is_folder:
                info = self._system.info(self._root)
                return [_remote_file(PurePosixPath(self._root).name, self._root, info)]
            listed = self._system.find(self._root, detail=True)
        root = self._root.rstrip("/") + "/"
        files = [
            _remote_file(address.removeprefix(root), address, info)
            for address, info in sorted(listed.items())
        ]
        files = [file for file in files if not _is_hidden(file.path)]
        if not files:
            raise BadDataError(f"there are no files at {without_secrets(self._url)}", "Check it.")
        return files

    def open(self, file: RemoteFile) -> BinaryIO:
        # A file is read once, from its begin to its end.
        return self._system.open(file.address, "rb", cache_type="readahead")


def _invalid(url: str, error: Exception) -> UsageError:
    return UsageError(f"{without_secrets(url)} is not a valid name: {error}", "Check it.")


def _remote_file(path: str, address: str, info: dict[str, Any]) -> RemoteFile:
    tag = next((str(info[name]) for name in _TAGS if info.get(name) is not None), "")
    return RemoteFile(path=path, size=info.get("size"), tag=tag, address=address)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))


class _WebFile(RemoteFiles):
    """One file at an http or https address, by the standard library."""

    is_folder = False

    def __init__(self, url: str) -> None:
        self._url, self._name = url, PurePosixPath(urllib.parse.urlsplit(url).path).name
        if not self._name.lower().endswith(_WEB_SUFFIXES):
            raise UsageError(
                f"{without_secrets(url)} is not a file that can be read from the web",
                f"Name a file that ends in {' or '.join(_WEB_SUFFIXES)}; for other data, download "
                "and unpack them first. Buckets are s3://... and gs://..., data sets of Hugging "
                "Face hf://datasets/OWNER/NAME.",
            )

    def list(self) -> list[RemoteFile]:
        with self._request("HEAD") as answer:
            headers = answer.headers
        if headers.get_content_type() == "text/html":
            raise BadDataError(
                f"{without_secrets(self._url)} is a web page, not data",
                "The page may ask for a login: download the file with a browser.",
            )
        size = headers.get("Content-Length")
        return [
            RemoteFile(
                path=self._name,
                size=int(size) if size and size.isdecimal() else None,
                tag=headers.get("ETag") or headers.get("Last-Modified") or "",
                address=self._url,
            )
        ]

    def open(self, file: RemoteFile) -> BinaryIO:
        return self._request("GET")

    def _request(self, method: str) -> Any:
        """The answer of the server. User name and password may stand in the URL."""
        parts = urllib.parse.urlsplit(self._url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        request = urllib.request.Request(bare, method=method, headers={"User-Agent": "seedbed"})
        if parts.username:
            request.add_header("Authorization", _basic(parts.username, parts.password or ""))
        with reaching(self._url):
            try:
                return urllib.request.urlopen(request, timeout=_TIMEOUT_S)
            except urllib.error.HTTPError as error:
                error.close()
                address = without_secrets(self._url)
                raise BadDataError(
                    f"the server answers {error.code} {error.reason} for {address}",
                    "Check the address; it may need a login.",
                ) from None


def _basic(user: str, password: str) -> str:
    import base64

    text = f"{urllib.parse.unquote(user)}:{urllib.parse.unquote(password)}"
    return f"Basic {base64.b64encode(text.encode()).decode()}"
