# The documents of a YAML file, as JSON.
import json
import sys

import yaml

print(json.dumps(list(yaml.safe_load_all(sys.stdin))))
