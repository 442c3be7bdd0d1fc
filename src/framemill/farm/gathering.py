"""A recording that is a playlist: its pieces are fetched by us, each where its client may have the farm connect to, and
put together; nothing that reads media follows a playlist."""

import contextlib
import posixpath
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote, urljoin, urlsplit

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from framemill.errors import SourceEncrypted, SourceUnreadable, StorageRefused
from framemill.media import vod
from framemill.storage.access import HttpAccess
from framemill.storage.address import Address, address_of
from framemill.storage.base import Storage
from framemill.storage.guard import Reach
from framemill.storage.keyring import Entrance
from framemill.storage.opening import opened
from framemill.storage.web import WebStore

_BLOCK = 4 << 20
_KEY_BYTES = 16
_AES_BITS = 128
_WEB = {"http", "https"}
_HEAD_BYTES = 64


class Tracks(NamedTuple):
    """What came of it: files that are one after the other in the folder."""

    picture: Path
    sounds: tuple[Path, ...] = ()


OnMore = Callable[[int], None]
"""Hears of so many bytes more, and raises where they are too many, or nobody wants them any more."""
OnShare = Callable[[float], None]
"""Hears how much of all pieces is here, 0 to 1."""


def is_playlist(path: Path) -> bool:
    """Whether a file is a playlist."""
    with path.open("rb") as file:
        return begins_playlist(file.read(_HEAD_BYTES))


def begins_playlist(head: bytes) -> bool:
    """Whether what begins so is a playlist."""
    return head[:_HEAD_BYTES].removeprefix(b"\xef\xbb\xbf").lstrip().startswith(vod.BEGINNING)


