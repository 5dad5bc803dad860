"""The protocol end to end, through real worker processes."""

import json
import signal
import subprocess
import sys

import pytest
from aira_workers.version import evaluator_version
from conftest import PACKAGE, Worker, tokens

SPACE = {"layers": 4, "primitives": ["M", "mA", "Mb"]}


def member(key, letters="BAMM", seed=1, measure="validation"):
    return {"key": key, "architecture": list(tokens(letters)), "seed": seed, "measure": measure}


def evaluate(settings, *members, id="r1", space=SPACE):
    return {"op": "evaluate", "id": id, "proxy": settings, "space": space, "population": list(members)}


def only(events, kind):
    return [event for event in events if event["event"] == kind]


def test_hello_tells_what_the_host_needs(worker):
    hello = worker.hello
    assert set(hello) == {
        "event", "v", "evaluator", "engine", "populationSize", "device", "deviceName", "torch", "python",
        "memoryBytes", "calibratedFlops", "primitives",
    }  # fmt: skip
    assert (hello["event"], hello["v"], hello["device"]) == ("hello", 1, "cpu")
    assert hello["engine"] in ("native", "torch") and hello["populationSize"] == 1
    assert hello["evaluator"] == evaluator_version(hello["engine"])
    assert hello["memoryBytes"] > 2**28 and hello["calibratedFlops"] > 1e8


def test_population_streams_results_and_bad_members_end_only_themselves(worker, nano):
    worker.send(
        evaluate(
            nano,
            member("a", measure="test"),
            member("short", "BAM"),
            {**member("strange"), "architecture": ["M", "M", "X", "M"]},
            member("b", "AMAM", seed=2),
        )
    )
    events = worker.read_until("done")
    final = [(event["event"], event["key"]) for event in events if event["event"] in ("result", "failed")]
    assert final == [("result", "a"), ("failed", "short"), ("failed", "strange"), ("result", "b")]
    assert all(event["id"] == "r1" for event in events)
    short, strange = only(events, "failed")
    assert short["reason"] == strange["reason"] == "invalid"
    assert short["message"] == "the architecture has 3 layers; the space asks 4"
    assert strange["message"] == "layer 2 is 'X'; the space allows M, mA, Mb"
    first, second = only(events, "result")
    assert set(first) == {
        "event", "id", "key", "validation", "test", "tasks", "curve", "seconds", "cpuSeconds", "params", "flops",
        "peakMemoryBytes", "device",
    }  # fmt: skip
    assert first["test"] is not None and second["test"] is None
    assert all(set(scores) == {"validation", "loss", "test"} for scores in first["tasks"].values())
    assert first["curve"][-1] == [12, first["validation"]]
    assert first["seconds"] > 0 and first["cpuSeconds"] > 0 and first["peakMemoryBytes"] > 2**24
    progress = [event for event in events if event["event"] == "progress" and event["key"] == "a"]
    assert len(progress) == 10 and progress[-1]["step"] == progress[-1]["steps"] == 12


def test_scores_do_not_depend_on_companions_or_order(worker, nano):
    """I6, bit for bit, over two processes."""
    members = [member("a"), member("b", "AMAM", 2), member("c", "MMMM"), member("d", "BBBB", 2)]
    worker.send(evaluate(nano, *members))
    together = {event["key"]: event for event in only(worker.read_until("done"), "result")}
    for one in members[2:]:
        worker.send(evaluate(nano, one, id="again"))
        alone = only(worker.read_until("done"), "result")[0]
        same = together[one["key"]]
        assert (alone["validation"], alone["curve"]) == (same["validation"], same["curve"])
    other = Worker("--device", "cpu")
    other.read()
    other.send(evaluate(nano, *reversed(members)))
    for event in only(other.read_until("done"), "result"):
        for field in ("validation", "tasks", "curve", "params", "flops"):
            assert event[field] == together[event["key"]][field]
    assert other.close() == (0, "")


