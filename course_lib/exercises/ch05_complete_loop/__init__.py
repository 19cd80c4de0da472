"""Chapter 05, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("train_one_epoch", "fit", "train_with_accumulation")

QUESTIONS = (
    Question(
        "q05_1",
        "You build a model and an optimizer and call `optimizer.step()` before any `backward()`. "
        "What happens to the weights?",
        {
            "A": "Nothing at all.",
            "B": "PyTorch raises a RuntimeError: there are no gradients.",
            "C": "They move by small random amounts.",
            "D": "They are reset to zero.",
        },
    ),
    Question(
        "q05_2",
        "Where does `optimizer.zero_grad()` break training?",
        {
            "A": "As the first line inside the loop.",
            "B": "Between `loss.backward()` and `optimizer.step()`.",
            "C": "Between the forward pass and the loss.",
            "D": "As the last line, after `optimizer.step()`.",
        },
    ),
    Question(
        "q05_3",
        "A colleague forgot `zero_grad()`, and on the task you share their loss falls *faster* "
        "than yours. What is going on?",
        {
            "A": "That cannot happen: without `zero_grad()` a loss always explodes.",
            "B": "The gradients of all batches are averaged, which makes the steps smoother.",
            "C": "`zero_grad()` is optional, and leaving it out is an optimisation.",
            "D": "The gradients add up like momentum without friction: quick at small learning "
            "rates, unstable at larger ones.",
        },
    ),
)
