# SPDX-License-Identifier: MIT
"""Reads the text plan: pools, guests, settle time and phases (see README.md)."""

import re
import shlex
from dataclasses import dataclass, field

from .errors import SETUP, LabError

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,30}")
CPU_LIST = re.compile(r"all|[0-9^][0-9,^-]*")
LOAD = re.compile(r"[A-Za-z0-9 =._-]{1,200}")


@dataclass
class Guest:
    name: str
    vcpus: int = 1
    memory: int = 128    # MiB
    pool: str = ""       # "": Pool-0
    weight: int = 0      # 0: the scheduler's default, 256
    cap: int = 0         # percent of one pCPU; 0: none
    cpus: str = ""       # hard affinity; "": what xl gives (NUMA soft affinity)
    load: str = "idle"


@dataclass
class Phase:
    name: str
    seconds: int
    loads: dict          # guest name -> load; guests not named keep theirs


@dataclass
class Plan:
    pools: dict = field(default_factory=dict)   # name -> CPU list, e.g. "4-7"
    guests: list = field(default_factory=list)
    phases: list = field(default_factory=list)
    settle: int = 5      # seconds between a change of loads and the phase's start

    def loads(self):
        """Every load specification in the plan, each once."""
        specs = [guest.load for guest in self.guests]
        specs += [load for phase in self.phases for load in phase.loads.values()]
        return list(dict.fromkeys(specs))


def read(path, topology):
    """Reads a plan file and checks it against the machine it is to run on."""
    plan = Plan()
    try:
        with open(path, encoding="utf-8") as stream:
            lines = list(enumerate(stream, 1))
    except (OSError, UnicodeDecodeError) as error:
        raise LabError(SETUP, f"plan {path}: {getattr(error, 'strerror', None) or error}") from error
    for number, line in lines:
        try:
            words = shlex.split(line, comments=True)
            if words:
                _statement(plan, words)
        except ValueError as error:
            raise LabError(SETUP, f"plan {path}:{number}: {error}") from error
    try:
        _check(plan, topology)
    except ValueError as error:
        raise LabError(SETUP, f"plan {path}: {error}") from error
    return plan


def _statement(plan, words):
    keyword, *rest = words
    if keyword == "guest":
        plan.guests.append(_guest(rest))
    elif keyword == "pool":
        name, options = _name_and_options("pool", rest)
        if set(options) != {"cpus"}:
            raise ValueError(f"pool {name}: write `pool {name} cpus=4-7`")
        plan.pools[name] = _match(CPU_LIST, options["cpus"], "cpus")
    elif keyword == "settle":
        if len(rest) != 1:
            raise ValueError("settle: write `settle SECONDS`")
        plan.settle = _number(rest[0], "settle", 0, 3600)
    elif keyword == "phase":
        plan.phases.append(_phase(rest))
    else:
        raise ValueError(f"unknown statement '{keyword}'; there are guest, pool, settle and phase")


def _guest(words):
    name, options = _name_and_options("guest", words)
    guest = Guest(name)
    for key, value in options.items():
        if key == "vcpus":
            guest.vcpus = _number(value, key, 1, 64)
        elif key == "memory":
            guest.memory = _number(value, key, 96, 4096)
        elif key == "weight":
            guest.weight = _number(value, key, 1, 65535)
        elif key == "cap":
            guest.cap = _number(value, key, 0, 6400)
        elif key == "pool":
            guest.pool = _match(NAME, value, key)
        elif key == "cpus":
            guest.cpus = _match(CPU_LIST, value, key)
        elif key == "load":
            guest.load = _match(LOAD, value, key)
        else:
            raise ValueError(f"guest {name}: unknown key '{key}'; "
                             "there are vcpus, memory, pool, weight, cap, cpus and load")
    return guest


def _phase(words):
    if len(words) < 2:
        raise ValueError('phase: write `phase NAME SECONDS GUEST="load"...`')
    name = _match(NAME, words[0], "phase name")
    seconds = _number(words[1], "phase seconds", 1, 86400)
    loads = _options(words[2:])
    for guest, load in loads.items():
        _match(LOAD, load, f"load of {guest}")
    return Phase(name, seconds, loads)


def _check(plan, topology):
    for what, names in (("guest", [guest.name for guest in plan.guests]),
                        ("phase", [phase.name for phase in plan.phases])):
        twice = {name for name in names if names.count(name) > 1}
        if twice:
            raise ValueError(f"{what} {min(twice)} appears twice; give each its own name")
    if "Domain-0" in [guest.name for guest in plan.guests]:
        raise ValueError("guest Domain-0: Xen uses that name; choose another")
    # "lab" is where the laboratory's own logs go, beside the phases' folders.
    if "lab" in [phase.name for phase in plan.phases]:
        raise ValueError("phase lab: the laboratory's logs use that folder; choose another name")
    guests = {guest.name for guest in plan.guests}
    for phase in plan.phases:
        for name in phase.loads:
            if name not in guests:
                raise ValueError(f"phase {phase.name}: no guest '{name}' in this plan")
    for guest in plan.guests:
        if guest.pool and guest.pool not in plan.pools and guest.pool != "Pool-0":
            raise ValueError(f"guest {guest.name}: no pool '{guest.pool}'; add `pool {guest.pool} cpus=...`")
    memory = sum(guest.memory for guest in plan.guests)
    if memory > topology.guest_memory:
        raise ValueError(f"the guests want {memory} MiB, {topology.name} has {topology.guest_memory} MiB "
                         "for guests; lower memory= or choose a bigger topology")


def _name_and_options(keyword, words):
    if not words:
        raise ValueError(f"{keyword}: a name is missing")
    return _match(NAME, words[0], f"{keyword} name"), _options(words[1:])


def _options(words):
    options = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals:
            raise ValueError(f"'{word}' is not key=value")
        options[key] = value
    return options


def _match(pattern, text, what):
    if not pattern.fullmatch(text):
        raise ValueError(f"{what}: '{text}' is not allowed here (must match {pattern.pattern})")
    return text


def _number(text, what, low, high):
    if not re.fullmatch(r"[0-9]{1,9}", text) or not low <= int(text) <= high:
        raise ValueError(f"{what}: '{text}' is not a number from {low} to {high}")
    return int(text)
