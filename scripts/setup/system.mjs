import { BLAS_PACKAGE, inspectBlas } from './blas.mjs';
import { aptCommands, installPackages, rootAccess, setAlternative } from './debian.mjs';
import { SetupError } from './errors.mjs';
import { hasApt, setupCommand } from './host.mjs';
import { findNatsServer } from './natsServer.mjs';
import { inspectNvidia } from './nvidia.mjs';
import { hasDebianTorch, inspectPython } from './python.mjs';
import { PythonProbes } from './pythonProbe.mjs';
import { makeVenv } from './venv.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {import('./debian.mjs').Package} Package */
/**
 * The programs Aira starts (null: none yet) and what has to be installed on the machine.
 *
 * @typedef {object} SystemFindings
 * @property {string | null} natsServer
 * @property {import('./pythonProbe.mjs').Probe | null} python
 * @property {boolean} wantsPython  false: `--python none`
 * @property {import('./nvidia.mjs').Nvidia} nvidia
 * @property {Package[]} packages
 * @property {{ link: string, target: string } | null} alternative
 * @property {import('./python.mjs').PythonFindings['pip']} pip
 * @property {import('./venv.mjs').VenvPlan | null} venv
 * @property {boolean} nothing  no Python can train, and none may be installed unasked
 */

/** @typedef {import('./host.mjs').PythonChoice} PythonChoice */

/** @param {Host} host @param {PythonChoice} choice @returns {Promise<SystemFindings>} */
export async function inspectSystem(host, choice) {
  const natsServer = findNatsServer(host);
  const nvidia = await inspectNvidia(host);
  const python = await inspectPython(host, new PythonProbes(host), nvidia, choice);
  /** @type {Package[]} */
  const packages = [];
  if (!natsServer)
    packages.push({ name: 'nats-server', why: 'the parts of a search talk through it, and none was found' });
  packages.push(...python.packages);

  const usesDebianTorch = python.chosen
    ? hasDebianTorch(host, python.chosen)
    : python.packages.length > 0 && python.venv === null;
  const blas = usesDebianTorch && hasApt(host) ? inspectBlas(host) : { kind: /** @type {const} */ ('fast') };
  if (blas.kind === 'package') {
    packages.push({ name: BLAS_PACKAGE, why: 'torch is about ten times slower on the reference library' });
  }
  return {
    natsServer,
    python: python.chosen,
    wantsPython: choice !== 'none',
    nvidia,
    packages,
    alternative: blas.kind === 'alternative' ? { link: blas.link, target: blas.target } : null,
    pip: python.pip,
    venv: python.venv,
    nothing: python.nothing,
  };
}

/** @param {SystemFindings} found */
export function isSystemReady(found) {
  const complete = found.packages.length === 0 && found.alternative === null && found.pip.length === 0;
  return complete && found.venv === null && !found.nothing;
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
  if (access.prefix && found.pip.length === 0 && !found.nothing && hasNats(host, found)) return access.prefix;

  const details = found.pip.flatMap(({ why, python, projects }) =>
    found.python?.isManaged
      ? [
          `${why}, and its packages are the system's (PEP 668); an environment of Aira's own needs no root:`,
          venvCommand(host),
        ]
      : [`${why}:`, `  ${python} -m pip install ${projects.join(' ')}`],
  );
  if (needsRoot || found.nothing) {
    const reasons = [...new Set(found.packages.map(({ why }) => why))];
    details.push(...(hasApt(host) ? debianByHand(host, found, reasons) : elsewhereByHand(host, found)));
  }
  const reason = access.prefix === null ? ` (${access.reason})` : '';
  throw new SetupError(`something is missing that has to be installed by hand${reason}. Run this, then start again:`, {
    exitCode: 2,
    details,
  });
}

/** Elsewhere than on Debian, nats-server is installed by hand. @param {Host} host @param {SystemFindings} found */
function hasNats(host, found) {
  return hasApt(host) || found.natsServer !== null;
}

/** @param {Host} host */
function venvCommand(host) {
  return `  ${setupCommand(host)} --python venv${host.dev ? ' --dev' : ''}`;
}

/** @param {Host} host @param {SystemFindings} found @param {string[]} reasons */
function debianByHand(host, found, reasons) {
  const lines = reasons.map((why) => `${why}:`);
  if (found.packages.length > 0) {
    const names = found.packages.map(({ name }) => name);
    lines.push(...aptCommands(host, names).map((command) => `  ${command}`));
  }
  if (host.uid !== 0) lines.push(...withoutRoot(host, found));
  else if (found.nothing) lines.push('this release has no package of torch 1.13 or newer:', venvCommand(host));
  if (found.alternative) {
    const sudo = host.uid === 0 ? '' : 'sudo ';
    lines.push('torch is about ten times slower on the reference BLAS, which is selected:');
    lines.push(`  ${sudo}update-alternatives --set ${found.alternative.link} ${found.alternative.target}`);
  }
  return lines;
}

/**
 * The same for a user who cannot become root: a package can be unpacked anywhere, and an environment needs no root.
 *
 * @param {Host} host @param {SystemFindings} found
 */
function withoutRoot(host, found) {
  const lines = [];
  if (!found.natsServer) {
    lines.push(
      '  mkdir -p ~/.local/nats && cd ~/.local/nats && apt-get download nats-server && dpkg-deb -x nats-server_*.deb .',
    );
    lines.push('  export AIRA_NATS_SERVER=~/.local/nats/usr/sbin/nats-server && cd -');
  }
  // Without a Python to build on, only uv can bring one.
  if (found.venv !== null)
    lines.push('  curl -LsSf https://astral.sh/uv/install.sh | sh   # uv, which fetches a Python');
  if (!found.python) lines.push(`${venvCommand(host)}   # torch from the package index, about 3 GB`);
  return lines.length === 0 ? [] : ['or, without root:', ...lines];
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
  if (found.nothing) {
    lines.push('no Python with torch and numpy was found; this installs pinned versions (a download of up to 3 GB):');
    lines.push(venvCommand(host));
  }
  return lines;
}

/**
 * @param {Host} host
 * @param {PythonChoice} choice
 * @param {string[]} prefix from `prepareInstallation`
 * @param {SystemFindings} found
 * @returns {Promise<SystemFindings>} what is there afterwards: complete
 */
export async function installSystem(host, choice, prefix, found) {
  if (found.packages.length > 0) await installPackages(host, prefix, found.packages);
  if (found.venv !== null) await makeVenv(host, found.venv);
  // Looked at again rather than carried over: a library installed just now selects itself, unless another was selected
  // by hand.
  const alternative = found.packages.length > 0 ? (await inspectSystem(host, choice)).alternative : found.alternative;
  if (alternative) await setAlternative(host, prefix, alternative.link, alternative.target);

  const after = await inspectSystem(host, choice);
  if (isSystemReady(after)) return after;
  const still = [
    ...after.packages.map(({ name, why }) => `${name}: ${why}`),
    ...after.pip.map(({ why }) => why),
    ...(after.venv === null ? [] : [after.venv.why]),
    ...(after.nothing ? ['no Python has torch 1.13 or newer'] : []),
  ];
  throw new SetupError('the installation went through, but the machine still lacks something:', { details: still });
}
