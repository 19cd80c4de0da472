"""Chapter 08, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("warmup_cosine", "checkpointing", "EarlyStopping")

QUESTIONS = (
    Question(
        "q08_1",
        "Your checkpoint holds the weights and the scheduler, but not the state of Adam. "
        "What happens when you resume from it?",
        {
            "A": "Nothing differs: what a network has learned is in its weights.",
            "B": "Loading raises an error, because the scheduler is missing its optimizer.",
            "C": "The network has forgotten the examples of the earlier epochs.",
            "D": "Adam's averages and the current learning rate start afresh: the loss jumps.",
        },
    ),
    Question(
        "q08_2",
        "An epoch has ten batches or more. You build "
        "`OneCycleLR(optimizer, max_lr, total_steps=epochs * len(loader))` and call "
        "`scheduler.step()` once per *epoch*. What happens?",
        {
            "A": "The learning rate ends near 0, as planned.",
            "B": "The learning rate never gets past the first part of its rise.",
            "C": "The scheduler raises a ValueError at the end.",
            "D": "The scheduler notices the rhythm and stretches its curve.",
        },
    ),
    Question(
        "q08_3",
        "At the best epoch you write `best = model.state_dict()`. Training goes on for ten "
        "epochs; then you call `model.load_state_dict(best)`. Which weights does the model have?",
        {
            "A": "Those of the last epoch.",
            "B": "Those of the best epoch.",
            "C": "Those it was initialised with.",
            "D": "None: loading raises an error, because the weights have changed since.",
        },
    ),
)
