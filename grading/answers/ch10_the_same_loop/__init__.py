"""Chapter 10, secret half: the quiz's key; the exercises' answers are beside it, by name."""

QUIZ = ()
