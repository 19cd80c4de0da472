"""Chapter 08b, public half: its exercises in the order of the notebook, and the quiz's questions.

Everything runs on the CPU; a case's ``device`` may name a GPU, which the tests use where one is.
"""

from course_lib.quiz import Question

EXERCISES = ("underflow_fraction", "amp_train_step", "DynamicLossScaler")

QUESTIONS = (
    Question(
        "q08b_1",
        "A gradient of 1e-8 is cast to float16. What is stored?",
        {
            "A": "0",
            "B": "1e-8",
            "C": "6e-5, the smallest normal number",
            "D": "inf",
        },
    ),
    Question(
        "q08b_2",
        "Where does `clip_grad_norm_` belong in a step with a `GradScaler`?",
        {
            "A": "before `scaler.scale(loss).backward()`",
            "B": "between `backward()` and `scaler.unscale_(optimizer)`",
            "C": "after `scaler.step(optimizer)`",
            "D": "between `scaler.unscale_(optimizer)` and `scaler.step(optimizer)`",
        },
    ),
    Question(
        "q08b_3",
        "Why can training in bfloat16 do without a scaler?",
        {
            "A": "It is more precise than float16.",
            "B": "Autocast scales the loss by itself.",
            "C": "It has the exponent range of float32, so gradients hardly underflow.",
            "D": "The hardware keeps its gradients in float32.",
        },
    ),
)
