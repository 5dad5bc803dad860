"""Training runs through real processes: branches, exact resume after SIGKILL, endings (T1 to T3 of trainer.py, C1 to C3)."""

import fcntl
import json
import signal
import subprocess
import sys

import pytest
import torch
from aira_scale.data.build import build, from_generator
from aira_scale.job import Schedule, identity, parse_job
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.optimiser import ScaleOptimiser
from aira_scale.schedule import Segment, lr_factor, segments, total_steps
from aira_workers.errors import InvalidCandidate
from scale_jobs import environment, figures, make_job, only, run_job


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scale") / "data"
    build(*from_generator(1, 150), "bytes", 0.15, folder, shard_tokens=5000)
    return folder


@pytest.fixture(scope="module")
def undisturbed(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "run"
    status, events = run_job(make_job(data), folder)
    assert status == 0, events
    return folder, events


def test_a_run_tells_its_story(undisturbed, data):
    folder, events = undisturbed
    hello, *_, last = events
    assert (hello["event"], last) == ("hello", {"event": "done"})
    # Trunk 0-6, branch 6-8, trunk 6-12, branch 12-16.
    assert hello["steps"] == 6 + 2 + 6 + 4 and hello["processes"] == 1
    assert hello["identity"] == identity(json.dumps(make_job(data)))
    model = ScaleModel(parse_job(json.dumps(make_job(data))).model, "meta")
    assert hello["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    assert hello["nonEmbedding"] == hello["parameters"] - model.embedding.numel()
    short, long = only(events, "result")
    assert [short["budget"], long["budget"]] == ["short", "long"]
    assert long["tokens"] == 16 * 256 and long["steps"] == 16
    per_token = hello["flopsPerToken"]["layers"] + hello["flopsPerToken"]["head"]
    assert long["flops"] == long["tokens"] * per_token
    assert long["validationLoss"] < short["validationLoss"] < 5.6
    assert [step for step, _ in long["curve"]] == list(range(1, 17))
    assert [step for step, _ in short["curve"]] == list(range(1, 9))
    assert long["curve"][:6] == short["curve"][:6] and long["curve"][7] != short["curve"][7]
    assert long["mfu"] == pytest.approx(long["tokensPerSecond"] * per_token / 1e12)
    assert long["peakMemoryBytes"] > 2**24 and long["sessions"] == 1 and long["seconds"] > 0
    progress = only(events, "progress")
    assert progress[-1]["done"] == progress[-1]["steps"] == 18
    assert progress[-1]["lr"] == pytest.approx(0.01 / 5)
    saved = torch.load(folder / "models" / "long" / "weights.pt", weights_only=True)
    reloaded = ScaleModel(parse_job(json.dumps(make_job(data))).model)
    reloaded.load_state_dict(saved)
    told = json.loads((folder / "models" / "long" / "model.json").read_text())
    assert told["outcome"]["weightsSha256"] == long["weightsSha256"] and told["model"] == make_job(data)["model"]


def test_a_branch_equals_a_run_of_its_budget_alone(undisturbed, data, tmp_path):
    for budget in ((8, "short"), (16, "long")):
        status, events = run_job(make_job(data, budgets=(budget,)), tmp_path / budget[1])
        assert status == 0
        assert figures(events)[budget[1]] == figures(undisturbed[1])[budget[1]]


@pytest.mark.parametrize(
    "moments",
    [
        ["step:4"],
        ["checkpoint-before-rename:1", "checkpoint-written:3"],
        ["step:7", "step:3", "before-outcome:1", "outcome-written:1"],
        ["outcome-written:1", "step:1", "checkpoint-before-rename:2", "before-outcome:1"],
        ["outcome-written:2"],
    ],
    ids=lambda moments: "+".join(moments),
)
def test_killed_and_resumed_equals_undisturbed(undisturbed, data, tmp_path, moments):
    """T1: SIGKILL at named moments, with a checkpoint before each step."""
    job = make_job(data, machine__checkpoint_seconds=0)
    for moment in moments:
        status, events = run_job(job, tmp_path / "run", AIRA_SCALE_FAILPOINT=moment)
        assert status == -signal.SIGKILL, events[-1]
    status, events = run_job(job, tmp_path / "run")
    assert status == 0, events
    assert figures(events) == figures(undisturbed[1])
    for budget in ("short", "long"):
        first, second = (
            torch.load(f / "models" / budget / "weights.pt", weights_only=True)
            for f in (undisturbed[0], tmp_path / "run")
        )
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) <= 4


def test_a_finished_run_tells_its_results_again(undisturbed, data):
    status, events = run_job(make_job(data), undisturbed[0])
    assert status == 0 and [event["event"] for event in events] == ["hello", "result", "result", "done"]
    assert only(events, "result") == only(undisturbed[1], "result")


def test_a_damaged_checkpoint_is_passed_over(undisturbed, data, tmp_path):
    job = make_job(data, machine__checkpoint_seconds=0)
    assert run_job(job, tmp_path / "run", AIRA_SCALE_FAILPOINT="step:5")[0] == -signal.SIGKILL
    newest = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    state = bytearray((newest / "state.pt").read_bytes())
    state[len(state) // 2] ^= 1
    (newest / "state.pt").write_bytes(state)
    status, events = run_job(job, tmp_path / "run")
    assert status == 0 and figures(events) == figures(undisturbed[1])


def test_another_job_does_not_continue_a_folder(data, tmp_path):
    assert run_job(make_job(data), tmp_path / "run")[0] == 0
    status, events = run_job(make_job(data, seed=2), tmp_path / "run")
    assert status == 1 and events[-1]["reason"] == "invalid" and "belongs to the trunk" in events[-1]["message"]


@pytest.mark.parametrize("order", [("short", "long"), ("long", "short")], ids="-then-".join)
def test_jobs_of_single_budgets_share_a_trunk_in_any_order(undisturbed, data, tmp_path, order):
    """T4: the second job continues the first one's trunk where that is of use, and both equal the undisturbed run."""
    steps = {"short": 8, "long": 16}
    found, trained = {}, []
    for name in order:
        status, events = run_job(make_job(data, budgets=((steps[name], name),)), tmp_path / "run")
        assert status == 0, events
        found |= figures(events)
        trained.append(len({(event["budget"], event["step"]) for event in only(events, "checkpoint")}))
    assert found == figures(undisturbed[1])
    long = json.loads((tmp_path / "run" / "outcomes.json").read_text())[order.index("long")]
    # The trunk below the first fork was trained by the first job alone.
    assert long["sessions"] == (2 if order[0] == "short" else 1) and trained == [1, 1]


def test_a_second_process_waits_for_the_first(undisturbed, data, tmp_path):
    """T4: with the lock taken the trainer says hello and no more; it trains once the lock is free."""
    (tmp_path / "run").mkdir()
    (tmp_path / "job.json").write_text(json.dumps(make_job(data)))
    command = [sys.executable, "-m", "aira_scale", "run", "--job", str(tmp_path / "job.json")]
    command += ["--folder", str(tmp_path / "run"), "--attached"]
    with (tmp_path / "run" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = subprocess.run(command, input='{"op":"stop"}\n', capture_output=True, text=True, env=environment())
        assert [json.loads(line)["event"] for line in done.stdout.splitlines()] == ["hello", "stopped"], done.stderr
    status, events = run_job(make_job(data), tmp_path / "run")
    assert status == 0 and figures(events) == figures(undisturbed[1])


def test_a_long_curve_is_thinned_by_its_steps_alone(data, tmp_path):
    status, events = run_job(
        make_job(data, budgets=((4, "short"), (450, "long")), schedule__sequence=8), tmp_path / "run"
    )
    (_, curve) = (event["curve"] for event in only(events, "result"))
    assert status == 0 and [step for step, _ in curve] == list(range(4, 451, 4))


def test_a_host_stops_a_run_and_goes_on_later(undisturbed, data, tmp_path):
    file = tmp_path / "job.json"
    file.write_text(json.dumps(make_job(data)))
    command = [sys.executable, "-m", "aira_scale", "run", "--job", str(file), "--folder", str(tmp_path / "run")]
    for say, reason in (('{"op":"stop"}\n', "asked"), ("", "closed")):
        done = subprocess.run([*command, "--attached"], input=say, capture_output=True, text=True, env=environment())
        events = [json.loads(line) for line in done.stdout.splitlines()]
        assert (done.returncode, events[-1]) == (0, {"event": "stopped", "reason": reason}), done.stderr
    running = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, env=environment())
    line = running.stdout.readline()
    assert json.loads(line)["event"] == "hello"
    running.send_signal(signal.SIGTERM)
    rest = [json.loads(line) for line in running.communicate()[0].splitlines()]
    # On a fast machine the run may have ended by itself before the signal came.
    assert running.returncode == 0 and rest[-1]["event"] in ("stopped", "done")
    status, events = run_job(make_job(data), tmp_path / "run")
    assert status == 0 and figures(events) == figures(undisturbed[1])


@pytest.mark.parametrize(
    "changes,reason,message",
    [
        ({"optimiser__lr": 1e30}, "nan", "no longer finite"),
        ({"data__digest": "0" * 64}, "invalid", "the job asks 000000000000"),
        ({"model__vocabulary": 300}, "invalid", "vocabulary of 257, the model 300"),
        ({"validation_sequences": 10**6}, "invalid", "the job asks 1000000"),
        ({"machine__micro_batch": 3}, "invalid", "no multiple of micro_batch"),
        ({"machine__parallel": "ddp"}, "invalid", "start the trainer with torchrun"),
        ({"schedule__warmup": 7}, "invalid", "inside the warm-up of 7 steps"),
    ],
)
def test_endings_have_a_reason(data, tmp_path, changes, reason, message):
    status, events = run_job(make_job(data, **changes), tmp_path / "run")
    assert (status, events[-1]["event"], events[-1]["reason"]) == (1, "failed", reason), events[-1]
    assert message in events[-1]["message"]


@pytest.mark.parametrize(
    "changes,message",
    [
        ({"v": 2}, "v must be 1"),
        ({"sed": 1}, "unknown key 'sed'; did you mean 'seed'"),
        ({"model__pattern": ["mA", "X"]}, r"pattern\[1\]: there is no primitive X"),
        ({"model__pattern": []}, "1 to 1024 layers"),
        ({"model__shape__heads": 3}, "multiple of kv_heads"),
        ({"schedule__batch_tokens": 100}, "multiple of sequence"),
        ({"schedule__budgets": [{"name": "a", "steps": 9}, {"name": "a", "steps": 12}]}, "the same name"),
        ({"schedule__budgets": [{"name": "../a", "steps": 9}]}, "letters, digits"),
        ({"precision": "bfloat16"}, "needs a CUDA device"),
        ({"optimiser__lr": float("nan")}, "NaN is not a JSON number"),
    ],
)
def test_unreadable_jobs_are_one_sentence(data, changes, message):
    with pytest.raises(InvalidCandidate, match=message):
        parse_job(json.dumps(make_job(data, **changes)))


def test_a_job_beyond_the_size_is_refused():
    with pytest.raises(InvalidCandidate, match="larger than"):
        parse_job(" " * (1 << 20) + "{}")


def test_the_machine_has_no_part_in_the_identity(data):
    one = identity(json.dumps(make_job(data)))
    assert identity(json.dumps(make_job(data, machine__micro_batch=2, data__folder="/elsewhere"))) == one
    assert identity(json.dumps(make_job(data, optimiser__lr=0.02))) != one


def test_segments_share_the_trunk():
    budgets = [{"name": "a", "steps": 40}, {"name": "b", "steps": 100}]
    from aira_workers.strict import parse

    schedule = parse(Schedule, {"sequence": 8, "batch_tokens": 8, "warmup": 10, "decay": 0.25, "budgets": budgets})
    trunk, a, more, b = segments(schedule)
    assert (trunk, a) == (Segment("", 0, 30), Segment("a", 30, 40))
    assert (more, b) == (Segment("", 30, 75), Segment("b", 75, 100))
    assert total_steps(schedule) == 110
    assert [lr_factor(schedule, trunk, step) for step in (0, 9, 10, 29)] == [0.1, 1, 1, 1]
    assert [lr_factor(schedule, a, step) for step in (30, 35, 39)] == pytest.approx([10 / 11, 5 / 11, 1 / 11])


def test_a_muon_update_has_the_size_of_an_adam_update(data):
    """Root mean square of 0.2 per unit of rate, whatever the shape; AdamW's first update has exactly 1 per unit of rate."""
    job = parse_job(json.dumps(make_job(data, optimiser__weight_decay=0.0)))
    model = ScaleModel(ModelSpec("llama", ["mA", "M"], job.model.shape, 64))
    from aira_scale.initial import initialise

    initialise(model, 1)
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser = ScaleOptimiser(model, job.optimiser)
    model.loss(torch.randint(64, (4, 17), generator=torch.Generator().manual_seed(1))).backward()
    optimiser.step(0.5)
    for name, parameter in model.named_parameters():
        moved = (parameter.detach() - before[name]).pow(2).mean().sqrt().item() / 0.005
        if "proj" in name:
            assert 0.2 * 0.6 < moved < 0.2 * 1.25, (name, moved)
    used = (model.embedding.grad.abs().sum(1) > 0).nonzero()[:, 0]
    assert (model.embedding - before["embedding"])[used].abs().mean().item() == pytest.approx(0.005, rel=0.05)


def test_micro_batches_change_nothing_but_rounding(undisturbed, data, tmp_path):
    status, events = run_job(make_job(data, machine__micro_batch=1), tmp_path / "run")
    assert status == 0
    for budget, found in figures(events).items():
        expected = figures(undisturbed[1])[budget]
        assert found["validationLoss"] == pytest.approx(expected["validationLoss"], abs=1e-3)
        for (_, one), (_, other) in zip(found["curve"][:6], expected["curve"][:6]):
            assert one == pytest.approx(other, abs=1e-4)


@pytest.mark.gpu
def test_bfloat16_on_cuda_trains_to_the_loss_of_float32_on_the_cpu(undisturbed, data, tmp_path):
    job = make_job(data, precision="bfloat16", machine__device="cuda")
    status, events = run_job(job, tmp_path / "run")
    assert status == 0, events
    for budget, found in figures(events).items():
        assert found["validationLoss"] == pytest.approx(figures(undisturbed[1])[budget]["validationLoss"], abs=0.05)
