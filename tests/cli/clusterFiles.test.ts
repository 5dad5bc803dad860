/** The files of `aira worker --print`: each can be read by what it is for, and none shows a secret. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { type ClusterOptions, clusterFile, clusters } from '../../src/cli/clusterFiles.ts';
import { codeOf } from '../support/errors.ts';
import { temporaryFolder } from '../support/home.ts';

const options = (changes: Partial<ClusterOptions> = {}): ClusterOptions => ({
  ...{ nats: 'tls://lab.example.org:4222', home: join(temporaryFolder(), 'home') },
  ...{ count: 64, gpus: 1, cpus: 8, grace: 100, natsNkey: "/home/o'neil/worker.nk", natsCa: '/home/me/ca.pem' },
  ...changes,
});
const shell = (text: string, ...args: string[]) =>
  execFileSync('bash', [...args], {
    input: text,
    encoding: 'utf8',
    timeout: 20_000,
    stdio: ['pipe', 'pipe', 'ignore'],
  });

describe('a Slurm array job', () => {
  it('is a script with one worker per task, requeued, warned before its limit by more than the grace', () => {
    const text = clusterFile('slurm', options());
    shell(text, '-n');
    const asked = [...text.matchAll(/^#SBATCH --(\S+?)(?:=(.*))?$/gm)].map(([, name, value]) => [name, value]);
    expect(Object.fromEntries(asked)).toMatchObject({
      ...{ array: '0-63', gpus: '1', 'cpus-per-task': '8', time: '1-00:00:00', 'open-mode': 'append' },
      ...{ ntasks: '1', signal: 'B:USR1@120' },
    });
    expect(asked).toContainEqual(['requeue', undefined]);
    expect(text).toMatch(/ worker --workers 1 --grace 100 --max-idle 10 --lifetime 24 &$/m);
  });

  /** Runs the script with commands of our own in place of Slurm's and Aira's. */
  const run = (status: number, signal: string) => {
    const tools = `
      srun() { trap "exit ${status}" ${signal}; for _ in {1..200}; do kill -${signal} $$; sleep 0.05; done; }
      scontrol() { echo "scontrol $*"; }
      exec() { echo "exec $*"; exit 0; }
      export SLURM_JOB_ID=7`;
    return shell(clusterFile('slurm', options()).replace('aira=(aira)', () => tools)).trim();
  };

  it('passes the notice on, and is queued again', () => {
    expect(run(75, 'USR1')).toBe('scontrol requeue 7\nexec sleep 140');
  });

  it('stays after a preemption until Slurm ends it, which else counted it as completed', () => {
    expect(run(143, 'TERM')).toBe('exec sleep 1300');
  });

  it('quotes what a shell would read', () => {
    const text = clusterFile('slurm', options({ task: ['/data/my task; rm -rf ~'] }));
    const tools = `srun() { printf '%s|' "$AIRA_NATS_NKEY" "$@"; }`;
    const printed = shell(text.replace('aira=(aira)', () => tools));
    expect(printed).toContain("/home/o'neil/worker.nk|worker|--workers|1|");
    expect(printed).toContain('|--task|/data/my task; rm -rf ~|');
  });
});

it.each(['kubernetes', 'docker', 'sky', 'nats-chart'] as const)('%s is YAML', (kind) => {
  expect(parse(clusterFile(kind, options()))).toBeTypeOf('object');
});

it('a Kubernetes Job ignores disruptions, and its pods have longer than the worker’s grace', () => {
  const { spec } = parse(clusterFile('kubernetes', options()));
  expect(spec).toMatchObject({ completionMode: 'Indexed', completions: 64, parallelism: 64 });
  expect(spec.podFailurePolicy.rules[0]).toEqual({
    ...{ action: 'Ignore', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] },
  });
  const pod = spec.template.spec;
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThan(100);
  expect(pod.restartPolicy).toBe('Never');
  expect(pod.containers[0].resources.limits['nvidia.com/gpu']).toBe(1);
  const { gpus: _, ...processors } = options();
  expect(clusterFile('kubernetes', { ...processors, gpus: 0 })).not.toContain('nvidia');
});

it.each(clusters)('%s: no secret in a file, neither a password of the address nor a second line', (kind) => {
  expect(clusterFile(kind, options())).not.toMatch(/\bS[UA][A-Z2-7]{40}/);
  expect(codeOf(() => clusterFile(kind, options({ nats: 'nats://me:secret@lab:4222' })))).toBe('cluster-file');
  expect(codeOf(() => clusterFile(kind, options({ natsNkey: '/a\nrm -rf /' })))).toBe('cluster-file');
});
