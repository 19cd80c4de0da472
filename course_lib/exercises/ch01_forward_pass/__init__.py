"""Chapter 01, public half: its exercises in the order of the notebook, and the quiz's questions."""

from course_lib.quiz import Question

EXERCISES = ("build_mlp", "manual_forward", "trace_shapes")

QUESTIONS = (
    Question(
        "q01_1",
        "A batch of shape `[16, 784]` goes through `nn.Linear(784, 128)`. What shape comes out?",
        {
            "A": "`[128, 784]`",
            "B": "`[16, 128]`",
            "C": "`[784, 128]`",
            "D": "`[16, 784, 128]`",
        },
    ),
    Question(
        "q01_2",
        "How many numbers does `nn.Linear(784, 128)` learn?",
        {
            "A": "100,352",
            "B": "912",
            "C": "That depends on the batch size.",
            "D": "100,480",
        },
    ),
    Question(
        "q01_3",
        "Why does everybody write `model(x)` rather than `model.forward(x)`?",
        {
            "A": "`model(x)` also runs the registered hooks, before and after `forward`.",
            "B": "`model.forward(x)` does not record the graph, so `backward()` fails.",
            "C": "`forward` is private: calling it raises an error.",
            "D": "`model(x)` is compiled and therefore faster.",
        },
    ),
)
