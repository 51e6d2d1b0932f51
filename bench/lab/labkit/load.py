# SPDX-License-Identifier: MIT
"""Asks guest-load whether it understands a plan's loads, before anything boots."""

import os
import subprocess

from .errors import SETUP, LabError


def check_loads(guest_load, specs):
    if not os.access(guest_load, os.X_OK):
        raise LabError(SETUP, f"{guest_load}: no such program; build it (`meson compile -C build guest-load`) "
                              "or name it with --guest-load")
    for spec in specs:
        done = subprocess.run([str(guest_load), "--check", "--load", spec], capture_output=True, text=True)
        if done.returncode != 0:
            raise LabError(SETUP, f"load \"{spec}\": {done.stderr.strip()}")
