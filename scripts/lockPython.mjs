// Resolves requirements/*.in to the locks that set-up installs (versions and hashes for every supported Python and
// platform): `npm run lock:python`. Needs uv and the package index.
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../requirements', import.meta.url));
const options = [
  '--quiet',
  '--universal',
  '--python-version',
  '3.10',
  '--generate-hashes',
  '--no-annotate',
  '--upgrade',
];

for (const name of readdirSync(folder).filter((file) => file.endsWith('.in'))) {
  const output = join(folder, name.replace(/\.in$/, '.txt'));
  const args = ['pip', 'compile', ...options, '--custom-compile-command', 'npm run lock:python', name, '-o', output];
  const { status, error } = spawnSync('uv', args, { cwd: folder, stdio: 'inherit' });
  if (error || status !== 0) {
    process.stderr.write(`uv could not resolve ${name}${error ? `: ${error.message}` : ''}\n`);
    process.exitCode = 1;
  }
}
