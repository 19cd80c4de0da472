"""Making the course's notebooks and grading what learners hand in."""

import sys

# Where this package is installed, jsonschema has it compile a grammar of web addresses at its first
# import, which takes nine tenths of the time of `import nbformat`. No notebook is checked with it.
sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]
