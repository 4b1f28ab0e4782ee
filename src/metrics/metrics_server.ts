/**
 * The HTTP side of METRICS: `GET /metrics`, and nothing else.
 *
 * Node's server rather than Deno's own: it bounds how many clients there are and how long they may
 * take with a request, and so what anybody can make this process hold.
 *
 * @module
 */
import type { IncomingMessage, Server, ServerResponse } from "node:http";
import { METRICS_CLIENTS, METRICS_HEADER_BYTES, METRICS_REQUEST_MS } from "../limits.ts";
import { EXPOSITION_TYPE } from "./exposition.ts";

/** What a server is made of. */
export interface MetricsServerOptions {
  /** An address of this host. */
  host: string;
  port: number;
  /** The text of a scrape. */
  scrape: () => string;
  /** Takes why nobody is served any more. */
  onFailure: (text: string) => void;
}

/** Serves until it is closed. */
export class MetricsServer {
  #server: Server | undefined;
  #closed = false;

  /** @throws {Error} of the system, when it cannot listen there */
  constructor(readonly options: MetricsServerOptions) {
    const { host, port } = options;
    // Node tells that an address is taken when the start is over already; this throws at once.
    Deno.listen({ hostname: host, port }).close();
    this.#start().catch((error: Error) => options.onFailure(error.message));
  }

  /** The library is loaded by those who want metrics, and not at every start. */
  async #start(): Promise<void> {
    const { createServer } = await import("node:http");
    if (this.#closed) return;
    const server = this.#server = createServer(
      {
        headersTimeout: METRICS_REQUEST_MS,
        requestTimeout: METRICS_REQUEST_MS,
        connectionsCheckingInterval: METRICS_REQUEST_MS / 4,
        maxHeaderSize: METRICS_HEADER_BYTES,
      },
      (request, response) => this.#serve(request, response),
    );
    server.maxConnections = METRICS_CLIENTS;
    // A client that does not read its answer.
    server.setTimeout(METRICS_REQUEST_MS, (socket) => socket.destroy());
    server.on("error", (error: Error) => this.options.onFailure(error.message));
    server.listen(this.options.port, this.options.host);
  }

  close(): void {
    this.#closed = true;
    this.#server?.close();
    this.#server?.closeAllConnections();
  }

  #serve({ method, url }: IncomingMessage, response: ServerResponse): void {
    response.setHeader("Connection", "close");
    if (method !== "GET" && method !== "HEAD") {
      return void response.writeHead(405, { Allow: "GET, HEAD" }).end("Only GET and HEAD\n");
    }
    if (url?.split("?", 1)[0] !== "/metrics") {
      return void response.writeHead(404).end("There is only /metrics\n");
    }
    const text = this.options.scrape();
    response.writeHead(200, { "Content-Type": EXPOSITION_TYPE });
    response.end(method === "HEAD" ? undefined : text);
  }
}