@pytest.mark.parametrize(
    "line,message",
    [
        ("{not json", "not JSON"),
        ('{"op":"evaluate","x":NaN}', "NaN is not a JSON number"),
        ("[1,2]", "op must be evaluate, cancel or shutdown"),
        ('{"op":"train"}', "got 'train'"),
        ('{"op":"cancel"}', "cancel: missing key 'id'"),
        ('{"op":"shutdown","now":true}', "shutdown: unknown key 'now'"),
    ],
)
def test_unreadable_lines_are_answered_and_survived(worker, line, message, nano):
    worker.send(line)
    event = worker.read()
    assert event["event"] == "error" and message in event["message"]
    worker.send(evaluate({**nano, "steps": 1}, member("after")))
    assert only(worker.read_until("done"), "result")[0]["key"] == "after"


@pytest.mark.parametrize(
    "change,message",
    [
        (lambda request: request.update(priority=1), "unknown key 'priority'"),
        (lambda request: request["population"][0].update(sed=1), "unknown key 'sed'; did you mean 'seed'?"),
        (lambda request: request["population"][0].update(measure="both"), "expected one of 'validation', 'test'"),
        (lambda request: request["population"][0].update(seed=-1), "seed must be between 0"),
        (lambda request: request["population"].append(dict(request["population"][0])), "the same key"),
        (lambda request: request.update(proxy=[]), "proxy must be an object"),
        (lambda request: request.pop("space"), "missing key 'space'"),
    ],
)
def test_malformed_envelopes_are_errors(worker, change, message, nano):
    request = evaluate(nano, member("a"))
    change(request)
    worker.send(request)
    event = worker.read()
    assert event["event"] == "error" and message in event["message"]


def test_bad_settings_fail_each_member_under_its_key(worker, nano):
    worker.send(evaluate({**nano, "stepz": 3}, member("a"), member("b")))
    events = worker.read_until("done")
    assert [event["key"] for event in only(events, "failed")] == ["a", "b"]
    assert {event["reason"] for event in only(events, "failed")} == {"invalid"}
    assert "did you mean 'steps'" in events[0]["message"]


def test_numbers_beyond_floats_and_odd_keys_are_survived(worker, nano):
    huge = {**nano, "optimiser": {**nano["optimiser"], "lr": 10**400}}
    for key in ("\ud800", "Ünï → \n\u2028", ""):
        worker.send(evaluate(huge, member(key)))
        (failed,) = only(worker.read_until("done"), "failed")
        assert failed["key"] == key and failed["reason"] == "invalid" and "optimiser.lr" in failed["message"]


def test_divergence_is_a_reason_and_the_next_candidate_trains(worker, nano):
    wild = {**nano, "optimiser": {**nano["optimiser"], "lr": 1e30, "matrix_lr": 1e30}}
    worker.send(evaluate(wild, member("wild"), id="r1"))
    worker.send(evaluate(nano, member("calm"), id="r2"))
    failed = only(worker.read_until("done"), "failed")[0]
    assert (failed["key"], failed["reason"]) == ("wild", "nan") and "no longer finite" in failed["message"]
    assert only(worker.read_until("done"), "result")[0]["id"] == "r2"


def test_sizes_that_a_generator_refuses_do_not_end_the_process(worker, nano):
    tasks = {**nano["tasks"], "selective_copying": {"vocabulary": 16, "length": 32, "copies": 20}}
    worker.send(evaluate({**nano, "tasks": tasks}, member("a")))
    failed = only(worker.read_until("done"), "failed")[0]
    assert failed["reason"] == "invalid" and "length >= 2 x copies + 1" in failed["message"]


def test_cancel_reaches_a_running_training_and_its_queue(worker, nano):
    worker.send(evaluate({**nano, "steps": 4000}, member("running"), member("waiting"), id="long"))
    worker.send(evaluate(nano, member("next"), id="other"))
    worker.send({"op": "cancel", "id": "other"})
    worker.send({"op": "cancel", "id": "never-heard-of"})
    worker.send({"op": "cancel", "id": "long"})
    events = worker.read_until("done") + worker.read_until("done")
    assert [(e["id"], e["key"], e["reason"]) for e in only(events, "failed")] == [
        ("long", "running", "cancelled"),
        ("long", "waiting", "cancelled"),
        ("other", "next", "cancelled"),
    ]
    worker.send(evaluate(nano, member("fresh"), id="long"))
    assert only(worker.read_until("done"), "result")[0]["key"] == "fresh"


