"""The answers to the course's quizzes and exercises, as data that ``course_lib.answers`` reads.

``python -m grading build`` writes the files. A wheel of its own, so that ``course_lib`` and the graded
edition hold no answer.
"""

__version__ = "0.1.0"
