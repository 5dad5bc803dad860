import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse, stringify } from 'yaml';
import { PrerequisiteError } from '../../src/domain/errors.ts';
import { listTasks, loadTask, profileOf } from '../../src/tasks/catalogue.ts';

const rung = { seconds: 6, settings: { steps: 200, model: { width: 32 } } };
const metadata = {
  metric_lower_is_better: false,
  file_export_globs: ['submission.csv'],
  logging_info: { name: 'tiny', metric: 'MeanAccuracy', sota: [], category: 'anything' },
  compose: { layers: 4, primitives: ['M', 'mA'] },
  profiles: { nano: { rungs: { screen: rung, confirm: rung, final: rung } } },
};

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'aira-tasks-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(name: string, text: string): string {
  const directory = join(root, name);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'metadata.yaml'), text);
  writeFileSync(join(directory, 'project_description.md'), `# ${name}\n`);
  return directory;
}

const writeTask = (name: string, change: object = {}) =>
  write(name, stringify({ ...metadata, logging_info: { ...metadata.logging_info, name }, ...change }));

function refusal(nameOrPath: string, roots = [root]): PrerequisiteError {
  try {
    loadTask(nameOrPath, roots);
  } catch (error) {
    expect(error).toBeInstanceOf(PrerequisiteError);
    return error as PrerequisiteError;
  }
  throw new Error(`${nameOrPath} should have been refused`);
}

describe('a task', () => {
  it('is found by its name and by its path, with the other keys of AIRS-Bench', () => {
    const directory = writeTask('tiny');
    const task = loadTask('tiny', [root]);
    expect(task).toEqual({
      name: 'tiny',
      directory,
      description: '# tiny\n',
      metric: 'MeanAccuracy',
      lowerIsBetter: false,
      space: { kind: 'stack', ...metadata.compose },
      profiles: metadata.profiles,
    });
    expect(loadTask(directory, [])).toEqual(task);
    expect(loadTask(`${directory}/`, [])).toEqual(task);
  });

  it('may measure quantities of other names in a profile', () => {
    const names = { validation: 'PrequentialAccuracy', test: 'MacroAccuracy' };
    writeTask('tiny', { metrics: { nano: names } });
    expect(loadTask('tiny', [root]).metrics).toEqual({ nano: names });
  });

  it('may be written with YAML anchors and merge keys', () => {
    write(
      'merged',
      `metric_lower_is_better: true
logging_info: { name: merged, metric: Loss }
compose: { layers: 2, primitives: [M] }
profiles:
  nano:
    rungs:
      screen: { seconds: 1, settings: &base { steps: 10, lr: 1.0e-3 } }
      confirm: { seconds: 1, settings: { <<: *base, steps: 20 } }
      final: { seconds: 1, settings: *base }
`,
    );
    const { rungs } = profileOf(loadTask('merged', [root]), 'nano');
    expect(rungs.confirm.settings).toEqual({ steps: 20, lr: 0.001 });
    expect(rungs.final.settings).toEqual({ steps: 10, lr: 0.001 });
  });

  it('of the same name is the earlier root’s', () => {
    writeTask('tiny');
    const second = join(root, 'second');
    cpSync(join(root, 'tiny'), join(second, 'tiny'), { recursive: true });
    expect(loadTask('tiny', [second, root]).directory).toBe(join(second, 'tiny'));
    expect(listTasks([root, second, join(root, 'nowhere')])).toEqual([{ name: 'tiny', directory: join(root, 'tiny') }]);
  });

  it('that does not exist is answered with those that do', () => {
    writeTask('compose-two');
    writeTask('compose-three');
    const error = refusal('compose-twoo');
    expect(error.code).toBe('task-unknown');
    expect(error.message).toBe('unknown task "compose-twoo"; did you mean "compose-two"?');
    expect(error.remedy).toContain('compose-three, compose-two');
    expect(refusal('nothing', []).remedy).toBe('give the path of a task directory');
    expect(refusal(root, []).message).toContain('it has no metadata.yaml');
  });
});

