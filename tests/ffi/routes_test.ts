import assert from "node:assert/strict";
import fc from "fast-check";
import { gatewaysOf, isDefault } from "../../ffi/routes.ts";
import { formatAddress } from "../../src/packet/address.ts";
import { attribute, bytes } from "../netlink.ts";

const AF_INET = 2;
const AF_INET6 = 10;
const AF_MPLS = 28;
const UNICAST = 1;
const UNREACHABLE = 7;
const GATEWAY = 5;
const MULTIPATH = 9;
const VIA = 18;
const IPV4 = Uint8Array.of(192, 0, 2, 254);
const OTHER = Uint8Array.of(198, 51, 100, 1);
const IPV6 = Uint8Array.from({ length: 16 }, (_, i) => [0xfe, 0x80][i] ?? i);

/** A struct rtmsg with attributes. */
function route(family: number, prefix: number, type: number, ...attributes: Uint8Array[]) {
  return bytes(Uint8Array.of(family, prefix, 0, 0, 254, 3, 0, type, 0, 0, 0, 0), ...attributes);
}

/** A struct rtnexthop with attributes. */
function nexthop(...attributes: Uint8Array[]): Uint8Array {
  const inside = bytes(...attributes);
  return bytes(Uint8Array.of(8 + inside.length, 0, 0, 0, 3, 0, 0, 0), inside);
}

function gateways(message: Uint8Array<ArrayBuffer>): string[] {
  return gatewaysOf(new DataView(message.buffer))
    .map((address) => formatAddress(address.length === 4 ? 4 : 6, address));
}

const ipv6Text = formatAddress(6, IPV6);
const via = attribute(VIA, bytes(Uint8Array.of(AF_INET6, 0), IPV6));

const ROUTES: [name: string, message: Uint8Array<ArrayBuffer>, gateways: string[]][] = [
  ["by IPv4", route(AF_INET, 0, UNICAST, attribute(GATEWAY, IPV4)), ["192.0.2.254"]],
  ["by IPv6", route(AF_INET6, 0, UNICAST, attribute(GATEWAY, IPV6)), [ipv6Text]],
  ["of IPv4 by an IPv6 gateway", route(AF_INET, 0, UNICAST, via), [ipv6Text]],
  [
    "by several gateways",
    route(
      AF_INET,
      0,
      UNICAST,
      attribute(
        MULTIPATH,
        bytes(nexthop(attribute(GATEWAY, IPV4)), nexthop(via), nexthop(attribute(GATEWAY, OTHER))),
      ),
    ),
    ["192.0.2.254", ipv6Text, "198.51.100.1"],
  ],
  ["to a link", route(AF_INET, 0, UNICAST, attribute(4, Uint8Array.of(2, 0, 0, 0))), []],
  ["that says no", route(AF_INET, 0, UNREACHABLE, attribute(GATEWAY, IPV4)), []],
  ["by 3 bytes", route(AF_INET, 0, UNICAST, attribute(GATEWAY, IPV4.subarray(1))), []],
  ["cut in struct rtmsg", route(AF_INET, 0, UNICAST).slice(0, 11), []],
];

for (const [name, message, expected] of ROUTES) {
  Deno.test(`gatewaysOf() reads a route ${name}`, () => {
    assert.deepEqual(gateways(message), expected);
  });
}

const DEFAULTS: [name: string, family: number, prefix: number, is: boolean][] = [
  ["0.0.0.0/0", AF_INET, 0, true],
  ["128.0.0.0/1, which VPNs set", AF_INET, 1, true],
  ["192.0.0.0/2", AF_INET, 2, false],
  ["::/0", AF_INET6, 0, true],
  ["2000::/4, which VPNs set", AF_INET6, 4, true],
  ["fc00::/7", AF_INET6, 7, false],
  ["any label", AF_MPLS, 0, false],
];

for (const [name, family, prefix, is] of DEFAULTS) {
  Deno.test(`isDefault() says ${is} to ${name}`, () => {
    assert.equal(isDefault(new DataView(route(family, prefix, UNICAST).buffer)), is);
  });
}

Deno.test("isDefault() and gatewaysOf() survive any route, and read nothing behind its end", () => {
  const mutation = fc.record({
    seed: fc.constantFrom(...ROUTES.map(([, message]) => message)),
    writes: fc.array(fc.tuple(fc.nat(100), fc.nat(255)), { maxLength: 4 }),
    cut: fc.nat(30),
    noise: fc.uint8Array({ minLength: 40, maxLength: 40 }),
  });
  let found = 0;
  fc.assert(
    fc.property(mutation, ({ seed, writes, cut, noise }) => {
      const message = seed.slice(0, Math.max(0, seed.length - (cut > 15 ? 0 : cut)));
      for (const [at, value] of writes) if (at < message.length) message[at] = value;
      const between = bytes(noise, message, noise);
      const view = new DataView(between.buffer, noise.length, message.length);
      isDefault(view);
      const addresses = gatewaysOf(view);
      found += addresses.length;
      assert.ok(addresses.every(({ length }) => length === 4 || length === 16));
      assert.deepEqual(addresses, gatewaysOf(new DataView(message.buffer)));
    }),
    { numRuns: 20_000 },
  );
  assert.ok(found > 2000, `only ${found} gateways were found: the mutations are too wild`);
});
