"""Chapter 07, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("evaluate", "run_experiment", "best_learning_rate")

QUESTIONS = (
    Question(
        "q07_1",
        "What does `model.eval()` do?",
        {
            "A": "It stops PyTorch from recording gradients.",
            "B": "It freezes the weights: an `optimizer.step()` no longer moves them.",
            "C": "It computes the model's accuracy.",
            "D": "It makes dropout and batch normalisation behave as they should in use.",
        },
    ),
    Question(
        "q07_2",
        "You train on the two circles with cross-entropy and set the learning rate to 10. "
        "What does the dashboard show?",
        {
            "A": "Losses a hundred times too high and a poor accuracy, but everything stays "
            "finite.",
            "B": "The loss is infinite after a few steps, then NaN.",
            "C": "The same fit, reached in fewer epochs.",
            "D": "With Adam nothing unusual: Adam scales each step by itself.",
        },
    ),
    Question(
        "q07_3",
        "Two runs of 50 epochs on 160 examples at the same learning rate: batch 128 ends at a "
        "higher loss than batch 16. Which explanation do you test first?",
        {
            "A": "The gradients of large batches point in the wrong direction.",
            "B": "The loss of a large batch is a sum over more examples, so it is larger.",
            "C": "The run with batch 128 made five times fewer updates.",
            "D": "Batches of 128 did not fit into memory and were cut.",
        },
    ),
)
