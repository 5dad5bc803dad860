import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, resolve } from 'node:path';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { PrerequisiteError } from '../domain/errors.ts';
import { type AgentName, agentNameSchema, type SearchId, searchIdSchema } from '../domain/ids.ts';
import { makeFolder, whyNot } from '../platform/index.ts';

/** Every option can also be given as `AIRA_<NAME>`; a flag wins over the variable. */
export function option(flags: string, description: string): Option {
  const made = new Option(flags, description);
  const variable = `AIRA_${made.name().replaceAll('-', '_').toUpperCase()}`;
  const value = process.env[variable]?.trim().toLowerCase();
  // An empty variable says nothing, and a switch is not turned on by a no.
  const says = value !== '' && !(made.isBoolean() && ['0', 'false', 'no', 'off'].includes(value ?? ''));
  return says ? made.env(variable) : made;
}

/** A path that a person gave, absolute. */
export function pathArgument(text: string): string {
  if (text === '') throw new InvalidArgumentError('the path is empty');
  if (text.includes('\0')) throw new InvalidArgumentError('a path holds no NUL');
  return resolve(text);
}

export const homeOption = () =>
  option('--home <dir>', 'the lab: archive, streams, reports').default('.aira').argParser(pathArgument);

export const pricesOption = () =>
  option('--prices <file>', 'prices of language models, instead of the shipped ones').argParser(pathArgument);

export const offlineOption = () =>
  option('--offline', 'agents that may read online read what was found before, and ask no service');

export const unsafeOption = () =>
  option('--unsafe', 'run programs of agents with your own rights where there is no sandbox; their scores are marked');

/** Also read from AIRA_COMPATIBLE_BASE_URL, beside the key. */
export const baseUrlOption = () =>
  new Option(
    '--base-url <url>',
    'an address at which compatible/ models may be asked; may be given several times (also AIRA_COMPATIBLE_BASE_URL)',
  ).argParser((text: string, before: readonly string[] | undefined) => {
    if (!/^https?:$/.test(URL.canParse(text) ? new URL(text).protocol : '')) {
      throw new InvalidArgumentError('an address such as http://localhost:11434/v1 is needed');
    }
    return [...(before ?? []), text];
  });

/** `AIRA_TASK` holds one directory, or several as PATH does. */
export const taskOption = () =>
  option('--task <dir>', 'a task directory by others that workers here may run; may be given several times').argParser(
    (text: string, before: readonly string[] | undefined) => [
      ...(before ?? []),
      ...text.split(delimiter).map((each) => resolve(each)),
    ],
  );

export const jsonOption = () => option('--json', 'machine-readable lines on stdout');

export function wholeNumber(text: string): number {
  const value = Number(text);
  // Digits alone: Number() takes 1e3, 0x10 and an empty text as well.
  if (!/^\d{1,15}$/.test(text)) throw new InvalidArgumentError('a whole number is needed, 0 or more');
  return value;
}

/** A whole number within bounds, for what a machine or a search has only so many of. */
export function numberWithin(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = wholeNumber(text);
    if (value < least || value > most) throw new InvalidArgumentError(`a number from ${least} to ${most} is needed`);
    return value;
  };
}

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

/** Adds a command's options in one go. */
export function withOptions(command: Command, ...options: Option[]): Command {
  for (const each of options) command.addOption(each);
  return command;
}

/**
 * Makes the home of a lab where there is none, before anything is started in it.
 *
 * @throws PrerequisiteError `home` where it cannot be made, or not be written.
 */
export function requireHome(home: string): void {
  const refuse = (why: string, cause?: unknown) =>
    new PrerequisiteError('home', `the lab cannot be kept in ${home}: it ${why}`, 'choose another --home', { cause });
  try {
    if (statSync(home, { throwIfNoEntry: false })?.isDirectory() === false) throw refuse('is not a directory');
    makeFolder(home, 0o700);
    accessSync(home, constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (thrown) {
    if (thrown instanceof PrerequisiteError) throw thrown;
    throw refuse((thrown as NodeJS.ErrnoException).code === 'ENOENT' ? 'cannot be made there' : whyNot(thrown), thrown);
  }
}
