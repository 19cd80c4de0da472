"""A class's machine: what ``deploy/jupyterhub/setup`` makes of this one, in a folder and with accounts of the
test's own, and its services, started as systemd would. All of it is gone when the test ends.
"""

import configparser
import contextlib
import fcntl
import os
import pwd
import secrets
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil

from grading.paths import REPOSITORY

#: Accounts and groups of this test, and of nothing else on the machine.
GRADER, LEARNERS, INSTRUCTORS = "ptl-test-grader", "ptl-test-learners", "ptl-test-teachers"
TEACHER, ONE, TWO = "ptl-test-teacher", "ptl-test-one", "ptl-test-two"
ACCOUNTS = {TEACHER: INSTRUCTORS, ONE: LEARNERS, TWO: LEARNERS}
#: The proxy's packages: `setup proxy` puts them there.
PROXY = REPOSITORY / ".cache" / "proxy"
VERSION = f"python{sys.version_info[0]}.{sys.version_info[1]}"
_SECONDS = 120
_COPIED = ("course_lib", "deploy", "grading", "notebooks", "constraints.txt", "pyproject.toml")


class Machine:
    """Everything lies below ``root``: repository, environment, course, exchange, homes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.repository, self.environment = root / "repository", root / "environment"
        self.course, self.exchange = root / "grader" / "course", root / "class" / "exchange"
        self.units, self.homes = root / "units", root / "homes"
        self.python = self.environment / "bin" / "python"
        self.passwords = {name: secrets.token_urlsafe(12) for name in ACCOUNTS}
        self.settings = {
            "COURSE_DIRECTORY": self.course,
            "COURSE_EXCHANGE": self.exchange,
            "COURSE_ENVIRONMENT": self.environment,
            "COURSE_PROXY": root / "proxy",
            "COURSE_STATE": root / "state",
            "COURSE_GRADER": GRADER,
            "COURSE_LEARNERS": LEARNERS,
            "COURSE_INSTRUCTORS": INSTRUCTORS,
            "COURSE_CHAPTERS": "02",
            "HUB_IP": "127.0.0.1",
            "HUB_PORT": _free_port(),
            "PROXY_OPTIONS": "",
            "PROXY_API_PORT": _free_port(),
            "HUB_API_PORT": _free_port(),
            "GRADER_PORT": _free_port(),
            "HUB_DATABASE": f"sqlite:///{root}/state/jupyterhub.sqlite",
        }
        self.url = f"http://127.0.0.1:{self.settings['HUB_PORT']}"
        self._started: list[subprocess.Popen] = []

    def make(self) -> None:
        """Files and accounts, by ``setup`` and as README.md says."""
        for folder in (self.units, self.homes):
            folder.mkdir()
        for name in _COPIED:
            place = REPOSITORY / name
            copy = shutil.copytree if place.is_dir() else shutil.copy2
            copy(place, _parent(self.repository / name))
        shutil.copytree(PROXY, self.root / "proxy", symlinks=True)
        _layered(self.environment)
        (self.root / "hub.env").write_text(
            "".join(f"{name}={value}\n" for name, value in self.settings.items())
        )
        self.set_up("accounts", "course", "notebooks", "services")
        for name, group in ACCOUNTS.items():
            home = ["--create-home", "--home-dir", self.homes / name, "--shell", "/bin/bash"]
            _call("useradd", *home, "--groups", group, name)
            _call("chpasswd", text=f"{name}:{self.passwords[name]}\n")

    def set_up(self, *steps: str) -> str:
        own = {"COURSE_SETTINGS": str(self.root / "hub.env"), "COURSE_UNITS": str(self.units)}
        return _call(self.repository / "deploy/jupyterhub/setup", *steps, env={**os.environ, **own})

    def as_user(self, name: str, *command: object) -> subprocess.CompletedProcess[str]:
        """A command as this account runs it, in its home."""
        account = pwd.getpwnam(name)
        return subprocess.run(
            [str(word) for word in command],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=os.getgrouplist(name, account.pw_gid),
            cwd=account.pw_dir,
            env={**_plain(self.environment), "HOME": account.pw_dir, "USER": name},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )

    def start(self, service: str) -> subprocess.Popen:
        """A service as its unit says; what it prints goes to ``root/service.log``."""
        unit = configparser.ConfigParser(strict=False, interpolation=None, dict_type=_Repeated)
        unit.optionxform = str
        unit.read(self.units / f"{service}.service")
        said = {name: value.splitlines() for name, value in unit["Service"].items()}
        environment = _plain(self.environment)
        for file in said.get("EnvironmentFile", []):
            lines = Path(file).read_text().splitlines()
            environment |= dict(line.split("=", 1) for line in lines if "=" in line)
        for line in said.get("Environment", []):
            environment |= dict(word.split("=", 1) for word in line.split())
        [command] = said["ExecStart"]
        words = shlex.split(_with_settings(command, environment))
        name = said.get("User", ["nobody" if "DynamicUser" in said else "root"])[0]
        account = pwd.getpwnam(name)
        with (self.root / f"{service}.log").open("w") as log:
            process = subprocess.Popen(
                words,
                user=account.pw_uid,
                group=account.pw_gid,
                extra_groups=[],
                cwd=said.get("WorkingDirectory", ["/"])[0],
                env={**environment, "HOME": account.pw_dir},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._started.append(process)
        return process

    def log(self, service: str) -> str:
        return (self.root / f"{service}.log").read_text(errors="replace")

    def wait_for(self, path: str, process: subprocess.Popen, service: str) -> None:
        """Until the address answers; fails with the log when the service ends or takes too long."""
        until = time.monotonic() + _SECONDS
        while time.monotonic() < until and process.poll() is None:
            with contextlib.suppress(urllib.error.URLError, ConnectionError):
                urllib.request.urlopen(self.url + path, timeout=5).close()
                return
            time.sleep(0.1)
        raise AssertionError(f"{service} does not answer:\n{self.log(service)[-4000:]}")

    def end(self) -> None:
        """End what was started, and every process of the test's accounts."""
        for process in reversed(self._started):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
        end_processes()
        for process in self._started:
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        remove_accounts()


