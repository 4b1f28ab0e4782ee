/**
 * TCP connections that stay: `deno run -A connection.ts FROM/HOST/PORT …` connects from the addresses
 * FROM, says so, and keeps the connections until its standard input ends.
 *
 * @module
 */
import { connect } from "node:net";

await Promise.all(Deno.args.map((connection) => {
  const [localAddress, host, port] = connection.split("/");
  return new Promise<void>((resolve, reject) => {
    connect({ localAddress, host, port: Number(port) }, resolve).on("error", reject);
  });
}));
console.log("connected");
for await (const _ of Deno.stdin.readable);
Deno.exit();
