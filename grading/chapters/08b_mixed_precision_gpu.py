# %% [markdown] head=true accelerator="GPU"
# After this chapter you can
#
# - say what float16 and bfloat16 can hold, and what they lose;
# - explain why small gradients vanish in float16, and how scaling the loss rescues them;
# - write a mixed-precision training step with every line in its place;
# - build a loss scaler that finds its own scale.
#
# **Builds on** the training loop (chapter 05), clipping (chapter 04) and the mode of a model
# (chapter 05).
#
# A GPU is welcome but not required. Everything runs on a CPU; only the measurement of speed and
# memory at the end needs a GPU, and it says so when there is none.

# %% setup=true

# %% [markdown]
# ## Before you start
#
# Two questions about earlier chapters: write your letters between the quotes and run the cell again.

# %%
recall("08b", "", "")

# %% [markdown]
# ## Three formats
#
# So far every number in your networks took 32 bits. Half as many would need half the memory, and
# GPUs compute with them several times faster. **Mixed precision** means using 16 bits where they
# are enough, and 32 where they are not. So first: what can 16 bits hold?
#
# A floating-point number is stored as a sign, an exponent and a fraction, like 1.25 x 2**-3. The
# exponent bits decide how large and how small numbers can get. The fraction bits decide how finely they
# are spaced. PyTorch knows these facts: `torch.finfo`. (In Python 2**-3 is two to the power of minus
# three, and 1e-3 is 0.001.)

# %%
formats = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
bits = {"float32": (8, 23), "bfloat16": (8, 7), "float16": (5, 10)}
print("          bits of                       smallest    smallest")
print("format    exponent fraction   largest        normal   subnormal   spacing at 1")
for name, dtype in formats.items():
    info = torch.finfo(dtype)
    exponent, fraction = bits[name]
    subnormal = info.smallest_normal * info.eps
    print(f"{name:9} {exponent:8} {fraction:8} {info.max:9.2e} {info.smallest_normal:13.2e} "
          f"{subnormal:11.2e} {info.eps:14.2e}")  # fmt: skip

# %% [markdown]
# Below the smallest normal number there is a short stretch of *subnormal* numbers: they keep getting
# smaller by giving up fraction bits. Below half of the smallest subnormal number, a value is stored
# as zero. That is called **underflow**; at the other end, becoming infinite is **overflow**.
#
# So the two 16-bit formats make opposite trade-offs. float16 is finer but has a narrow range.
# bfloat16 has the range of float32 but is coarse: just above 1 its numbers are 0.0078 apart.
#
# Turning a number into another format is a **cast**, in PyTorch `.to(dtype)`. It takes the nearest
# number that the format has. What do you expect from these five?

# %%
predict("p08b_1", "", "65519 in float16: 65504 / 65519 / 65520 / inf")
predict("p08b_2", "", "65520 in float16: 65504 / 65519 / 65520 / inf")
predict("p08b_3", "", "2**-24 in float16: 0 / 2**-24")
predict("p08b_4", "", "2**-25 in float16: 0 / 2**-25 / 2**-24")
predict("p08b_5", "", "1.003 in bfloat16: 1 / 1.003 / 1.0078")

# %%
def stored(value, dtype):
    """What is left of a value after a cast."""
    return torch.tensor(value, dtype=torch.float64).to(dtype).item()


print("float16: ", stored(65519.0, torch.float16), stored(65520.0, torch.float16))
print("float16: ", stored(2**-24, torch.float16), stored(2**-25, torch.float16))
print("bfloat16:", stored(1.003, torch.bfloat16))
outcome("p08b_1", f"{stored(65519.0, torch.float16):.0f}")
outcome("p08b_2", f"{stored(65520.0, torch.float16):.0f}")
powers = {0.0: "0", 2**-24: "2**-24", 2**-25: "2**-25"}
outcome("p08b_3", powers[stored(2**-24, torch.float16)])
outcome("p08b_4", powers[stored(2**-25, torch.float16)])
outcome("p08b_5", f"{stored(1.003, torch.bfloat16):.5g}")

