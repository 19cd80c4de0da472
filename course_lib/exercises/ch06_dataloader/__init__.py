"""Chapter 06, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("count_updates", "iterate_batches", "train_val_split", "StandardizedDataset")

QUESTIONS = (
    Question(
        "q06_1",
        "1,000 examples, batch size 32, `drop_last=False`. How many updates does one epoch make?",
        {"A": "1,000", "B": "31.25", "C": "31", "D": "32"},
    ),
    Question(
        "q06_2",
        "The digits are sorted by class and `shuffle=False`. In every epoch the accuracy on the "
        "zeros rises at the start and later falls to nothing. Why?",
        {
            "A": "The zeros are never seen.",
            "B": "The latest batches pull all weights towards the latest class.",
            "C": "The DataLoader drops examples that it has shown already.",
            "D": "The learning rate is too small to remember a class.",
        },
    ),
    Question(
        "q06_3",
        "You make the batch four times as large. What happens to the noise of the gradient, its "
        "typical distance from the gradient over all the data?",
        {
            "A": "It halves.",
            "B": "It falls to a quarter.",
            "C": "It stays the same: every example counts equally.",
            "D": "It doubles: more examples bring more noise.",
        },
    ),
)
