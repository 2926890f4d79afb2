# SPDX-License-Identifier: Apache-2.0
"""Network namespaces. `with namespace:` moves the calling thread in: sockets made inside belong to it for good, and
child processes started inside run in it."""
import ctypes
import os
import subprocess
import threading
import time

CLONE_NEWNET = 0x40000000
_libc = ctypes.CDLL(None, use_errno=True)
_stack = threading.local()


def _setns(descriptor):
    if _libc.setns(descriptor, CLONE_NEWNET):
        error = ctypes.get_errno()
        raise OSError(error, "setns: " + os.strerror(error))


def run(*command, check=True, timeout=30, text=True, **options):
    """A finished command with its output; on failure the exception says what it printed."""
    result = subprocess.run([str(word) for word in command], stdin=options.pop("stdin", subprocess.DEVNULL),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=text, timeout=timeout, **options)
    if check and result.returncode:
        raise RuntimeError("%s: exit %d\n%s%s" % (" ".join(map(str, command)), result.returncode, result.stdout, result.stderr))
    return result


def stop_process(process, grace=3.0):
    """Ends a child that we started: asks, waits, then insists."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(10)


def wait_until(condition, timeout=5.0, what="condition", pause=0.01):
    """The first true value of condition(); a bounded wait in place of a sleep that hopes."""
    end = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise TimeoutError("waited %.1f s in vain for: %s" % (timeout, what))
        time.sleep(pause)


class Namespace:
    def __init__(self, name):
        self.name = name
        self.processes = []

    @property
    def path(self):
        return "/run/netns/" + self.name

    def create(self):
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")
        return self

    def exists(self):
        return os.path.exists(self.path)

    def delete(self):
        for process in self.processes:
            stop_process(process)
        self.processes.clear()
        if self.exists():
            run("ip", "netns", "del", self.name, check=False)

    def __enter__(self):
        with open("/proc/thread-self/ns/net") as home, open(self.path) as inside:
            keep = os.dup(home.fileno())
            _setns(inside.fileno())
        _stack.__dict__.setdefault("homes", []).append(keep)
        return self

    def __exit__(self, *unused):
        home = _stack.homes.pop()
        _setns(home)
        os.close(home)

    def run(self, *command, **options):
        return run("ip", "netns", "exec", self.name, *command, **options)

    def popen(self, *command, **options):
        """A long-running program; ended with the namespace if not before."""
        options.setdefault("stdin", subprocess.DEVNULL)
        process = subprocess.Popen(["ip", "netns", "exec", self.name, *map(str, command)], **options)
        self.processes.append(process)
        return process

    def sysctl(self, **settings):
        for name, value in settings.items():
            self.run("sysctl", "-qw", "%s=%s" % (name.replace("__", "."), value))
