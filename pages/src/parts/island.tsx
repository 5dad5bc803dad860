import type { ComponentType } from 'preact';
import { createContext } from 'preact';
import { useContext } from 'preact/hooks';

/**
 * Role: the parts of a finished page that answer to a person, such as charts. The page is rendered once, as text; only these are
 * brought to life by its script, each from its own properties, which the page has as JSON. Non-role: what they are.
 *
 * - ISL-1 What stands on a finished page as text is never rendered again: a claim exists once in the file.
 * - ISL-2 Properties of an island survive JSON: no functions, no missing numbers but null.
 */
export class Islands {
  readonly all: (readonly [name: string, props: object])[] = [];

  add(name: string, props: object): number {
    return this.all.push([name, props]) - 1;
  }
}

/** Null on a live page, where every component is live anyway. */
export const IslandContext = createContext<Islands | null>(null);

/** A component that stays itself on a live page and becomes an island, under this name, on a finished one. */
export const island = <Props extends object>(name: string, Live: ComponentType<Props>) =>
  function Island(props: Props) {
    const islands = useContext(IslandContext);
    if (!islands) return <Live {...props} />;
    return (
      <div data-island={islands.add(name, props)}>
        <Live {...props} />
      </div>
    );
  };
