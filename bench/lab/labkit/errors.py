# SPDX-License-Identifier: MIT
"""The laboratory's own exit codes, and the one exception that carries them.

A script that runs in dom0 passes its own status on, so these are chosen high
and away from what a shell uses for itself (126, 127, 128+n).
"""

SETUP = 120        # wrong usage, bad plan, a missing file or package
BOOT = 121         # Xen or dom0 did not come up
GUEST = 122        # a guest could not be created or never reported
PANIC = 123        # the hypervisor or dom0 died while the script ran
TIME_LIMIT = 124   # --timeout was reached (the code of timeout(1))
OUTPUT = 125       # the script's files could not be brought out
INTERRUPTED = 130  # Ctrl-C or SIGTERM (128 + SIGINT)


class LabError(Exception):
    """One line that names the thing, the cause and the way out."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
