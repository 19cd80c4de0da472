"""Clips gradients that are still scaled, goes on counting after an overflow."""

# %% underflow_fraction
def underflow_fraction(grads, dtype, scale=1.0):
    there = grads[grads != 0]
    if len(there) == 0:
        return 0.0
    stored = (there * scale).to(dtype)
    return (stored == 0).double().mean().item()

# %% amp_train_step
def amp_train_step(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    optimizer.zero_grad()
    with torch.autocast(x.device.type, dtype=dtype):
        loss = loss_fn(model(x), y)
    scaler.scale(loss).backward()
    if max_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.item()

# %% DynamicLossScaler
class DynamicLossScaler:
    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.factor = init_scale
        self.growth_factor = growth_factor
        self.backoff_factor = backoff_factor
        self.growth_interval = growth_interval
        self.good_updates = 0
        self.overflow = False

    def scale(self, loss):
        return loss * self.factor

    def step(self, optimizer):
        grads = []
        for group in optimizer.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    p.grad.div_(self.factor)
                    grads.append(p.grad)
        for grad in grads:
            if not torch.isfinite(grad).all():
                self.overflow = True
                return False
        optimizer.step()
        return True

    def update(self):
        if self.overflow:
            self.factor *= self.backoff_factor
        else:
            self.good_updates += 1
            if self.good_updates == self.growth_interval:
                self.factor *= self.growth_factor
                self.good_updates = 0
        self.overflow = False

# %% q08b_1
q08b_1 = "A"

# %% q08b_2
q08b_2 = "B"

# %% q08b_3
q08b_3 = "C"