class Gathering:
    """One playlist, and the stores that it leads to; they are closed with it."""

    def __init__(
        self, entrance: Entrance, others: Reach | None, on_more: OnMore, on_share: OnShare = lambda share: None
    ) -> None:
        """`others`: where what it names on other hosts may be."""
        self._entrance = entrance
        self._others = others
        self._on_more = on_more
        self._on_share = on_share
        self._tracks, self._whole = 1, 0
        self._stores: dict[tuple[str, str], Storage] = {}
        self._keys: dict[str, bytes] = {}
        self._open = contextlib.ExitStack()

    def tracks(self, folder: Path) -> Tracks:
        """Its best picture, and the sounds that belong to it, in files of that folder.

        Raises what stores do, `SourceUnreadable`, and `SourceEncrypted`.
        """
        with self._open:
            base = str(self._entrance.address)
            said, base = self._said(base)
            if isinstance(said, vod.Recording):
                return Tracks(self._written(said, base, folder / "recording"))
            self._tracks = 1 + len(said.sounds)
            picture = self._recording(urljoin_any(base, said.uri), folder / "picture")
            sounds = [
                self._recording(urljoin_any(base, uri), folder / f"sound-{rank}")
                for rank, uri in enumerate(said.sounds)
            ]
            return Tracks(picture, tuple(sounds))

    def _recording(self, uri: str, path: Path) -> Path:
        said, base = self._said(uri)
        if isinstance(said, vod.Master):
            raise SourceUnreadable(f"{_plain(uri)} is a playlist of playlists, and so is what names it.")
        return self._written(said, base, path)

    def _said(self, uri: str) -> tuple[vod.Master | vod.Recording, str]:
        """What a playlist says, and what its addresses are relative to: where it was found in the end."""
        storage, path = self._place(uri)
        text = bytearray()
        for block in storage.stream(path):
            text += block
            self._on_more(len(block))
            if len(text) > vod.MOST_BYTES:
                raise SourceUnreadable(f"{_plain(uri)} has more than {vod.MOST_BYTES} bytes, for a playlist.")
        landed = storage.landed if isinstance(storage, WebStore) else ""
        return vod.read(text.decode("utf-8", "replace").removeprefix("\ufeff"), _plain(uri)), landed or uri

    def _written(self, said: vod.Recording, base: str, path: Path) -> Path:
        with path.open("wb") as file:
            for number, piece in enumerate(said.pieces, 1):
                blocks = self._bytes(piece, base)
                for block in blocks if piece.key is None else self._decrypted(blocks, piece.key, base):
                    file.write(block)
                self._on_share((self._whole + number / len(said.pieces)) / self._tracks)
        self._whole += 1
        return path

    def _bytes(self, piece: vod.Piece, base: str) -> Iterator[bytes]:
        storage, path = self._place(urljoin_any(base, piece.uri))
        if piece.size is None:
            for block in storage.stream(path):
                self._on_more(len(block))
                yield block
            return
        end = piece.first + piece.size
        for first in range(piece.first, end, _BLOCK):
            block = storage.read(path, first, min(end, first + _BLOCK))
            self._on_more(len(block))
            yield block

    def _decrypted(self, blocks: Iterator[bytes], key: vod.Key, base: str) -> Iterator[bytes]:
        uri = urljoin_any(base, key.uri)
        if uri not in self._keys:
            storage, path = self._place(uri)
            self._keys[uri] = storage.read(path, 0, _KEY_BYTES + 1)
        if len(self._keys[uri]) != _KEY_BYTES:
            raise SourceEncrypted(f"{_plain(uri)} is no key: it has not {_KEY_BYTES} bytes.")
        decryptor = Cipher(algorithms.AES(self._keys[uri]), modes.CBC(key.iv)).decryptor()
        bare = padding.PKCS7(_AES_BITS).unpadder()
        try:
            for block in blocks:
                yield bare.update(decryptor.update(block))
            yield bare.update(decryptor.finalize()) + bare.finalize()
        except ValueError:
            raise SourceEncrypted(f"The key of {_plain(uri)} does not open what it is for.") from None

    def _place(self, uri: str) -> tuple[Storage, str]:
        """The store that has it, and its path there. What opens the playlist opens what is beside it, and no more."""
        address = address_of(uri)
        mine = self._entrance.address
        here = (address.scheme, address.host) == (mine.scheme, mine.host)
        if not here and address.scheme not in _WEB:
            raise StorageRefused(f"The playlist leads to {_plain(uri)}, which is neither beside it nor on the web.")
        if not here and isinstance(self._entrance.access, HttpAccess) and self._entrance.access.alone:
            raise StorageRefused(f"The playlist leads to another server, {address.host}, where nobody may go.")
        place = (address.scheme, address.host)
        if place not in self._stores:
            way = self._entrance if here else _stranger(address, self._others)
            storage = opened(way.address, way.access, way.reach)
            self._open.callback(storage.close)
            self._stores[place] = storage
        return self._stores[place], address.path


def _stranger(address: Address, reach: Reach | None) -> Entrance:
    return Entrance(address.model_copy(update={"user": "", "password": ""}), None, reach, frozenset())


def urljoin_any(base: str, uri: str) -> str:
    """What `uri` means in a playlist at `base`: as on the web, and in other stores likewise, below the same root.

    Raises `StorageRefused` for what leads out of the web, and `SourceUnreadable` for what leads out of the store.
    """
    scheme = urlsplit(uri).scheme.lower()
    if scheme and scheme not in _WEB:
        raise StorageRefused(f"The playlist names {_plain(uri)[:200]}, which is not on the web.")
    if urlsplit(base).scheme in _WEB or scheme:
        return urljoin(base, uri)
    root, mark, path = base.partition("://")
    bucket, slash, key = path.partition("/") if mark else ("", "", base)
    said = unquote(uri.partition("#")[0].partition("?")[0])
    folder = posixpath.dirname(key)
    joined = posixpath.normpath(posixpath.join(folder, said.lstrip("/") if mark and said.startswith("/") else said))
    if not mark:
        if not joined.startswith(folder.rstrip("/") + "/"):
            raise StorageRefused(f"The playlist names {said[:200]!r}, which does not lie beside it.")
        return joined
    if joined.startswith("../") or joined in {"..", "."}:
        raise StorageRefused(f"The playlist names {said[:200]!r}, which leads out of where it lies.")
    return f"{root}{mark}{bucket}{slash}{joined}"


def _plain(uri: str) -> str:
    return uri.partition("?")[0]