describe('malformed metadata names the file, the place and the mistake', () => {
  const screenOnly = { nano: { rungs: { screen: rung } } };
  it.each<[string, object, RegExp]>([
    [
      'what cannot be the name of a primitive',
      { compose: { layers: 4, primitives: ['M', 'm X'] } },
      /compose\.primitives\[1\]: /,
    ],
    ['no depth', { compose: { layers: 0, primitives: ['M'] } }, /compose\.layers: /],
    [
      'an unknown key of ours',
      { compose: { layers: 4, primitives: ['M'], layer: 3 } },
      /compose: unknown key "layer"; did you mean "layers"\?/,
    ],
    ['a missing rung', { profiles: screenOnly }, /profiles\.nano\.rungs\.confirm is missing/],
    ['names of measures of no profile', { metrics: { nan: { validation: 'A', test: 'B' } } }, /profile "nan"/],
    ['no name for what the test set measures', { metrics: { nano: { validation: 'A' } } }, /metrics\.nano\.test/],
    ['no profile', { profiles: {} }, /at least one profile/],
    [
      'a mistyped key among unknown ones',
      { profiles: undefined, profile: metadata.profiles },
      /did you mean "profiles" instead of "profile"\?/,
    ],
    ['text for a truth value', { metric_lower_is_better: 'no' }, /metric_lower_is_better: /],
    [
      'another name than its directory',
      { logging_info: metadata.logging_info },
      /logging_info\.name is "tiny", but the directory is named "broken"/,
    ],
  ])('%s', (_, change, message) => {
    const directory = writeTask('broken', change);
    const error = refusal('broken');
    expect(error.code).toBe('task-malformed');
    expect(error.message).toMatch(message);
    expect(error.message.startsWith(join(directory, 'metadata.yaml'))).toBe(true);
    expect(error.remedy).not.toBe('');
  });

  it('text that is no YAML, or no mapping', () => {
    write('broken', 'compose: {layers: 4\n  primitives: [M\n');
    expect(refusal('broken').message).toMatch(/metadata\.yaml: line \d+: ./);
    write('broken', 'compose: 1\ncompose: 2\n');
    expect(refusal('broken').message).toMatch(/the key "compose" occurs twice/);
    write('broken', '- a list\n');
    expect(refusal('broken').code).toBe('task-malformed');
    write('broken', '');
    expect(refusal('broken').code).toBe('task-malformed');
  });

  it('a missing description', () => {
    const directory = writeTask('broken');
    rmSync(join(directory, 'project_description.md'));
    expect(refusal('broken').message).toContain('project_description.md: cannot be read');
  });
});

describe('a Design task', () => {
  const files = [
    { name: 'model.py', maxBytes: 1000 },
    { name: 'config.toml', maxBytes: 1000 },
  ];
  const design = (baseline: object) => ({ compose: undefined, design: { family: 'lra', files, baseline } });
  const put = (directory: string, name: string, text: string) => {
    mkdirSync(join(directory, name, '..'), { recursive: true });
    writeFileSync(join(directory, name), text);
  };

  it('starts from files of its own, and from those that it names elsewhere', () => {
    const directory = writeTask('written', design({ 'model.py': '../shared/linear.py' }));
    put(root, 'shared/linear.py', 'x = 1\n');
    put(directory, 'baseline/model.py', 'x = 2\n');
    put(directory, 'baseline/config.toml', 'y = 3\n');
    expect(loadTask('written', [root]).brief?.baseline).toEqual({ 'model.py': 'x = 1\n', 'config.toml': 'y = 3\n' });
  });

  it('may have a baseline of its own in a profile', () => {
    const { brief, briefs } = loadTask('autoresearch');
    expect(Object.keys(briefs ?? {})).toEqual(['paper']);
    expect(briefs?.paper?.baseline['train.py']).toMatch(/^DEPTH = 8\b/m);
    expect(brief?.baseline['train.py']).toMatch(/^DEPTH = 2\b/m);
  });

  it('may not name a baseline for a file outside design.files, or a missing one', () => {
    writeTask('broken', design({ 'modle.py': '../shared/linear.py' }));
    expect(refusal('broken').message).toContain('design.baseline names modle.py');
    writeTask('broken', design({ 'model.py': '../shared/none.py' }));
    expect(refusal('broken').message).toContain('shared/none.py: cannot be read');
  });
});

describe('a profile', () => {
  it('that does not exist is answered with those that do', () => {
    writeTask('tiny');
    const task = loadTask('tiny', [root]);
    expect(profileOf(task, 'nano')).toEqual(metadata.profiles.nano);
    expect(() => profileOf(task, 'nanno')).toThrow('task tiny has no profile "nanno"; did you mean "nano"?');
    expect(() => profileOf(task, 'constructor')).toThrow(PrerequisiteError);
  });
});

describe('Aira’s own tasks', () => {
  it('can all be loaded', () => {
    const tasks = listTasks();
    expect(tasks.map(({ name }) => name)).toContain('compose-mad-3p');
    for (const { name, directory } of tasks) {
      const task = loadTask(name);
      const { compose, design } = parse(readFileSync(join(directory, 'metadata.yaml'), 'utf8'));
      expect(task.space).toEqual(compose ? { kind: 'stack', ...compose } : { kind: 'program', files: design.files });
      expect(Object.keys(task.profiles)).toContain('nano');
    }
  });
});
