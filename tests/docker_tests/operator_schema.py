"""A Kubernetes custom resource definition as a JSON schema that refuses what the API server drops or refuses."""

from __future__ import annotations

from typing import Any


def strict(definition: dict[str, Any], version: str) -> dict[str, Any]:
    """The schema of one version of a resource. Fields that it does not name are refused, those of metadata are not."""
    (schema,) = [
        served["schema"]["openAPIV3Schema"]
        for served in definition["spec"]["versions"]
        if served["name"] == version and served["served"]
    ]
    whole: dict[str, Any] = _closed(schema)
    # The definition leaves metadata to the API server.
    whole["properties"]["metadata"] = {"type": "object"}
    return whole


def _closed(schema: Any) -> Any:
    """The same schema without Kubernetes' own extensions to JSON schema, and without further fields."""
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string") is True:
        return {"type": ["integer", "string"]}
    closed = {name: _closed(part) for name, part in schema.items()}
    if closed.pop("nullable", False) is True and isinstance(closed.get("type"), str):
        closed["type"] = [closed["type"], "null"]
    open_ended = "additionalProperties" in closed or closed.get("x-kubernetes-preserve-unknown-fields") is True
    if closed.get("type") == "object" and isinstance(closed.get("properties"), dict) and not open_ended:
        closed["additionalProperties"] = False
    return closed
