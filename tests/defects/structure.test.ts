/** Defects of AIRA-dojo's structure, D18 and D19 of docs/defects.md. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const filesOf = (folder: string) =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path: join(folder, path), text: readFileSync(join(folder, path), 'utf8') }));

describe('D18 the laboratory needs no cluster', () => {
  it('asks the environment for nothing that a scheduler or a service sets', () => {
    const asked = filesOf('src').flatMap(({ text }) =>
      [...text.matchAll(/\b(?:process\.env|environment|env)\.([A-Z][A-Z0-9_]+)/g)].map(([, name]) => name),
    );
    expect(asked.filter((name) => /SLURM|WANDB|APPTAINER|SINGULARITY|MLE_?BENCH|HF_/.test(name ?? ''))).toEqual([]);
  });

  it('depends on no service, scheduler or container at run time', () => {
    const { dependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as {
      dependencies: Record<string, string>;
    };
    expect(Object.keys(dependencies).filter((name) => /wandb|slurm|docker|kubernetes|hydra/.test(name))).toEqual([]);
  });
});

describe('D19 what policies have in common is written once', () => {
  it('a policy is made of nouns, scores and shared moves: it parses nothing and knows no other policy', () => {
    const policies = filesOf('src/agents/scaffolds').filter(({ path }) =>
      /(scaffold|mcts|evolutionary)\.ts$/.test(path),
    );
    expect(policies).toHaveLength(3);
    for (const { path, text } of policies) {
      const imports = [...text.matchAll(/from '([^']+)'/g)].map(([, target]) => target);
      // The two simplest stand where every policy is bound by its name.
      const allowed = path.endsWith('scaffold.ts')
        ? /^(\.\.\/\.\.\/domain\/(errors|node|scaffold)|\.\/(decision|mcts|evolutionary))\.ts$/
        : /^(\.\.\/\.\.\/domain\/(ids|node|rng|scaffold)|\.\/decision)\.ts$/;
      expect(
        imports.filter((target) => !allowed.test(target ?? '')),
        path,
      ).toEqual([]);
      expect(text.split('\n').length, path).toBeLessThan(140);
    }
  });

  it('which outcome is a score is decided in one place', () => {
    const places = filesOf('src').filter(({ text }) => /status === 'evaluated' && \w+\.fitness/.test(text));
    expect(places.map(({ path }) => path)).toEqual([join('src', 'domain/node.ts')]);
  });
});
