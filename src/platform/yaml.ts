import {
  CST,
  isAlias,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  Lexer,
  type Node,
  parseDocument,
  stringify,
  visit,
} from 'yaml';
import { TerminalError } from '../domain/errors.ts';

/** Bounds on untrusted YAML. Aira's own files are a hundred times smaller. */
export const yamlBounds = {
  bytes: 128 * 1024,
  /** Nesting of lists and mappings: beyond some thousands the parser overflows the stack. */
  depth: 48,
  /** Anchors and aliases. */
  names: 500,
  /** Values after expanding all aliases. */
  values: 50_000,
} as const;

/** Thrown for a text that is not YAML or exceeds {@link yamlBounds}. The message is one short sentence. */
export class YamlError extends TerminalError {
  constructor(message: string) {
    super('yaml', message);
  }
}

/** The deepest nesting, from tokens. A token that starts a line, or follows a list or key mark, opens a level if it is further right than its parent. */
function depthOf(text: string): number {
  const columns: number[] = [];
  let [flow, column, deepest] = [0, 0, 0];
  let opens = true;
  for (const token of new Lexer().lex(text)) {
    const type = CST.tokenType(token);
    if (type === 'newline') {
      [column, opens] = [0, true];
      continue;
    }
    if (type === 'flow-map-start' || type === 'flow-seq-start') flow++;
    else if (type === 'flow-map-end' || type === 'flow-seq-end') flow = Math.max(0, flow - 1);
    const isMark = type === 'seq-item-ind' || type === 'explicit-key-ind' || type === 'map-value-ind';
    if (flow === 0 && type !== 'space' && (opens || isMark)) {
      while ((columns.at(-1) ?? -1) >= column) columns.pop();
      columns.push(column);
      opens = isMark;
    }
    deepest = Math.max(deepest, columns.length + flow);
    if (deepest > yamlBounds.depth) break;
    const feed = token.lastIndexOf('\n');
    if (feed < 0) column += token.length;
    else [column, opens] = [token.length - feed - 1, true];
  }
  return deepest;
}

/** Rejects duplicate keys in a mapping: the parser's own check is quadratic. */
function doubledKey(document: Node | null): string | null {
  let duplicate: string | null = null;
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key;
        if (seen.has(name) && name !== '<<') duplicate ??= String(isScalar(key) ? key.value : 'a key').slice(0, 60);
        seen.add(name);
      }
      return duplicate === null ? undefined : visit.BREAK;
    },
  });
  return duplicate;
}

/** Number of values with aliases expanded; stops counting beyond the bound. */
function valuesIn(document: Node | null): number {
  const sizes = new Map<string, number>();
  const sizeOf = (node: unknown): number => {
    if (isPair(node)) return sizeOf(node.key) + sizeOf(node.value);
    if (isAlias(node)) return sizes.get(node.source) ?? 1;
    let size = 1;
    if (isMap(node) || isSeq(node)) for (const item of node.items) size += sizeOf(item);
    size = Math.min(size, 2 * yamlBounds.values);
    if (isNode(node) && 'anchor' in node && typeof node.anchor === 'string') sizes.set(node.anchor, size);
    return size;
  };
  return sizeOf(document);
}

/**
 * Parses untrusted YAML, with merge keys. Checks size, then depth, then parses, then expands aliases.
 *
 * @throws YamlError
 */
export function parseYaml(text: string): unknown {
  const bytes = Buffer.byteLength(text);
  if (bytes > yamlBounds.bytes) throw new YamlError(`it has ${bytes} bytes; the limit is ${yamlBounds.bytes}`);
  if (depthOf(text) > yamlBounds.depth) throw new YamlError(`nesting is deeper than ${yamlBounds.depth}`);
  const document = parseDocument(text, { merge: true, uniqueKeys: false, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) {
    // The parser's own error location is slow to compute and quotes the file.
    const line = text.slice(0, broken.pos[0]).split('\n').length;
    throw new YamlError(`line ${line}: ${broken.message.slice(0, 200)}`);
  }
  const duplicate = doubledKey(document.contents);
  if (duplicate !== null) throw new YamlError(`the key "${duplicate}" occurs twice in one mapping`);
  let names = 0;
  visit(document, {
    Node(_, node) {
      if (isAlias(node) || node.anchor !== undefined) names++;
      return names > yamlBounds.names ? visit.BREAK : undefined;
    },
  });
  if (names > yamlBounds.names) throw new YamlError(`it has more than ${yamlBounds.names} anchors and aliases`);
  if (valuesIn(document.contents) > yamlBounds.values) {
    throw new YamlError(`it has more than ${yamlBounds.values} values after expanding aliases`);
  }
  try {
    return document.toJS({ maxAliasCount: -1 });
  } catch (thrown) {
    throw new YamlError((thrown as Error).message.split('\n', 1)[0]?.slice(0, 200) ?? 'it cannot be read');
  }
}

/** A value as YAML: no line is folded, nothing is an alias. */
export const yamlText = (value: object): string => stringify(value, { lineWidth: 0, aliasDuplicateObjects: false });