# %% [markdown]
# 65,520 is half-way to the next number that would need a larger exponent, so it rounds to infinity.
# 2**-25 is half of the smallest subnormal number and rounds to zero. And in bfloat16, 1 + 0.003
# is 1.
#
# Move the slider through all sizes. Each format's bar spans what it can hold, and below it you see
# what it makes of the value. Where does float16 lose the value? Where does bfloat16? First guess
# which formats make 0 of the value 1e-8.

# %%
predict("p08b_6", "", "float16 / bfloat16 / both / none")

# %% panel="number_formats"

# %%
names = [name for name in ("float16", "bfloat16") if stored(1e-8, getattr(torch, name)) == 0]
outcome("p08b_6", "both" if len(names) == 2 else "none" if not names else names[0])

# %% [markdown]
# That last fact, 1 + 0.003 = 1, has a consequence. A training step adds a small number to a weight:
# in bfloat16 most steps would be lost. This is why mixed precision keeps the **weights in float32**, the
# *master weights*, and uses 16 bits only for the computations.

# %%
weight32, weight16 = torch.tensor(1.0), torch.tensor(1.0, dtype=torch.bfloat16)
for _ in range(100):
    weight32 += 0.001
    weight16 += 0.001
print(f"100 steps of 0.001, float32:  {weight32.item():.3f}")
print(f"100 steps of 0.001, bfloat16: {weight16.item():.3f}")

# %% [markdown]
# ## Autocast
#
# `torch.autocast` chooses for you. Inside it, matrix products run in the 16-bit format that
# you name; sums, losses and other delicate operations stay in float32. The weights stay as they are.

# %%
layer = torch.nn.Linear(4, 3)
x = torch.ones(2, 4)
with torch.autocast("cpu", dtype=torch.bfloat16):
    predictions = layer(x)
    loss = torch.nn.CrossEntropyLoss()(predictions, torch.tensor([0, 2]))
loss.backward()
print("weights:    ", layer.weight.dtype)
print("predictions:", predictions.dtype)
print("loss:       ", loss.dtype)
print("gradients:  ", layer.weight.grad.dtype)

# %% [markdown]
# The weights' gradients are float32, like the weights. Only the forward pass and the loss go under
# `autocast`: the backward pass automatically uses the formats of the forward pass. So on their way
# back the gradients pass through the 16-bit format, and there they can underflow.

# %% [markdown]
# ## Gradients that vanish
#
# Gradients are small. Take a deep network with sigmoid activations. A sigmoid squeezes every number
# into the range 0 to 1, and is not steep anywhere; so each layer on the way back makes the
# gradients several times smaller. The next panel shows the real gradients of such a network on
# handwritten digits, compared with what float16 can hold. Left: how many there are of each size.
# Right: what share of each layer's gradient is lost.
#
# Before you move the slider: the scale multiplies all gradients. How much of the first layer's
# gradient is lost at scale 1? And what goes wrong when the scale is too large?

# %%
predict("p08b_7", "", "lost at scale 1: nothing / a part / all of it")
predict("p08b_8", "", "too large a scale: gives zeros / gives infinities / changes nothing")

# %% panel="loss_scaling"

# %%
from course_lib.simulations import load

at_1, too_large = (
    load("loss_scaling").compute({"exponent": k, "network": "deep"}) for k in (0, 24)
)
lost = at_1.layers[0].lost
outcome("p08b_7", "all of it" if lost == 1 else "a part" if lost else "nothing")
zeros = "gives zeros" if too_large.lost > at_1.lost else "changes nothing"
outcome("p08b_8", "gives infinities" if too_large.infinite else zeros)

