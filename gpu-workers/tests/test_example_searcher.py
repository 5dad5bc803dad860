"""The example of a searcher of one's own: what it answers, over the protocol that docs/searchers.md describes."""

import importlib.util
import io
import json
from pathlib import Path

import pytest

path = Path(__file__).resolve().parents[2] / "searches" / "searchers" / "evolution.py"
spec = importlib.util.spec_from_file_location("evolution", path)
evolution = importlib.util.module_from_spec(spec)
spec.loader.exec_module(evolution)

SPACE = {"kind": "stack", "layers": 4, "primitives": ["M", "mA", "Mb"]}
OPEN = {"kind": "open", "protocol": 1, "agent": "own", "space": SPACE}


def node(at, candidate, fitness=0.0, agent="own", status="evaluated"):
    return {"id": f"{agent}-{at}", "agent": agent, "candidate": candidate, "status": status, "fitness": fitness}


def question(nodes, seed=1, at=1):
    return {"kind": "propose", "id": at, "attempt": at, "seed": seed, "ended": [], "nodes": nodes}


def replies(*messages):
    out = io.StringIO()
    evolution.main([json.dumps(message) for message in messages], out)
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_it_is_ready_and_answers_each_question_until_it_is_closed():
    ready, first, second = replies(OPEN, question([]), question([], at=2), {"kind": "close"}, question([], at=3))
    assert (ready["kind"], ready["protocol"]) == ("ready", 1)
    assert (first["id"], second["id"]) == (1, 2)
    assert all(each["operator"] == "draft" and len(each["candidate"].split()) == 4 for each in first["proposals"])


def test_equal_questions_have_equal_answers_and_other_seeds_others():
    nodes = [node(at, text) for at, text in enumerate(["M M M M", "mA M M M", "M mA M M", "M M mA M"], 1)]
    answer = evolution.proposals(OPEN, question(nodes, seed=3))
    assert answer == evolution.proposals(OPEN, question(nodes, seed=3))
    assert answer != evolution.proposals(OPEN, question(nodes, seed=4))


def test_children_differ_in_one_layer_and_are_new():
    texts = ["M M M M", "mA M M M", "M mA M M", "M M mA M", "M M M mA"]
    nodes = [node(at, text, fitness=at) for at, text in enumerate(texts, 1)]
    for each in evolution.proposals(OPEN, question(nodes)):
        parent = next(other for other in nodes if [other["id"]] == each["parents"])
        pairs = zip(parent["candidate"].split(), each["candidate"].split(), strict=True)
        assert sum(one != other for one, other in pairs) == 1
        assert each["candidate"] not in texts


def test_only_the_latest_own_scored_nodes_are_parents():
    old = [node(at, "M M M M", fitness=100) for at in range(1, 5)]
    young = [node(at, "mA mA mA mA", fitness=at) for at in range(5, 5 + evolution.POPULATION)]
    others = [node(1, "Mb Mb Mb Mb", 900, agent="climber"), node(40, "Mb M Mb M", 900, status="pending")]
    alive = evolution.population([*others, *old, *young], "own")
    assert [each["id"] for each in alive] == [each["id"] for each in young]


def test_a_space_without_a_new_candidate_gets_an_answer():
    tiny = {**OPEN, "space": {"kind": "stack", "layers": 1, "primitives": ["M"]}}
    (only,) = evolution.proposals(tiny, question([node(1, "M")]))
    assert only["candidate"] == "M"


@pytest.mark.parametrize("change", [{"protocol": 2}, {"space": {"kind": "program"}}])
def test_what_it_does_not_speak_ends_it_with_a_reason(change):
    with pytest.raises(SystemExit, match="this program"):
        replies({**OPEN, **change})
