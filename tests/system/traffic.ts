/**
 * Ordinary TCP traffic, as a program for either host: `serve PORT`, or `connect PORT WIDTH HOST…`, which
 * holds so many conversations at a time with the hosts in turn until it is ended. The first byte that
 * a client sends says how a conversation goes on.
 *
 * @module
 */
const KINDS = "csrRhbi";
const SMALL = new Uint8Array(100);
const LARGE = new Uint8Array(65_536);
const IDLE_MS = 300;

const [role, port, ...rest] = Deno.args;
if (role === "serve") await serve(Number(port));
else await connect(Number(port), Number(rest[0]), rest.slice(1));

async function serve(port: number): Promise<void> {
  const listener = Deno.listen({ hostname: "::", port });
  console.log("ready");
  for (;;) {
    try {
      const connection = await listener.accept();
      answer(connection).catch(() => {}).finally(() => close(connection));
    } catch {
      // A client that was gone before its turn: the others go on.
    }
  }
}

async function answer(connection: Deno.TcpConn): Promise<void> {
  const first = new Uint8Array(1);
  if (await connection.read(first) === null) return;
  switch (String.fromCharCode(first[0])) {
    case "c": // the client closes first
      await connection.write(SMALL);
      await drain(connection);
      return;
    case "s": // the server does
      await connection.write(SMALL);
      return;
    case "r": // the server resets, as it has not read all
      await pause(5);
      return;
    case "R": // the client does
      await connection.write(SMALL);
      await connection.write(SMALL);
      await drain(connection);
      return;
    case "h": // the client has said all, and listens on
      await drain(connection);
      await connection.write(LARGE);
      return;
    case "b": // one side sends much
      for (let i = 0; i < 8; i++) await connection.write(LARGE);
      return;
    default: // until the client is gone, it gets more
      for (;;) {
        await connection.write(SMALL);
        await pause(20);
      }
  }
}

async function connect(port: number, width: number, hosts: string[]): Promise<void> {
  console.log("ready");
  let number = 0;
  await Promise.all(Array.from({ length: width }, async () => {
    for (;;) {
      const n = number++;
      await talk(KINDS[n % KINDS.length], hosts[Math.floor(n / KINDS.length) % hosts.length], port)
        .catch(() => pause(10));
    }
  }));
}

async function talk(kind: string, hostname: string, port: number): Promise<void> {
  const connection = await Deno.connect({ hostname, port });
  try {
    await connection.write(new TextEncoder().encode(kind));
    if (kind === "r") await connection.write(LARGE);
    if (kind === "h") await connection.closeWrite();
    if (kind === "c" || kind === "R") await connection.read(new Uint8Array(1));
    else if (kind === "i") await pause(IDLE_MS);
    else await drain(connection);
  } finally {
    close(connection);
  }
}

async function drain(connection: Deno.TcpConn): Promise<void> {
  const buffer = new Uint8Array(65_536);
  while (await connection.read(buffer) !== null);
}

function close(connection: Deno.TcpConn): void {
  try {
    connection.close();
  } catch {
    // The other side has reset it.
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
