import assert from "node:assert/strict";
import { METRICS_CLIENTS, METRICS_HEADER_BYTES, METRICS_REQUEST_MS } from "../../src/limits.ts";
import { MetricsServer } from "../../src/metrics/metrics_server.ts";

const HOST = "127.0.0.1";

function freePort(): number {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  return listener.addr.port;
}

/** Runs `use` beside a server whose scrape is `a 1`. */
function withServer(use: (port: number) => Promise<void>): () => Promise<void> {
  return async () => {
    const port = freePort();
    const failures: string[] = [];
    const server = new MetricsServer({
      host: HOST,
      port,
      scrape: () => "a 1\n",
      onFailure: (text) => failures.push(text),
    });
    try {
      await listening(port);
      await use(port);
      assert.deepEqual(failures, []);
    } finally {
      server.close();
    }
  };
}

async function listening(port: number): Promise<void> {
  for (let tries = 0;; tries++) {
    try {
      return (await Deno.connect({ hostname: HOST, port })).close();
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }
}

/** Sends bytes, and gives all that comes back until the server hangs up. */
async function talk(port: number, text: string): Promise<string> {
  using connection = await Deno.connect({ hostname: HOST, port });
  const decoder = new TextDecoder();
  let received = "";
  try {
    await connection.write(new TextEncoder().encode(text));
    const buffer = new Uint8Array(65_536);
    for (let n = await connection.read(buffer); n !== null; n = await connection.read(buffer)) {
      received += decoder.decode(buffer.subarray(0, n), { stream: true });
    }
  } catch {
    // Hung up on while talking.
  }
  return received;
}

const options = { sanitizeResources: false, sanitizeOps: false };

Deno.test(
  "MetricsServer answers GET /metrics, as Prometheus asks",
  options,
  withServer(async (port) => {
    const response = await fetch(`http://${HOST}:${port}/metrics`);
    assert.equal(response.status, 200);
    assert.equal(
      response.headers.get("content-type"),
      "text/plain; version=0.0.4; charset=utf-8",
    );
    assert.equal(await response.text(), "a 1\n");
    const again = await fetch(`http://${HOST}:${port}/metrics?x=1`);
    assert.equal(await again.text(), "a 1\n");
  }),
);

Deno.test(
  "MetricsServer answers nothing else",
  options,
  withServer(async (port) => {
    for (const path of ["/", "/metrics/", "/metricsx", "/..%2fmetrics"]) {
      const { status, body } = await fetch(`http://${HOST}:${port}${path}`);
      await body?.cancel();
      assert.equal(status, 404, path);
    }
    for (const method of ["POST", "PUT", "DELETE", "OPTIONS"]) {
      const { status, headers, body } = await fetch(`http://${HOST}:${port}/metrics`, { method });
      await body?.cancel();
      assert.equal(status, 405, method);
      assert.equal(headers.get("allow"), "GET, HEAD");
    }
    const head = await fetch(`http://${HOST}:${port}/metrics`, { method: "HEAD" });
    assert.deepEqual([head.status, await head.text()], [200, ""]);
    assert.match(await talk(port, "hello\r\n\r\n"), /^(HTTP\/1\.1 400|$)/);
    const long = `GET /metrics HTTP/1.1\r\nHost: x\r\nA: ${
      "a".repeat(METRICS_HEADER_BYTES)
    }\r\n\r\n`;
    assert.doesNotMatch(await talk(port, long), /200 OK/);
  }),
);

Deno.test(
  "MetricsServer holds a few clients and no more, and hangs up on those that say nothing",
  options,
  withServer(async (port) => {
    const begin = performance.now();
    const silent = Array.from({ length: METRICS_CLIENTS + 40 }, () => talk(port, "GET /me"));
    const ends: number[] = [];
    for (const one of silent) one.then(() => ends.push(performance.now() - begin));
    await new Promise((resolve) => setTimeout(resolve, METRICS_REQUEST_MS / 2));
    // The connection that found the server ready may have had a place, too.
    assert.ok(ends.length === 40 || ends.length === 41, `${ends.length} are hung up on at once`);
    await Promise.all(silent);
    assert.ok(ends.at(-1)! < 2 * METRICS_REQUEST_MS + 1000, `${ends.at(-1)} ms`);
    const { status, body } = await fetch(`http://${HOST}:${port}/metrics`);
    await body?.cancel();
    assert.equal(status, 200);
  }),
);

Deno.test("MetricsServer throws at once when the address is taken", () => {
  using listener = Deno.listen({ hostname: HOST, port: 0 });
  const { port } = listener.addr;
  const taken = { host: HOST, port, scrape: () => "", onFailure: () => {} };
  assert.throws(() => new MetricsServer(taken), Deno.errors.AddrInUse);
});
