"""A searcher of one's own: aging evolution over orders of layers, in the standard library alone.

Start to write another one from this file. Aira starts it for an agent with `model: program/./searchers/evolution.py` and speaks
JSON lines with it (docs/searchers.md): a question carries everything that the attempt may know, so the program keeps no state
and may be stopped and started at any time. What it prints on stderr is quoted when it fails; stdout is for the protocol alone.

The policy is regularised evolution (Real et al. 2019, arXiv:1802.01548): the population is the latest `POPULATION` scored
candidates, whatever their scores; the best of `SAMPLE` of them, drawn at random, is changed in one layer.
"""

import json
import random
import sys

PROTOCOL = 1
POPULATION = 16
SAMPLE = 5
# Alternatives per reply, best first: Aira takes the first that is new.
ALTERNATIVES = 8


def draft(space, rng):
    """A random order of layers."""
    return [rng.choice(space["primitives"]) for _ in range(space["layers"])]


def mutated(layers, space, rng):
    """A copy with one layer changed to another kind."""
    at = rng.randrange(len(layers))
    others = [kind for kind in space["primitives"] if kind != layers[at]]
    return layers[:at] + [rng.choice(others)] + layers[at + 1 :], at


def population(nodes, agent):
    """The latest scored nodes of the agent, oldest first."""
    own = [node for node in nodes if node["agent"] == agent and node["status"] == "evaluated"]
    return own[-POPULATION:]


def proposals(opened, question):
    """Up to ALTERNATIVES proposals for one attempt, none of them among the nodes of the view."""
    rng = random.Random(question["seed"])
    space, nodes = opened["space"], question["nodes"]
    known = {node["candidate"] for node in nodes}
    alive = population(nodes, opened["agent"])
    found = []
    # Bounded, because a small space may have no new candidate left.
    for _ in range(50 * ALTERNATIVES):
        if len(found) == ALTERNATIVES:
            break
        if len(alive) < min(POPULATION, 4):
            layers = draft(space, rng)
            proposal = {"operator": "draft", "parents": [], "change": "a random order of layers"}
        else:
            sample = rng.sample(alive, min(SAMPLE, len(alive)))
            parent = max(sample, key=lambda node: node["fitness"])
            before = parent["candidate"].split(" ")
            layers, at = mutated(before, space, rng)
            proposal = {
                "operator": "improve",
                "parents": [parent["id"]],
                "change": f"layer {at + 1}: {before[at]} -> {layers[at]}",
                "choice": f"{parent['id']} is the best of {len(sample)} drawn from the latest {len(alive)}",
                "evidence": [parent["id"]],
            }
        candidate = " ".join(layers)
        if candidate in known:
            continue
        known.add(candidate)
        found.append({**proposal, "candidate": candidate})
    if not found:
        # Nothing new is left near the population: the archive records the repetition.
        found.append(
            {
                "operator": "draft",
                "parents": [],
                "change": "nothing new was found",
                "candidate": " ".join(draft(space, rng)),
            }
        )
    return found


def answer(opened, message):
    """The reply to one message; None for one that needs none."""
    if message["kind"] == "open":
        if message["protocol"] != PROTOCOL:
            raise SystemExit(f"this program speaks protocol {PROTOCOL}, not {message['protocol']}")
        if message["space"]["kind"] != "stack":
            raise SystemExit("this program arranges layers; the task asks for programs")
        return {"kind": "ready", "protocol": PROTOCOL, "name": "aging evolution"}
    if message["kind"] == "propose":
        return {"kind": "proposals", "id": message["id"], "proposals": proposals(opened, message)}
    return None


def main(lines, out):
    """Serves until the input ends."""
    opened = None
    for line in lines:
        message = json.loads(line)
        if message["kind"] == "open":
            opened = message
        if message["kind"] == "close":
            return
        reply = answer(opened, message)
        if reply is not None:
            print(json.dumps(reply), file=out, flush=True)


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
