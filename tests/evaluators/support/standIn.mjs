// A process that speaks the worker protocol and misbehaves on request. How it greets is its argument; what it does with a
// request is `proxy.act`. It trains nothing: scores are made up from the seed.
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const say = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
/** Less than the 4 kB that a pipe takes in one piece. */
const sayAtOnce = (...events) => process.stdout.write(events.map((event) => `${JSON.stringify(event)}\n`).join(''));
const evaluator = 'torch-0123456789ab';
const hello = {
  event: 'hello',
  v: 1,
  evaluator,
  engine: 'torch',
  populationSize: 1,
  primitives: {},
  device: 'cpu',
  deviceName: 'stand-in',
  torch: '0',
  python: '0',
  memoryBytes: 1,
  calibratedFlops: 1e9,
};
const result = (id, { key, seed, measure }, more = {}) => ({
  event: 'result',
  id,
  key,
  validation: seed / 100,
  test: measure === 'test' ? seed / 200 : null,
  tasks: { recall: { validation: seed / 100, loss: 1.5, test: measure === 'test' ? seed / 200 : null } },
  curve: [[1, 0.1]],
  seconds: 1,
  cpuSeconds: 1,
  params: 10,
  flops: 100,
  peakMemoryBytes: 1000,
  device: 'cpu',
  ...more,
});
const failed = (id, { key }, reason, message) => ({ event: 'failed', id, key, reason, message });
const progress = (id, { key }) => ({ event: 'progress', id, key, step: 1, steps: 4, score: 0.25 });

let hanging = null;

const acts = {
  score(id, population) {
    for (const member of population) {
      say(progress(id, member));
      say(result(id, member));
    }
    say({ event: 'done', id });
  },
  nan(id, population) {
    for (const member of population) say(failed(id, member, 'nan', 'the loss is not finite'));
    say({ event: 'done', id });
  },
  /** Scores the first and lets the rest wait until the request is cancelled. */
  hang(id, population) {
    const [first, ...rest] = population;
    if (rest.length > 0) say(result(id, first));
    hanging = { id, members: rest.length > 0 ? rest : [first] };
    for (const member of hanging.members) say(progress(id, member));
  },
  /** Obeys nothing but SIGKILL, and has a child that does not either. */
  hangHard(id, [member], { pidFile }) {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, () => {});
    const stubborn = `process.on('SIGTERM', () => {}); setInterval(() => {}, 1e6); console.log('ready')`;
    const child = spawn(process.execPath, ['-e', stubborn], { stdio: ['ignore', 'pipe', 'inherit'] });
    child.stdout.once('data', () => {
      writeFileSync(pidFile, String(child.pid));
      deaf = true;
      setInterval(() => {}, 1e6);
      say(progress(id, member));
    });
  },
  exit(id, [member]) {
    say(progress(id, member));
    process.stderr.write(
      'Traceback (most recent call last):\n\u001b[31mRuntimeError: the matrix is singular\u001b[0m\n',
    );
    process.exitCode = 3;
    process.stdin.destroy();
  },
  segfault: () => process.kill(process.pid, 'SIGSEGV'),
  kill: () => process.kill(process.pid, 'SIGKILL'),
  garbage(id, [member]) {
    say(progress(id, member));
    process.stdout.write(`Warning: \u001b[31m${'x'.repeat(5000)}\n`);
  },
  endlessLine: () => process.stdout.write('y'.repeat(3_000_000)),
  unknownKey: (id, [member]) => say(result(id, member, { bonus: 1 })),
  notANumber: (id, [member]) => process.stdout.write(`${JSON.stringify(result(id, member)).replace('1.5', 'NaN')}\n`),
  tooGood: (id, [member]) => say(result(id, member, { validation: 1.5 })),
  stranger: (id, [member]) => say(result(id, { ...member, key: 'f'.repeat(64) })),
  twice(id, population) {
    say(result(id, population[0]));
    say(result(id, population[0], { validation: 0.99 }));
  },
  leakTest: (id, [member]) => say(result(id, member, { test: 0.9 })),
  leakTaskTest: (id, [member]) => say(result(id, member, { tasks: { recall: { test: 0.9 } } })),
  forget: (id, [member]) => say(result(id, member, { test: null, validation: null })),
  earlyDone: (id) => say({ event: 'done', id }),
  otherRequest: (_, [member]) => say(result('r999', member)),
  refuse: () => say({ event: 'error', message: 'evaluate: unknown key "proxi"' }),
  /** Sends correct events and then more, in a single write. */
  chatter(id, [member]) {
    sayAtOnce(result(id, member), { event: 'done', id }, progress(id, member));
  },
  /** Says nonsense, and then what would have been right. */
  recant(id, [member]) {
    sayAtOnce('nonsense', result(id, member), { event: 'done', id });
  },
  /** Ends with another result than requested. */
  hangUntilNan(id, [member]) {
    hanging = { id, members: [member], reason: 'nan' };
    say(progress(id, member));
  },
  noise(id, population) {
    process.stderr.write(`first words\n${'filler '.repeat(150_000)}\n`, () => {
      process.stderr.write('last words\n', () => acts.exit(id, population));
    });
  },
  /** Leaves the group with the pipes in hand, so that they stay open after this process is gone. */
  leavePipes(_, __, { pidFile }) {
    const heir = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6)'], { detached: true, stdio: 'inherit' });
    writeFileSync(pidFile, String(heir.pid));
    process.kill(process.pid, 'SIGSEGV');
  },
  environment(id, [member]) {
    say(failed(id, member, 'invalid', JSON.stringify(process.env)));
    say({ event: 'done', id });
  },
};

let deaf = false;
function serve(line) {
  if (deaf) return;
  const request = JSON.parse(line);
  if (request.op === 'shutdown') process.exit(0);
  if (request.op === 'evaluate') acts[request.proxy.act](request.id, request.population, request.proxy);
  if (request.op === 'cancel' && hanging?.id === request.id) {
    for (const member of hanging.members) say(failed(request.id, member, hanging.reason ?? 'cancelled', 'ended'));
    say({ event: 'done', id: request.id });
    hanging = null;
  }
}

const greetings = {
  politely() {
    say(hello);
    const lines = createInterface({ input: process.stdin });
    lines.on('line', serve);
    lines.on('close', () => deaf || process.exitCode === 3 || process.exit(0));
  },
  exit() {
    process.stderr.write("ModuleNotFoundError: No module named 'torch'\n");
    process.exitCode = 1;
  },
  silently: () => setInterval(() => {}, 1e6),
  rudely: () => process.stdout.write('Welcome to the trainer!\n', () => setInterval(() => {}, 1e6)),
  fromTheFuture: () => say({ ...hello, v: 2, extra: true }),
  /** Greets, and breaks the protocol in the same breath. */
  breathlessly: () => process.stdout.write(`${JSON.stringify(hello)}\nnonsense\n`, () => setInterval(() => {}, 1e6)),
};
greetings[process.argv[2] ?? 'politely']();
