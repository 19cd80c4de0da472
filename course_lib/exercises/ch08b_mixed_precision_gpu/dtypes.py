"""The 16-bit formats by the names that cases give them: a case is plain data."""

import torch

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}
