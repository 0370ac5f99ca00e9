"""The part of KubeRay's RayCluster (ray.io/v1, fields of its API reference) and of Kubernetes' pods that we use.

Nothing beyond these fields is let through, so a misspelt one is found, as the API server would with strict validation.
"""

from __future__ import annotations

from typing import Any

QUANTITY: dict[str, Any] = {
    "type": "string",
    "pattern": r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?[0-9]+))?$",
}
NAME: dict[str, Any] = {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63}
COUNT: dict[str, Any] = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}


def only(required: tuple[str, ...] = (), **fields: dict[str, Any]) -> dict[str, Any]:
    """An object with these fields and no others."""
    return {"type": "object", "properties": fields, "required": list(required), "additionalProperties": False}


def array(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of, "minItems": 1}


AMOUNTS: dict[str, Any] = {"type": "object", "additionalProperties": QUANTITY}
PROBE = only(
    ("exec",),
    exec=only(("command",), command=array({"type": "string"})),
    initialDelaySeconds=COUNT,
    periodSeconds=COUNT | {"minimum": 1},
    timeoutSeconds=COUNT | {"minimum": 1},
    failureThreshold=COUNT | {"minimum": 1},
)
RESOURCES = only(("requests", "limits"), requests=AMOUNTS, limits=AMOUNTS)
CONTAINER = only(
    ("name", "image", "resources", "readinessProbe", "livenessProbe"),
    name=NAME,
    image={"type": "string"},
    resources=RESOURCES,
    readinessProbe=PROBE,
    livenessProbe=PROBE,
    volumeMounts=array(only(("name", "mountPath"), name=NAME, mountPath={"type": "string", "pattern": "^/"})),
)
POD = only(
    ("containers",),
    securityContext=only((), runAsNonRoot={"type": "boolean"}, runAsUser=COUNT, fsGroup=COUNT),
    containers=array(CONTAINER),
    volumes=array(
        only(
            ("name",),
            name=NAME,
            emptyDir=only((), medium={"enum": ["", "Memory"]}, sizeLimit=QUANTITY),
            persistentVolumeClaim=only(("claimName",), claimName=NAME),
        )
        | {"minProperties": 2, "maxProperties": 2}
    ),
)
# `ray start` options: a map of strings, also where the value looks like a number.
PARAMS: dict[str, Any] = {"type": "object", "additionalProperties": {"type": "string"}}
TEMPLATE = only(("spec",), spec=POD)
RAY_CLUSTER = only(
    ("apiVersion", "kind", "metadata", "spec"),
    apiVersion={"const": "ray.io/v1"},
    kind={"const": "RayCluster"},
    metadata=only(("name",), name=NAME),
    spec=only(
        ("headGroupSpec",),
        rayVersion={"type": "string"},
        authOptions=only((), mode={"enum": ["disabled", "token"]}),
        enableInTreeAutoscaling={"type": "boolean"},
        autoscalerOptions=only((), idleTimeoutSeconds=COUNT, resources=RESOURCES),
        headGroupSpec=only(("template",), rayStartParams=PARAMS, template=TEMPLATE),
        workerGroupSpecs=array(
            only(
                ("groupName", "minReplicas", "maxReplicas", "template"),
                groupName=NAME,
                replicas=COUNT,
                minReplicas=COUNT,
                maxReplicas=COUNT,
                rayStartParams=PARAMS,
                template=TEMPLATE,
            )
        ),
    ),
)
