# SPDX-License-Identifier: MIT
"""Fetches Debian's own binary packages into a cache and unpacks them there.

Nothing is installed on the host: apt downloads (and checks signatures), dpkg-deb
unpacks. The stamp file lists the package versions that the unpacked tree holds.
Another hypervisor or toolstack is laid over that tree: ours, that xen-patches/build
builds, or one given by its path.
"""

import gzip
import lzma
import os
import re
import shutil
import struct
import subprocess
import tempfile
from pathlib import Path

from .errors import SETUP, LabError

BUILD = Path(__file__).resolve().parent.parent.parent.parent / "xen-patches/build"
# The hypervisors one can ask for by name, and the file each is in what xen-patches/build leaves.
HYPERVISORS = {"stock": None, "patched": "xen", "patched-debug": "xen-debug"}
TOOLSTACKS = ["stock", "patched"]
XEN_VERSION = "4.17"
PACKAGES = [
    f"xen-hypervisor-{XEN_VERSION}-amd64", f"xen-utils-{XEN_VERSION}", "xen-utils-common",
    "xenstore-utils",
    f"libxenmisc{XEN_VERSION}", "libxencall1", "libxendevicemodel1", "libxenevtchn1",
    "libxenforeignmemory1", "libxengnttab1", "libxenhypfs1", "libxenstore4",
    "libxentoolcore1", "libxentoollog1",
    "libyajl2", "libuuid1", "liblzma5", "libzstd1", "zlib1g", "libncurses6", "libtinfo6",
    "busybox-static",
]
KERNEL_META_PACKAGE = "linux-image-amd64"


class Tree:
    """The unpacked packages: where the laboratory finds each thing it boots."""

    overlay = None  # a folder whose lib/ and bin/ go before the packages

    def __init__(self, root):
        self.root = root
        self.xen = root / "xen.elf"
        self.kernel = root / "vmlinux"
        self.busybox = root / "bin/busybox"
        self.xen_bin = root / f"usr/lib/xen-{XEN_VERSION}/bin"
        self.xenstore_bin = root / "usr/bin"
        self.library_dirs = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
        self.stamp = root / "VERSIONS"

    @property
    def modules(self):
        return next((self.root / "lib/modules").iterdir())

    def tool(self, name):
        """A program of Xen's."""
        if self.overlay and (self.overlay / "bin" / name).exists():
            return self.overlay / "bin" / name
        return self.xen_bin / name

    def lay_over(self, folder):
        """Takes libraries and programs from `folder` where it has them, from the packages elsewhere."""
        self.overlay = folder
        self.library_dirs = [folder / "lib", *self.library_dirs]

    def versions(self):
        return self.stamp.read_text() if self.stamp.exists() else ""


def cache_dir():
    base = os.environ.get("INTELLISCHED_CACHE")
    if not base:
        home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
        base = os.path.join(home, "intellisched")
    return Path(base) / "lab"


def tree(xen="stock", toolstack=None):
    """What to boot: a hypervisor and a toolstack, each a name or a path; toolstack None: the hypervisor's."""
    chosen = stock()
    if toolstack is None:
        toolstack = "patched" if HYPERVISORS.get(xen) else "stock"
    if HYPERVISORS.get(xen) or toolstack == "patched":
        built = _built()
    if HYPERVISORS.get(xen):
        chosen.xen = built / HYPERVISORS[xen]
    elif xen != "stock":
        chosen.xen = _hypervisor_file(xen)
    if toolstack == "patched":
        chosen.lay_over(built)
    elif toolstack != "stock":
        chosen.lay_over(_toolstack_folder(toolstack))
    return chosen


def _built():
    """The patched Xen, built now if it is missing or old: never an older one in silence."""
    build = subprocess.Popen([str(BUILD)], stdin=subprocess.DEVNULL)
    try:
        status = build.wait()
    except BaseException:
        build.terminate()  # it ends its own children
        build.wait()
        raise
    if status != 0:
        raise LabError(SETUP, f"{BUILD.parent.name}/{BUILD.name}: no patched Xen, see above; run scripts/setup --lab, "
                              "or take --xen stock")
    return cache_dir().parent / "xen/patched"


def _hypervisor_file(text):
    path = Path(text).resolve()
    if not path.is_file():
        raise LabError(SETUP, f"--xen {text}: no such file; give one, or {', '.join(HYPERVISORS)}")
    with open(path, "rb") as stream:
        # QEMU takes the 32-bit ELF image only, neither xen.gz nor xen-syms.
        if stream.read(5) != b"\x7fELF\x01":
            raise LabError(SETUP, f"--xen {text}: not what QEMU boots; give the file `xen` of the hypervisor's "
                                  "build (unpack a xen.gz)")
    return path


