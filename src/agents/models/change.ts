import { type Architecture, changedLayers, runLengthText } from '../../domain/architecture.ts';

/** Changes listed one by one before the rest is only counted; keeps every text below the 2000 characters of a rationale. */
const listed = 32;

/** `layer 3: mA -> Mb; layer 7: M -> mA`, layers counted from 0. */
export function describeChange(from: Architecture, to: Architecture): string {
  const layers = changedLayers(from, to);
  if (layers.length === 0) return 'no layer differs';
  const parts = layers.slice(0, listed).map((layer) => `layer ${layer}: ${from[layer]} -> ${to[layer]}`);
  if (layers.length > listed) parts.push(`and ${layers.length - listed} more layers`);
  return parts.join('; ');
}

/** A candidate without parents, in run-length form. */
export function describeDraft(architecture: Architecture): string {
  const text = runLengthText(architecture);
  return `random draft ${text.length > 500 ? `${text.slice(0, 500)}...` : text}`;
}
