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
# Xen's releases, and the Debian that each is of, the older first.
RELEASES = {"4.17": "bookworm", "4.20": "trixie"}
PACKAGES = [
    "xen-hypervisor-{release}-amd64", "xen-utils-{release}", "xen-utils-common",
    "xenstore-utils",
    "libxenmisc{release}", "libxencall1", "libxendevicemodel1", "libxenevtchn1",
    "libxenforeignmemory1", "libxengnttab1", "libxenhypfs1", "libxenstore4",
    "libxentoolcore1", "libxentoollog1",
    "libyajl2", "libuuid1", "liblzma5", "libzstd1", "zlib1g", "libncurses6", "libtinfo6",
    "busybox-static",
]
# Of a newer Debian than the host's, whose C library then is too old for these programs.
FOREIGN_PACKAGES = ["libc6", "libgcc-s1"]
KERNEL_META_PACKAGE = "linux-image-amd64"


class Tree:
    """The unpacked packages: where the laboratory finds each thing it boots."""

    overlay = None  # a folder whose lib/ and bin/ go before the packages

    def __init__(self, root, release):
        self.root = root
        self.release = release
        self.xen = root / "xen.elf"
        self.kernel = root / "vmlinux"
        self.xen_bin = root / f"usr/lib/xen-{release}/bin"
        self.xenstore_bin = root / "usr/bin"
        self.library_dirs = [root / "usr/lib/x86_64-linux-gnu", root / "lib/x86_64-linux-gnu"]
        self.stamp = root / "VERSIONS"

    # From Debian 13 on all of / is in /usr.
    def _first(self, *paths):
        return next(self.root / path for path in paths if (self.root / path).exists())

    @property
    def busybox(self):
        return self._first("bin/busybox", "usr/bin/busybox")

    @property
    def loader(self):
        """The C library's loader, if the packages bring their own; else None."""
        path = self.root / "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"
        return path if path.exists() else None

    @property
    def modules(self):
        return next(self._first("lib/modules", "usr/lib/modules").iterdir())

    def tool(self, name):
        """A program of Xen's."""
        if self.overlay and (self.overlay / "bin" / name).exists():
            return self.overlay / "bin" / name
        place = self.xen_bin / name
        return place if place.exists() else self.root / "usr/bin" / name

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


def tree(xen="stock", toolstack=None, release="4.17"):
    """What to boot: a hypervisor and a toolstack, each a name or a path; toolstack None: the hypervisor's."""
    chosen = stock(release)
    if toolstack is None:
        toolstack = "patched" if HYPERVISORS.get(xen) else "stock"
    if HYPERVISORS.get(xen) or toolstack == "patched":
        built = _built(release)
    if HYPERVISORS.get(xen):
        chosen.xen = built / HYPERVISORS[xen]
    elif xen != "stock":
        chosen.xen = _hypervisor_file(xen)
    if toolstack == "patched":
        chosen.lay_over(built)
    elif toolstack != "stock":
        chosen.lay_over(_toolstack_folder(toolstack))
    return chosen


def _built(release):
    """The patched Xen, built now if it is missing or old: never an older one in silence."""
    build = subprocess.Popen([str(BUILD), "--release", release], stdin=subprocess.DEVNULL)
    try:
        status = build.wait()
    except BaseException:
        build.terminate()  # it ends its own children
        build.wait()
        raise
    if status != 0:
        raise LabError(SETUP, f"{BUILD.parent.name}/{BUILD.name}: no patched Xen, see above; run scripts/setup --lab, "
                              "or take --xen stock")
    return cache_dir().parent / "xen" / _name("patched", release)


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


def _name(kind, release):
    """Of a folder in the cache; for patched ones the one that xen-patches/build chooses."""
    return kind if release == "4.17" else f"{kind}-{release}"


def _tree(release):
    return Tree(cache_dir() / _name("stock", release), release)


def stock(release="4.17"):
    """The unpacked stock Xen; fetches it when the cache has none."""
    tree = _tree(release)
    return tree if tree.stamp.exists() else fetch(release=release)


