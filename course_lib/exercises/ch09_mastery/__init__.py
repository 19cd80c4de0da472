"""Chapter 09, public half: its exercises in the order of the notebook, and the quiz's questions.

The clinics repair the eight bugs of the cheat sheet, in another order.
"""

from course_lib.quiz import Question

EXERCISES = (
    "clinic_a",
    "clinic_b",
    "clinic_c",
    "clinic_d",
    "clinic_e",
    "clinic_f",
    "clinic_g",
    "clinic_h",
    "train",
)

QUESTIONS = (
    Question(
        "q09_1",
        "A model with dropout is validated under `torch.no_grad()`, but it is still in train mode. "
        "What do you get?",
        {
            "A": "The right numbers: `no_grad` switches dropout off.",
            "B": "Numbers that jump about and look worse than the model is.",
            "C": "The weights change while you validate.",
            "D": "An error about the mode.",
        },
    ),
    Question(
        "q09_2",
        'The error says "mat1 and mat2 shapes cannot be multiplied (896x28 and 784x10)". The batch '
        "has the shape `[32, 28, 28]`. What is the right repair?",
        {
            "A": "Use `nn.Linear(28, 10)`.",
            "B": "Transpose the weight.",
            "C": "Use a batch size of 28.",
            "D": "Flatten each picture first: `[32, 784]`.",
        },
    ),
    Question(
        "q09_3",
        "Your validation batches hold 32 examples, the last one 8. How do you get the mean loss "
        "per example?",
        {
            "A": "Each batch's mean times its size, added up, divided by the number of examples.",
            "B": "The mean of the batch means.",
            "C": "The sum of the batch means.",
            "D": "The mean of the last batch.",
        },
    ),
)
