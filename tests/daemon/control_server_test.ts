import assert from "node:assert/strict";
import { Poller } from "../../ffi/epoll.ts";
import { UnixListener, UnixStream } from "../../ffi/unix_stream.ts";
import { ControlServer } from "../../src/daemon/control_server.ts";
import { CONTROL_CLIENTS, CONTROL_REQUEST_BYTES, CONTROL_REQUEST_MS } from "../../src/limits.ts";

interface Rig {
  path: string;
  poller: Poller;
  refused: string[];
  server: ControlServer;
}

/** Runs `use` beside a server that answers with the request, or as `echo` says. */
function withServer(
  use: (rig: Rig) => Promise<void>,
  echo: (request: unknown) => unknown = (request) => ({ request }),
): () => Promise<void> {
  return async () => {
    const folder = Deno.makeTempDirSync({ prefix: "portsentry-test-" });
    Deno.chmodSync(folder, 0o755);
    const path = `${folder}/control.sock`;
    const poller = new Poller();
    const refused: string[] = [];
    const polling = poller.run();
    const server = new ControlServer({
      path,
      poller,
      answer: echo,
      onRefused: (text) => refused.push(text),
    });
    try {
      await use({ path, poller, refused, server });
    } finally {
      server.close();
      poller.stop();
      await polling;
      poller.close();
      Deno.removeSync(folder, { recursive: true });
    }
  };
}

/** Sends bytes as another process does, and gives all that comes back. */
async function talk(path: string, bytes: Uint8Array | string): Promise<string> {
  const connection = await Deno.connect({ transport: "unix", path });
  const text = new Response(connection.readable).text();
  const writer = connection.writable.getWriter();
  await writer.write(typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes)
    .catch(() => {}); // the server may have hung up already
  return await text;
}

/** Gives all that comes to a client that says nothing. */
async function listen(path: string): Promise<string> {
  const connection = await Deno.connect({ transport: "unix", path });
  return await new Response(connection.readable).text();
}

Deno.test(
  "ControlServer answers one request with one line, and hangs up",
  withServer(async ({ path }) => {
    assert.equal(await talk(path, '{"command":"status"}\n'), '{"request":{"command":"status"}}\n');
    assert.equal(await talk(path, '{"a":1}\n{"b":2}\n'), '{"request":{"a":1}}\n');
  }),
);

Deno.test(
  "ControlServer answers a request that comes in pieces",
  withServer(async ({ path }) => {
    const stream = UnixStream.connect(path, 1000)!;
    for (const piece of ['{"com', 'mand":', '"x"}', "\n"]) {
      stream.send(new TextEncoder().encode(piece), true);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const buffer = new Uint8Array(100);
    const length = stream.receive(buffer);
    stream.close();
    const text = new TextDecoder().decode(buffer.subarray(0, length));
    assert.equal(text, '{"request":{"command":"x"}}\n');
  }),
);

Deno.test(
  "ControlServer sends an answer that is larger than any socket buffer",
  withServer(async ({ path }) => {
    const answer = JSON.parse(await talk(path, "{}\n"));
    assert.equal(answer.text.length, 5_000_000);
  }, () => ({ text: "x".repeat(5_000_000) })),
);

Deno.test(
  "ControlServer answers what goes wrong as an error",
  withServer(async ({ path }) => {
    assert.equal(await talk(path, "{}\n"), '{"error":"no such thing"}\n');
  }, () => {
    throw new Error("no such thing");
  }),
);

for (
  const [what, bytes] of [
    ["text that is no JSON", "hello\n"],
    ["bytes that are no UTF-8", Uint8Array.of(0x22, 0xff, 0xfe, 0x22, 0x0a)],
    ["an empty line", "\n"],
  ] as const
) {
  Deno.test(
    `ControlServer refuses ${what}`,
    withServer(async ({ path }) => {
      assert.equal(await talk(path, bytes), '{"error":"the request is no JSON"}\n');
      assert.equal(await talk(path, "1\n"), '{"request":1}\n');
    }),
  );
}

Deno.test(
  "ControlServer refuses a request that does not end",
  withServer(async ({ path }) => {
    const answer = await talk(path, "x".repeat(CONTROL_REQUEST_BYTES));
    assert.equal(
      answer,
      `{"error":"a request has ${CONTROL_REQUEST_BYTES} bytes at most: name fewer hosts at once"}\n`,
    );
  }),
);

Deno.test(
  "ControlServer serves no more clients at once than it may, and is free again when they go",
  withServer(async ({ path }) => {
    const silent = Array.from({ length: CONTROL_CLIENTS }, () => UnixStream.connect(path, 1000)!);
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await listen(path), '{"error":"too many clients at once: try again"}\n');
    for (const stream of silent) stream.close();
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(await talk(path, "{}\n"), '{"request":{}}\n');
  }),
);

Deno.test(
  "ControlServer hangs up on a client that says nothing",
  withServer(async ({ path }) => {
    const begin = performance.now();
    assert.equal(await listen(path), "");
    assert.ok(performance.now() - begin < CONTROL_REQUEST_MS + 2000);
  }),
);

Deno.test(
  "ControlServer lets no other user connect, and refuses one that can",
  withServer(async ({ path, refused }) => {
    const asNobody = () =>
      new Deno.Command("setpriv", {
        args: [
          ...[
            "--reuid=65534",
            "--regid=65534",
            "--clear-groups",
            "perl",
            "-MIO::Socket::UNIX",
            "-e",
          ],
          `my $s = IO::Socket::UNIX->new(Peer => shift) or die "refused\\n";` +
          `my $line = <$s>; print $line // "nothing\\n";`,
          path,
        ],
      }).output();
    assert.equal(Deno.statSync(path).mode! & 0o777, 0o600);
    assert.equal(new TextDecoder().decode((await asNobody()).stderr), "refused\n");
    assert.deepEqual(refused, []);
    Deno.chmodSync(path, 0o777);
    assert.equal(new TextDecoder().decode((await asNobody()).stdout), "nothing\n");
    assert.deepEqual(refused, ["CONTROL_SOCKET: user 65534 was refused"]);
  }),
);

Deno.test(
  "ControlServer takes no place that another one has, and the place that a dead one has left",
  withServer(async ({ path, poller, server }) => {
    const another = { path, poller, answer: () => "another", onRefused: () => {} };
    assert.throws(() => new ControlServer(another), /another running portsentry listens there/);
    const left = `${path}.left`;
    new UnixListener(left).close();
    const second = new ControlServer({ ...another, path: left });
    assert.equal(await talk(left, "{}\n"), '"another"\n');
    second.close();
    assert.throws(() => Deno.statSync(left), Deno.errors.NotFound);
    assert.ok(server);
    const third = new ControlServer({ ...another, path: left });
    Deno.removeSync(left);
    const fourth = new ControlServer({ ...another, path: left });
    third.close();
    assert.equal(await talk(left, "{}\n"), '"another"\n');
    fourth.close();
    assert.throws(() => Deno.statSync(left), Deno.errors.NotFound);
    Deno.writeTextFileSync(left, "a letter");
    assert.throws(() => new ControlServer({ ...another, path: left }), /it is no socket/);
    assert.equal(Deno.readTextFileSync(left), "a letter");
  }),
);