def fetch(say=lambda line: None, release="4.17"):
    """Brings the cache to the versions that apt would install now, on the Debian that has the release."""
    for tool in ("apt-get", "apt-cache", "dpkg-deb"):
        if not shutil.which(tool):
            raise LabError(SETUP, f"{tool}: not found; the laboratory needs a Debian or Ubuntu host")
    tree = _tree(release)
    names = [name.format(release=release) for name in PACKAGES]
    suites, suite, host = list(RELEASES.values()), RELEASES[release], _suite_of_host()
    apt = []
    if host in suites and host != suite:
        apt = _apt_of(suite)
        if suites.index(suite) > suites.index(host):
            names += FOREIGN_PACKAGES
    names.append(_kernel_package(apt))
    wanted = _candidates(apt, names)
    if tree.versions() == wanted:
        say(f"up to date in {tree.root}")
        return tree

    tree.root.parent.mkdir(parents=True, exist_ok=True)
    # Built beside the final place, so that a rename publishes all of it or nothing.
    with tempfile.TemporaryDirectory(prefix="fetch.", dir=tree.root.parent) as work:
        work = Path(work)
        (work / "debs").mkdir()
        new = Tree(work / "root", release)
        new.root.mkdir()
        say(f"downloading {len(names)} packages")
        # _apt cannot write to a private directory; without root there is no such user switch.
        _run(["apt-get", "-q", "-o", "APT::Sandbox::User=root", *apt, "download", *names],
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


def _suite_of_host():
    system = Path("/etc/os-release")
    found = re.search(r"(?m)^VERSION_CODENAME=(\S+)$", system.read_text()) if system.exists() else None
    return found and found.group(1)


def _apt_of(suite):
    """apt's options for another Debian from the host's mirror, which has them all: with lists of its own."""
    targets = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE) $(COMPONENT)",
                    "Created-By: Packages"], way_out="look at apt's sources")
    mirrors = [line.split()[0] for line in targets.splitlines()
               if line.split()[1:] in [[known, "main"] for known in RELEASES.values()]]
    if not mirrors:
        raise LabError(SETUP, f"apt's sources name no mirror of Debian's main archive, where {suite} is; "
                              "add one to /etc/apt/sources.list")
    folder = cache_dir() / f"apt-{suite}"
    for part in ("lists/partial", "cache/archives/partial"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    keys = "/usr/share/keyrings/debian-archive-keyring.gpg"
    (folder / "sources.list").write_text(f"deb [signed-by={keys}] {mirrors[0]} {suite} main\n")
    (folder / "status").touch()
    options = ["APT::Sandbox::User=root", f"Dir::Etc::sourcelist={folder}/sources.list",
               "Dir::Etc::sourceparts=/dev/null", f"Dir::State::lists={folder}/lists",
               f"Dir::State::status={folder}/status", f"Dir::Cache={folder}/cache",
               "APT::Update::Error-Mode=any", "Acquire::Languages=none"]
    apt = [word for option in options for word in ("-o", option)]
    _run(["apt-get", "-q", *apt, "update"], way_out="is Debian's archive reachable?")
    return apt


def _kernel_package(apt):
    """The concrete package behind linux-image-amd64, e.g. linux-image-6.1.0-18-amd64."""
    text = _run(["apt-cache", *apt, "depends", KERNEL_META_PACKAGE],
                way_out="enable Debian's main archive in apt's sources")
    found = re.search(r"Depends: (linux-image-\S+)", text)
    if not found:
        raise LabError(SETUP, f"{KERNEL_META_PACKAGE}: apt knows no kernel package behind it; "
                              "run `apt-get update` as root")
    return found.group(1)


def _candidates(apt, names):
    """One `package=version` line per package: what apt would download now."""
    text = _run(["apt-cache", *apt, "policy", *names], way_out="run `apt-get update` as root")
    found = dict(re.findall(r"^(\S+?)(?::\w+)?:\n(?:  .*\n)*?  Candidate: (\S+)", text, re.M))
    missing = [name for name in names if found.get(name, "(none)") == "(none)"]
    if missing:
        raise LabError(SETUP, f"{missing[0]}: apt has no such package; "
                              "add Debian's main archive to apt's sources and run `apt-get update`")
    return "".join(f"{name}={found[name]}\n" for name in sorted(names))


def _prepare_hypervisor(tree):
    # The packaged .gz holds the multiboot ELF32 image that QEMU's -kernel takes.
    packed = tree.root / f"boot/xen-{tree.release}-amd64.gz"
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
    packed = data[start:start + length]
    if packed.startswith(b"\x28\xb5\x2f\xfd"):  # Debian 13's; its size unpacked comes behind
        done = subprocess.run(["zstd", "-dc"], input=packed[:-4], capture_output=True)
        if done.returncode != 0:
            raise LabError(SETUP, f"{image.name}: zstd cannot unpack the kernel ({done.stderr.decode().strip()})")
        vmlinux = done.stdout
    else:
        try:
            vmlinux = lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(packed)
        except lzma.LZMAError as error:
            raise LabError(SETUP, f"{image.name}: the kernel is packed neither with xz nor zstd ({error}); "
                                  "the laboratory knows Debian 12's and 13's kernels only") from error
    tree.kernel.write_bytes(vmlinux)
