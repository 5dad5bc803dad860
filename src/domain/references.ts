import { canonicalText, type Layering, parseArchitecture } from './architecture.ts';

/** Known patterns for 16 layers: what a search has to beat. Sources: Composer (arXiv 2510.00379) and the named models. */
const known = [
  { name: 'llama', architecture: 'mA M mA M mA M mA M mA M mA M mA M mA M' },
  { name: 'composer', architecture: '2mA+5M+2mA+3M+1mA+3M' },
  { name: 'sandwich', architecture: '8mA+8M' },
  { name: 'mamba-mlp', architecture: 'Mb M Mb M Mb M Mb M Mb M Mb M Mb M Mb M' },
  // One attention layer to seven Mamba-2 layers, an MLP after each mixer where depth allows.
  { name: 'hybrid-1-7', architecture: 'Mb M Mb M mA M Mb M Mb M Mb M Mb M Mb M' },
] as const;

/** The known patterns that a task's space can hold. */
export function referencesFor(space: Layering): { name: string; architecture: string }[] {
  return known.flatMap(({ name, architecture }) => {
    const layers = parseArchitecture(architecture);
    const fits = layers.length === space.layers && layers.every((layer) => space.primitives.includes(layer));
    return fits ? [{ name, architecture: canonicalText(layers) }] : [];
  });
}
