/**
 * Asks a running portsentry through its control socket.
 *
 * @module
 */
import { UnixStream } from "../../ffi/unix_stream.ts";
import { CONTROL_CLIENT_MS } from "../limits.ts";

/** Nobody could be asked, or the one who was has refused: in words of its own, to be escaped. */
export class ControlFailure extends Error {
  override name = "ControlFailure";
}

/**
 * Sends one request and waits for its answer.
 *
 * @param path of the socket
 * @throws {ControlFailure} in words for the user
 */
export function ask(path: string, request: object): Record<string, unknown> {
  const stream = connect(path);
  try {
    stream.send(new TextEncoder().encode(`${JSON.stringify(request)}\n`), true);
    const text = readAll(stream);
    if (text === "") {
      throw new ControlFailure(`${path}: the running portsentry has not answered`);
    }
    const answer = parseAnswer(text);
    if (answer === undefined) {
      throw new ControlFailure(`${path}: what listens there does not answer as portsentry does`);
    }
    if (typeof answer.error === "string") throw new ControlFailure(answer.error);
    return answer;
  } finally {
    stream.close();
  }
}

/** Whoever listens there may answer with anything; undefined when that is no JSON object. */
export function parseAnswer(text: string): Record<string, unknown> | undefined {
  try {
    const answer: unknown = JSON.parse(text);
    const object = typeof answer === "object" && answer !== null && !Array.isArray(answer);
    return object ? answer as Record<string, unknown> : undefined;
  } catch {
    return undefined; // what the parser says quotes it, with all that a terminal obeys
  }
}

/**
 * Makes something of an answer that may lack what it needs, as that of another version does.
 *
 * @throws {ControlFailure} when it does
 */
export function understood<T>(make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof TypeError) && !(error instanceof RangeError)) throw error;
    throw new ControlFailure(
      "The running portsentry answers what this one does not understand: restart it",
    );
  }
}

function connect(path: string): UnixStream {
  try {
    const stream = UnixStream.connect(path, CONTROL_CLIENT_MS);
    if (stream) return stream;
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    throw new ControlFailure(`${path}: ${text}: run this as root`);
  }
  throw new ControlFailure(`No portsentry is running: nobody listens on ${path}`);
}

function readAll(stream: UnixStream): string {
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(65_536);
  let text = "";
  for (;;) {
    const length = stream.receive(buffer);
    if (length <= 0) return text;
    text += decoder.decode(buffer.subarray(0, length), { stream: true });
  }
}
