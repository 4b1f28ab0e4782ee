import assert from "node:assert/strict";
import fc from "fast-check";
import { attributes, errorOf, HEADER_BYTES, walkMessages } from "../../ffi/netlink_message.ts";
import { attribute, bytes, u32 } from "../netlink.ts";

/** A message with a header that says `length`. */
function message(length: number, type: number, body: Uint8Array): Uint8Array<ArrayBuffer> {
  return bytes(u32(length), Uint8Array.of(type, 0, 0, 0), u32(1), u32(0), body);
}

function walk(buffer: Uint8Array<ArrayBuffer>, received = buffer.length) {
  const taken: number[][] = [];
  const good = walkMessages(new DataView(buffer.buffer), received, (start, end, type) => {
    taken.push([start, end, type]);
  });
  return { good, taken };
}

Deno.test("walkMessages() finds messages of any length at multiples of four", () => {
  const buffer = bytes(message(17, 24, Uint8Array.of(1, 0, 0, 0)), message(16, 3, bytes()));
  assert.deepEqual(walk(buffer), { good: true, taken: [[0, 17, 24], [20, 36, 3]] });
});

Deno.test("walkMessages() ends where it is told to", () => {
  const buffer = bytes(message(16, 3, bytes()), message(0, 0, bytes()));
  let taken = 0;
  assert.equal(walkMessages(new DataView(buffer.buffer), 32, () => ++taken === 0), true);
  assert.equal(taken, 1);
});

for (const length of [0, 15, 17, 2 ** 31, 2 ** 32 - 1]) {
  Deno.test(`walkMessages() refuses a message that says it has ${length} of 16 bytes`, () => {
    assert.deepEqual(walk(message(length, 24, bytes())), { good: false, taken: [] });
  });
}

Deno.test("walkMessages() tells an answer cut short in a header", () => {
  const buffer = bytes(message(16, 24, bytes()), new Uint8Array(8));
  assert.deepEqual(walk(buffer), { good: false, taken: [[0, 16, 24]] });
});

Deno.test("errorOf() reads the error of the end of a dump, and none where none is", () => {
  const ended = message(20, 3, u32(-2));
  assert.equal(errorOf(new DataView(ended.buffer), 0, 20), 2);
  assert.equal(errorOf(new DataView(ended.buffer), 0, 16), 0);
});

Deno.test("attributes() takes the flags off a type, and ends at a length that cannot be", () => {
  const good = bytes(attribute(0x8009, Uint8Array.of(1, 2, 3)), attribute(5, Uint8Array.of(4)));
  for (const bad of [0, 3, 5, 65_535]) {
    const buffer = bytes(good, Uint8Array.of(bad & 0xff, bad >> 8, 7, 0));
    const found = attributes(new DataView(buffer.buffer), 0);
    assert.deepEqual([...found], [[9, Uint8Array.of(1, 2, 3)], [5, Uint8Array.of(4)]], `${bad}`);
  }
});

Deno.test("walkMessages() and attributes() never leave what they are given, whatever it says", () => {
  const inside = bytes(attribute(5, Uint8Array.of(1, 2, 3, 4)), attribute(9, new Uint8Array(7)));
  const seed = bytes(
    message(16 + inside.length, 24, inside),
    message(20, 3, u32(0)),
    message(16 + inside.length, 24, inside),
  );
  const mutation = fc.record({
    writes: fc.array(fc.tuple(fc.nat(seed.length - 1), fc.nat(255)), { maxLength: 6 }),
    cut: fc.nat(seed.length),
    before: fc.nat(40),
  });
  let walked = 0;
  let refused = 0;
  fc.assert(
    fc.property(mutation, ({ writes, cut, before }) => {
      const whole = bytes(new Uint8Array(before), seed);
      for (const [at, value] of writes) whole[before + at] = value;
      const view = new DataView(whole.buffer, before);
      const received = Math.max(view.byteLength - cut, 0);
      let last = 0;
      const good = walkMessages(view, received, (start, end) => {
        assert.ok(start >= last && end >= start + HEADER_BYTES && end <= received);
        last = end;
        errorOf(view, start, end);
        const message = new DataView(view.buffer, before + start, end - start);
        for (const value of attributes(message, HEADER_BYTES).values()) {
          walked++;
          assert.ok(value.byteOffset >= before + start + HEADER_BYTES);
          assert.ok(value.byteOffset + value.length <= before + end);
        }
      });
      if (!good) refused++;
    }),
    { numRuns: 20_000 },
  );
  assert.ok(walked > 5000 && refused > 5000, `${walked} attributes, ${refused} refused`);
});
