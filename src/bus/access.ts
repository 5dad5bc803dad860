import {
  type Authenticator,
  type ConnectionOptions,
  credsAuthenticator,
  nkeyAuthenticator,
  type TlsOptions,
} from 'nats';

/** What a connection shows to a NATS server, and how it knows the server. At most one kind of credentials. */
export interface Access {
  /** The seed of an nkey, as `SU...`. */
  readonly nkeySeed?: Uint8Array | undefined;
  /** The text of a `.creds` file: a JWT and the seed of its key. */
  readonly creds?: Uint8Array | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  readonly tls?: Readonly<TlsOptions> | undefined;
}

/** The same in the client's terms. */
export function connectionAccess(access: Access | undefined): Partial<ConnectionOptions> {
  if (access === undefined) return {};
  const { nkeySeed, creds, user, password, token, tls } = access;
  const authenticators: Authenticator[] = [];
  if (nkeySeed) authenticators.push(nkeyAuthenticator(nkeySeed));
  if (creds) authenticators.push(credsAuthenticator(creds));
  return {
    ...(authenticators.length > 0 && { authenticator: authenticators }),
    ...(user !== undefined && { user, pass: password ?? '' }),
    ...(token !== undefined && { token }),
    ...(tls !== undefined && { tls: { ...tls } }),
  };
}

/** Does it say nothing of who we are? A client's certificate may say it, but not to the servers of labs. */
export const isAnonymous = ({ nkeySeed, creds, user, token }: Access): boolean =>
  nkeySeed === undefined && creds === undefined && user === undefined && token === undefined;
