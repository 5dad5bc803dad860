import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PrerequisiteError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema, type SearchId, searchIdSchema } from '../domain/ids.ts';
import { makeFolder, whyNot } from '../platform/index.ts';

/** Every option can also be given as `AIRA_<NAME>`; a flag wins over the variable. */
export function option(flags: string, description: string): Option {
  const declared = new Option(flags, description);
  const variable = `AIRA_${declared.name().replaceAll('-', '_').toUpperCase()}`;
  const value = process.env[variable]?.trim().toLowerCase();
  // Ignore an empty variable, and do not turn a switch on by "no".
  const applies = value !== '' && !(declared.isBoolean() && ['0', 'false', 'no', 'off'].includes(value ?? ''));
  return applies ? declared.env(variable) : declared;
}

/** A path argument, declared absolute. */
export function pathArgument(text: string): string {
  if (text === '') throw new InvalidArgumentError('the path is empty');
  if (text.includes('\0')) throw new InvalidArgumentError('a path cannot contain NUL');
  return resolve(text);
}

export const homeOption = () =>
  option('--home <dir>', 'the lab: archive, streams, reports').default('.aira').argParser(pathArgument);

export const pricesOption = () =>
  option('--prices <file>', 'price file for language models (default: the shipped one)').argParser(pathArgument);

export const offlineOption = () => option('--offline', 'agents read cached literature only, without online services');

export const unsafeOption = () =>
  option('--unsafe', 'run agents’ programs with your own permissions, without a sandbox; their scores are marked');

/** Also read from AIRA_COMPATIBLE_BASE_URL. */
export const baseUrlOption = () =>
  new Option(
    '--base-url <url>',
    'allowed endpoint for compatible/ models; repeatable (also AIRA_COMPATIBLE_BASE_URL)',
  ).argParser((text: string, before: readonly string[] | undefined) => {
    if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) {
      throw new InvalidArgumentError('expected a URL such as http://localhost:11434/v1');
    }
    return [...(before ?? []), text];
  });

/** Never read from a search file: a stranger's file must not run a command. Also `AIRA_NOTIFY`, for one. */
export const notifyOption = () =>
  option(
    '--notify <target>',
    'URL, shell command or @file for notices of new bests, stalls, budgets at 80 % and the end; repeatable',
  ).argParser((text: string, before: readonly string[] | undefined) => [...(before ?? []), text]);

/** Each variable has one folder, or several separated as in PATH. */
const foldersOption = (flags: string, description: string) =>
  option(flags, `${description}; repeatable`).argParser((text: string, before: readonly string[] | undefined) => [
    ...(before ?? []),
    ...text.split(delimiter).map((each) => resolve(each)),
  ]);

export const primitivesOption = () => foldersOption('--primitives <dir>', 'folder with primitives of your own');
export const taskOption = () => foldersOption('--task <dir>', 'third-party task directory that workers here may run');
export const scaffoldsOption = () => foldersOption('--scaffolds <dir>', 'folder with scaffolds of your own');

function realFile(text: string): string {
  try {
    return realpathSync(pathArgument(text));
  } catch (thrown) {
    if (thrown instanceof InvalidArgumentError) throw thrown;
    throw new InvalidArgumentError(`the file ${whyNot(thrown)}`);
  }
}

export const programOption = () =>
  option('--program <file>', 'program that agents of a search launched elsewhere may run; repeatable').argParser(
    (text: string, before: readonly string[] | undefined) => [...(before ?? []), realFile(text)],
  );

export const jsonOption = () => option('--json', 'machine-readable lines on stdout');

export function wholeNumber(text: string): number {
  const value = Number(text);
  // Digits only: Number() also accepts 1e3, 0x10 and an empty text.
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('expected a whole number, 0 or more');
  return value;
}

/** A whole number within inclusive bounds. */
export function numberWithin(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text);
    if (value < min || value > max) throw new InvalidArgumentError(`expected a number from ${min} to ${max}`);
    return value;
  };
}

/** A positive number, fractions included. */
export const quantity = (max: number) => (text: string) => {
  const value = Number(text);
  if (!/^\d{1,9}(\.\d{1,9})?$/.test(text) || value <= 0 || value > max) {
    throw new InvalidArgumentError(`expected a number above 0, up to ${max}`);
  }
  return value;
};

export const portNumber = numberWithin(1, 65_535);
/** As in a search file. */
export const workerNumber = numberWithin(0, 256);

export function agentArgument(text: string): AgentName {
  const parsed = agentNameSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError('not the name of an agent');
  return parsed.data;
}

export function searchArgument(text: string): SearchId {
  const parsed = searchIdSchema.safeParse(text);
  if (!parsed.success) throw new InvalidArgumentError(parsed.error.issues[0]?.message ?? 'not the name of a search');
  return parsed.data;
}

/** Adds all options to a command. */
export function withOptions(command: Command, ...options: Option[]): Command {
  for (const each of options) command.addOption(each);
  return command;
}

/**
 * Creates the home of a lab if it is missing.
 *
 * @throws PrerequisiteError `home` if it cannot be created or written.
 */
export function requireHome(home: string): void {
  const refuse = (why: string, cause?: unknown) =>
    new PrerequisiteError('home', `${home} cannot be used as the lab’s home: it ${why}`, 'choose another --home', {
      cause,
    });
  try {
    if (statSync(home, { throwIfNoEntry: false })?.isDirectory() === false) throw refuse('is not a directory');
    makeFolder(home, 0o700);
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw refuse((thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'cannot be created' : whyNot(thrown), thrown);
  }
}