def _toolstack_folder(text):
    path = Path(text).resolve()
    if not (path / "lib").is_dir() or not (path / "bin").is_dir():
        raise LabError(SETUP, f"--toolstack {text}: no folder with lib/ and bin/ in it; "
                              f"give one, or {', '.join(TOOLSTACKS)}")
    return path


def stock():
    """The unpacked stock Xen; fetches it when the cache has none."""
    tree = Tree(cache_dir() / "stock")
    return tree if tree.stamp.exists() else fetch()


def fetch(say=lambda line: None):
    """Brings the cache to the versions that apt would install now."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(tool):
            raise LabError(SETUP, f"{tool}: not found; the laboratory needs a Debian or Ubuntu host")
    tree = Tree(cache_dir() / "stock")
    names = PACKAGES + [_kernel_package()]
    wanted = _candidates(names)
    if tree.versions() == wanted:
        say(f"up to date in {tree.root}")
        return tree

    tree.root.parent.mkdir(parents=True, exist_ok=True)
    # Built beside the final place, so that a rename publishes all of it or nothing.
    with tempfile.TemporaryDirectory(prefix="fetch.", dir=tree.root.parent) as work:
        work = Path(work)
        (work / "debs").mkdir()
        new = Tree(work / "root")
        new.root.mkdir()
        say(f"downloading {len(names)} packages")
        # _apt cannot write to a private directory; without root there is no such user switch.
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", *names],
             cwd=work / "debs", way_out="check the network, run `apt-get update` as root, try again")
        for package in sorted((work / "debs").glob("*.deb")):
            say(f"unpacking {package.name}")
            _run(["dpkg-deb", "-x", str(package), str(new.root)], way_out="check the free disk space")
        _prepare_hypervisor(new)
        _prepare_kernel(new)
        new.stamp.write_text(wanted)
        old = work / "old"
        if tree.root.exists():
            tree.root.rename(old)
        new.root.rename(tree.root)
    say(f"ready in {tree.root}")
    return tree


def _run(command, way_out, cwd=None):
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True,
                          env={**os.environ, "LC_ALL": "C"})
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.strip()]
        cause = errors[-1] if errors else f"exit status {done.returncode}"
        raise LabError(SETUP, f"{command[0]}: {cause}; {way_out}")
    return done.stdout


def _kernel_package():
    """The concrete package behind linux-image-amd64, e.g. linux-image-6.1.0-18-amd64."""
    text = _run(["apt-cache", "depends", KERNEL_META_PACKAGE],
                way_out="enable Debian's main archive in apt's sources")
    found = re.search(r"Depends: (linux-image-\S+)", text)
    if not found:
        raise LabError(SETUP, f"{KERNEL_META_PACKAGE}: apt knows no kernel package behind it; "
                              "run `apt-get update` as root")
    return found.group(1)


def _candidates(names):
    """One `package=version` line per package: what apt would download now."""
    text = _run(["apt-cache", "policy", *names], way_out="run `apt-get update` as root")
    found = dict(re.findall(r"^(\S+?)(?::\w+)?:\n(?:  .*\n)*?  Candidate: (\S+)", text, re.M))
    missing = [name for name in names if found.get(name, "(none)") == "(none)"]
    if missing:
        raise LabError(SETUP, f"{missing[0]}: apt has no such package; "
                              "add Debian 12's main archive to apt's sources and run `apt-get update`")
    return "".join(f"{name}={found[name]}\n" for name in sorted(names))


def _prepare_hypervisor(tree):
    # The packaged .gz holds the multiboot ELF32 image that QEMU's -kernel takes.
    packed = tree.root / f"boot/xen-{XEN_VERSION}-amd64.gz"
    tree.xen.write_bytes(gzip.decompress(packed.read_bytes()))


def _prepare_kernel(tree):
    """Takes vmlinux out of the bzImage.

    Xen would unpack it for dom0, and libxl again for each guest, at emulated speed;
    done here once, natively, it saves seconds of every boot.
    """
    image = next((tree.root / "boot").glob("vmlinuz-*"))
    data = image.read_bytes()
    # Offsets: Linux' Documentation/x86/boot.rst (setup_sects, payload_offset, payload_length).
    setup_sectors = data[0x1F1] or 4
    offset, length = struct.unpack_from("<II", data, 0x248)
    start = (setup_sectors + 1) * 512 + offset
    try:
        vmlinux = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data[start:start + length])
    except lzma.LZMAError as error:
        raise LabError(SETUP, f"{image.name}: the kernel is not packed with xz ({error}); "
                              "the laboratory knows Debian 12's kernels only") from error
    tree.kernel.write_bytes(vmlinux)
