"""A plug-in of pytest: the tests of this process compute with noise, ``-p tests.everywhere.noisy_process``.

``COURSE_NOISE`` is the seed. For cells of notebooks, which compute in kernels, see ``noisy_replay``.
"""

import os

from tests.everywhere import noise

noise.install(int(os.environ["COURSE_NOISE"]))