@contextlib.contextmanager
def running_machine() -> Iterator[Machine]:
    """Set up and running but for ``watch``; one at a time on this computer."""
    with open(Path(tempfile.gettempdir()) / "ptl-hub-test.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        remove_accounts()  # of a run that was killed
        root = Path(tempfile.mkdtemp(prefix="ptl-hub-", dir="/tmp"))
        machine = Machine(root)
        try:
            root.chmod(0o755)
            machine.make()
            proxy = machine.start("training-loop-proxy")
            hub = machine.start("training-loop-hub")
            machine.wait_for("/hub/login", proxy, "training-loop-hub")
            machine.wait_for("/services/grading/formgrader", hub, "training-loop-hub")
            yield machine
        finally:
            machine.end()
            shutil.rmtree(root)


def remove_accounts() -> None:
    end_processes()
    for name in (*ACCOUNTS, GRADER):
        subprocess.run(["userdel", name], capture_output=True)
    for group in (LEARNERS, INSTRUCTORS):
        subprocess.run(["groupdel", group], capture_output=True)


def end_processes() -> None:
    """All that run as the test's accounts."""
    numbers = set()
    for name in (*ACCOUNTS, GRADER):
        with contextlib.suppress(KeyError):
            numbers.add(pwd.getpwnam(name).pw_uid)
    mine = [one for one in psutil.process_iter(["uids"]) if _is_of(one, numbers)]
    for process in mine:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(mine, timeout=20)


def _is_of(process: psutil.Process, numbers: set[int]) -> bool:
    uids = process.info["uids"]
    return uids is not None and uids.real in numbers


def readable_to_all(path: Path) -> bool:
    """Whether every account can read below ``path``."""
    return all(place.stat().st_mode & 0o005 == 0o005 for place in (path, *path.parents))


def interpreter() -> Path | None:
    """A Python that every account can start, of this one's version: this one may be in root's home."""
    for path in (Path(sys.base_prefix, "bin", VERSION), Path("/usr/bin", VERSION)):
        if path.is_file() and readable_to_all(path.resolve()):
            return path
    return None


def package_folders() -> list[str]:
    """Where this Python finds installed packages."""
    return [folder for folder in sys.path if folder.endswith("-packages")]


def _layered(environment: Path) -> None:
    """A learner's environment: the packages of this one, without the repository that it knows."""
    _call(interpreter(), "-m", "venv", "--without-pip", environment)
    packages = environment / "lib" / VERSION / "site-packages"
    # A folder that is named there is searched, and its own .pth files are not read.
    (packages / "packages.pth").write_text("".join(f"{folder}\n" for folder in package_folders()))
    shutil.copytree(REPOSITORY / "course_lib", packages / "course_lib")
    (environment / "share").symlink_to(Path(sys.prefix) / "share")
    shutil.copytree(Path(sys.prefix) / "etc", environment / "etc")
    for script in Path(sys.prefix, "bin").iterdir():
        first, _, rest = (
            script.read_bytes().partition(b"\n") if script.is_file() else (b"", b"", b"")
        )
        if first.startswith(b"#!") and b"python" in first:
            own = environment / "bin" / script.name
            own.write_bytes(f"#!{environment}/bin/python\n".encode() + rest)
            own.chmod(0o755)
    # The page then holds JupyterLab as `window.jupyterapp`.
    settings = environment / "etc" / "jupyter" / "jupyter_lab_config.json"
    settings.write_text('{"LabApp": {"expose_app_in_browser": true}}')


class _Repeated(dict):
    """A unit may name a setting twice: the values come as lines."""

    def __setitem__(self, name, value) -> None:
        if name in self and isinstance(value, list):
            value = [*self[name], *value]
        super().__setitem__(name, value)


def _with_settings(command: str, environment: dict[str, str]) -> str:
    """systemd's ``${NAME}`` and ``$NAME``."""
    for name in sorted(environment, key=len, reverse=True):
        for spelled in (f"${{{name}}}", f"${name}"):
            command = command.replace(spelled, environment[name])
    return command


def _plain(environment: Path) -> dict[str, str]:
    return {"PATH": f"{environment}/bin:/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8"}


def _parent(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def _call(*command: object, text: str | None = None, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(word) for word in command],
        input=text,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=env,
        text=True,
    )
    assert done.returncode == 0, f"{command[0]}: {done.stdout[-4000:]}"
    return done.stdout
