import { printable } from '../platform/printable.ts';
import { html, type Markup } from './markup.ts';
import { styleSheet } from './style.ts';

/**
 * A page as one HTML file: no script, no request to anywhere, readable in light and dark, on paper and in greyscale.
 * The content policy forbids what the escaping already prevents.
 */
export function htmlDocument(title: string, body: Markup, ...styles: readonly Markup[]): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>${title}</title>
${styleSheet}
${styles}
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
  return printable(page.text, { lines: true });
}
