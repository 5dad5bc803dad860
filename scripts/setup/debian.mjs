import { existsSync, readdirSync } from 'node:fs';
import { allOnPath, run } from './command.mjs';
import { SetupError } from './errors.mjs';
import { hasApt, systemPath } from './host.mjs';
import { isTorchRecentEnough } from './pythonProbe.mjs';

/** @typedef {import('./host.mjs').Host} Host */
/** @typedef {{ name: string, why: string }} Package */

/**
 * How to run a command as root: the words to put before it. Null, with the reason, where that cannot be done
 * unattended.
 *
 * @param {Host} host
 * @returns {Promise<{ prefix: string[] } | { prefix: null, reason: string }>}
 */
export async function rootAccess(host) {
  if (!hasApt(host)) return { prefix: null, reason: 'this is not Debian or a relative of it' };
  if (host.uid === 0) return { prefix: [] };
  const sudo = allOnPath(host, 'sudo')[0];
  if (!sudo) return { prefix: null, reason: 'this is not root, and there is no sudo' };
  const allowed = await run(host, 'asking sudo', sudo, ['-n', 'true']);
  return allowed.code === 0
    ? { prefix: [sudo, '-n'] }
    : { prefix: null, reason: 'this is not root, and sudo asks for a password' };
}

/** The commands by which a person does what `installPackages` would do. @param {Host} host @param {string[]} names */
export function aptCommands(host, names) {
  const sudo = host.uid === 0 ? '' : 'sudo ';
  return [`${sudo}apt-get update`, `${sudo}apt-get install --yes --no-install-recommends ${names.join(' ')}`];
}

/**
 * Installs all packages by one call of apt-get. The package lists are fetched first when there are none (as in a fresh
 * container), or afterwards when the call failed, as it does when they are out of date.
 *
 * @param {Host} host
 * @param {string[]} prefix from `rootAccess`
 * @param {Package[]} packages
 */
export async function installPackages(host, prefix, packages) {
  const names = packages.map(({ name }) => name);
  for (const { name, why } of packages) host.say(`installing Debian package ${name}: ${why}`);

  const update = () => updateLists(host, prefix);
  const install = () =>
    asRoot(host, prefix, 'apt-get install', [
      ...['apt-get', 'install', '--yes', '--no-install-recommends', '-o', 'DPkg::Lock::Timeout=600'],
      ...names,
    ]);

  const fresh = !hasPackageLists(host);
  if (fresh) await update();
  let finished = await install();
  if (finished.code !== 0 && !fresh) {
    await update();
    finished = await install();
  }
  if (finished.code !== 0) {
    const details = [...finished.tail, 'By hand:', ...aptCommands(host, names).map((command) => `  ${command}`)];
    throw new SetupError(`apt-get could not install ${names.join(' ')}: see its last lines below.`, { details });
  }
  if (names.includes('nats-server')) await stopNatsService(host, prefix);
}

/**
 * Points an alternative to a target that is installed.
 *
 * @param {Host} host
 * @param {string[]} prefix
 * @param {string} link
 * @param {string} target
 */
export async function setAlternative(host, prefix, link, target) {
  host.say(`selecting ${target} as ${link}: torch is about ten times slower on the reference library`);
  const finished = await asRoot(host, prefix, 'update-alternatives', ['update-alternatives', '--set', link, target]);
  if (finished.code !== 0)
    throw new SetupError(`update-alternatives could not set ${link}.`, { details: finished.tail });
}

/**
 * Debian's package starts a server for everybody on port 4222, without a password, where systemd runs. Aira starts a
 * private one for each search instead, so the service that came with our installation is switched off again.
 *
 * @param {Host} host @param {string[]} prefix
 */
async function stopNatsService(host, prefix) {
  if (!existsSync(systemPath(host, 'run/systemd/system'))) return;
  host.say('switching off the system service nats-server: Aira starts its own');
  await asRoot(host, prefix, 'systemctl', ['systemctl', 'disable', '--now', 'nats-server']);
}

/** @param {Host} host @param {string[]} prefix */
function updateLists(host, prefix) {
  return asRoot(host, prefix, 'apt-get update', ['apt-get', 'update']);
}

/**
 * Whether this release has a package of a torch that is recent enough: Debian 12 has 1.13, Ubuntu 22.04 1.8. Where there
 * are no package lists yet (a fresh container), they are fetched, if that can be done unattended; else the answer is yes.
 *
 * @param {Host} host
 */
export async function debianOffersTorch(host) {
  const program = allOnPath(host, 'apt-cache')[0];
  if (!program) return true;
  if (!hasPackageLists(host)) {
    const access = await rootAccess(host);
    if (access.prefix === null) return true;
    await updateLists(host, access.prefix);
  }
  const { code, stdout } = await run(host, 'apt-cache', program, ['policy', 'python3-torch']);
  const candidate = /Candidate:\s*(\S+)/.exec(stdout)?.[1];
  return code === 0 && candidate !== undefined && candidate !== '(none)' && isTorchRecentEnough(candidate);
}

/** @param {Host} host @param {string[]} prefix @param {string} label @param {string[]} command */
function asRoot(host, prefix, label, command) {
  // Through env(1), since sudo drops the variables it was started with.
  const [program, ...args] = [...prefix, 'env', 'DEBIAN_FRONTEND=noninteractive', ...command];
  // apt names each package as it comes: `Get:12 http://deb.debian.org/debian bookworm/main amd64 python3-torch ...`.
  const progress = (/** @type {string} */ line) =>
    /^(Get:\d+|Unpacking|Setting up) .*/.exec(line)?.[0].slice(0, 90) ?? null;
  return run(host, label, /** @type {string} */ (program), args, { progress });
}

/** @param {Host} host */
function hasPackageLists(host) {
  const folder = systemPath(host, 'var/lib/apt/lists');
  return existsSync(folder) && readdirSync(folder).some((name) => name.includes('_Packages'));
}
