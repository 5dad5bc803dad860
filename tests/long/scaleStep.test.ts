/**
 * One step of a 350M model on a CPU: weights, gradients and the optimiser's state are what `price` says, and the process stays
 * within them and a bound for activations. `npx vitest run --config vitest.long.config.ts tests/long/scaleStep`; a quarter of an
 * hour on one core, most of it in Muon's matrix products. AIRA_STEP_SIZE names another size, to try the program quickly.
 */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { findPython, trainersDirectory } from '../../src/platform/index.ts';

const size = process.env.AIRA_STEP_SIZE ?? '350M';

const program = `
import json, resource, sys
import torch
from aira_scale.initial import initialise
from aira_scale.model import ModelSpec, ScaleModel
from aira_scale.optimiser import ScaleOptimiser
from aira_scale.job import OptimiserSpec
from aira_scale.shapes import SIZES

size = SIZES[sys.argv[1]]
torch.set_num_threads(1)
model = ScaleModel(ModelSpec("llama", list(size.llama()), size.shape, 257))
initialise(model, 1)
matrices = sum(matrix.numel() for matrix in model.matrices())
total = sum(parameter.numel() for parameter in model.parameters())
optimiser = ScaleOptimiser(model, OptimiserSpec(size.lr, 0.1, 0.9, 0.95, 0.95, 1.0))
batch = torch.randint(257, (1, 129), generator=torch.Generator().manual_seed(1))
before = model.loss(batch)
before.backward()
optimiser.step(1.0)
with torch.no_grad():
    after = model.loss(batch)
peak = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
state = 4 * (2 * total + matrices + 2 * (total - matrices))
shapes = [tuple(matrix.shape) for matrix in model.matrices()]
stacked = max(4 * shapes.count(shape) * shape[0] * shape[1] for shape in shapes)
print(json.dumps({"total": total, "before": before.item(), "after": after.item(), "peak": peak, "state": state, "stacked": stacked}))
`;

describe(`one step of ${size}`, () => {
  it('lowers the loss of its batch in bounded memory', async () => {
    const python = await findPython();
    const env = { PATH: process.env.PATH ?? '', PYTHONPATH: trainersDirectory, OMP_NUM_THREADS: '1' };
    const found = JSON.parse(execFileSync(python, ['-c', program, size], { env, encoding: 'utf8' }));
    const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(2);
    process.stdout.write(
      `${size}: ${found.total} parameters, loss ${found.before.toFixed(3)} to ${found.after.toFixed(3)}, peak ${gib(found.peak)} GiB for ${gib(found.state)} GiB of state\n`,
    );
    expect(found.after).toBeLessThan(found.before);
    // Muon makes all matrices of one shape orthogonal at once, in five buffers; the rest is libraries and 128 tokens' activations.
    expect(found.peak).toBeLessThan(found.state + 5 * found.stacked + 2 ** 30);
  });
});
