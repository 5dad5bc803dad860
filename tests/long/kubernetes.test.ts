/** The printed Job against the schemas of the Kubernetes API, with unknown fields refused (kubernetes-validate of PyPI). */
import { execFileSync, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clusterFile } from '../../src/cli/clusterFiles.ts';
import { temporaryFolder } from '../support/home.ts';

const version = '1.37.0';

it('is what the API of the oldest supported and of the newest version takes', ({ skip }) => {
  const folder = temporaryFolder();
  const python = join(folder, 'venv/bin/python');
  try {
    execFileSync('python3', ['-m', 'venv', join(folder, 'venv')], { stdio: 'pipe' });
    execFileSync(python, ['-m', 'pip', 'install', '--quiet', `kubernetes-validate==${version}`], { stdio: 'pipe' });
  } catch (thrown) {
    return skip(`kubernetes-validate cannot be installed: ${(thrown as Error).message.split('\n')[0]}`);
  }
  const options = { nats: 'tls://lab:4222', home: folder, count: 64, cpus: 8, grace: 100, natsNkey: '/a/worker.nk' };
  const validate = (text: string): string => {
    const file = join(folder, 'job.yaml');
    writeFileSync(file, text);
    return ['1.31', '1.37']
      .map((api) =>
        spawnSync(join(folder, 'venv/bin/kubernetes-validate'), ['--strict', '-k', api, file], { encoding: 'utf8' }),
      )
      .map(({ stdout, stderr }) => stdout + stderr)
      .join('');
  };
  for (const gpus of [0, 1, 8]) {
    const text = clusterFile('kubernetes', { ...options, gpus });
    expect(validate(text).match(/passed for resource job\/aira-worker/g)).toHaveLength(2);
    // What it would find.
    const misspelt = validate(text.replace('completionMode:', 'completionMod:'));
    expect(misspelt.match(/'completionMod' was unexpected/g)).toHaveLength(2);
  }
});