# %% [markdown]
# At scale 1, which is 2**0, the first layers get nothing at all: every entry of their gradients is
# zero in float16. They would never learn. With a larger scale the whole hill moves to the right, into
# the range. Too far, and its right-hand edge becomes infinite. In the shallow ReLU network there is
# no problem to solve, and a large scale only does harm.
#
# One multiplication scales them all, because the chain rule is a product: **multiply the loss**,
# and every gradient is multiplied. Divide the gradients again before the step.

# %% [markdown]
# ## Exercise: how much is lost?
#
# Write the measurement behind the panel: what share of the *non-zero* gradients becomes zero when
# they are scaled and cast? A value that lands on a subnormal number has not underflowed. Two tools:
# a boolean mask selects entries, and the mean of a mask is a share. Hints:
# `hint("underflow_fraction")`.

# %%
values = torch.tensor([0.0, 2.0, 0.0, 5.0])
mask = values != 0
print("selected:", values[mask].tolist(), " share of True:", mask.double().mean().item())


# %% solution="underflow_fraction"
def underflow_fraction(grads, dtype, scale=1.0):
    """Measure how much of a gradient is lost in a 16-bit format.

    grads  a tensor of any shape, with a floating-point dtype
    dtype  torch.float16 or torch.bfloat16
    scale  what the gradients are multiplied by before they are cast

    Returns the share of the non-zero entries that are zero after scaling and casting, a
    Python float between 0 and 1; 0.0 when no entry is non-zero.
    """
    ### BEGIN SOLUTION
    values = grads[grads != 0]
    if values.numel() == 0:
        return 0.0
    lost = (values * scale).to(dtype) == 0
    return lost.double().mean().item()
    ### END SOLUTION


# %% tests="underflow_fraction"

# %% [markdown]
# ## The order of the lines
#
# `torch.amp.GradScaler` scales the loss for you, and handles gradients that overflow all the
# same. Name the device: `torch.amp.GradScaler("cpu")` or `("cuda")`. Without a name
# it looks for a GPU, and on a CPU it warns and switches itself off.

# %%
import warnings

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    nameless_scaler = torch.amp.GradScaler()
print("named:   enabled", torch.amp.GradScaler("cpu").is_enabled())
print("nameless: warned and off, or on a GPU:", bool(caught) != nameless_scaler.is_enabled())

# %% [markdown]
# With a scaler, a step has more than the five lines that you know. The `_` at the end of `unscale_`
# means, as everywhere in PyTorch, that something is changed in place: here the gradients of the
# optimizer's parameters.
#
# ```python
# with torch.autocast(device_type, dtype=dtype):
#     predictions = model(x)                    # forward
#     loss = loss_fn(predictions, y)            # loss
# optimizer.zero_grad()
# scaler.scale(loss).backward()                 # backward, on the scaled loss
# scaler.unscale_(optimizer)                    # gradients have their true size again
# torch.nn.utils.clip_grad_norm_(...)           # only now is their norm the true norm
# scaler.step(optimizer)                        # step, or skip it when something is inf or NaN
# scaler.update()                               # adapt the scale
# ```
#
# Clipping in the wrong place is the classic mistake. Before `unscale_` the gradients are 65,536
# times too large (that is the initial scale), and clipping cuts nearly all of them.
#
# When a gradient is infinite or NaN, `scaler.step` skips the step: one batch is lost, but the
# weights are safe. `update` then halves the scale. `scaler.step` unscales by itself if you did not:
# without clipping, you may leave out the line with `unscale_`. Watch it happen, with a gradient
# that is too large on purpose:

# %%
w = torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([w], lr=0.1)
scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
for slope in (2.0, float("inf"), 2.0):
    optimizer.zero_grad()
    scaler.scale((slope * w).sum()).backward()
    scaler.step(optimizer)
    scaler.update()
    print(f"gradient {slope:3}: w = {w.item():.1f}, scale {scaler.get_scale():.0f}")

