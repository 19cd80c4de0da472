"""The jupyter_client provisioner for kernels in a box: starts one there, or has one forked there.

Used by ``kernel`` through ``BoxSpecManager``.
"""

import os
import subprocess
from importlib.metadata import EntryPoint
from typing import Any

from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.provisioning import KernelProvisionerFactory, LocalProvisioner

from grading.runner.sandbox import Box
from grading.runner.zygote import Zygote

PROVISIONER = "training-loop-sandbox"


class SandboxProvisioner(LocalProvisioner):
    """Starts the command of a ``Box``, which its kernel spec carries, in place of a bare kernel;
    where the spec has a zygote, that forks the kernel."""

    async def pre_launch(self, **kwargs: Any) -> dict[str, Any]:
        kwargs = await super().pre_launch(**kwargs)
        box: Box = self.kernel_spec.metadata["box"]
        if box.uid is not None:
            os.chown(self.parent.connection_file, box.uid, box.uid)
        # ipykernel ends itself when the parent that JPY_PARENT_PID names is not there: inside, it
        # never is. bubblewrap's --die-with-parent does that work.
        kwargs["independent"] = box.settings["private"]
        kwargs["env"] = dict(box.environment)
        kwargs["cwd"] = "/"
        kwargs["pass_fds"] = box.handed_on
        kwargs["stdout"] = subprocess.DEVNULL
        return kwargs | box.identity

    async def launch_kernel(self, cmd: list[str], **kwargs: Any) -> KernelConnectionInfo:
        box: Box = self.kernel_spec.metadata["box"]
        zygote: Zygote | None = self.kernel_spec.metadata["zygote"]
        if zygote is not None:
            self.process = zygote.fork(box.settings)
            self.pid = self.process.pid
            return self.connection_info
        with box.errors.open("wb") as errors:
            return await super().launch_kernel(cmd, stderr=errors, **kwargs)


class BoxSpecManager(KernelSpecManager):
    """Knows one kernel: the one that starts in ``box``, forked by ``zygote`` if there is one."""

    def __init__(self, box: Box, zygote: Zygote | None) -> None:
        super().__init__()
        self.box, self.zygote = box, zygote

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        # Makes the provisioner known without installing this repository as a distribution.
        factory = KernelProvisionerFactory.instance()
        place = f"{__name__}:{SandboxProvisioner.__name__}"
        factory.provisioners.setdefault(
            PROVISIONER, EntryPoint(PROVISIONER, place, KernelProvisionerFactory.GROUP_NAME)
        )
        return KernelSpec(
            argv=self.box.command(),
            display_name="Sandboxed Python",
            language="python",
            interrupt_mode="message",
            metadata={
                "box": self.box,
                "zygote": self.zygote,
                "kernel_provisioner": {"provisioner_name": PROVISIONER},
            },
        )
