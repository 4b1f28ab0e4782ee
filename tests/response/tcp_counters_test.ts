import assert from "node:assert/strict";
import { parseTcpCounters, TcpCounters } from "../../src/response/tcp_counters.ts";

const HEAD = "Ip: Forwarding DefaultTTL\nIp: 1 64\n";

Deno.test("parseTcpCounters() finds the counters by their names", () => {
  const text = HEAD +
    "Tcp: PassiveOpens MaxConn CurrEstab InSegs\nTcp: 12 -1 3 99\nUdp: A\nUdp: 1\n";
  assert.equal(parseTcpCounters(text), "12 3");
});

for (
  const [what, text] of [
    ["no line of TCP", HEAD],
    ["names without values", HEAD + "Tcp: PassiveOpens CurrEstab\n"],
    ["other names", HEAD + "Tcp: Opens CurrEstab\nTcp: 1 2\n"],
    ["nothing", ""],
  ]
) {
  Deno.test(`parseTcpCounters() gives undefined for ${what}`, () => {
    assert.equal(parseTcpCounters(text), undefined);
  });
}

Deno.test("TcpCounters.read() changes when a connection comes and when it ends", async () => {
  const counters = new TcpCounters();
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const { port } = listener.addr as Deno.NetAddr;
  const before = counters.read();
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const server = await listener.accept();
  const between = counters.read();
  assert.notEqual(between, before);
  server.close();
  client.close();
  assert.notEqual(counters.read(), between);
  counters.close();
});
