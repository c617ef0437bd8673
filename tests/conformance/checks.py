"""What schemathesis' own checks do not ask: whether a refusal is one that no schema could have foretold."""

import schemathesis
from schemathesis.generation import GenerationMode

# JSON Schema cannot count the digits of a number, nor compare two fields, nor a field with a header.
UNSAYABLE = ("at most 18 digits", "must not be above ask", "must be equal to Idempotency-Key")


@schemathesis.check
def what_fits_its_schema_is_never_invalid(ctx, response, case):
    """A 400, or a 422 with faults of fields, answers only what the document forbids."""
    if case.meta is None or case.meta.generation.mode != GenerationMode.POSITIVE:
        return
    if response.status_code not in (400, 422):
        return
    problem = response.json()
    said = [error["message"] for error in problem.get("errors", [])] or [problem["detail"]]
    unforetold = problem["code"] not in ("invalid", "invalid_request", "invalid_json", "invalid_query")
    assert unforetold or all(any(words in text for words in UNSAYABLE) for text in said), problem
