import { type ComponentType, hydrate } from 'preact';
import { LiveChart } from './parts/chart.tsx';
import { sortTables } from './state/sorting.ts';
import './style/frame.css';
import './style/pieces.css';
import './style/plots.css';
import './style/table.css';
import './style/texts.css';
import './style/blocks.css';
import './style/document.css';

/** The script of a finished page: its islands (`island.tsx`) and its tables come to life. Without it the page is all there. */
const components: Readonly<Record<string, ComponentType<never>>> = { chart: LiveChart };

const data = document.getElementById('islands')?.textContent ?? '[]';
const islands = JSON.parse(data) as readonly (readonly [name: string, props: object])[];
for (const element of document.querySelectorAll<HTMLElement>('[data-island]')) {
  const [name, props] = islands[Number(element.dataset.island)] ?? ['', {}];
  const Live = components[name] as ComponentType<object> | undefined;
  if (Live) hydrate(<Live {...props} />, element);
}
sortTables(document);
