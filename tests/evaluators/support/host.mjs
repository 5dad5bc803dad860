// A host in a process of its own, to be killed: starts a worker with the command given as JSON and prints its child's pid.
// Vite loads the TypeScript sources, which Node 20 cannot.
import { join } from 'node:path';
import { runnerImport } from 'vite';

const root = join(import.meta.dirname, '../../..');
const { module } = await runnerImport(join(root, 'src/evaluators/index.ts'), {
  root,
  configFile: false,
  logLevel: 'silent',
});
const worker = new module.NativeWorker({ command: JSON.parse(process.argv[2]), memoryLimitBytes: 8 * 1024 ** 3 });
await worker.start();
const job = JSON.parse(process.argv[3]);
const said = (text) => process.stdout.write(`${text}\n`);
void worker.evaluate([job], { onOutcome: () => said('outcome'), onProgress: () => said(`training ${worker.pid}`) });
