# SPDX-License-Identifier: MIT
"""Runs QEMU with Xen in it and watches it until the script in dom0 has ended.

Two serial lines leave the machine: the first is the console of Xen and dom0,
kept as a log and searched for a panic; on the second dom0's init says how far it
is (see dom0/init). The script's files come out on a raw disk, as a tar stream.
"""

import os
import re
import selectors
import socket
import subprocess
import sys
import time

from .errors import BOOT, GUEST, OUTPUT, PANIC, TIME_LIMIT, LabError

# Nehalem is the model that shows Xen SMT siblings and boots under emulation;
# with cpuidle=1 Xen would die on its C-states.
QEMU = ["qemu-system-x86_64", "-cpu", "Nehalem", "-nodefaults", "-display", "none", "-nic", "none",
        "-no-reboot"]
# The last four of these skip work that is slow under emulation and changes no scheduling:
# clearing memory, and defences that flush the (emulated) TLB on every system call.
XEN_ARGS = ("console=com1 com1=115200,8n1 loglvl=all guest_loglvl=all sched=credit2 cpuidle=0 "
            "bootscrub=0 spec-ctrl=no xpti=no pv-l1tf=no")
DOM0_ARGS = "console=hvc0 quiet panic=1 mitigations=off random.trust_cpu=on"

DEATH = re.compile(rb"(?m)^.*(?:Panic on CPU|FATAL TRAP|FATAL PAGE FAULT|Assertion '|"
                   rb"Hardware Dom0 (?:crashed|halted|shutdown)|Kernel panic - not syncing).*$")
LAST_WORDS_SECONDS = 2.0   # a panic's registers and stack come after the line that names it
STOP_SECONDS = 60.0        # after the time limit: for dom0 to end the script and write its files
REGISTERS_SECONDS = 2.0    # without a word, and QEMU has listed them
CONSOLE_WINDOW = 4096      # how much of the console a line that tells of death may span


def _accelerator(tcg, icount):
    if icount:
        # An instruction is a nanosecond; sleep=off skips the time in which all CPUs wait.
        return ["-accel", "tcg,thread=single", "-icount", "shift=0,sleep=off"]
    return ["-accel", f"tcg,thread={tcg}"]


