"""Opens the gradebook for our commands: waits while it is in use, and says in one line what is wrong
with it. nbgrader's own commands open it themselves."""

import contextlib
from collections.abc import Iterator
from functools import cache

from nbgrader import api
from nbgrader.api import Gradebook
from nbgrader.coursedir import CourseDirectory
from sqlalchemy.exc import SQLAlchemyError
from traitlets.config import Config

from grading.errors import Problem
from grading.nbgrader.locks import wait_for_gradebook
from grading.nbgrader.reasons import reason_of

# nbgrader opens the gradebook several times for each submission, each time with a new engine, which has to
# compile every statement again. Closing a gradebook closes its connections, so an engine can serve the next.
api.create_engine = cache(api.create_engine)


@contextlib.contextmanager
def open_gradebook(config: Config) -> Iterator[Gradebook]:
    """The gradebook of the course with these settings. ``Problem`` when the database refuses."""
    coursedir = CourseDirectory(config=config)
    wait_for_gradebook(coursedir.db_url)
    try:
        with Gradebook(coursedir.db_url, coursedir.course_id) as gradebook:
            yield gradebook
    except SQLAlchemyError as error:
        raise Problem(f"the gradebook cannot be used: {reason_of(error)}.") from None
