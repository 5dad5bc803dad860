/** Something that must not be found, and what it may be called. Its value is never printed. */
export interface Secret {
  readonly name: string;
  readonly value: string;
}

/** Shorter values are words that stand everywhere. */
const shortestSecret = 12;

const secretName = /(?:^|_)(?:API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$/i;

/** The variables of an environment that look like keys. */
export function secretsOf(env: Readonly<Record<string, string | undefined>>): Secret[] {
  return Object.entries(env).flatMap(([name, value]) =>
    secretName.test(name) && value !== undefined && value.length >= shortestSecret ? [{ name, value }] : [],
  );
}

/** Forms that providers give their keys, so that a key is found whose variable is not set here. */
export const shapes: readonly { readonly name: string; readonly pattern: RegExp }[] = [
  { name: 'an Anthropic key', pattern: /(?<![A-Za-z0-9])sk-ant-[A-Za-z0-9_-]{16,}/ },
  // A digit and a capital tell it from words joined by hyphens. Looked for within a key's length: a text of nothing but
  // beginnings of keys would otherwise take the square of its length.
  {
    name: 'a key of the form sk-...',
    pattern: /(?<![A-Za-z0-9])sk-(?!ant-)(?=[\w-]{0,100}\d)(?=[\w-]{0,100}[A-Z])[\w-]{20,}/,
  },
  { name: 'a GitHub token', pattern: /(?<![A-Za-z0-9])(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})/ },
  { name: 'an AWS access key', pattern: /(?<![A-Za-z0-9])(?:AKIA|ASIA)[0-9A-Z]{16}(?![0-9A-Za-z])/ },
  { name: 'a Google key', pattern: /(?<![A-Za-z0-9])AIza[0-9A-Za-z_-]{35}/ },
  { name: 'a Hugging Face token', pattern: /(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,}/ },
  { name: 'the seed of an nkey', pattern: /(?<![A-Za-z0-9])S[UAO][A-Z2-7]{56}(?![A-Za-z0-9])/ },
  { name: 'a private key', pattern: /-----BEGIN (?:[A-Z]+ )*PRIVATE KEY-----/ },
];

/** No shape and hardly any key is longer. Texts that are read in pieces overlap by so much. */
export const longestSecret = 4096;

/** The names of what a text gives away. */
export function givenAway(text: string, secrets: readonly Secret[]): string[] {
  const values = secrets.filter(({ value }) => text.includes(value)).map(({ name }) => `the value of ${name}`);
  const found = shapes.filter(({ pattern }) => pattern.test(text)).map(({ name }) => name);
  return [...values, ...found];
}
