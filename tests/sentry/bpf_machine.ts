/**
 * Classic BPF (the kernel's Documentation/networking/filter.rst), as small as it goes.
 *
 * @module
 */
import assert from "node:assert/strict";

const MOST_INSTRUCTIONS = 4096; // BPF_MAXINSNS, <linux/bpf_common.h>
const JUMP = 0x05;
const CONDITIONAL = [0x15, 0x25, 0x35, 0x45];
const RETURN = 0x06;
const PACKET_TYPE = 0xffff_f004; // SKF_AD_OFF + SKF_AD_PKTTYPE, <linux/filter.h>
export const PACKET_HOST = 0; // <linux/if_packet.h>
export const PACKET_OUTGOING = 4;

/**
 * Whether a program lets a packet pass.
 *
 * @param type whether it comes in or goes out, as the kernel numbers that
 */
export function accepts(
  program: Uint8Array<ArrayBuffer>,
  packet: Uint8Array,
  type = PACKET_HOST,
): boolean {
  const view = new DataView(program.buffer);
  const bytes = new DataView(packet.buffer, packet.byteOffset, packet.length);
  let [a, x] = [0, 0];
  for (let pc = 0; pc < program.length / 8; pc++) {
    const code = view.getUint16(pc * 8, true);
    const k = view.getUint32(pc * 8 + 4, true);
    const jump = (condition: boolean) => pc += view.getUint8(pc * 8 + (condition ? 2 : 3));
    try {
      if (code === 0x20) a = bytes.getUint32(k);
      else if (code === 0x28) a = bytes.getUint16(k);
      else if (code === 0x30) a = k === PACKET_TYPE ? type : bytes.getUint8(k);
      else if (code === 0x48) a = bytes.getUint16(x + k);
      else if (code === 0x50) a = bytes.getUint8(x + k);
      else if (code === 0xb1) x = (bytes.getUint8(k) & 0xf) * 4;
      else if (code === 0x01) x = k;
      else if (code === 0x54) a = (a & k) >>> 0;
      else if (code === 0x05) pc += k;
      else if (code === 0x15) jump(a === k);
      else if (code === 0x25) jump(a > k);
      else if (code === 0x35) jump(a >= k);
      else if (code === 0x45) jump((a & k) !== 0);
      else if (code === 0x06) return k !== 0;
      else assert.fail(`unknown instruction 0x${code.toString(16)}`);
    } catch (error) {
      if (error instanceof RangeError) return false; // a read past the end rejects the packet
      throw error;
    }
  }
  return assert.fail("the program has no end");
}

/** What the kernel asks of a program before it takes it: its length, jumps that land, an end. */
export function assertLoadable(program: Uint8Array<ArrayBuffer>): void {
  const view = new DataView(program.buffer);
  const count = program.length / 8;
  assert.ok(Number.isInteger(count) && count > 0 && count <= MOST_INSTRUCTIONS, `${count}`);
  for (let pc = 0; pc < count; pc++) {
    const code = view.getUint16(pc * 8, true);
    const k = view.getUint32(pc * 8 + 4, true);
    const last = code === JUMP
      ? pc + 1 + k
      : CONDITIONAL.includes(code)
      ? pc + 1 + Math.max(view.getUint8(pc * 8 + 2), view.getUint8(pc * 8 + 3))
      : pc;
    assert.ok(last < count, `instruction ${pc} jumps to ${last} of ${count}`);
  }
  assert.equal(view.getUint16((count - 1) * 8, true), RETURN);
}
