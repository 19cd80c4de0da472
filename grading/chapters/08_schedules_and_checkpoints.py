# %% [markdown] head=true
# After this chapter you can
#
# - change the learning rate while you train, and say what each common schedule does;
# - save a run so that it goes on after a crash as if nothing had happened;
# - stop training at the right moment, and keep the best weights rather than the last ones.
#
# **Builds on** the optimizer (chapter 04), the loop (chapter 05), the loader (chapter 06) and
# `evaluate` (chapter 07).

# %% setup=true

# %% solution="warmup_cosine"
import math


def warmup_cosine(step, total_steps, warmup_steps, max_lr, min_lr=0.0):
    """The learning rate at ``step``, counted from 0.

    Before ``warmup_steps`` it is max_lr * step / warmup_steps. From there half a cosine
    leads from max_lr, at ``warmup_steps``, down to min_lr, at ``total_steps``; from
    ``total_steps`` on it stays min_lr. ``warmup_steps`` may be 0, and may be all of
    ``total_steps``.

    Returns a Python float.
    """
    ### BEGIN SOLUTION
    if step >= total_steps:
        return min_lr
    if step < warmup_steps:
        return max_lr * step / warmup_steps
    progress = (step - warmup_steps) / (total_steps - warmup_steps)
    return min_lr + (max_lr - min_lr) * (1 + math.cos(math.pi * progress)) / 2
    ### END SOLUTION


# %% tests="warmup_cosine"

# %% solution="checkpointing"
def save_checkpoint(path, model, optimizer, scheduler, epoch):
    """Write the state of a run to the file at ``path`` (a str or a Path).

    epoch  the epoch that has just been finished, counted from 0
    Everything that an exact continuation needs goes into the file, PyTorch's random
    state included, and torch.load(path, weights_only=True) opens it. Saving changes
    nothing about the run. Returns nothing.
    """
    ### BEGIN SOLUTION
    checkpoint = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler.state_dict(),
        "epoch": epoch,
        "rng_state": torch.get_rng_state(),
    }
    torch.save(checkpoint, path)
    ### END SOLUTION


def load_checkpoint(path, model, optimizer, scheduler):
    """Put the run that was saved at ``path`` into these three objects, which are new.

    A run that goes on from here equals, exactly, one that was never interrupted.
    Returns the first epoch still to run: an int.
    """
    ### BEGIN SOLUTION
    checkpoint = torch.load(path, weights_only=True)
    model.load_state_dict(checkpoint["model"])
    optimizer.load_state_dict(checkpoint["optimizer"])
    scheduler.load_state_dict(checkpoint["scheduler"])
    torch.set_rng_state(checkpoint["rng_state"])
    return checkpoint["epoch"] + 1
    ### END SOLUTION


# %% tests="checkpointing"

# %% solution="EarlyStopping"
import copy
import math


class EarlyStopping:
    """Watches the validation loss and says when to stop.

    An epoch is an improvement when val_loss < best_loss - min_delta. NaN never is.

    best_loss   the loss of the last improvement; infinity before the first one
    best_state  a copy of the model's state_dict at that epoch; None before
    """

    def __init__(self, patience=10, min_delta=0.0):
        ### BEGIN SOLUTION
        self.patience = patience
        self.min_delta = min_delta
        self.best_loss = math.inf
        self.best_state = None
        self.bad_epochs = 0
        ### END SOLUTION

    def step(self, val_loss, model):
        """Note the epoch's validation loss (a float). Returns True to stop, else False.

        True comes at the ``patience``-th epoch in a row without an improvement.
        """
        ### BEGIN SOLUTION
        if val_loss < self.best_loss - self.min_delta:
            self.best_loss = val_loss
            self.best_state = copy.deepcopy(model.state_dict())
            self.bad_epochs = 0
        else:
            self.bad_epochs += 1
        return self.bad_epochs >= self.patience
        ### END SOLUTION


# %% tests="EarlyStopping"

# %% quiz="q08_1"

# %% quiz="q08_2"

# %% quiz="q08_3"
