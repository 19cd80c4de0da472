"""Chapter 04, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("sgd_step", "momentum_step", "adam_step", "clip_gradients")

QUESTIONS = (
    Question(
        "q04_1",
        "Plain gradient descent with a learning rate of 0.1. A weight has the gradient 2.0. What "
        "does one step do to it?",
        {
            "A": "It rises by 0.2.",
            "B": "It falls by 2.0.",
            "C": "It falls by 0.2.",
            "D": "It falls by 20.",
        },
    ),
    Question(
        "q04_2",
        "Adam's very first step. One weight has the gradient 0.001, another 1000, and both have "
        "the same learning rate. How far do they move?",
        {
            "A": "Both by almost the same distance, about the learning rate.",
            "B": "The second moves a million times as far as the first.",
            "C": "Neither moves: the moments start at zero.",
            "D": "The first moves farther than the second.",
        },
    ),
    Question(
        "q04_3",
        "On the ravine, SGD with a learning rate of 0.032 zig-zags across the valley. Why?",
        {
            "A": "The learning rate is too small.",
            "B": "SGD picks its directions at random, so its path is jagged.",
            "C": "The gradient points at the minimum, and each step overshoots it.",
            "D": "Learning rate times curvature across the valley is nearly 2, so each step lands on "
            "the other side.",
        },
    ),
)
