// Makes `npm start` and `npm test` work from a clean clone: `node scripts/setup.mjs [--dev]`.
//
// This file must parse on Node 14 (no syntax younger than ES2020, nothing imported statically but built-ins), because
// its first task is to tell the owner of an old Node so in one sentence. Everything else is imported afterwards.
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * The sentence for a Node older than `engines.node` (`>=MAJOR.MINOR`) of package.json, or null when it is new enough.
 *
 * @param {string} version
 * @param {string} engines
 */
function oldNodeSentence(version, engines) {
  const wanted = /^>=(\d+)\.(\d+)/.exec(engines);
  if (!wanted) throw new Error(`package.json: engines.node must have the form >=MAJOR.MINOR, not ${engines}`);
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const least = { major: Number(wanted[1]), minor: Number(wanted[2]) };
  if (major > least.major || (major === least.major && minor >= least.minor)) return null;
  const wants = `Node ${least.major}.${least.minor} or newer and this is Node ${version}`;
  return `setup: Aira needs ${wants}: install a newer one (https://nodejs.org) and start again.`;
}

const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const tooOld = oldNodeSentence(process.versions.node, manifest.engines.node);

if (tooOld) {
  process.stderr.write(`${tooOld}\n`);
  process.exitCode = 2;
} else {
  // A rejection here is a defect of set-up itself: Node ends the process with its stack and status 1.
  void import('./setup/program.mjs')
    .then((program) => program.main(root, process.argv.slice(2)))
    .then((code) => {
      process.exitCode = code;
    });
}
