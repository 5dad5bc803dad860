import { appendFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Finding, type Secret, secretsOf } from '../../src/audit/index.ts';
import { agentSecret, labUsers, sealingKey } from '../../src/bus/index.ts';
import { Archive } from '../../src/memory/archive.ts';
import { manualClock, temporaryFolder } from '../support/home.ts';
import { auditOf, trial } from './laboratory.ts';

let home: string;
beforeEach(() => {
  home = temporaryFolder();
  const archive = Archive.open(home, manualClock());
  archive.handlers['search-open']({ spec: trial(), source: '' });
  archive.close();
});

async function secretsFinding(secrets: readonly Secret[] = []): Promise<Finding> {
  const findings = await auditOf(home, { secrets });
  const finding = findings.find(({ invariant }) => invariant === 'I7');
  if (!finding) throw new Error('no finding on I7');
  return finding;
}

describe('the variables that are taken for keys', () => {
  it('are those with the name of a key and a value of some length', () => {
    const long = 'a-long-enough-value';
    const env = {
      OPENAI_API_KEY: long,
      ANTHROPIC_API_KEY: long,
      GITHUB_TOKEN: long,
      AWS_SECRET: long,
      db_password: long,
      SHORT_KEY: 'too-short',
      UNSET_KEY: undefined,
      KEYBOARD: long,
      TOKENIZERS_PARALLELISM: long,
      PATH: long,
    };
    const names = secretsOf(env).map(({ name }) => name);
    expect(names).toEqual(['OPENAI_API_KEY', 'ANTHROPIC_API_KEY', 'GITHUB_TOKEN', 'AWS_SECRET', 'db_password']);
  });
});

describe('a secret', () => {
  // Put together here, so that no scanner takes this file for a leak.
  const forms: [what: string, text: string][] = [
    ['an Anthropic key', `sk-${'ant-'}api03-0123456789abcdefABCDEF`],
    ['a key of the form sk-...', `sk-${'proj-'}a1B2-c3D4_e5F6g7H8i9J0`],
    ['a GitHub token', `gh${'p_'}${'a1'.repeat(18)}`],
    ['an AWS access key', `AK${'IA'}${'A1B2'.repeat(4)}`],
    ['a Google key', `AI${'za'}${'A1b2c'.repeat(7)}`],
    ['a Hugging Face token', `hf${'_'}${'aB'.repeat(17)}`],
    ['the seed of an nkey', `S${'U'}${'A2'.repeat(28)}`],
    ['a private key', `-----BEGIN ${'RSA '}PRIVATE KEY-----`],
  ];

  it.each(forms)('is found in a file of the home: %s', async (what, text) => {
    writeFileSync(join(home, 'worker.log'), `before "${text}" after`);
    const { holds, violations } = await secretsFinding();
    expect(violations).toEqual([`${what} occurs in the file worker.log`]);
    expect(holds).toBe(false);
  });

  it('is found by its value in any folder, and is not printed', async () => {
    const canary = 'the-cänary-value';
    mkdirSync(join(home, 'nats', 'jetstream'), { recursive: true });
    writeFileSync(join(home, 'nats', 'jetstream', '1.blk'), Buffer.from(`\0\u00ff${canary}\0`));
    const finding = await secretsFinding([{ name: 'LAB_TOKEN', value: canary }]);
    expect(finding.violations).toEqual([
      `the value of LAB_TOKEN occurs in the file ${join('nats', 'jetstream', '1.blk')}`,
    ]);
    expect(JSON.stringify(finding)).not.toContain(canary);
  });

  it('is found across the border of two pieces of a large file', async () => {
    const canary = 'canary-across-the-border';
    const path = join(home, 'large.log');
    writeFileSync(path, Buffer.alloc(4 * 1024 * 1024 - 10, 'x'));
    appendFileSync(path, canary);
    const { violations } = await secretsFinding([{ name: 'LAB_TOKEN', value: canary }]);
    expect(violations).toEqual(['the value of LAB_TOKEN occurs in the file large.log']);
  });

  it('is not seen in words that only look like one', async () => {
    const words = [
      'task-specification-with-many-words',
      'sk-a-list-of-quite-ordinary-words',
      'mask-image: url(x)',
      'AKIASHORT',
      'hf_short',
    ];
    writeFileSync(join(home, 'report.html'), words.join('\n'));
    expect(await secretsFinding([{ name: 'LAB_TOKEN', value: 'not-in-this-home' }])).toMatchObject({
      holds: true,
      violations: [],
    });
  });

  it('may hide where nothing can be read, which is said', async () => {
    symlinkSync('/etc/hostname', join(home, 'link'));
    const { holds, evidence } = await secretsFinding();
    expect(holds).toBeNull();
    expect(evidence.join('\n')).toContain('not checked: link is not a file');
  });

  it('of the lab itself is looked for outside of the folder that is for it', async () => {
    labUsers(home);
    sealingKey(home);
    agentSecret(home);
    expect((await secretsFinding()).violations).toEqual([]);
    const seed = readFileSync(join(home, 'credentials/agents.secret'), 'utf8').trim();
    writeFileSync(join(home, 'worker.log'), `the secret is ${seed}`);
    writeFileSync(join(home, 'credentials/copy.pem'), readFileSync(join(home, 'credentials/sealing.pem')));
    expect([...(await secretsFinding()).violations].sort()).toEqual([
      'a private key occurs in the file credentials/copy.pem',
      'the value of credentials/agents.secret occurs in the file worker.log',
      'the value of credentials/sealing.pem occurs in the file credentials/copy.pem',
    ]);
  });
});
