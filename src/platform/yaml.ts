import { CST, isAlias, isMap, isNode, isPair, isScalar, isSeq, Lexer, type Node, parseDocument, visit } from 'yaml';
import { TerminalError } from '../domain/errors.ts';

/** What a file that a person or another project wrote may hold. Aira's own files have a hundredth of it. */
export const yamlBounds = {
  bytes: 128 * 1024,
  /** Lists and mappings within each other: beyond some thousands the parser exhausts the stack, and the process with it. */
  depth: 48,
  /** Anchors and aliases. */
  names: 500,
  /** Values after every alias has been replaced by what it stands for. */
  values: 50_000,
} as const;

/** Thrown for a text that is not YAML, or more of it than {@link yamlBounds} allows. The message is one short sentence. */
export class YamlError extends TerminalError {
  constructor(message: string) {
    super('yaml', message);
  }
}

/**
 * The deepest nesting, from tokens alone. A token that begins a line, or follows the mark of a list item or a key, opens a level
 * where it stands further to the right than what encloses it.
 */
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

/** Refuses keys that stand twice in one mapping: the parser's own check compares every key with every other. */
function doubledKey(document: Node | null): string | null {
  let doubled: string | null = null;
  visit(document, {
    Map(_, { items }) {
      const seen = new Set<unknown>();
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key;
        if (seen.has(name) && name !== '<<') doubled ??= String(isScalar(key) ? key.value : 'a key').slice(0, 60);
        seen.add(name);
      }
      return doubled === null ? undefined : visit.BREAK;
    },
  });
  return doubled;
}

/** How many values a document stands for, aliases replaced; stops counting beyond the bound. */
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
 * Reads YAML that somebody else wrote, with merge keys. Size first, then depth, then the parser, then what aliases stand for.
 *
 * @throws YamlError
 */
export function parseYaml(text: string): unknown {
  const bytes = Buffer.byteLength(text);
  if (bytes > yamlBounds.bytes) throw new YamlError(`it has ${bytes} bytes, and at most ${yamlBounds.bytes} are read`);
  if (depthOf(text) > yamlBounds.depth) throw new YamlError(`it is nested more than ${yamlBounds.depth} deep`);
  const document = parseDocument(text, { merge: true, uniqueKeys: false, prettyErrors: false });
  const [broken] = document.errors;
  if (broken) {
    // The parser's own way of saying where costs as much again for each of its errors, and shows the file.
    const line = text.slice(0, broken.pos[0]).split('\n').length;
    throw new YamlError(`line ${line}: ${broken.message.slice(0, 200)}`);
  }
  const doubled = doubledKey(document.contents);
  if (doubled !== null) throw new YamlError(`the key "${doubled}" stands twice in one mapping`);
  let names = 0;
  visit(document, {
    Node(_, node) {
      if (isAlias(node) || node.anchor !== undefined) names++;
      return names > yamlBounds.names ? visit.BREAK : undefined;
    },
  });
  if (names > yamlBounds.names) throw new YamlError(`it has more than ${yamlBounds.names} anchors and aliases`);
  if (valuesIn(document.contents) > yamlBounds.values) {
    throw new YamlError(`it stands for more than ${yamlBounds.values} values once its aliases are replaced`);
  }
  try {
    return document.toJS({ maxAliasCount: -1 });
  } catch (thrown) {
    throw new YamlError((thrown as Error).message.split('\n', 1)[0]?.slice(0, 200) ?? 'it cannot be read');
  }
}
