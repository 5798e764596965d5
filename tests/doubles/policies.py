"""Whether IAM policies allow a call: a small evaluator, since no stand-in for AWS enforces them.

Belongs here: identity policies and trust policies as Terraform made them: Allow and Deny, wildcards in actions and
resources, and the condition operators that the project uses.
Does not belong here, and so is not proven: service control policies, permission boundaries, session policies, policy
variables, resource policies of other accounts, whether AWS knows an action by that name. An unknown operator raises.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


class Policies:
    """The policies of one principal."""

    def __init__(self, *documents: Mapping[str, Any] | str) -> None:
        self.statements: list[dict[str, Any]] = []
        for document in documents:
            content = json.loads(document) if isinstance(document, str) else document
            statements = content["Statement"]
            self.statements += statements if isinstance(statements, list) else [statements]

    def allows(self, action: str, resource: str = "*", **context: str) -> bool:
        """Return whether a call is allowed: some statement allows it and none denies it.

        Parameters
        ----------
        action
            Such as `s3:GetObject`.
        resource
            ARN of what it is about.
        context
            Condition keys, `:` and `/` written as `__` and `___`.
        """
        keys = {name.replace("___", "/").replace("__", ":"): value for name, value in context.items()}
        effects = {one["Effect"] for one in self.statements if _matches(one, action, resource, keys)}
        return effects == {"Allow"}


def _matches(statement: dict[str, Any], action: str, resource: str, keys: dict[str, str]) -> bool:
    if "NotAction" in statement or "NotResource" in statement:
        raise NotImplementedError(f"this evaluator does not know {sorted(statement)}")
    if not any(_like(pattern.lower(), action.lower()) for pattern in _many(statement["Action"])):
        return False
    if "Resource" in statement and not any(_like(pattern, resource) for pattern in _many(statement["Resource"])):
        return False
    return all(
        _holds(operator, keys.get(key), _many(values))
        for operator, tests in statement.get("Condition", {}).items()
        for key, values in tests.items()
    )


def _holds(operator: str, found: str | None, wanted: list[str]) -> bool:
    if operator in ("StringEquals", "Bool"):
        return found in wanted
    if operator in ("StringLike", "ArnEquals", "ArnLike"):
        return found is not None and any(_like(pattern, found) for pattern in wanted)
    raise NotImplementedError(f"this evaluator does not know the condition operator {operator}")


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(re.escape(pattern).replace(r"\*", ".*").replace(r"\?", "."), text) is not None


def _many(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]
