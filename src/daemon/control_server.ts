/**
 * The control socket: one JSON object a line comes in, one goes out, and the connection ends.
 *
 * Whoever can talk to it can lift blocks, so it asks the kernel who that is, takes no more than a
 * command is long, and serves few at once.
 *
 * @module
 */
import type { Poller } from "../../ffi/epoll.ts";
import { effectiveUser, UnixListener, UnixStream } from "../../ffi/unix_stream.ts";
import { inFolder, infoOf, isNamed } from "../files.ts";
import {
  CONTROL_ANSWER_MS,
  CONTROL_CLIENTS,
  CONTROL_REQUEST_BYTES,
  CONTROL_REQUEST_MS,
  CONTROL_RETRY_MS,
} from "../limits.ts";
import { mayWrite } from "./permissions.ts";

/** What a server is made of. */
export interface ControlOptions {
  path: string;
  poller: Poller;
  /** Does what a request asks; what it throws is answered as `error`. */
  answer: (request: unknown) => unknown;
  /** Takes who was refused, and why. */
  onRefused: (text: string) => void;
}

const ROOT = 0;

/** A request that is a mistake of the client, told to it. */
export class ControlError extends Error {
  override name = "ControlError";
}

/** Takes requests until it is closed. */
export class ControlServer {
  readonly #options: ControlOptions;
  readonly #listener: UnixListener;
  readonly #clients = new Set<Client>();
  /** Of the socket in the file system: another may have taken its place when this one ends. */
  readonly #info: Deno.FileInfo | undefined;

  /**
   * Listens. A socket that a crash has left behind is replaced.
   *
   * @throws {Error} when another process listens there, or nothing can
   */
  constructor(options: ControlOptions) {
    this.#options = options;
    const { path, poller } = options;
    // Deno does not see what the C library does: what is not granted is refused here.
    if (!mayWrite(path)) throw new Deno.errors.NotCapable(path);
    removeLeftOver(path);
    this.#listener = inFolder(path, () => new UnixListener(path));
    this.#info = infoOf(path);
    poller.add(this.#listener.fd, () => this.#accept());
  }

  get path(): string {
    return this.#options.path;
  }

  /** Takes no more requests. What has been asked is answered: it may have been to close this, by a reload. */
  close(): void {
    this.#options.poller.remove(this.#listener.fd);
    this.#listener.close();
    for (const client of [...this.#clients]) if (!client.isServed) client.close();
    const { path } = this.#options;
    try {
      if (this.#info && isNamed(path, this.#info)) Deno.removeSync(path);
    } catch {
      // Somebody has removed it already.
    }
  }

  #accept(): void {
    const stream = this.#listener.accept();
    if (!stream) return;
    const { user } = stream.peer();
    if (user !== ROOT && user !== effectiveUser()) {
      stream.close();
      this.#options.onRefused(`CONTROL_SOCKET: user ${user} was refused`);
    } else if (this.#clients.size >= CONTROL_CLIENTS) {
      stream.send(encode({ error: "too many clients at once: try again" }), false);
      stream.close();
    } else {
      const client = new Client(stream, this.#options, () => this.#clients.delete(client));
      this.#clients.add(client);
    }
  }
}

/** One connection. */
class Client {
  readonly #stream: UnixStream;
  readonly #options: ControlOptions;
  readonly #onClosed: () => void;
  readonly #request = new Uint8Array(CONTROL_REQUEST_BYTES);
  #length = 0;
  #timer: ReturnType<typeof setTimeout>;
  #closed = false;
  #isServed = false;

  constructor(stream: UnixStream, options: ControlOptions, onClosed: () => void) {
    this.#stream = stream;
    this.#options = options;
    this.#onClosed = onClosed;
    options.poller.add(stream.fd, () => this.#read());
    this.#timer = setTimeout(() => this.close(), CONTROL_REQUEST_MS);
  }

  /** Whether it has asked, and waits for the answer. */
  get isServed(): boolean {
    return this.#isServed;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#options.poller.remove(this.#stream.fd);
    this.#stream.close();
    this.#onClosed();
  }

  #read(): void {
    const received = this.#stream.receive(this.#request.subarray(this.#length));
    if (received <= 0) return this.close();
    this.#length += received;
    const end = this.#request.subarray(0, this.#length).indexOf(0x0a);
    if (end >= 0) this.#serve(this.#request.subarray(0, end));
    else if (this.#length === this.#request.length) {
      this.#answer({
        error: `a request has ${CONTROL_REQUEST_BYTES} bytes at most: name fewer hosts at once`,
      });
    }
  }

  #serve(line: Uint8Array): void {
    this.#isServed = true;
    this.#options.poller.remove(this.#stream.fd); // one request is all there is
    let request: unknown;
    try {
      request = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(line));
    } catch {
      return this.#answer({ error: "the request is no JSON" });
    }
    Promise.try(this.#options.answer, request).then(
      (answer) => this.#answer(answer),
      (error) => this.#answer({ error: error instanceof Error ? error.message : String(error) }),
    );
  }

  #answer(answer: unknown): void {
    if (this.#closed) return;
    clearTimeout(this.#timer);
    this.#send(encode(answer), performance.now() + CONTROL_ANSWER_MS);
  }

  /** Sends what there is room for, and the rest as the client reads. */
  #send(bytes: Uint8Array<ArrayBuffer>, deadline: number): void {
    let rest = bytes;
    while (rest.length > 0) {
      const sent = this.#stream.send(rest, false);
      if (sent < 0 || (sent === 0 && performance.now() > deadline)) break;
      if (sent === 0) {
        this.#timer = setTimeout(() => this.#send(rest, deadline), CONTROL_RETRY_MS);
        return;
      }
      rest = rest.subarray(sent);
    }
    this.close();
  }
}

function encode(answer: unknown): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${JSON.stringify(answer)}\n`);
}

/** Whether a socket is there already. @throws {Error} when something else is */
export function isSocket(path: string): boolean {
  let info: Deno.FileInfo;
  try {
    info = Deno.lstatSync(path);
  } catch {
    return false;
  }
  if (!info.isSocket) throw new Error("there is a file of that name, and it is no socket");
  return true;
}

function removeLeftOver(path: string): void {
  if (!isSocket(path)) return;
  const other = UnixStream.connect(path, CONTROL_REQUEST_MS);
  if (other) {
    other.close();
    throw new Error("another running portsentry listens there");
  }
  Deno.removeSync(path);
}
