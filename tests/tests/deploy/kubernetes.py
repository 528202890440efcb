# What the official schema of a version of Kubernetes finds wrong with a file, as JSON. Unknown fields are wrong.
import json
import sys

import kubernetes_validate
import yaml

wrong = []
for document in yaml.safe_load_all(sys.stdin):
    try:
        kubernetes_validate.validate(document, sys.argv[1], strict=True)
    except kubernetes_validate.ValidationError as error:
        wrong.append(f"{document['kind']}: {error.message}")
print(json.dumps(wrong))
