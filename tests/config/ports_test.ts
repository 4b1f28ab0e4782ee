import assert from "node:assert/strict";
import fc from "fast-check";
import { parsePorts, PortSet } from "../../src/config/ports.ts";

function ports(text: string): PortSet {
  const parsed = parsePorts(text);
  assert.ok("ports" in parsed, `${text} was refused`);
  return parsed.ports;
}

function faults(text: string): string[] {
  const parsed = parsePorts(text);
  assert.ok("faults" in parsed, `${text} was accepted`);
  return parsed.faults;
}

Deno.test("parsePorts() reads ports and inclusive ranges, in any order and overlapping", () => {
  assert.equal(ports("1,7,20-25").toString(), "1,7,20-25");
  assert.equal(ports("65535, 3-4 ,5,1-3").toString(), "1-5,65535");
  assert.equal(ports("1-65535").size, 65535);
});

const FAULTS: [text: string, fault: RegExp][] = [
  ["", /list is empty/],
  [" ", /list is empty/],
  ["1,,2", /missing between two commas/],
  ["1,", /at an end/],
  ["http", /Cannot parse port "http": it must be a number/],
  ["-1", /Cannot parse port range "-1": the start must be a number/],
  ["80-x", /Cannot parse port range "80-x": the end must be a number/],
  ["80-", /the end must be a number/],
  ["1-2-3", /the end must be a number/],
  ["0", /"0": it must be from 1 to 65535/],
  ["65536", /"65536": it must be from 1 to 65535/],
  ["1-65536", /the end must be from 1 to 65535/],
  ["25-20", /"25-20": it ends before it starts, write "20-25"/],
  ["0x50", /must be a number/],
  ["1e3", /must be a number/],
  ["+5", /must be a number/],
  ["99999999999999999999", /must be from 1 to 65535/],
];

for (const [text, fault] of FAULTS) {
  Deno.test(`parsePorts() refuses ${JSON.stringify(text)}`, () => {
    assert.equal(faults(text).length, 1);
    assert.match(faults(text)[0], fault);
  });
}

Deno.test("parsePorts() tells every fault of a list", () => {
  assert.equal(faults("0,5,x,7-3").length, 3);
});

const range = fc.tuple(fc.integer({ min: 1, max: 65535 }), fc.nat(300)).map(([first, length]) => ({
  first,
  last: Math.min(65535, first + length),
}));

Deno.test("PortSet holds exactly the ports of its text, and writes them back", () => {
  fc.assert(
    fc.property(fc.array(range, { minLength: 1, maxLength: 40 }), (ranges) => {
      const set = ports(ranges.map(({ first, last }) => `${first}-${last}`).join(","));
      const expected = new Set(
        ranges.flatMap(({ first, last }) =>
          Array.from({ length: last - first + 1 }, (_, i) => first + i)
        ),
      );
      assert.equal(set.size, expected.size);
      for (let port = 0; port <= 65535; port += 1) {
        if (set.has(port) !== expected.has(port)) assert.fail(`port ${port}`);
      }
      assert.deepEqual(ports(set.toString()).ranges, set.ranges);
    }),
    { numRuns: 50 },
  );
});

Deno.test("PortSet.covering() holds every port in no more ranges than asked for", () => {
  fc.assert(
    fc.property(
      fc.array(range, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 10 }),
      (ranges, most) => {
        const set = new PortSet(ranges);
        const covering = set.covering(most);
        assert.equal(covering.length, Math.min(most, set.ranges.length));
        const wide = new PortSet(covering);
        for (const { first, last } of set.ranges) assert.ok(wide.has(first) && wide.has(last));
        if (set.ranges.length <= most) assert.equal(wide.size, set.size);
      },
    ),
  );
});

Deno.test("PortSet.covering() joins the narrowest gaps and leaves the set as it was", () => {
  const set = ports("1,3,100,102,60000");
  assert.deepEqual(set.covering(3), [
    { first: 1, last: 3 },
    { first: 100, last: 102 },
    { first: 60000, last: 60000 },
  ]);
  assert.equal(set.toString(), "1,3,100,102,60000");
});
