# SPDX-License-Identifier: MIT
"""Builds the ramdisks of dom0 and of the guests.

dom0 has busybox, Xen's tools, the script, the files given with --in and the
shared libraries all of these need. A guest has busybox and guest-load.
"""

import lzma
import os
import re
import shutil
import subprocess
from pathlib import Path

from .cpio import Archive
from .errors import SETUP, LabError

HERE = Path(__file__).resolve().parent.parent
LIBRARY_DIR = "/lib/x86_64-linux-gnu"

XEN_TOOLS = ["xl", "xenstored", "xenconsoled", "xen-init-dom0", "xentrace", "xentrace_setsize",
             "xentop", "xenpm", "xenconsole", "xen-hptool", "xenctx", "libxl-save-helper"]
# virtio_pci and virtio_blk carry the script's files out; the rest is what Xen's tools open.
MODULES = ["xen-privcmd", "xenfs", "xen-evtchn", "xen-gntdev", "xen-gntalloc",
           "virtio_pci", "virtio_blk"]
# pthread_cancel loads it at run time, so ldd does not show it.
HIDDEN_LIBRARIES = ["libgcc_s.so.1"]


def build_guest(path, tree, guest_load):
    with open(path, "wb") as stream:
        archive = Archive(stream)
        for directory in ("/dev", "/proc", "/sys"):
            archive.directory(directory)
        archive.file("/bin/busybox", tree.busybox)
        archive.symlink("/bin/sh", "busybox")
        archive.file("/bin/guest-load", guest_load)
        archive.file("/init", HERE / "guest/init")
        archive.close()


def build_dom0(path, tree, script, inputs, plan, guest_ramdisk):
    """`inputs` are (source, destination or "") pairs, as given with --in."""
    with open(path, "wb") as stream:
        archive = Archive(stream)
        libraries = Libraries(archive, tree.library_dirs, tree.loader)
        for directory in ("/dev", "/proc", "/sys", "/run", "/tmp", "/var", "/lab/in", "/lab/out"):
            archive.directory(directory)
        archive.symlink("/var/run", "/run")
        archive.symlink("/var/lock", "/run/lock")
        archive.data("/etc/passwd", "root:x:0:0:root:/:/bin/sh\n")
        archive.data("/etc/group", "root:x:0:\n")
        # dom0's memory is fixed, so xl has no reason to balloon it.
        archive.data("/etc/xen/xl.conf", 'autoballoon="off"\n')

        archive.file("/bin/busybox", tree.busybox)
        archive.symlink("/bin/sh", "busybox")
        for tool in XEN_TOOLS:
            _program(archive, libraries, f"/usr/lib/{tree.xen_bin.parent.name}/bin/{tool}", tree.tool(tool))
            archive.symlink(f"/lab/bin/{tool}", f"/usr/lib/{tree.xen_bin.parent.name}/bin/{tool}")
        for tool in sorted(tree.xenstore_bin.glob("xenstore-*")):
            if not tool.is_symlink():
                _program(archive, libraries, f"/lab/bin/{tool.name}", tool)
        for library in HIDDEN_LIBRARIES:
            libraries.add_by_name(library)
        _modules(archive, tree)

        archive.file("/init", HERE / "dom0/init")
        archive.file("/lab/bin/lab-phases", HERE / "dom0/lab-phases")
        archive.file("/lab/lib.sh", HERE / "dom0/lib.sh")
        archive.file("/lab/script", script)
        for source, destination in inputs:
            _input(archive, libraries, Path(source), destination)
        _plan(archive, plan)
        if plan.guests:
            archive.file("/lab/plan/kernel", tree.kernel)
            archive.file("/lab/plan/ramdisk", guest_ramdisk)
        archive.close()