def test_a_live_request_id_cannot_be_used_twice(worker, nano):
    worker.send(evaluate({**nano, "steps": 4000}, member("a"), id="r1"))
    worker.send(evaluate(nano, member("b"), id="r1"))
    error = worker.read_until("error")[-1]
    assert "still being served" in error["message"]
    worker.send({"op": "cancel", "id": "r1"})
    assert worker.read_until("done")[-1]["id"] == "r1"


def test_shutdown_and_end_of_input_stop_a_running_training(nano):
    for goodbye in (lambda w: w.send({"op": "shutdown"}), lambda w: w.process.stdin.close()):
        started = Worker("--device", "cpu")
        started.read()
        started.send(evaluate({**nano, "steps": 4000}, member("a")))
        goodbye(started)
        events = started.read_until("done")
        assert only(events, "failed")[0]["reason"] == "cancelled"
        assert started.process.wait(timeout=60) == 0
        started.process.stdout.close()
        started.process.stderr.close()


def test_ctrl_c_of_the_foreground_group_leaves_a_training_alone(worker, nano):
    worker.send(evaluate({**nano, "steps": 100}, member("a")))
    worker.read_until("progress")
    worker.process.send_signal(signal.SIGINT)
    assert only(worker.read_until("done"), "result")[0]["key"] == "a"


def test_stdout_carries_protocol_lines_only(nano):
    """Whatever is printed inside, by Python or by C, goes to standard error."""
    script = (
        "import sys, os; sys.argv = ['aira_workers', '--device', 'cpu']\n"
        "from aira_workers import __main__ as door\n"
        "import aira_workers.worker.device as device\n"
        "original = device.describe\n"
        "def noisy(d):\n"
        "    print('from python'); sys.stdout.flush(); os.write(1, b'from c\\n'); return original(d)\n"
        "device.describe = noisy\n"
        "sys.exit(door.main())\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input="", capture_output=True, text=True, env={"PYTHONPATH": str(PACKAGE)}
    )
    assert done.returncode == 0
    assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["hello"]
    assert "from python" in done.stderr and "from c" in done.stderr


@pytest.mark.parametrize("device", ["tpu", "cuda:99", "cpu:1"])
def test_an_unknown_device_is_one_sentence_and_status_2(device):
    done = subprocess.run(
        [sys.executable, "-m", "aira_workers", "--device", device], capture_output=True, text=True, cwd=PACKAGE
    )
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("aira_workers: --device") and "Traceback" not in done.stderr


def test_print_env_is_the_published_file():
    done = subprocess.run(
        [sys.executable, "-m", "aira_workers", "--print-env"], capture_output=True, text=True, cwd=PACKAGE
    )
    assert json.loads(done.stdout) == json.loads((PACKAGE / "worker-env.json").read_text())


def test_a_population_worker_trains_members_together_and_answers_each(nano):
    one = Worker("--device", "cpu", "--engine", "population")
    hello = one.read()
    assert (hello["engine"], hello["evaluator"]) == ("population", evaluator_version("population"))
    assert hello["populationSize"] > 1
    members = [member("a", measure="test"), member("b", "AMAM", 2), member("short", "BAM"), member("c", "MMMM")]
    one.send(evaluate(nano, *members))
    events = one.read_until("done")
    final = {event["key"]: event for event in events if event["event"] in ("result", "failed")}
    assert {key: event["event"] for key, event in final.items()} == {
        "a": "result", "b": "result", "short": "failed", "c": "result",
    }  # fmt: skip
    assert final["a"]["test"] is not None and final["b"]["test"] is None
    one.send(evaluate(nano, members[1], id="again"))
    alone = only(one.read_until("done"), "result")[0]
    assert alone["validation"] == pytest.approx(final["b"]["validation"], abs=1e-6)
    one.send({**evaluate(nano, members[1], id="bad"), "proxy": {"proxy": "none"}})
    assert only(one.read_until("done"), "failed")[0]["reason"] == "invalid"
    status, _ = one.close()
    assert status == 0
