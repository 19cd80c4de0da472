"""JupyterHub for the course, on one machine whose accounts are the learners'. The settings come from
``hub.env``; ``setup`` makes everything that they name.
"""

import grp
import os
import pwd
import stat
from pathlib import Path

from jupyterhub.auth import PAMAuthenticator

c = get_config()  # noqa: F821 - JupyterHub's

SETTINGS = os.environ
PYTHON = f"{SETTINGS['COURSE_ENVIRONMENT']}/bin/python"
STATE = Path(SETTINGS["COURSE_STATE"])
LEARNERS, INSTRUCTORS = SETTINGS["COURSE_LEARNERS"], SETTINGS["COURSE_INSTRUCTORS"]
COURSE = SETTINGS["COURSE_DIRECTORY"]
#: The grader's pages: /services/grading/formgrader.
SERVICE = "grading"


class SystemAccounts(PAMAuthenticator):
    """The machine's own accounts. The hub's groups are the system's, as of each login."""

    async def authenticate(self, handler, data):
        name = await super().authenticate(handler, data)
        if name is None:
            return None
        groups = os.getgrouplist(name, pwd.getpwnam(name).pw_gid)
        return {"name": name, "groups": [grp.getgrgid(number).gr_name for number in groups]}


def close_home(spawner) -> None:
    """Nobody but its owner enters a home, however the account was made."""
    home = Path(pwd.getpwnam(spawner.user.name).pw_dir)
    home.chmod(stat.S_IMODE(home.stat().st_mode) & 0o700)


c.JupyterHub.authenticator_class = SystemAccounts
c.Authenticator.manage_groups = True
c.LocalAuthenticator.allowed_groups = {LEARNERS, INSTRUCTORS}

# The proxy is a service of its own, so that a restart of the hub ends nobody's notebook.
c.JupyterHub.bind_url = f"http://{SETTINGS['HUB_IP']}:{SETTINGS['HUB_PORT']}"
c.JupyterHub.hub_bind_url = f"http://127.0.0.1:{SETTINGS['HUB_API_PORT']}"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{SETTINGS['PROXY_API_PORT']}"
c.JupyterHub.cleanup_servers = False

c.JupyterHub.db_url = SETTINGS["HUB_DATABASE"]
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")

# Learners' servers: as themselves, in their home, with the course's environment.
c.Spawner.cmd = [PYTHON, "-m", "jupyterhub.singleuser"]
c.Spawner.default_url = "/lab"
c.Spawner.environment = {
    "PATH": f"{SETTINGS['COURSE_ENVIRONMENT']}/bin:/usr/local/bin:/usr/bin:/bin"
}
c.Spawner.env_keep = ["LANG", "LC_ALL"]
c.Spawner.pre_spawn_hook = close_home
c.Spawner.start_timeout = 120
c.Spawner.http_timeout = 120

# Formgrader: a server of the grader's in the course directory, which instructors open. Everything that it
# can do, its terminals included, it does as the grader.
c.JupyterHub.services = [
    {
        "name": SERVICE,
        "display": True,
        "url": f"http://127.0.0.1:{SETTINGS['GRADER_PORT']}",
        "command": [
            *(PYTHON, "-m", "jupyterhub.singleuser"),
            f"--ServerApp.root_dir={COURSE}",
            "--ServerApp.default_url=/formgrader",
            "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}",
        ],
        "user": SETTINGS["COURSE_GRADER"],
        "cwd": COURSE,
        "environment": {
            "HOME": COURSE,
            "PATH": c.Spawner.environment["PATH"],
            "PYTHONPATH": SETTINGS["COURSE_REPOSITORY"],
        },
        "oauth_no_confirm": True,
        "timeout": 120,
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "course-instructor",
        "groups": [INSTRUCTORS],
        "scopes": [f"access:services!service={SERVICE}"],
    }
]