class Libraries:
    """Copies each shared library once, found as the dynamic loader would find it."""

    def __init__(self, archive, preferred, loader=None):
        self._archive = archive
        self._preferred = preferred
        self._list = [str(loader), "--list"] if loader else ["ldd"]
        if loader:
            archive.file("/lib64/ld-linux-x86-64.so.2", loader)
        self._environment = {**os.environ, "LC_ALL": "C",
                             "LD_LIBRARY_PATH": ":".join(map(str, preferred))}

    def add_for(self, program):
        done = subprocess.run([*self._list, str(program)], env=self._environment, capture_output=True, text=True)
        if done.returncode != 0:  # static, or for another machine
            return
        missing = re.search(r"^\s*(\S+) => not found", done.stdout, re.M)
        if missing:
            raise LabError(SETUP, f"{program}: its library {missing.group(1)} is not on this host; "
                                  "install it or set LD_LIBRARY_PATH")
        for path in re.findall(r"=> (/\S+)", done.stdout):
            self._add(f"{LIBRARY_DIR}/{os.path.basename(path)}", path)
        # The loader itself is named without an arrow, by the path the kernel will look for.
        if self._list == ["ldd"]:
            for path in re.findall(r"^\s*(/\S+) \(0x", done.stdout, re.M):
                self._add(path, path)

    def add_by_name(self, name):
        for directory in (*self._preferred, LIBRARY_DIR, "/usr" + LIBRARY_DIR):
            if os.path.exists(f"{directory}/{name}"):
                self._add(f"{LIBRARY_DIR}/{name}", f"{directory}/{name}")
                return
        raise LabError(SETUP, f"{name}: not in {LIBRARY_DIR}; install the Debian package that has it")

    def _add(self, destination, source):
        if destination not in self._archive:
            self._archive.file(destination, source)


def _program(archive, libraries, destination, source):
    archive.file(destination, source)
    libraries.add_for(source)


def _input(archive, libraries, source, destination):
    destination = destination or f"/lab/in/{source.name}"
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                _input(archive, libraries, path, f"{destination}/{path.relative_to(source)}")
        return
    archive.file(destination, source)
    with open(source, "rb") as stream:
        if stream.read(4) == b"\x7fELF":
            libraries.add_for(source)


def _modules(archive, tree):
    """Adds MODULES and what they depend on, and the order to load them in."""
    files = {path.name.split(".")[0].replace("-", "_"): path for path in tree.modules.rglob("*.ko*")}
    order = []

    def visit(name):
        name = name.replace("-", "_")
        if name in order or name not in files:  # not a file: built into the kernel
            return
        # The package ships no modules.dep (its maintainer script would make it);
        # each module names its own dependencies in .modinfo.
        found = re.search(rb"\0depends=([\w,-]*)\0", _module(files[name]))
        for dependency in filter(None, found.group(1).decode().split(",") if found else []):
            visit(dependency)
        order.append(name)

    for module in MODULES:
        visit(module)
    for name in order:
        archive.data(f"/lab/modules/{name}.ko", _module(files[name]))
    archive.data("/lab/modules/order", "".join(f"{name}\n" for name in order))


def _module(path):
    data = path.read_bytes()
    return lzma.decompress(data) if path.suffix == ".xz" else data  # as Debian 13 has them


def _plan(archive, plan):
    """Lays the plan out as small files, so that dom0's shell has nothing to parse."""
    archive.data("/lab/plan/settle", f"{plan.settle}\n")
    archive.data("/lab/plan/pools", "".join(f"{name} {cpus}\n" for name, cpus in plan.pools.items()))
    archive.data("/lab/plan/guests", "".join(f"{guest.name}\n" for guest in plan.guests))
    for guest in plan.guests:
        archive.data(f"/lab/plan/guest/{guest.name}.cfg", _guest_config(guest))
        archive.data(f"/lab/plan/guest/{guest.name}.load", f"{guest.load}\n")
    archive.data("/lab/plan/phases", "".join(f"{phase.name} {phase.seconds}\n" for phase in plan.phases))
    for phase in plan.phases:
        archive.directory(f"/lab/plan/phase/{phase.name}")
        for guest, load in phase.loads.items():
            archive.data(f"/lab/plan/phase/{phase.name}/{guest}", f"{load}\n")


def _guest_config(guest):
    lines = [f'name = "{guest.name}"', f"vcpus = {guest.vcpus}", f"memory = {guest.memory}",
             'kernel = "/lab/plan/kernel"', 'ramdisk = "/lab/plan/ramdisk"',
             'extra = "console=hvc0 quiet mitigations=off random.trust_cpu=on panic=1"',
             'on_crash = "destroy"', 'on_reboot = "destroy"']
    if guest.pool:
        lines.append(f'pool = "{guest.pool}"')
    if guest.weight:
        lines.append(f"cpu_weight = {guest.weight}")
    if guest.cap:
        lines.append(f"cap = {guest.cap}")
    if guest.cpus:
        lines.append(f'cpus = "{guest.cpus}"')
    return "\n".join(lines) + "\n"


def check_tools():
    for tool, package in (("ldd", "libc-bin"), ("qemu-system-x86_64", "qemu-system-x86"),
                          ("setpriv", "util-linux")):
        if not shutil.which(tool):
            raise LabError(SETUP, f"{tool}: not found; install the package {package}")
