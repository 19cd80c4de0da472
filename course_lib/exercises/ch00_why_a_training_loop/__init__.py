"""Chapter 00, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("order_the_beats", "first_bad_step")

QUESTIONS = (
    Question(
        "q00_1",
        "Which order makes one update of the weights?",
        {
            "A": "loss, forward, backward, step",
            "B": "forward, backward, loss, step",
            "C": "forward, loss, step, backward",
            "D": "forward, loss, backward, step",
        },
    ),
    Question(
        "q00_2",
        "A loss suddenly explodes. What does a loop you wrote yourself give you that a single call "
        "to a ready-made `fit()` hides?",
        {
            "A": "It cannot happen in a loop of your own.",
            "B": "PyTorch repairs the step for you when it can see the loop.",
            "C": "You can stop at that step and read each layer's gradients, the weights and the "
            "batch.",
            "D": "It runs faster, so you can try again sooner.",
        },
    ),
    Question(
        "q00_3",
        "In this chapter's run, the gradient of one layer at step 47 is more than 2,000 times its "
        "usual size. You switch clipping on. What does the loss do?",
        {
            "A": "It leaps at step 47 and is back to normal right away.",
            "B": "It stays low at step 47 and afterwards.",
            "C": "It never changes again, because every gradient becomes zero.",
            "D": "Training stops at step 47.",
        },
    ),
)
