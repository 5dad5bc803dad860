// Bundles pages/: `node scripts/pages.mjs [folder]`, by default into dist/.
//
//   pages/      what `aira dashboard` serves: an index, and files named by their content
//   document/   what finished pages are made of: `render.js`, a module that renders one in Node; `document.js` and
//               `document.css`, which go into each. One script without imports, since a page is one file
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'vite';

const root = resolve(fileURLToPath(import.meta.url), '../..');
const folder = resolve(process.argv[2] ?? join(root, 'dist'));
const configFile = join(root, 'pages/vite.config.ts');
const source = (/** @type {string} */ name) => join(root, 'pages/src', name);
const outDir = join(folder, 'document');

await build({ configFile, logLevel: 'warn', build: { outDir: join(folder, 'pages') } });
await build({
  configFile,
  logLevel: 'warn',
  publicDir: false,
  build: {
    outDir,
    modulePreload: false,
    cssCodeSplit: false,
    rolldownOptions: {
      input: source('document.tsx'),
      output: { format: 'iife', entryFileNames: 'document.js', assetFileNames: 'document[extname]' },
    },
  },
});
await build({
  configFile,
  logLevel: 'warn',
  publicDir: false,
  // The renderer needs no packages where Aira is installed: they are for building only.
  ssr: { noExternal: true },
  build: {
    outDir,
    emptyOutDir: false,
    ssr: source('render.tsx'),
    rolldownOptions: { output: { entryFileNames: 'render.js' } },
  },
});
