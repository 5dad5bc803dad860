import { render } from 'preact';
import { App } from './app.tsx';
import { takeToken } from './state/location.ts';
import './style/frame.css';
import './style/pieces.css';
import './style/plots.css';
import './style/table.css';
import './style/texts.css';
import './style/blocks.css';

takeToken();
// The address of a new dashboard, pasted into a tab that is open: first of all listeners, so that no view sees the token.
addEventListener('hashchange', takeToken);
render(<App />, document.getElementById('app') as HTMLElement);
