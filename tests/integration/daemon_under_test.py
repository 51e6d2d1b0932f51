# SPDX-License-Identifier: MIT
# The daemon as systemd starts it, with all its files in one folder, and TAP lines: what the tests of
# the service share.
import json, os, signal, socket, subprocess, threading, time

root = os.path.join(os.path.dirname(os.path.realpath(__file__)), "../..")
failures = 0
reporting = threading.Lock()  # some tests run at once


def report(name, good, why=""):
    global failures
    with reporting:
        failures += not good
        print(f"ok - {name}" if good else f"not ok - {name}: {str(why)[-500:]!r}", flush=True)


def soon(what, seconds=120):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if what():
            return True
        time.sleep(0.1)
    return False


class Site:
    """A folder with a configuration, and what the commands say of the service there."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.journal, self.metrics = self.path("journal.db"), self.path("metrics.prom")
        self.environment = dict(os.environ, INTELLISCHED_BUNDLE=os.path.join(root, "models/default.bundle"))
        self.config = self.path("config")
        self.asking = self.path("asking")  # what the commands read, for tests that spoil the service's
        self.write_config()
        self.write_config(to=self.asking)

    def path(self, name):
        return os.path.join(self.folder, name)

    def write_config(self, more="", to=None):
        with open(to or self.config, "w") as file:
            file.write(f'journal = "{self.journal}"\nsocket = "{self.path("socket")}"\n'
                       f'metrics = "{self.metrics}"\nmode = "recommend"\n{more}\n')

    def write_scenario(self, text):
        """Its name as a host."""
        with open(self.path("host.scenario"), "w") as file:
            file.write(text)
        return "sim:" + self.path("host.scenario")

    def command(self, *arguments):
        return subprocess.run([self.program, *arguments, "--config", self.asking], env=self.environment,
                              capture_output=True, text=True, timeout=60)

    def status(self):
        done = self.command("status", "--json")
        return json.loads(done.stdout) if done.returncode == 0 else None

    def history(self, kind):
        done = self.command("history", "--json", "--limit", "1000")
        return [entry[kind] for entry in map(json.loads, done.stdout.splitlines()) if kind in entry]


class Service:
    """The daemon, and what it tells systemd."""

    def __init__(self, site, host, *more):
        self.told = []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        path = site.path("notify")
        if os.path.exists(path):
            os.unlink(path)
        self.notify.bind(path)
        # Always read, as systemd does: a full socket would stop the service.
        threading.Thread(target=self.listen, daemon=True).start()
        self.log = open(site.path("log"), "w+")
        self.process = subprocess.Popen(
            [site.program, "daemon", "--config", site.config, "--host", host, *more], stderr=self.log,
            env=dict(site.environment, NOTIFY_SOCKET=path, WATCHDOG_USEC="2000000"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.end(signal.SIGKILL)

    def listen(self):
        while True:
            self.told += self.notify.recv(65536).decode().split("\n")

    def has_told(self, text):
        return any(text in line for line in self.told)

    def log_text(self):
        self.log.seek(0)
        return self.log.read()

    def end(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        return self.process.wait(60)
