# The DAG without Airflow: what it would run, and what an exit code means to it. Airflow itself takes hundreds of megabytes.
import json
import sys
import types

exceptions, sdk = types.ModuleType("airflow.exceptions"), types.ModuleType("airflow.sdk")
exceptions.AirflowException = type("AirflowException", (Exception,), {})
exceptions.AirflowFailException = type("AirflowFailException", (exceptions.AirflowException,), {})
started = []
sdk.dag = lambda **settings: lambda function: function
sdk.task = lambda task_id: lambda function: lambda *arguments: started.append((task_id, arguments))
sys.modules |= {"airflow": types.ModuleType("airflow"), "airflow.exceptions": exceptions, "airflow.sdk": sdk}

dag = {"__name__": "promptlake_dag"}
exec(compile(sys.stdin.read(), "promptlake_dag.py", "exec"), dag)


def outcome(act):
    try:
        act()
    except exceptions.AirflowException as error:
        return type(error).__name__
    return "success"


print(json.dumps({
    "tasks": [task for task, _ in started],
    "commands": [dag["command"](*arguments) for _, arguments in started],
    "codes": {code: outcome(lambda: dag["conclude"](code)) for code in (0, 1, 2, 3, 4, 5, 6, 130, -9)},
    # The program itself, which is first on the path.
    "without_a_file": outcome(lambda: dag["run"]("nobody", 0, 1)),
}))
