import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';

/** What a proxy may do to the publications of its client. */
type Fate = 'pass' | 'drop' | 'duplicate';

/** `PUB subject [reply] bytes` and `HPUB subject [reply] header bytes`, up to the end of the line. */
const publication = /^H?PUB (?:\S+ ){1,3}(\d+)\r\n/;

/**
 * The network between one part and the server, on a port of its own: it can be cut in one direction or both, slow, and lose
 * or repeat messages that the part publishes. It understands so much of NATS that a loss hits a whole message: bytes of a
 * TCP stream are never lost.
 */
export class Wire {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  #cut: Readonly<Record<'up' | 'down', boolean>> = { up: false, down: false };
  #delayMs = 0;
  #fates: Fate[] = [];

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
  }

  static async between(serverPort: number): Promise<Wire> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = new Wire(server, (server.address() as { port: number }).port);
    server.on('connection', (client) => proxy.#join(client, serverPort));
    return proxy;
  }

  /** From now on nothing passes in these directions; what was sent waits, as in the buffers of a network. */
  cut(cut: Readonly<Record<'up' | 'down', boolean>>): void {
    this.#cut = cut;
    for (const [client, server] of this.#pairs) {
      for (const [socket, direction] of [[client, 'up'] as const, [server, 'down'] as const]) {
        if (cut[direction]) socket.pause();
        else socket.resume();
      }
    }
  }

  delay(ms: number): void {
    this.#delayMs = ms;
  }

  /** What happens to the next publications. */
  meddle(fate: Fate, messages: number): void {
    this.#fates.push(...Array.from({ length: messages }, () => fate));
  }

  /** Ends all connections, as a restarted router does. */
  reset(): void {
    for (const pair of this.#pairs) for (const socket of pair) socket.destroy();
  }

  async close(): Promise<void> {
    this.reset();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(client: Socket, port: number): void {
    const server = tcpConnect({ port, host: '127.0.0.1' });
    const pair = [client, server] as const;
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      client.destroy();
      server.destroy();
    };
    for (const socket of pair) socket.on('error', end).on('close', end).setNoDelay(true);
    let rest: Buffer = Buffer.alloc(0);
    client.on('data', (bytes) => {
      rest = Buffer.concat([rest, bytes]);
      const { whole, left } = this.#meddled(rest);
      rest = left;
      this.#send(server, whole);
    });
    server.on('data', (bytes) => this.#send(client, bytes));
    this.cut(this.#cut);
  }

  #send(to: Socket, bytes: Buffer): void {
    if (bytes.length === 0) return;
    const write = () => void (to.destroyed || to.write(bytes));
    // Timers of one delay end in the order of their start; a change of the delay may not reorder a stream.
    if (this.#delayMs === 0) write();
    else setTimeout(write, this.#delayMs);
  }

  /** Whole commands of the client, without those that are lost and with those that are repeated. */
  #meddled(bytes: Buffer): { whole: Buffer; left: Buffer } {
    const parts: Buffer[] = [];
    let from = 0;
    for (;;) {
      const end = bytes.indexOf('\r\n', from);
      if (end < 0) break;
      const [line, size] = publication.exec(bytes.toString('latin1', from, end + 2)) ?? [];
      const length = end + 2 - from + (line === undefined ? 0 : Number(size) + 2);
      if (from + length > bytes.length) break;
      const command = bytes.subarray(from, from + length);
      const fate = line === undefined ? 'pass' : (this.#fates.shift() ?? 'pass');
      if (fate !== 'drop') parts.push(command);
      if (fate === 'duplicate') parts.push(command);
      from += length;
    }
    return { whole: Buffer.concat(parts), left: bytes.subarray(from) };
  }
}
