# SPDX-License-Identifier: MIT
"""Writes a Linux initramfs (cpio, "newc" format).

Written here instead of calling cpio(1), so that an ordinary user can give
every file to root and needs no staging tree on disk.
"""

import os
import stat

BLOCK = 1 << 20


class Archive:
    """A newc archive under construction. Paths are absolute, as in the guest."""

    def __init__(self, stream):
        self._stream = stream
        self._known = set()
        self._inode = 0

    def __contains__(self, path):
        return os.path.normpath(path) in self._known

    def directory(self, path):
        """Adds a directory and its parents; adding one twice is no error."""
        path = os.path.normpath(path)
        if path == "/" or path in self._known:
            return
        self.directory(os.path.dirname(path))
        self._header(path, stat.S_IFDIR | 0o755, 0)

    def symlink(self, path, target):
        data = target.encode()
        self.directory(os.path.dirname(path))
        self._header(path, stat.S_IFLNK | 0o777, len(data))
        self._stream.write(data)
        self._pad()

    def data(self, path, content, mode=0o644):
        """Adds a regular file from text or bytes."""
        if isinstance(content, str):
            content = content.encode()
        self.directory(os.path.dirname(path))
        self._header(path, stat.S_IFREG | mode, len(content))
        self._stream.write(content)
        self._pad()

    def file(self, path, source):
        """Adds a regular file from the host, with its permission bits."""
        self.directory(os.path.dirname(path))
        with open(source, "rb") as stream:
            status = os.fstat(stream.fileno())
            self._header(path, stat.S_IFREG | stat.S_IMODE(status.st_mode), status.st_size)
            left = status.st_size
            while left:
                block = stream.read(min(BLOCK, left))
                if not block:  # shrunk while we read: keep the archive consistent
                    block = bytes(left)
                self._stream.write(block)
                left -= len(block)
        self._pad()

    def close(self):
        self._header("TRAILER!!!", 0, 0)

    def _header(self, path, mode, size):
        path = os.path.normpath(path)
        self._known.add(path)
        self._inode += 1
        name = path.lstrip("/").encode() + b"\0"
        fields = (self._inode, mode, 0, 0, 1, 0, size, 0, 0, 0, 0, len(name), 0)
        self._stream.write(b"070701" + b"".join(b"%08x" % field for field in fields) + name)
        self._pad()

    def _pad(self):
        self._stream.write(bytes(-self._stream.tell() % 4))
