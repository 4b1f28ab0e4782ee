/**
 * A client of connect mode: `deno run -A client.ts COMMAND HOST PORT …`. It prints what it got, as JSON.
 *
 * - `tcp HOST PORT [BYTES [LATER_MS]]` connects, sends so many bytes (some of them only later), and
 *   reads to the end
 * - `reset HOST PORT TIMES` connects and resets at once (SO_LINGER with time 0)
 * - `hold HOST PORT TIMES MS` keeps so many connections open, each sending a byte every 50 ms
 * - `udp HOST PORT FROM [TIMES]` sends datagrams from port FROM, and waits a moment for answers
 *
 * @module
 */
import dgram from "node:dgram";

const [command, host, port, ...rest] = Deno.args;
const commands: Record<string, () => Promise<unknown> | unknown> = { tcp, reset, hold, udp };
console.log(JSON.stringify(await commands[command]()));
Deno.exit(0);

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

async function tcp(): Promise<{ text: string; end: string }> {
  const connection = await Deno.connect({ hostname: host, port: Number(port) });
  const input = new Uint8Array(Number(rest[0] ?? 0)).fill(0x2e);
  const half = input.length >> 1;
  let text = "";
  const decoder = new TextDecoder();
  try {
    if (half > 0) await connection.write(input.subarray(0, half));
    await sleep(Number(rest[1] ?? 0));
    if (half > 0) await connection.write(input.subarray(half));
    const buffer = new Uint8Array(4096);
    for (;;) {
      const count = await connection.read(buffer);
      if (count === null) break;
      text += decoder.decode(buffer.subarray(0, count));
    }
    connection.close();
    return { text, end: "closed" };
  } catch (error) {
    return { text, end: String(error) };
  }
}

function reset(): string {
  const { symbols } = Deno.dlopen(`/lib/${Deno.build.arch}-linux-gnu/libc.so.6`, {
    socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
    inet_pton: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
    connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
    setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
    close: { parameters: ["i32"], result: "i32" },
  });
  const family = host.includes(":") ? 10 : 2; // AF_INET6, AF_INET
  const address = new Uint8Array(28);
  address.set([family, 0, Number(port) >> 8, Number(port)]);
  const text = new TextEncoder().encode(`${host}\0`);
  symbols.inet_pton(family, text, address.subarray(family === 10 ? 8 : 4));
  const linger = new Int32Array([1, 0]); // struct linger: on, no time
  let connected = 0;
  for (let i = 0; i < Number(rest[0]); i++) {
    const fd = symbols.socket(family, 1, 0); // SOCK_STREAM
    symbols.setsockopt(fd, 1, 13, linger, 8); // SOL_SOCKET, SO_LINGER
    if (symbols.connect(fd, address, family === 10 ? 28 : 16) === 0) connected++;
    symbols.close(fd);
  }
  return `${connected} connected`;
}

async function hold(): Promise<string> {
  const all = await Promise.all(
    Array.from(
      { length: Number(rest[0]) },
      () => Deno.connect({ hostname: host, port: Number(port) }),
    ),
  );
  const end = performance.now() + Number(rest[1]);
  while (performance.now() < end) {
    await Promise.all(all.map((one) => one.write(new Uint8Array(1)).catch(() => {})));
    await sleep(50);
  }
  return "held";
}

function udp(): Promise<{ from: string; text: string }[]> {
  const socket = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  const answers: { from: string; text: string }[] = [];
  socket.on("message", (message, { address, port }) => {
    answers.push({ from: `${address} ${port}`, text: message.toString() });
  });
  return new Promise((resolve) => {
    socket.bind(Number(rest[0]), async () => {
      if (host.endsWith(".255")) socket.setBroadcast(true);
      for (let i = 0; i < Number(rest[1] ?? 1); i++) {
        socket.send("x", Number(port), host);
        if (i % 16 === 15) await sleep(5);
      }
      await sleep(400);
      resolve(answers);
    });
  });
}
