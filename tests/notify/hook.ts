/**
 * A server that takes notifications, well or badly: what it does is said by the path. As a program it
 * listens where its arguments say, `hook.ts ADDRESS PORT [CERTIFICATE KEY]`, and writes what it gets.
 *
 *     /ok            takes it
 *     /status/404    answers with that status; /status/503/7 with a Retry-After of 7 s as well
 *     /hang          never answers
 *     /endless       answers without an end
 *     /moved/PORT    redirects to that port of 127.0.0.1
 *
 * @module
 */

/** A request that came. */
export interface Received {
  path: string;
  method: string;
  headers: Record<string, string>;
  body: string;
}

/** Takes requests until it is disposed of. */
export class Hook implements AsyncDisposable {
  readonly received: Received[] = [];
  /** Statuses for the next requests, whatever their path says. */
  readonly next: number[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #end = new AbortController();

  constructor(
    {
      hostname = "127.0.0.1",
      port = 0,
      onRequest = () => {},
      ...tls
    }: {
      hostname?: string;
      port?: number;
      cert?: string;
      key?: string;
      onRequest?: (request: Received) => void;
    } = {},
  ) {
    const certified = tls.cert !== undefined && tls.key !== undefined
      ? { cert: tls.cert, key: tls.key }
      : {};
    this.#server = Deno.serve(
      { hostname, port, signal: this.#end.signal, onListen() {}, ...certified },
      async (request) => {
        const received = {
          path: new URL(request.url).pathname,
          method: request.method,
          headers: Object.fromEntries(request.headers),
          body: await request.text(),
        };
        this.received.push(received);
        onRequest(received);
        return await this.#answer(received.path);
      },
    );
  }

  get port(): number {
    return this.#server.addr.port;
  }

  url(path: string): string {
    return `http://127.0.0.1:${this.port}${path}`;
  }

  async #answer(path: string): Promise<Response> {
    const status = this.next.shift();
    if (status !== undefined) return new Response("", { status });
    const [, action, value, wait] = path.split("/");
    switch (action) {
      case "status": {
        const headers = wait === undefined ? {} : { "Retry-After": wait };
        return new Response(value === "204" ? null : "so it is", {
          status: Number(value),
          headers,
        });
      }
      case "hang":
        await new Promise((resolve) => this.#end.signal.addEventListener("abort", resolve));
        return new Response();
      case "endless":
        return new Response(
          new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(65_536)) }),
        );
      case "moved": {
        const to = { "Location": `http://127.0.0.1:${value}/token` };
        return new Response(null, { status: 307, headers: to });
      }
      default:
        return new Response("thanks");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end.abort();
    await this.#server.finished;
  }
}

if (import.meta.main) {
  const [hostname, port, cert, key] = Deno.args;
  new Hook({
    hostname,
    port: Number(port),
    ...(cert && key && { cert: Deno.readTextFileSync(cert), key: Deno.readTextFileSync(key) }),
    onRequest: (request) => console.log(JSON.stringify(request)),
  });
  console.log("listening");
}
