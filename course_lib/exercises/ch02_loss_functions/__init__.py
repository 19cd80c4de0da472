"""Chapter 02, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("mse", "softmax", "cross_entropy")

QUESTIONS = (
    Question(
        "q02_1",
        "A model gives the logits [5, 0, 0], and class 0 is the right one. Roughly how large is "
        "the cross-entropy loss?",
        {
            "A": "\u22125: minus the logit of the right class.",
            "B": "0.987: the probability of the right class.",
            "C": "Exactly 0: the right class has won by far.",
            "D": "0.0134: small, but not zero.",
        },
    ),
    Question(
        "q02_2",
        "Your model for 10 classes ends in a softmax, and you train it with "
        "`nn.CrossEntropyLoss`. What do you see?",
        {
            "A": "Training runs without any message, but the loss never gets below about 1.46.",
            "B": "PyTorch raises an error: it expects logits, not probabilities.",
            "C": "No difference at all: the softmax of a softmax is the same softmax.",
            "D": "The loss becomes negative as soon as the model is sure.",
        },
    ),
    Question(
        "q02_3",
        "`p` has shape `[32, 1]` and `y` has shape `[32]`. What does "
        "`((p - y) ** 2).mean()` compute?",
        {
            "A": "The mean over the 32 squared errors, as intended.",
            "B": "Nothing: PyTorch raises a RuntimeError about the shapes.",
            "C": "The mean over a 32 x 32 table of all pairs, without a warning.",
            "D": "The right mean, together with a warning about the shapes.",
        },
    ),
)
