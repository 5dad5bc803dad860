import { useEffect, useRef, useState } from 'preact/hooks';
import type { CommandBody } from '../../../src/views/api.ts';
import { Failure } from '../parts/frame.tsx';
import { type ApiError, sendCommand } from '../state/client.ts';
import { accessToken } from '../state/location.ts';
import type { SearchView } from '../state/scope.ts';

/** A person takes part: each command is recorded by the archivist with its sentence, and repeating one changes nothing. */
const newKey = (): string =>
  Array.from(crypto.getRandomValues(new Uint8Array(12)), (byte) => byte.toString(16).padStart(2, '0')).join('');

type Distribute<T> = T extends unknown ? Omit<T, 'idempotencyKey'> : never;
type Command = Distribute<CommandBody>;

/** Sends one command at a time; the answer's sentence or the refusal stays until the next. */
export function useCommand(path: string) {
  const [busy, setBusy] = useState(false);
  const [said, setSaid] = useState<string | null>(null);
  const [error, setError] = useState<ApiError | null>(null);
  const send = async (command: Command): Promise<boolean> => {
    setBusy(true);
    setError(null);
    try {
      const reply = await sendCommand(`${path}/commands`, { ...command, idempotencyKey: newKey() } as CommandBody);
      setSaid(reply.sentence);
      return true;
    } catch (thrown) {
      setError(thrown as ApiError);
      return false;
    } finally {
      setBusy(false);
    }
  };
  return { busy, said, error, send };
}

export function Said({ said, error }: { said: string | null; error: ApiError | null }) {
  return (
    <>
      {error && <Failure error={error} />}
      {said && !error && (
        <p class="good" role="status">
          {said}
        </p>
      )}
    </>
  );
}

/** A modal form; `onSubmit` returns whether it may close. */
export function Form({
  title,
  verb,
  children,
  onClose,
  onSubmit,
}: {
  title: string;
  verb: string;
  children: preact.ComponentChildren;
  onClose: () => void;
  onSubmit: (data: FormData) => Promise<boolean>;
}) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} onClose={onClose} aria-label={title}>
      <h2>{title}</h2>
      <form
        onSubmit={async (event) => {
          event.preventDefault();
          if (await onSubmit(new FormData(event.currentTarget as HTMLFormElement))) dialog.current?.close();
        }}
      >
        {children}
        <div class="controls">
          <button type="button" onClick={() => dialog.current?.close()}>
            cancel
          </button>
          <button type="submit">{verb}</button>
        </div>
      </form>
    </dialog>
  );
}

const text = (data: FormData, name: string): string => String(data.get(name) ?? '').trim();
/** A reason that may be left out. */
export const whyOf = (data: FormData): { why?: string } => (text(data, 'why') ? { why: text(data, 'why') } : {});

/** Proposes a candidate, or a variation `of` one. */
export function ProposeForm({
  of = null,
  send,
  onClose,
}: {
  of?: { readonly node: string; readonly candidate: string } | null;
  send: (command: Command) => Promise<boolean>;
  onClose: () => void;
}) {
  return (
    <Form
      title={of ? `Propose a variation of ${of.node}` : 'Propose a candidate'}
      verb="propose"
      onClose={onClose}
      onSubmit={(data) => {
        const parent = of?.node ?? text(data, 'parent');
        return send({
          kind: 'propose',
          operator: parent ? 'improve' : 'draft',
          parents: parent ? [parent] : [],
          candidate: text(data, 'candidate'),
          why: text(data, 'why'),
        });
      }}
    >
      <label>
        {of ? 'candidate' : 'candidate: a pattern such as mA+2M+Mb, or files as JSON'}
        <textarea name="candidate" required defaultValue={of?.candidate ?? ''} />
      </label>
      {!of && (
        <label>
          parent, if it improves one
          <input name="parent" placeholder="climber-4" />
        </label>
      )}
      <label>
        why it should work
        <textarea name="why" required />
      </label>
    </Form>
  );
}

/** Pause, resume, propose and raise the budget of a search that runs. */
export function Commands({ overview, path }: SearchView) {
  const { busy, said, error, send } = useCommand(path);
  const [open, setOpen] = useState<'propose' | 'budget' | null>(null);
  const { status } = overview.search;
  if (status !== 'running' && status !== 'paused') return null;
  if (accessToken() === null) {
    return (
      <p class="note">
        To take part (pause, veto, propose), open the address with its <code>#token</code> that{' '}
        <code>aira dashboard</code> printed.
      </p>
    );
  }
  return (
    <section aria-label="commands">
      <div class="controls">
        <button
          type="button"
          disabled={busy}
          onClick={() => void send({ kind: status === 'paused' ? 'resume' : 'pause' })}
        >
          {status === 'paused' ? 'resume' : 'pause'}
        </button>
        <button type="button" disabled={busy} onClick={() => setOpen('propose')}>
          propose a candidate
        </button>
        <button type="button" disabled={busy} onClick={() => setOpen('budget')}>
          raise the budget
        </button>
      </div>
      <Said said={said} error={error} />
      {open === 'propose' && <ProposeForm send={send} onClose={() => setOpen(null)} />}
      {open === 'budget' && (
        <Form
          title="Raise the budget"
          verb="raise"
          onClose={() => setOpen(null)}
          onSubmit={(data) => {
            const limit = (name: string) => (text(data, name) ? { [name]: Number(text(data, name)) } : {});
            return send({
              kind: 'raise-budget',
              ...limit('minutes'),
              ...limit('deviceSeconds'),
              ...limit('costUsd'),
              ...limit('tokens'),
              ...whyOf(data),
            });
          }}
        >
          {overview.budget
            .filter(({ unit, limit }) => unit !== 'evaluations' && limit !== null)
            .map(({ unit, limit }) => (
              <label key={unit}>
                {unit}, now {limit}
                <input name={unit} type="number" min={limit ?? 0} step="any" />
              </label>
            ))}
          <label>
            why
            <input name="why" />
          </label>
        </Form>
      )}
    </section>
  );
}
