# What is wrong with a policy of AWS by what parliament knows of it, as JSON: actions that there are not, resources and
# conditions that don't go with them. It passes over the names of conditions by itself.
import json
import sys
import warnings

warnings.simplefilter("ignore")
from parliament import analyze_policy_string, iam_definition  # noqa: E402

policy = sys.stdin.read()
wrong = [f"{finding.issue}: {finding.detail}" for finding in analyze_policy_string(policy).findings]
conditions = {
    f"{service['prefix']}:{privilege['privilege']}": {
        key for kind in privilege["resource_types"] for key in kind["condition_keys"]
    }
    for service in iam_definition
    for privilege in service["privileges"]
}
for statement in json.loads(policy)["Statement"]:
    for asked in statement.get("Condition", {}).values():
        wrong += [
            f"UNKNOWN_CONDITION: {key} of {statement['Action']}"
            for key in asked
            if key not in conditions.get(statement["Action"], set())
        ]
print(json.dumps(wrong))
