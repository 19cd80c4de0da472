"""Chapter 10, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = (
    "Value",
    "causal_attention",
    "generate",
    "shard_indices",
    "average_gradients",
    "policy_gradient_loss",
    "preference_loss",
)

QUESTIONS = (
    Question(
        "q10_1",
        "Two machines hold 30 and 10 of a batch's 40 examples. Each computes the gradient of its own "
        "mean loss, and the two gradients are averaged. What comes out?",
        {
            "A": "The gradient of the mean loss over all 40 examples.",
            "B": "The sum of the gradients of the two machines.",
            "C": "A gradient of random length: it depends on which machine is quicker.",
            "D": "A gradient in which each of the 10 examples counts three times as much as each of "
            "the 30.",
        },
    ),
    Question(
        "q10_2",
        "A language model is trained without the causal mask. Its training loss falls lower than with "
        "it, and what it generates is nonsense. Why?",
        {
            "A": "Without the mask the attention weights of a row no longer add up to 1.",
            "B": "In training it reads the character that it is asked to predict; when it generates, "
            "that character is not there yet.",
            "C": "It has learned its training examples by heart; more data would help.",
            "D": "The mask is a kind of dropout: without it the model is too sure of itself.",
        },
    ),
    Question(
        "q10_3",
        "In REINFORCE you subtract the same number from all rewards. What does that change?",
        {
            "A": "The expected gradient: it no longer points towards higher rewards.",
            "B": "Nothing at all, since the number is the same for every reward.",
            "C": "The noise of the gradient, but not its expected value.",
            "D": "The expected gradient becomes shorter, which acts like a smaller learning rate.",
        },
    ),
)