class Machine:
    """One boot. Use as a context manager: QEMU never outlives the block."""

    def __init__(self, work, topology, console_log, verbose):
        self._work = work
        self._topology = topology
        self._log = open(console_log, "wb")
        self._console_path = console_log
        self._verbose = verbose
        self._tail = b""
        self._death = None
        self._status = b""
        self._qemu = None
        self._control = None
        self._monitor = None

    def start(self, dom0_memory, xen_args, tcg, icount):
        control, theirs = socket.socketpair()
        self._control = control
        self._monitor, monitor = socket.socketpair()
        topology = self._topology
        xen = (f"{XEN_ARGS} dom0_mem={dom0_memory}M,max:{dom0_memory}M "
               f"dom0_max_vcpus={topology.dom0_vcpus} {xen_args}")
        command = [
            # QEMU must die even when we are killed without a chance to clean up.
            "setpriv", "--pdeathsig", "KILL", *QEMU,
            *_accelerator(tcg, icount), *topology.qemu_args(),
            "-chardev", "stdio,id=console,signal=off", "-serial", "chardev:console",
            "-chardev", f"socket,id=control,fd={theirs.fileno()}", "-serial", "chardev:control",
            "-chardev", f"socket,id=monitor,fd={monitor.fileno()}", "-mon", "chardev=monitor,mode=readline",
            "-drive", "file=out.disk,format=raw,if=virtio,cache=unsafe",
            "-kernel", "xen.elf", "-append", xen,
            "-initrd", f"kernel {DOM0_ARGS},dom0.cpio",
        ]
        # Relative names in a folder of our own: QEMU splits -initrd at blanks and commas.
        self._qemu = subprocess.Popen(command, cwd=self._work, stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                      pass_fds=[theirs.fileno(), monitor.fileno()],
                                      start_new_session=True)
        theirs.close()
        monitor.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._qemu and self._qemu.poll() is None:
            self._qemu.kill()
        if self._qemu:
            self._qemu.wait()
        for end in (self._control, self._monitor):
            if end:
                end.close()
        self._log.close()

    def run(self, seconds, say):
        """Watches until the script ends; returns its exit status or raises LabError."""
        started = time.monotonic()
        deadline = started + seconds
        step = "booting Xen"
        steps = {"up": "starting the guests", "guests": "starting the script", "script": "running the script",
                 "saving": "bringing its files out"}
        limit_hit = ""  # the step that the time limit interrupted
        with selectors.DefaultSelector() as selector:
            selector.register(self._qemu.stdout, selectors.EVENT_READ, self._read_console)
            selector.register(self._control, selectors.EVENT_READ, self._read_status)
            while True:
                for key, _ in selector.select(0.5):
                    if not key.data():
                        selector.unregister(key.fileobj)
                for line in self._status_lines():
                    word, _, rest = line.partition(" ")
                    if word == "exit" and rest.isdigit():
                        if limit_hit not in ("", steps["saving"]):
                            raise self._time_limit(limit_hit, seconds)
                        return int(rest)
                    if word == "stopped":
                        raise self._time_limit(limit_hit, seconds)
                    if word == "failed":
                        raise self._failed(rest)
                    if word in steps:
                        say(f"{step}: done {time.monotonic() - started:.0f} s after the start")
                        step = steps[word]
                if self._death or self._qemu.poll() is not None:
                    raise self._died(step, selector)
                if time.monotonic() > deadline:
                    if limit_hit or step == "booting Xen":
                        raise self._time_limit(limit_hit or step, seconds)
                    limit_hit = step
                    deadline += STOP_SECONDS
                    say(f"time limit reached while {step}; stopping")
                    self._dump_registers()
                    self._control.sendall(b"stop\n")

    def _read_console(self):
        block = os.read(self._qemu.stdout.fileno(), 65536)
        self._log.write(block)
        if self._verbose:
            # Not everything printed in there deserves a terminal's obedience.
            text = block.decode("ascii", "replace").replace("\r", "")
            sys.stderr.write("".join(c if c.isprintable() or c in "\n\t" else "?" for c in text))
        # From the line that tells of death on nothing is forgotten: that line may not be whole yet.
        self._tail = (self._tail if self._death else self._tail[-CONSOLE_WINDOW:]) + block
        self._death = DEATH.search(self._tail)
        return bool(block)

    def _read_status(self):
        try:
            block = self._control.recv(4096)
        except ConnectionResetError:
            block = b""
        self._status += block
        return bool(block)

    def _status_lines(self):
        *lines, self._status = self._status.split(b"\n")
        return [line.decode("ascii", "replace").strip() for line in lines]

    def _died(self, step, selector):
        """Collects the last words, then says what happened."""
        end = time.monotonic() + LAST_WORDS_SECONDS
        while time.monotonic() < end and selector.get_map():
            for key, _ in selector.select(0.1):
                if not key.data():
                    selector.unregister(key.fileobj)
        code = BOOT if step == "booting Xen" else PANIC
        if self._death:
            cause = self._death.group(0).decode("ascii", "replace").strip()
        else:
            last = self._tail.decode("ascii", "replace").strip().splitlines()
            cause = f"QEMU ended ({last[-1].strip() if last else 'no output'})"
        return LabError(code, f"{step}: {cause}; see {self._console_path}")

    def _dump_registers(self):
        """Where every CPU is, three times: of a hypervisor that hangs there is no other trace."""
        self._monitor.settimeout(REGISTERS_SECONDS)
        with open(os.path.join(os.path.dirname(self._console_path), "registers.log"), "wb") as log:
            try:
                self._monitor.sendall(b"info registers -a\n" * 3)
                while block := self._monitor.recv(65536):
                    log.write(block)
            except OSError:
                pass  # it has said all it had to say

    def _failed(self, what):
        kind, _, rest = what.partition(" ")
        if kind == "guest":
            return LabError(GUEST, f"guest {rest}; logs in {os.path.dirname(self._console_path)}")
        if kind == "output":
            return LabError(OUTPUT, "the script's files do not fit on the scratch disk; "
                                    "put less into $LAB_OUT")
        return LabError(BOOT, f"dom0: Xen's tools do not answer; see {self._console_path}")

    def _time_limit(self, step, seconds):
        return LabError(TIME_LIMIT, f"{step}: not finished within {seconds} s; "
                                    f"raise --timeout or see {self._console_path}")
