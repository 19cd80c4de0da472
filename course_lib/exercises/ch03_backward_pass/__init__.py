"""Chapter 03, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("numerical_gradient", "linear_gradients", "gradient_norms", "first_explosion")

QUESTIONS = (
    Question(
        "q03_1",
        "`loss.backward()` has just returned. What is different now?",
        {
            "A": "The weights have moved a little downhill.",
            "B": "`loss` has a smaller value than before.",
            "C": "Every intermediate result of the forward pass has its `.grad` filled.",
            "D": "The parameters that the loss depends on have their `.grad` filled.",
        },
    ),
    Question(
        "q03_2",
        "With w = 2, b = 1, x = 3 and target 5, the loss (w x + b - target)² has dL/dw = 12. "
        "What does the 12 tell you?",
        {
            "A": "The best w is 2 - 12 = -10.",
            "B": "Raising w by 0.001 raises the loss by about 0.012.",
            "C": "The loss at this point is 12.",
            "D": "The next optimizer step sets w to 12.",
        },
    ),
    Question(
        "q03_3",
        "You run forward and backward on one batch, then forward and backward on another, without "
        "clearing anything in between. What does `.grad` hold?",
        {
            "A": "The sum of the two gradients.",
            "B": "The gradient of the second batch.",
            "C": "The mean of the two gradients.",
            "D": "The gradient of the first batch: the second `backward()` raises an error.",
        },
    ),
)