# %% [markdown]
# ## A run that fails, and its rescue
#
# Now the whole story in one experiment. The deep sigmoid network from above is trained on the
# digits: in float32, in bfloat16, in float16 without a scaler, and in float16 with one. Which of
# the four does not learn?

# %%
predict("p08b_9", "", "float32 / bfloat16 / float16 / float16 with a scaler")

# %%
from course_lib.data import digits, loader
from course_lib.models import MLP

images, labels = digits(size=8)
loss_fn = torch.nn.CrossEntropyLoss()


def train_deep(dtype, use_scaler=False, steps=600):
    """Train the deep network: its losses, and the share of zeros in the first layer's gradient."""
    model = MLP(64, *[64] * 8, 10, activation=torch.nn.Sigmoid, seed=0)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    scaler = torch.amp.GradScaler("cpu", enabled=use_scaler)
    losses, zeros = [], None
    while len(losses) < steps:
        for x, y in loader(images, labels, batch_size=64, seed=len(losses)):
            with torch.autocast("cpu", dtype=dtype, enabled=dtype != torch.float32):
                predictions = model(x)
                loss = loss_fn(predictions, y)
            optimizer.zero_grad()
            scaler.scale(loss).backward()
            if zeros is None:
                zeros = (next(model.parameters()).grad == 0).float().mean().item()
            scaler.step(optimizer)
            scaler.update()
            losses.append(loss.item())
    return losses[:steps], zeros


# %%
runs = {
    "float32": train_deep(torch.float32),
    "bfloat16": train_deep(torch.bfloat16),
    "float16": train_deep(torch.float16),
    "float16 with a scaler": train_deep(torch.float16, use_scaler=True),
}
learning = []
for name, (losses, zeros) in runs.items():
    if sum(losses[-20:]) / 20 < 2.0:  # guessing among ten digits costs 2.30
        learning.append(name)
    print(f"{name:22} {'learns' if name in learning else 'stays at chance'}; "
          f"zeros in the first layer's first gradient: {zeros:.0%}")  # fmt: skip
outcome("p08b_9", ", ".join(name for name in runs if name not in learning))

# %%
from course_lib.beats import AZURE, BROWN, GREY, INK
from course_lib.figures import finish, new_axes, show_figure

figure, axes = new_axes(7.4, 3.8)
looks = ((INK, "-"), (AZURE, "--"), (GREY, ":"), (BROWN, "-."))
for (name, (losses, _)), (color, style) in zip(runs.items(), looks, strict=True):
    smooth = [sum(losses[max(0, i - 9) : i + 1]) / len(losses[max(0, i - 9) : i + 1])
              for i in range(len(losses))]  # fmt: skip
    axes.plot(smooth, color=color, ls=style, lw=2, label=name)
stuck = [name for name in runs if name not in learning]
finish(axes, f"Without progress: {', '.join(stuck) or 'none'}", "step",
       "cross-entropy, mean of 10 batches")  # fmt: skip
show_figure(
    figure,
    f"Far below the loss of guessing, 2.30, end: {', '.join(learning) or 'none'}.\n"
    f"Still at it: {', '.join(stuck) or 'none'}.",
)

# %% [markdown]
# float16 alone stays at 2.30, the loss of guessing among ten digits (log 10). Its first layers get a
# gradient of exactly zero. With the scaler the same format keeps up with float32. And bfloat16 does it
# without a scaler: its smallest numbers are as small as those of float32. (The 12 % of zeros in float32
# are not underflow: those pixels are blank in every picture of the first batch, and a weight whose
# input is 0 has a gradient of 0.)
#
# An honest remark about speed: on a CPU, float16 makes training *slower*. Most CPUs have no
# arithmetic for it and convert back and forth. The gain is on GPUs, whose matrix units work several
# times faster in 16 bits.

