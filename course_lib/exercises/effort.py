"""How hard each exercise is and how long it takes a newcomer: "easy", "medium" or "hard", and minutes.

Shown in the first lines of its cell. A chapter's minutes have to hold its exercises; a test compares.
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Effort:
    """``minutes`` include reading the task and running the check."""

    difficulty: Literal["easy", "medium", "hard"]
    minutes: int

    def __str__(self) -> str:
        return f"{self.difficulty}, about {self.minutes} minutes"


EFFORT = {
    "order_the_beats": Effort("easy", 2),
    "first_bad_step": Effort("medium", 8),
    "build_mlp": Effort("easy", 5),
    "manual_forward": Effort("easy", 6),
    "trace_shapes": Effort("hard", 14),
    "mse": Effort("easy", 5),
    "softmax": Effort("medium", 8),
    "cross_entropy": Effort("medium", 10),
    "numerical_gradient": Effort("hard", 12),
    "linear_gradients": Effort("medium", 8),
    "gradient_norms": Effort("easy", 6),
    "first_explosion": Effort("hard", 14),
    "sgd_step": Effort("easy", 5),
    "momentum_step": Effort("medium", 7),
    "adam_step": Effort("hard", 14),
    "clip_gradients": Effort("medium", 8),
    "train_one_epoch": Effort("medium", 12),
    "fit": Effort("easy", 4),
    "train_with_accumulation": Effort("hard", 14),
    "count_updates": Effort("easy", 4),
    "iterate_batches": Effort("medium", 10),
    "train_val_split": Effort("easy", 6),
    "StandardizedDataset": Effort("hard", 12),
    "evaluate": Effort("medium", 10),
    "run_experiment": Effort("hard", 14),
    "best_learning_rate": Effort("easy", 6),
    "warmup_cosine": Effort("medium", 8),
    "checkpointing": Effort("hard", 14),
    "EarlyStopping": Effort("hard", 12),
    "underflow_fraction": Effort("easy", 6),
    "amp_train_step": Effort("medium", 12),
    "DynamicLossScaler": Effort("hard", 18),
    "clinic_a": Effort("easy", 3),
    "clinic_b": Effort("easy", 3),
    "clinic_c": Effort("easy", 3),
    "clinic_d": Effort("easy", 3),
    "clinic_e": Effort("easy", 3),
    "clinic_f": Effort("easy", 3),
    "clinic_g": Effort("easy", 3),
    "clinic_h": Effort("easy", 3),
    "train": Effort("hard", 30),
    "Value": Effort("hard", 15),
    "causal_attention": Effort("hard", 12),
    "generate": Effort("medium", 8),
    "shard_indices": Effort("medium", 10),
    "average_gradients": Effort("medium", 8),
    "policy_gradient_loss": Effort("easy", 6),
    "preference_loss": Effort("easy", 6),
}
