import assert from "node:assert/strict";
import { SocketDiagnosis, TCP_LISTEN } from "../../ffi/sock_diag.ts";
import { formatAddress } from "../../src/packet/address.ts";

const TCP = 6;
const EXPERIMENT = 253; // RFC 3692: no kernel has it

Deno.test("SocketDiagnosis.supports() tells protocols whose module the kernel lacks", () => {
  const diagnosis = new SocketDiagnosis();
  assert.equal(diagnosis.supports(TCP), true);
  assert.equal(diagnosis.supports(EXPERIMENT), false);
  diagnosis.close();
});

Deno.test("SocketDiagnosis lists listening ports, and connections while both ends are open", async () => {
  const diagnosis = new SocketDiagnosis();
  using ipv4 = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using both = Deno.listen({ hostname: "::", port: 0 });
  const portOf = (listener: Deno.Listener) => (listener.addr as Deno.NetAddr).port;
  const ports = new Uint8Array(65_536);
  diagnosis.listeningTcpPorts(ports);
  assert.deepEqual([ports[portOf(ipv4)], ports[portOf(both)]], [1, 1]);

  const connections = () => {
    const found: string[] = [];
    const peer = new Uint8Array(16);
    diagnosis.tcpConnections(peer, (port) => {
      if (port === portOf(ipv4)) found.push(`ipv4 ${formatAddress(6, peer)}`);
      if (port === portOf(both)) found.push(`both ${formatAddress(6, peer)}`);
    });
    return found.sort();
  };
  assert.deepEqual(connections(), []);
  const clients = [
    await Deno.connect({ hostname: "127.0.0.1", port: portOf(ipv4) }),
    await Deno.connect({ hostname: "127.0.0.1", port: portOf(both) }),
    await Deno.connect({ hostname: "::1", port: portOf(both) }),
  ];
  const mapped = formatAddress(6, Uint8Array.fromHex("00000000000000000000ffff7f000001"));
  assert.deepEqual(connections(), ["both ::1", `both ${mapped}`, `ipv4 ${mapped}`].sort());
  await clients[2].closeWrite();
  clients[1].close();
  assert.deepEqual(connections(), [`ipv4 ${mapped}`]);
  for (const client of [clients[0], clients[2]]) client.close();
  diagnosis.close();
});

Deno.test("SocketDiagnosis lists connections in every state, and knows the state of one", async () => {
  const diagnosis = new SocketDiagnosis();
  using both = Deno.listen({ hostname: "::", port: 0 });
  const { port } = both.addr as Deno.NetAddr;
  const found = (): string[] => {
    const found: string[] = [];
    const ends = new Uint8Array(36);
    diagnosis.allTcpConnections(ends, (localPort) => {
      if (localPort !== port) return;
      const [local, remote] = [ends.subarray(0, 16), ends.subarray(16, 32)];
      assert.equal(ends[32] << 8 | ends[33], port);
      found.push(
        `${formatAddress(6, local)} ${formatAddress(6, remote)} ${ends[34] << 8 | ends[35]}`,
      );
    });
    return found.sort();
  };
  assert.deepEqual(found(), []);
  const client = await Deno.connect({ hostname: "127.0.0.1", port });
  const server = await both.accept();
  const { port: clientPort } = client.localAddr as Deno.NetAddr;
  const mapped = formatAddress(6, Uint8Array.fromHex("00000000000000000000ffff7f000001"));
  const line = `${mapped} ${mapped} ${clientPort}`;
  assert.deepEqual(found(), [line]);
  const home = Uint8Array.of(127, 0, 0, 1);
  const state = (remotePort: number) => diagnosis.stateOf(TCP, 4, home, port, home, remotePort, 0);
  const [ESTABLISHED, CLOSE_WAIT] = [1, 8]; // <net/tcp_states.h>
  assert.deepEqual([state(clientPort), state(1)], [ESTABLISHED, TCP_LISTEN]);
  await client.closeWrite();
  assert.equal(await server.read(new Uint8Array(1)), null);
  assert.deepEqual([state(clientPort), found()], [CLOSE_WAIT, [line]]);
  const used = new Uint8Array(65_536);
  diagnosis.usedTcpPorts(used);
  assert.deepEqual([used[port], used[clientPort]], [1, 1]);
  client.close();
  server.close();
  diagnosis.close();
});