# %% [markdown]
# ## Exercise: one step in mixed precision
#
# Write these lines as a function. The device is that of `x` (`x.device.type`). The scaler may be
# switched off (`enabled=False`), as you would do for bfloat16: then none of its methods does
# anything special, and the same lines still work. `max_norm=None` means that nothing is clipped.
#
# A milestone on the way: first without clipping, and the check turns green except for one line.
# Hints: `hint("amp_train_step")`.

# %% solution="amp_train_step"
def amp_train_step(model, x, y, loss_fn, optimizer, scaler, *, dtype, max_norm=None):
    """Take one training step in mixed precision.

    x, y      one batch, on the model's device
    scaler    a torch.amp.GradScaler for that device; it may be switched off
    dtype     torch.float16 or torch.bfloat16: of the forward pass, under autocast
    max_norm  clip the gradients' common norm to this, at their true size; None never clips

    Gradients from before the call have no influence. The model stays in the mode it is in.
    Returns the loss of the batch before the step, unscaled: a Python float.
    """
    ### BEGIN SOLUTION
    with torch.autocast(x.device.type, dtype=dtype):
        predictions = model(x)
        loss = loss_fn(predictions, y)
    optimizer.zero_grad()
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    if max_norm is not None:
        torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)
    scaler.step(optimizer)
    scaler.update()
    return loss.item()
    ### END SOLUTION


# %% tests="amp_train_step"

# %% [markdown]
# ## Exercise: your own scaler
#
# Which scale is right? You cannot know beforehand, and it changes while a network learns.
# `GradScaler` uses a trick: start high. When a gradient overflows, skip the step and halve the
# scale. When nothing has overflowed for a long time, try a scale twice as large. So the scale
# hovers just below the largest that works.
#
# Write that as a class with three methods:
#
# - `scale(loss)` returns the scaled loss;
# - `step(optimizer)` looks at the gradients. If any is inf or NaN, it takes no step and returns
#   False. Otherwise it unscales them, calls `optimizer.step()` and returns True;
# - `update()` adapts the scale. It is the only place where the scale changes, because with two
#   optimizers `step` runs twice before it. Any inf or NaN since the last `update` multiplies the
#   scale by `backoff_factor`, and counting starts again; `growth_interval` good updates in a row
#   multiply it by `growth_factor`.
#
# Milestones: `scale`, and a `step` that always steps; then the skipping; then `update`. Hints:
# `hint("DynamicLossScaler")`.
#
# An optimizer's parameters are in its `param_groups`, and `torch.isfinite` looks at every entry:

# %%
w, unused = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
optimizer = torch.optim.SGD([w, unused], lr=0.1)
w.grad = torch.tensor([1.0, float("inf")])
for group in optimizer.param_groups:
    for p in group["params"]:
        print("gradient:", p.grad, "" if p.grad is None else torch.isfinite(p.grad).all().item())

# %% solution="DynamicLossScaler"
class DynamicLossScaler:
    """Finds a good loss scale on its own, as torch.amp.GradScaler does.

    growth_interval  this many updates in a row without inf or NaN multiply the scale by
                     growth_factor; an inf or NaN multiplies it by backoff_factor

    torch.amp.GradScaler is not allowed: it is what you build.
    """

    ### BEGIN SOLUTION
    def __init__(
        self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    ):
        self.current_scale = init_scale
        self.growth_factor = growth_factor
        self.backoff_factor = backoff_factor
        self.growth_interval = growth_interval
        self.good_updates = 0
        self.found_inf = False

    def scale(self, loss):
        return loss * self.current_scale

    def step(self, optimizer):
        params = [p for group in optimizer.param_groups for p in group["params"]]
        grads = [p.grad for p in params if p.grad is not None]
        if not all(torch.isfinite(grad).all() for grad in grads):
            self.found_inf = True
            return False
        for grad in grads:
            grad /= self.current_scale
        optimizer.step()
        return True

    def update(self):
        if self.found_inf:
            self.current_scale *= self.backoff_factor
            self.good_updates = 0
        else:
            self.good_updates += 1
            if self.good_updates == self.growth_interval:
                self.current_scale *= self.growth_factor
                self.good_updates = 0
        self.found_inf = False
    ### STUB
    # def __init__(
    #     self, init_scale=2.0**16, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000
    # ):
    #     raise NotImplementedError("Write DynamicLossScaler, then run the check below.")
    #
    # def scale(self, loss):
    #     """The loss, times the current scale."""
    #
    # def step(self, optimizer):
    #     """Unscale the gradients of the optimizer's parameters and take its step; skip the step
    #     when one of them is inf or NaN. Parameters without gradient are left out.
    #     Returns True when the step was taken."""
    #
    # def update(self):
    #     """Adapt the scale, once after all optimizers' steps: the only place where it changes."""
    ### END SOLUTION


