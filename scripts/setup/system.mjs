import { BLAS_PACKAGE, inspectBlas } from './blas.mjs';
import { aptCommands, installPackages, rootAccess, setAlternative } from './debian.mjs';
import { SetupError } from './errors.mjs';
import { hasApt } from './host.mjs';
import { findNatsServer } from './natsServer.mjs';
import { hasDebianTorch, inspectPython } from './python.mjs';
import { PythonProbes } from './pythonProbe.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./debian.mjs').Package} Package */
/**
 * The programs Aira starts (null: none yet) and what has to be installed on the machine.
 *
 * @typedef {object} SystemFindings
 * @property {string | null} natsServer
 * @property {string | null} python
 * @property {Package[]} packages
 * @property {{ link: string, target: string } | null} alternative
 * @property {import('./python.mjs').PythonFindings['pip']} pip
 */

/** @param {Host} host @returns {Promise<SystemFindings>} */
export async function inspectSystem(host) {
  const natsServer = findNatsServer(host);
  const python = await inspectPython(host, new PythonProbes(host));
  /** @type {Package[]} */
  const packages = [];
  if (!natsServer)
    packages.push({ name: 'nats-server', why: 'the parts of a search talk through it, and none was found' });
  packages.push(...python.packages);

  const usesDebianTorch = python.chosen ? hasDebianTorch(host, python.chosen) : python.packages.length > 0;
  const blas = usesDebianTorch && hasApt(host) ? inspectBlas(host) : { kind: /** @type {const} */ ('fast') };
  if (blas.kind === 'package') {
    packages.push({ name: BLAS_PACKAGE, why: 'torch is about ten times slower on the reference library' });
  }
  return {
    natsServer,
    python: python.chosen?.python ?? null,
    packages,
    alternative: blas.kind === 'alternative' ? { link: blas.link, target: blas.target } : null,
    pip: python.pip,
  };
}

/** @param {SystemFindings} found */
export function isSystemReady(found) {
  return found.packages.length === 0 && found.alternative === null && found.pip.length === 0;
}

/**
 * Finds out how the missing pieces can be installed, before anything is.
 *
 * @param {Host} host
 * @param {SystemFindings} found
 * @returns {Promise<string[]>} the prefix for commands that need root
 * @throws {SetupError} with exit code 2 and the commands to run, where a person has to do it
 */
export async function prepareInstallation(host, found) {
  const needsRoot = found.packages.length > 0 || found.alternative !== null;
  const access = needsRoot ? await rootAccess(host) : { prefix: [] };
  if (access.prefix && found.pip.length === 0) return access.prefix;

  const details = found.pip.flatMap(({ why, python, projects }) => [
    `${why}:`,
    `  ${python} -m pip install ${projects.join(' ')}`,
  ]);
  if (needsRoot) {
    const reasons = [...new Set(found.packages.map(({ why }) => why))];
    details.push(...(hasApt(host) ? debianByHand(host, found, reasons) : elsewhereByHand(host, found)));
  }
  const reason = access.prefix === null ? ` (${access.reason})` : '';
  throw new SetupError(`something is missing that has to be installed by hand${reason}. Run this, then start again:`, {
    exitCode: 2,
    details,
  });
}

/** @param {Host} host @param {SystemFindings} found @param {string[]} reasons */
function debianByHand(host, found, reasons) {
  const lines = reasons.map((why) => `${why}:`);
  if (found.packages.length > 0) {
    const names = found.packages.map(({ name }) => name);
    lines.push(...aptCommands(host, names).map((command) => `  ${command}`));
  }
  if (found.alternative) {
    const sudo = host.uid === 0 ? '' : 'sudo ';
    lines.push('torch is about ten times slower on the reference BLAS, which is selected:');
    lines.push(`  ${sudo}update-alternatives --set ${found.alternative.link} ${found.alternative.target}`);
  }
  return lines;
}

/** @param {Host} host @param {SystemFindings} found */
function elsewhereByHand(host, found) {
  const lines = [];
  if (!found.natsServer) {
    lines.push('nats-server was not found:');
    lines.push(
      host.platform === 'darwin'
        ? '  brew install nats-server'
        : '  go install github.com/nats-io/nats-server/v2@latest && export AIRA_NATS_SERVER="$(go env GOPATH)/bin/nats-server"',
    );
    if (host.platform !== 'darwin')
      lines.push('  (or download it from https://github.com/nats-io/nats-server/releases)');
  }
  if (!found.python) {
    const projects = ['torch', 'numpy', 'scikit-learn', ...(host.dev ? ['pytest'] : [])];
    lines.push('no Python with torch and numpy was found:');
    lines.push(`  python3 -m venv .venv && .venv/bin/python -m pip install ${projects.join(' ')}`);
  }
  return lines;
}

/**
 * @param {Host} host
 * @param {string[]} prefix from `prepareInstallation`
 * @param {SystemFindings} found
 * @returns {Promise<SystemFindings>} what is there afterwards: complete
 */
export async function installSystem(host, prefix, found) {
  if (found.packages.length > 0) await installPackages(host, prefix, found.packages);
  // Looked at again rather than carried over: a library installed just now selects itself, unless another was selected
  // by hand.
  const alternative = found.packages.length > 0 ? (await inspectSystem(host)).alternative : found.alternative;
  if (alternative) await setAlternative(host, prefix, alternative.link, alternative.target);

  const after = await inspectSystem(host);
  if (isSystemReady(after)) return after;
  const still = [...after.packages.map(({ name, why }) => `${name}: ${why}`), ...after.pip.map(({ why }) => why)];
  throw new SetupError('the installation went through, but the machine still lacks something:', { details: still });
}
