import { AiraError } from '../domain/errors.ts';

/** What the state that asks for it was given by the state before; null would be a mistake in the machine. */
export function held<T>(value: T | null): T {
  if (value === null) throw new AiraError('machine', 'a state was entered without what it works on');
  return value;
}