# %% tests="DynamicLossScaler"

# %% [markdown]
# ## On a GPU: time and memory
#
# The next cell trains one large network in each format and measures the time per step and the peak
# memory. It needs a GPU; without one it says so and measures nothing. TF32 is yet another format:
# float32 on the outside, but 10 fraction bits inside the GPU's matrix units, switched on by
# one line.

# %%
def measure(name, steps=20, width=4096, batch_size=4096):
    """Measure a wide network on the GPU: milliseconds per step and peak memory in GB."""
    import time

    torch.backends.cuda.matmul.allow_tf32 = name == "TF32"
    dtype = {"float16": torch.float16, "bfloat16": torch.bfloat16}.get(name)
    model = MLP(width, width, width, width, width, 10, seed=0).cuda()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
    scaler = torch.amp.GradScaler("cuda", enabled=name == "float16")
    x = torch.randn(batch_size, width, device="cuda")
    y = torch.randint(10, (batch_size,), device="cuda")
    torch.cuda.reset_peak_memory_stats()
    for step in range(steps + 5):
        if step == 5:  # the first steps are slower: they choose algorithms and reserve memory
            torch.cuda.synchronize()
            start = time.perf_counter()
        with torch.autocast("cuda", dtype=dtype, enabled=dtype is not None):
            predictions = model(x)
            loss = loss_fn(predictions, y)
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        scaler.update()
    torch.cuda.synchronize()
    milliseconds = 1000 * (time.perf_counter() - start) / steps
    return milliseconds, torch.cuda.max_memory_allocated() / 1e9


# %%
if torch.cuda.is_available():
    print(torch.cuda.get_device_name())
    for name in ("float32", "TF32", "float16", "bfloat16"):
        milliseconds, gigabytes = measure(name)
        print(f"{name:9} {milliseconds:7.1f} ms per step   peak {gigabytes:.2f} GB")
else:
    print("No GPU here: time and memory are not measured. Everything else ran on the CPU.")

# %% [markdown]
# If you ran this on a GPU: which format is fastest, and which saves memory? The activations kept
# for the backward pass are half as large in 16 bits. The weights, their gradients and Adam's two
# averages are not: they stay in float32.

# %% [markdown]
# ## Quiz
#
# Replace `None` with a letter in quotes, like `q08b_1 = "A"`, and run both cells. Answer from
# memory first.

# %% quiz="q08b_1"

# %% quiz="q08b_2"

# %% quiz="q08b_3"

# %% [markdown]
# ## Recap
#
# 1. float16: fine but narrow. bfloat16: coarse, but as wide as float32.
# 2. Master weights stay in float32; forward and loss run under `autocast`.
# 3. In float16 small gradients become zero. Scale the loss, and unscale before the step.
# 4. scale, backward, unscale_, clip, step, update: in this order.
# 5. On an inf or NaN, the step is skipped and the scale halved. bfloat16 needs no
#    scaler.
#
# **From the bug cheat sheet:** *wrong device*. `GradScaler`, `autocast`, the model and the data each
# name a device; let all of them come from `x.device`.
#
# **Where next:** chapter 09 puts everything into one production loop, with `amp=True` as one of its
# options.
