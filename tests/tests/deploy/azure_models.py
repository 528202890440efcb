# What Azure's own models find wrong: with the job of a Bicep file, or with the JSON of a lifecycle policy. Printed as JSON,
# beside the job itself. An expression of Bicep may be anything.
import enum
import json
import re
import sys

kind, text = sys.argv[1], sys.stdin.read()
if kind == "job":
    import azure.mgmt.appcontainers.models as models
    from pycep import BicepParser

    resources = BicepParser().parse(text=text)["resources"]
    (value,) = [r["config"] for r in resources.values() if r["type"] == "Microsoft.App/jobs"]
    model = models.Job
else:
    import azure.mgmt.storage.models as models

    value, model = json.loads(text), models.ManagementPolicySchema

# What Bicep knows of every resource, and the model doesn't.
OF_BICEP = {"name", "dependsOn"} if kind == "job" else set()


def is_expression(value):
    return isinstance(value, dict) and set(value) <= {"function", "operator"} and value


def hint_of(model, attribute):
    annotated = (kind.__dict__.get("__annotations__", {}) for kind in model.__mro__)
    return next(str(annotations[attribute]) for annotations in annotated if attribute in annotations)


def wrong_with(model, value, path):
    model({})  # It fills in its fields when it is first made.
    fields = {field._rest_name: name for name, field in model._attr_to_rest_field.items()}
    for key in value:
        if key not in fields:
            yield f"{path}{key} is unknown"
    for key, attribute in fields.items():
        hint = hint_of(model, attribute)
        if key not in value:
            of_the_server = model._attr_to_rest_field[attribute]._visibility == ["read"]
            if not hint.startswith("typing.Optional") and not of_the_server:
                yield f"{path}{key} is missing"
            continue
        if is_expression(value[key]):
            continue
        found = re.search(r"_models\.(\w+)", hint)
        nested = getattr(models, found[1]) if found else None
        items = value[key] if isinstance(value[key], list) else [value[key]]
        if "list[" in hint and not isinstance(value[key], list):
            yield f"{path}{key} is no list"
        for item in items:
            if nested is None or "dict[" in hint:
                continue
            if issubclass(nested, enum.Enum):
                if item not in [member.value for member in nested]:
                    yield f"{path}{key} is {item}"
            elif isinstance(item, dict):
                yield from wrong_with(nested, item, f"{path}{key}.")
            else:
                yield f"{path}{key} is {item!r}"


checked = {key: item for key, item in value.items() if key not in OF_BICEP}
print(json.dumps({"wrong": list(wrong_with(model, checked, "")), "value": value}, default=str))
