import * as z from 'zod';
import { searchIdSchema } from '../domain/ids.ts';
import type { SearchSpec } from '../domain/search.ts';

/** Name of the list of files in a crate, and version of that list. */
export const crateManifestName = 'manifest.json';
export const crateMetadataName = 'ro-crate-metadata.json';
export const crateVersion = 1;

/** Files of a crate. No other name is read, and none is used as a path. */
export const crateFileName = z
  .string()
  .max(300)
  .regex(
    /^(README\.md|search\.yaml|specification\.json|claims\.json|report\.html|calls\.jsonl|ro-crate-metadata\.json|tables\/[a-z]+\.csv|ledger\/[a-z_]+\.jsonl|programs\/[a-z0-9-]+\/[A-Za-z0-9_-][A-Za-z0-9._-]*)$/,
  );

export const crateManifestSchema = z.strictObject({
  format: z.literal('aira-crate'),
  version: z.literal(crateVersion),
  search: searchIdSchema,
  /** Version of the archive's schema, of which the rows in `ledger` are. */
  archive: z.int().positive(),
  aira: z.string().max(200),
  files: z
    .array(z.strictObject({ name: crateFileName, bytes: z.int().nonnegative(), sha256: z.string().length(64) }))
    .max(10_000),
});
export type CrateManifest = z.infer<typeof crateManifestSchema>;

/** What a file is, by its name. */
function descriptionOf(name: string): readonly [encodingFormat: string, description: string] {
  if (name === 'README.md') return ['text/markdown', 'How to check the claims'];
  if (name === 'search.yaml') return ['application/yaml', 'The search file, as it was launched'];
  if (name === 'specification.json')
    return ['application/json', 'Every setting of the search, with seeds and versions'];
  if (name === 'claims.json') return ['application/json', 'The claims of the report, with estimates and intervals'];
  if (name === 'report.html') return ['text/html', 'The report'];
  if (name === 'calls.jsonl') return ['application/jsonl', 'Recorded answers of language models'];
  if (name === crateManifestName) return ['application/json', 'Sizes and SHA-256 digests of all other files'];
  if (name.startsWith('tables/')) return ['text/csv', 'A table for people; the rows in ledger decide'];
  if (name.startsWith('ledger/')) return ['application/jsonl', 'All rows of a table of the archive'];
  return ['text/plain', 'A file of a program of the final rung'];
}

/**
 * The description of a crate as RO-Crate 1.1 (https://w3id.org/ro/crate/1.1): JSON-LD with one entity per file, and the search
 * as the action that made them.
 */
export function crateMetadata(
  spec: SearchSpec,
  files: CrateManifest['files'],
  facts: { readonly aira: string; readonly startedAt: number; readonly endedAt: number },
): object {
  const iso = (ms: number) => new Date(ms).toISOString();
  const entities = [...files, { name: crateManifestName, bytes: undefined, sha256: undefined }].map(
    ({ name, bytes, sha256 }) => {
      const [encodingFormat, description] = descriptionOf(name);
      return {
        '@id': name,
        '@type': 'File',
        name,
        description,
        encodingFormat,
        ...(bytes === undefined ? {} : { contentSize: String(bytes), sha256 }),
      };
    },
  );
  const refer = (id: string) => ({ '@id': id });
  const measured = `${spec.metric}, ${spec.lowerIsBetter ? 'lower' : 'higher'} is better`;
  return {
    '@context': 'https://w3id.org/ro/crate/1.1/context',
    '@graph': [
      {
        '@id': crateMetadataName,
        '@type': 'CreativeWork',
        conformsTo: refer('https://w3id.org/ro/crate/1.1'),
        about: refer('./'),
      },
      {
        '@id': './',
        '@type': 'Dataset',
        name: `Search ${spec.id} on ${spec.task}`,
        description: `A search for neural architectures on the task ${spec.task}, profile ${spec.profile} (${measured}), with all that its claims follow from`,
        datePublished: iso(facts.endedAt),
        license: refer('#license'),
        mentions: refer('#search'),
        hasPart: entities.map((entity) => refer(entity['@id'])),
      },
      {
        '@id': '#license',
        '@type': 'CreativeWork',
        name: 'Not stated',
        description: 'The terms are those of the person who published this file',
      },
      {
        '@id': '#search',
        '@type': 'CreateAction',
        name: `aira launch, seed ${spec.seed}`,
        startTime: iso(facts.startedAt),
        endTime: iso(facts.endedAt),
        instrument: [refer('#aira'), refer('#evaluator')],
        object: refer('search.yaml'),
        result: files.filter(({ name }) => name.startsWith('ledger/')).map(({ name }) => refer(name)),
      },
      { '@id': '#aira', '@type': 'SoftwareApplication', name: 'Aira', softwareVersion: facts.aira },
      { '@id': '#evaluator', '@type': 'SoftwareApplication', name: 'Aira evaluator', softwareVersion: spec.evaluator },
      ...entities,
    ],
  };
}
