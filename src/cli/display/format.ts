import { parseArchitecture, runLengthText } from '../../domain/architecture.ts';

/** `3:07` for 187 000 ms. */
export function clockTime(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  const rest = `${Math.floor(seconds / 60) % 60}`.padStart(seconds >= 3600 ? 2 : 1, '0');
  const text = `${rest}:${`${seconds % 60}`.padStart(2, '0')}`;
  return seconds >= 3600 ? `${Math.floor(seconds / 3600)}:${text}` : text;
}

export const score = (value: number | null | undefined): string => (value == null ? '  –  ' : value.toFixed(3));

/** The run-length form of a candidate's canonical text. */
export const shape = (candidate: string): string => runLengthText(parseArchitecture(candidate));
