import assert from "node:assert/strict";
import fc from "fast-check";
import { PortSet } from "../../src/config/ports.ts";
import { assembledFilters } from "../../src/sentry/bpf.ts";
import { ipv4, ipv6, tcp, udp } from "../frames.ts";
import { accepts } from "./bpf_machine.ts";

const own = (...addresses: number[][]) =>
  addresses.map((bytes) => ({ address: Uint8Array.from(bytes), prefix: bytes.length * 8 }));
const SIX = (n: number) => [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n >> 8, n & 255];

Deno.test("assembledFilters() accept TCP and UDP to own addresses and watched ports only", () => {
  const port = fc.integer({ min: 1, max: 65535 });
  fc.assert(
    fc.property(
      fc.array(port, { minLength: 1, maxLength: 20 }),
      port,
      fc.boolean(),
      fc.boolean(),
      fc.integer({ min: 0, max: 255 }),
      fc.integer({ min: 1, max: 4 }),
      (watched, other, isTcp, hit, flags, host) => {
        const ports = new PortSet(watched.map((one) => ({ first: one, last: one })));
        const { headers } = assembledFilters(
          own([192, 0, 2, 1], [192, 0, 2, 2], SIX(1), SIX(3)),
          ports,
          ports,
        );
        const to = hit ? watched[0] : other;
        const transport = isTcp ? tcp({ port: to, flags }) : udp({ port: to });
        const expected = ports.has(to) && (!isTcp || (flags & 0x14) === 0);
        const protocol = isTcp ? 6 : 17;
        const four = ipv4(transport, { protocol, destination: [192, 0, 2, host] });
        assert.equal(accepts(headers, four), expected && host <= 2);
        const six = ipv6(transport, { nextHeader: protocol, destination: SIX(host) });
        assert.equal(accepts(headers, six), expected && (host === 1 || host === 3));
      },
    ),
    { numRuns: 2000 },
  );
});

Deno.test("assembledFilters() fit into the kernel's limit on a host with 300 IPv6 addresses", () => {
  const odd = new PortSet(
    Array.from({ length: 100 }, (_, i) => ({ first: 2 * i + 1, last: 2 * i + 1 })),
  );
  const addresses = own(...Array.from({ length: 300 }, (_, i) => SIX(i)));
  const { headers, extensions } = assembledFilters(addresses, odd, odd);
  assert.ok(headers.length / 8 <= 4096, `${headers.length / 8}`);
  assert.ok(extensions.length / 8 <= 4096, `${extensions.length / 8}`);
  assert.ok(accepts(headers, ipv6(tcp({ port: 199 }), { destination: SIX(299) })));
  assert.ok(!accepts(headers, ipv6(tcp({ port: 199 }), { destination: SIX(300) })));
});
