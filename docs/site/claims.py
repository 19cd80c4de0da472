"""What the chapters say about their panels, and where a page shows it.

A reader without a kernel must be able to see all of it: the tests walk the built site, bring each
panel to the settings, and compare its sentence. When a chapter says something new about a panel,
it belongs in this list; ``sample.py`` records at least these settings for the tests.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Claim:
    """``words`` stand in the chapter. With the controls at ``settings`` (the others as the panel
    opens) or after the button ``preset``, and at step ``frame`` of a live run, the panel's sentence
    has each of the regular expressions ``shows``."""

    panel: str
    words: str
    shows: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    preset: str | None = None
    frame: int | None = None


def _order(letters: str) -> dict[str, str]:
    return {f"line_{i + 1}": letters[i : i + 1] for i in range(6)}


def _saved(**lost: bool) -> dict[str, bool]:
    return {"weights": True, "optimizer": True, "scheduler": True, "rng": True, **lost}


_EXPLODES = {"optimizer": "sgd", "lr": 10.0}

CLAIMS = (
    # Chapter 00
    Claim(
        "run_gone_wrong",
        "Which layer is pulled far more strongly than before?",
        (
            r"At step 47 the loss is 1\d\d",
            r"head has the largest ratio .*, [23],\d\d\d",
            "999 every",
        ),
        {"step": 47},
    ),
    Claim(
        "run_gone_wrong",
        "The loss falls, and at step 47 it explodes.",
        (r"At step 46 the loss is 1\.", r"highest loss of the run is 1\d\d, at step 47"),
        {"step": 46},
    ),
    Claim(
        "run_gone_wrong",
        "The leap is as high with clipping as without.",
        (r"At step 47 the loss is 1\d\d", "clipping on", r"Weight norm of head: 3\."),
        {"step": 47, "clip": True},
    ),
    Claim(
        "run_gone_wrong",
        "With clipping the weights move only a little",
        (r"the last is 0\.",),
        {"step": 79, "clip": True},
    ),
    # Chapter 01
    Claim(
        "shape_tracker",
        "Of 101,770 parameters, `fc1` holds 100,480.",
        ("101,770 parameters, 100,480 of them in fc1", "After ReLU 4[0-9]%"),
    ),
    Claim(
        "shape_tracker",
        "Memory and work grow with the batch; the parameters do not",
        ("101,770 parameters", r"66\.5 KiB", "6,504,448 multiply-adds"),
        {"batch_size": 64},
    ),
    # Chapter 02
    Claim(
        "loss_landscape",
        "Move P(correct) from 0.66 to 0.01",
        (r"slope -100\.00", r"slope -1\.98"),
        {"p": 0.01},
    ),
    Claim("loss_landscape", "from 0.66 to 0.01", (r"P\(correct\) = 0\.66",)),
    Claim(
        "loss_landscape",
        "can you bring the loss to 0?",
        (r"the loss for target 0 is 0\.000",),
        {"logit_0": 5, "logit_1": -5, "logit_2": -5},
    ),
    # Chapter 03
    Claim(
        "gradient_flow",
        "With the slider you come close: 1.3.",
        (r"prediction 4\.90", r"the loss is 0\.01"),
        {"w": 1.3},
    ),
    Claim(
        "gradient_flow",
        "With x = 0 the weight has no say in the prediction, so dL/dw = 0",
        (r"dL/dw = 0\.00", r"dL/db = -8\.00"),
        {"x": 0.0},
    ),
    Claim(
        "gradient_flow",
        "The gradient is positive where the loss rises with w.",
        (r"dL/dw = 12\.00", "Raising w by 0.1 changes the loss by 1"),
    ),
    Claim(
        "graph_walker",
        "The walk starts at the loss, with dL/dL = 1",
        ("The walk starts at the loss, with dL/dL = 1",),
        {"step": 1},
    ),
    Claim(
        "graph_walker",
        "`AddmmBackward0` is a linear layer.",
        ("A layer: it passes gradients to the bias",),
        {"step": 2},
    ),
    Claim(
        "graph_walker",
        "`AccumulateGrad` is a dead end: a leaf.",
        ("A leaf", "is added to"),
        {"step": 10},
    ),
    Claim(
        "graph_walker",
        "A node that was used twice waits until both gradients have arrived",
        ("2 gradients have arrived here and are added",),
        {"network": "shortcut", "step": 11},
    ),
    # Chapter 04
    Claim(
        "optimizer_race",
        "It gets there all the same, at step 114.",
        (r"learning rate 0\.032", "SGD: there at step 114"),
    ),
    Claim("optimizer_race", "and is there at step 61.", (r"momentum 0\.9: there at step 61",)),
    Claim(
        "optimizer_race",
        "crosses the floor only 3 times.",
        (r"Adam: not there: .* above, path length 3\.\d, 3 crossings",),
        preset="Race",
        frame=150,
    ),
    Claim(
        "optimizer_race",
        "SGD and momentum are thrown out at once. Adam is there at step 56.",
        ("SGD: out of sight at step 1,", "Adam: there at step 56"),
        preset="Rate 0.1",
        frame=150,
    ),
    Claim(
        "optimizer_race",
        "sits there for a long time.",
        ("Saddle", "SGD: not there"),
        preset="Leave a saddle",
        frame=150,
    ),
    # Chapter 05
    *(
        Claim(
            "beat_sequencer",
            "Before the forward pass, before `backward`, after `step`",
            (r"Learning: the loss goes from 0\.55\d to 0\.02\d",),
            _order(order),
        )
        for order in ("ZFLBS", "FLZBS", "FLBSZ")
    ),
    Claim(
        "beat_sequencer",
        "**`zero_grad` between `backward` and `step` stops everything.**",
        ("Standing still: no weight ever moves",),
        preset="Clear before step",
    ),
    Claim(
        "beat_sequencer",
        "**`step` at the very front** still learns, one batch late.",
        ("Learning", "one batch late"),
        _order("SFLZB"),
    ),
    Claim(
        "beat_sequencer",
        "**`step` between forward and `backward`** raises an error, from the second batch on.",
        ("Batch 2 stops at backward", "inplace operation"),
        preset="Step after forward",
    ),
    Claim(
        "beat_sequencer",
        "A slot can stay empty, and a beat can come",
        ("F L Z B S S",),
        preset="Step twice",
    ),
    Claim(
        "zero_grad",
        "At the default rate of 0.1 the uncleared run ends hundreds of times higher.",
        (r"of 0\.03 with cleared gradients, and 22 without clearing",),
    ),
    Claim(
        "zero_grad",
        "At 0.001 it is the *better* one",
        ("the loss ends lower",),
        {"lr": 0.001},
    ),
    # Chapter 06
    Claim(
        "gradient_noise",
        "Between 64 and 128 examples the noise is as large as the gradient.",
        (r"typically 1\.\d\d times the full gradient's length",),
        {"batch_size": 64},
    ),
    Claim(
        "gradient_noise",
        "Between 64 and 128 examples the noise is as large as the gradient.",
        (r"typically 0\.\d\d times the full gradient's length",),
        {"batch_size": 128},
    ),
    Claim("gradient_noise", "1,797 of them at batch size 1", ("1,797 updates",), {"batch_size": 1}),
    Claim("gradient_noise", "two at 1,024", ("makes 2 updates",), {"batch_size": 1024}),
    Claim(
        "shuffling",
        "Below, a diagonal appears: each class is learned when its turn comes and lost",
        (r"sorted by class, the mean accuracy is 0\.1", r"shuffled, the mean accuracy is 0\.9"),
    ),
    Claim(
        "shuffling",
        "with a smaller learning rate the network forgets more slowly, and learns more slowly too",
        (r"shuffled, the mean accuracy is 0\.[67]", r"sorted by class, the mean accuracy is 0\.2"),
        {"lr": 0.01},
    ),
    Claim(
        "shuffling",
        "shuffling *whole batches* of sorted data helps a lot",
        (r"whole batches shuffled, the mean accuracy is 0\.9",),
        {"order": "blocks"},
    ),
    Claim(
        "shuffling",
        "shuffling within a window of two classes helps little",
        (r"two classes at a time, the mean accuracy is 0\.[34]",),
        {"order": "windows"},
    ),
    # Chapter 07
    Claim(
        "dashboard",
        "About half of the points are on the right side.",
        (r"epoch 0 \(0 updates\)", r"accuracy 0\.5"),
    ),
    Claim(
        "dashboard",
        "The loss stays on a plateau near 0.69 at first",
        (r"epoch 1 \(10 updates\), cross-entropy loss 0\.(69|70)",),
        frame=10,
    ),
    Claim(
        "dashboard",
        "Then it falls steeply while the curve closes.",
        (r"epoch 30 ", r"loss 0\.2", r"accuracy 0\.9"),
        preset="Adam at 0.01",
        frame=300,
    ),
    Claim(
        "dashboard",
        "It leaps far above 50, where guessing costs 0.69, and stays finite.",
        (r"SGD, lr 10, .*epoch 50 ", r"largest batch loss (9\d|1\d\d)"),
        preset="SGD at 10",
        frame=500,
    ),
    Claim(
        "dashboard",
        "*Explode* does it to Adam",
        (r"Adam, lr 10, .*epoch 50 ", r"largest batch loss (9\d|1\d\d)"),
        preset="Explode",
        frame=500,
    ),
    Claim(
        "dashboard",
        "press *SGD at 10*, set *Loss* to squared error, and press Train",
        ("the loss has been infinite or NaN since update",),
        {**_EXPLODES, "loss": "squared error"},
        frame=20,
    ),
    Claim(
        "dashboard",
        "It moves by 0.02 in nearly 500 updates",
        (r"epoch 50 \(500 updates\), cross-entropy loss 0\.70",),
        preset="Adam at 0.0001",
        frame=500,
    ),
    Claim(
        "dashboard",
        "SGD glides and is slow; Adam is there in a few epochs",
        (r"SGD, .* accuracy 0\.6.* beside it Adam, .* accuracy 0\.9",),
        preset="SGD against Adam",
        frame=200,
    ),
    Claim(
        "dashboard",
        "The button *Batch 1 against 128* shows the extreme",
        (r"8,000 updates.* beside it .*batch 128: epoch 50 \(100 updates\)",),
        preset="Batch 1 against 128",
        frame=8000,
    ),
    Claim(
        "dashboard",
        "*Second run beside it* offers both views",
        (r"batch 16: epoch 50 .*batch 128: epoch 50 \(100 updates\), cross-entropy loss 0\.4",),
        {"second": "epochs"},
        frame=500,
    ),
    Claim(
        "dashboard",
        "as many epochs, or as many updates",
        (r"batch 16: epoch 50 .*batch 128: epoch 250 \(500 updates\), cross-entropy loss 0\.0",),
        {"second": "updates"},
        frame=500,
    ),
    # Chapter 08
    Claim(
        "lr_schedules",
        "a warm-up of 0 % makes the last schedule the same as the cosine",
        (r"cosine 0\.0994, .*warm-up \+ cosine 0\.0994",),
        {"warmup": 0},
    ),
    Claim(
        "lr_schedules",
        "A gamma of 1 makes the steps flat.",
        (r"step 0\.1000", "multiplies by 1 every"),
        {"gamma": 1.0, "at": 100},
    ),
    Claim(
        "lr_schedules",
        "On the logarithmic axis the steps become a straight staircase",
        ("The axis for the rates is logarithmic",),
        {"log": True},
    ),
    Claim(
        "lr_schedules",
        "how many of the five end at (almost) 0, below",
        (r"constant 0\.1000", r"cosine \de-0\d, one-cycle \de-0\d, warm-up \+ cosine \de-0\d"),
        {"at": 100},
    ),
    Claim(
        "crash_and_resume",
        "the two curves are the same, to the last bit",
        ("Everything saved: the same run", "Largest difference between the two: below 1e-9"),
        _saved(),
    ),
    Claim(
        "crash_and_resume",
        "**Optimizer lost:** a jump.",
        ("The loss jumps",),
        _saved(optimizer=False),
    ),
    Claim(
        "crash_and_resume",
        "After a crash in the first 10 epochs you see none",
        ("No visible bump",),
        {**_saved(optimizer=False), "crash": 10},
    ),
    Claim(
        "crash_and_resume",
        "**Scheduler lost:** no bump",
        ("No visible bump, but a different run", "the scheduler's state"),
        _saved(scheduler=False),
    ),
    Claim(
        "crash_and_resume",
        "**Random generator lost:** no bump",
        ("No visible bump, but a different run", "the random generator's state"),
        _saved(rng=False),
    ),
    Claim(
        "crash_and_resume",
        "Often the damaged run even ends lower.",
        (r"the last 3 epochs have a mean of 0\.03\d and 0\.04\d",),
        _saved(optimizer=False),
    ),
    Claim(
        "early_stopping",
        "With a patience of 1 the first small rise ends the run",
        ("Too impatient", "patience 1 stops"),
    ),
    Claim(
        "early_stopping",
        "beyond about ten there is hardly anything left to find",
        ("patience 10 stops after epoch", r"found|good"),
        {"patience": 10},
    ),
    Claim(
        "early_stopping",
        "more patience costs time and gains nothing",
        ("patience 50 stops after epoch", r"found|good"),
        {"patience": 50},
    ),
    Claim(
        "early_stopping",
        "Choose the run that overfits strongly, and it turns",
        ("At the end the validation loss is",),
        {"patience": 10, "run": "strong"},
    ),
    # Chapter 08b
    Claim(
        "number_formats",
        "Where does float16 lose the value?",
        ("Too small for float16: stored as zero",),
        {"value": 1e-08},
    ),
    Claim(
        "number_formats",
        "Where does float16 lose the value?",
        ("Too large for float16: stored as infinity",),
        {"value": 100000.0},
    ),
    Claim(
        "number_formats",
        "Where does bfloat16?",
        ("Too small for bfloat16 and float16",),
        {"value": 1e-41},
    ),
    Claim(
        "number_formats",
        "Where does bfloat16?",
        ("Too large for float32, bfloat16 and float16",),
        {"value": 1e39},
    ),
    Claim(
        "loss_scaling",
        "At scale 1, which is 2**0, the first layers get nothing at all",
        ("layers 1, 2 get no gradient at all",),
    ),
    Claim(
        "loss_scaling",
        "With a larger scale the whole hill moves to the right, into the range.",
        ("every layer gets some gradient",),
        {"exponent": 10},
    ),
    Claim(
        "loss_scaling",
        "Too far, and its right-hand edge becomes infinite.",
        (r"and 0\.\d+ % become infinite",),
        {"exponent": 24},
    ),
    Claim(
        "loss_scaling",
        "In the shallow ReLU network there is no problem to solve",
        (r"0\.0\d+ % of the non-zero gradients become zero", "every layer gets some gradient"),
        {"network": "shallow"},
    ),
    Claim(
        "loss_scaling",
        "a large scale only does harm",
        (r"1\d % become infinite",),
        {"network": "shallow", "exponent": 24},
    ),
    # Chapter 09
    *(
        Claim(
            "bug_clinic",
            "**Two patients stop at once**",
            ("No curve: stopped at the first batch", "RuntimeError"),
            {"patient": patient},
        )
        for patient in (2, 5)
    ),
    *(
        Claim("bug_clinic", "**Three look like a learning problem**", (sign,), {"patient": patient})
        for patient, sign in ((4, "oscillates and grows"), (7, "leaps"), (3, "hardly moves"))
    ),
    *(
        Claim("bug_clinic", "**Three are quiet**", (sign,), {"patient": patient})
        for patient, sign in ((6, "sticks far above 0"), (1, "jumps about"), (8, "Memory grows"))
    ),
    *(
        Claim(
            "bug_clinic",
            "tick *Reveal the bug*",
            ("The bug: ", "Instead of: "),
            {"patient": patient, "reveal": True},
        )
        for patient in range(1, 9)
    ),
    Claim("bug_clinic", "make a guess", ("Your guess: wrong device",), {"guess": 3}),
    # Chapter 10
    Claim(
        "attention_map",
        "head 2 looks from position 4 at the second number",
        (r"head 2: position 4 .* 0\.9\d at '9' \(position 3\)",),
        {"head": 2},
    ),
    Claim(
        "attention_map",
        "head 1 looks at the second number and head 2 mostly at the first",
        (r"head 1: position 5 .* (0\.9\d|1\.00) at '9' \(position 3\)",),
        {"place": 5},
    ),
    Claim(
        "attention_map",
        "head 1 looks at the second number and head 2 mostly at the first",
        (r"head 2: position 5 .* 0\.[67]\d at '7' \(position 1\)",),
        {"place": 5, "head": 2},
    ),
    Claim(
        "attention_map",
        "head 2 puts all of its weight at position 4 on position 5",
        (r"head 2: position 4 .* (0\.99|1\.00) at '1' \(position 5\)",),
        {"mask": False, "head": 2},
    ),
    Claim(
        "attention_map",
        "**And it writes nonsense**: asked 7+9= it writes 59.",
        (r"loss is 0\.00; asked 7\+9= the model writes 59, and 5\d of 100",),
        {"mask": False},
    ),
    Claim(
        "attention_map",
        "The model with the mask gets all 100 sums",
        (r"loss is 0\.46; asked 7\+9= the model writes 16, and 100 of 100",),
    ),
    Claim(
        "data_parallel",
        "each replica learns its own digits and forgets the others",
        ("The replicas go astray", r"the loss on all digits is 2\.9\d, 2\.9\d;"),
    ),
    Claim(
        "data_parallel",
        "With shards that look alike the replicas only drift apart.",
        ("The replicas drift apart",),
        {"shards": "alike"},
    ),
    Claim(
        "data_parallel",
        "**With averaging** all curves fall together, on the grey one",
        (r"is 0\.63, 0\.63; one worker with the whole batches has 0\.63", "less than 1e-9"),
        {"average": True},
    ),
    Claim(
        "policy_gradient",
        "**Without a baseline** 13 of 20 runs settle on the best lever.",
        ("13 of 20 runs settled on it",),
    ),
    Claim(
        "policy_gradient",
        "With a baseline all 20 find it, at the same rate.",
        ("20 of 20 runs settled on it",),
        {"baseline": True},
    ),
    Claim(
        "policy_gradient",
        "without a baseline most runs settle on a worse lever within a few steps",
        ("Most runs settle on a worse lever: without a baseline, learning rate 1,",),
        {"lr": 1.0},
    ),
    Claim(
        "policy_gradient",
        "With a baseline all 20 runs find the best one.",
        ("Every run finds the best lever: with a baseline, learning rate 1,",),
        {"lr": 1.0, "baseline": True},
    ),
    Claim(
        "policy_gradient",
        "it acts like ten times the learning rate",
        (
            "Most runs settle on a worse lever: without a baseline, learning rate 0.1, rewards times 10",
        ),
        {"scale": 10.0},
    ),
)
