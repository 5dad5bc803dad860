import { closest, distance } from 'fastest-levenshtein';
import * as z from 'zod';

/** The JSON Schema of an object reached by a zod issue path, or undefined where the path leads through something else. */
function objectAt(schema: unknown, path: readonly PropertyKey[], root: unknown): Set<string> {
  const keys = new Set<string>();
  const visit = (node: unknown, rest: readonly PropertyKey[]): void => {
    if (typeof node !== 'object' || node === null) return;
    const { $ref, anyOf, oneOf, allOf, items, properties, additionalProperties } = node as Record<string, unknown>;
    if (typeof $ref === 'string') {
      const target = $ref
        .split('/')
        .slice(1)
        .reduce<unknown>((at, part) => (at as Record<string, unknown>)?.[part], root);
      visit(target, rest);
    }
    for (const branch of [anyOf, oneOf, allOf]) {
      if (Array.isArray(branch)) for (const option of branch) visit(option, rest);
    }
    const [head, ...tail] = rest;
    if (head === undefined) {
      if (typeof properties === 'object' && properties !== null)
        for (const key of Object.keys(properties)) keys.add(key);
    } else if (typeof head === 'number') visit(items, tail);
    else visit((properties as Record<string, unknown> | undefined)?.[String(head)] ?? additionalProperties, tail);
  };
  visit(schema, path);
  return keys;
}

/** The known name nearest to a mistyped one, when it is near enough to have been meant. */
export function nearest(name: string, known: Iterable<string>): string | undefined {
  const candidates = [...known];
  if (candidates.length === 0) return undefined;
  const best = closest(name, candidates);
  return distance(name, best) <= Math.max(2, Math.floor(best.length / 3)) ? best : undefined;
}

function describe(issue: z.core.$ZodIssue, schema: z.ZodType): string[] {
  const where = issue.path.length > 0 ? `${z.core.toDotPath(issue.path)}: ` : '';
  if (issue.code === 'unrecognized_keys') {
    const json = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' });
    const known = objectAt(json, issue.path, json);
    return issue.keys.map((key) => {
      const meant = nearest(key, known);
      return `${where}unknown key "${key}"${meant ? `; did you mean "${meant}"?` : `; known keys are ${[...known].join(', ')}`}`;
    });
  }
  if (issue.code === 'invalid_union' && issue.errors.length > 0) {
    // Of several readings the one that failed latest was the one that was meant.
    const depth = (option: readonly z.core.$ZodIssue[]) => Math.max(0, ...option.map((each) => each.path.length));
    const meant = [...issue.errors].sort((a, b) => depth(b) - depth(a))[0] ?? [];
    if (depth(meant) > 0 || meant.some((each) => each.code === 'unrecognized_keys')) {
      return meant.flatMap((each) => describe({ ...each, path: [...issue.path, ...each.path] }, schema));
    }
  }
  return [`${where}${issue.message}`];
}

/** What is wrong with a user's input, one short sentence per mistake, with the nearest known key for each unknown one. */
export function explain(error: z.ZodError, schema: z.ZodType): string[] {
  return error.issues.flatMap((issue) => describe(issue, schema));
}
