/**
 * The control socket, from both of its ends.
 *
 * @module
 */
import assert from "node:assert/strict";
import { parseRequest } from "../../../src/control_request.ts";
import { ControlFailure, parseAnswer, understood } from "../../../src/daemon/control_client.ts";
import { ControlError } from "../../../src/daemon/control_server.ts";
import { MOST_DURATION_S, MOST_REASON_CHARACTERS } from "../../../src/limits.ts";
import { addressBytes, formatAddress } from "../../../src/packet/address.ts";
import { type Top, topLines } from "../../../src/report/top_text.ts";
import { PLAIN, type Style } from "../../../src/terminal/style.ts";
import { escapeControls, jsonText } from "../../../src/text.ts";
import { type Target, textTarget } from "../target.ts";

const WORDS = [
  ...["status", "top", "blocked", "reload", "block", "unblock"].map((name) =>
    `{"command":"${name}"`
  ),
  ...['"host":"', '"seconds":', '"why":"', '"networks":["', '"all":true', "null", "1e99", "-1"],
  ...["\\u001b[2J", "192.0.2.9", "2001:db8::/32", "::ffff:192.0.2.9", ',"', "}", "]", "[", "{}"],
];
const NARROW: Style = { ...PLAIN, width: 80 };
const TOP: Top = {
  ...{ atMs: 1000, startMs: 0, mode: "stealth (pcap)", packets: 9, packetsToServices: 1 },
  ...{ probes: 3, lostBeforeReading: 0, rate: 0.5, blockedNow: 1 },
  sources: [
    { name: "192.0.2.9", events: 3, rate: 0.5, lastMs: 900, tool: "nmap SYN", blocked: true },
  ],
  ports: [{ name: "tcp/23", events: 3, rate: 0.5, lastMs: 900 }],
  blocks: [{ host: "192.0.2.9", timeMs: 900, port: "tcp/23" }],
};
/** A control character of a reason becomes `\x1b`, or `\u2028`. */
const ESCAPED = 6;

function readsRequest(text: string): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return "no JSON";
  }
  try {
    const request = parseRequest(json);
    if (request.command === "block") {
      const { host, seconds = 0, reason } = request;
      assert.equal(formatAddress(host.includes(":") ? 6 : 4, addressBytes(host)), host);
      assert.ok(Number.isInteger(seconds) && seconds >= 0 && seconds <= MOST_DURATION_S);
      assert.equal(escapeControls(reason), reason);
      assert.ok(reason.length > 0 && reason.length <= MOST_REASON_CHARACTERS * ESCAPED);
    }
    if (request.command === "unblock" && request.networks !== "all") {
      for (const { address, prefix } of request.networks) {
        assert.ok(address.length === 4 || address.length === 16);
        assert.ok(prefix >= 0 && prefix <= address.length * 8);
      }
    }
    return JSON.stringify(request);
  } catch (error) {
    if (!(error instanceof ControlError)) throw error;
    return error.message;
  }
}

function readsAnswer(text: string): string {
  const answer = parseAnswer(text);
  if (answer === undefined) return "no answer";
  assert.ok(typeof answer === "object" && answer !== null && !Array.isArray(answer));
  const shown = jsonText(answer);
  assert.equal(escapeControls(shown), shown);
  assert.equal(jsonText(JSON.parse(shown)), shown);
  const view = { style: NARROW, rows: 24, rates: [] };
  try {
    for (const line of understood(() => topLines(answer as unknown as Top, view))) {
      assert.equal(escapeControls(line), line);
    }
  } catch (error) {
    if (!(error instanceof ControlFailure)) throw error;
  }
  return shown;
}

export const CONTROL_TARGETS: Target[] = [
  textTarget("control-request", readsRequest, {
    dictionary: WORDS,
    seeds: [
      ["status", '{"command":"status"}'],
      ["block", '{"command":"block","host":"192.0.2.9","seconds":60,"why":"a\\u001b reason"}'],
      ["block of a network", '{"command":"block","host":"2001:db8::/64"}'],
      ["block beyond all dates", '{"command":"block","host":"::1","seconds":9007199254740991}'],
      ["unblock", '{"command":"unblock","networks":["192.0.2.0/24","2001:db8::9"]}'],
      ["unblock of no text", '{"command":"unblock","networks":[{"toString":1},null]}'],
      ["unblock of all", '{"command":"unblock","all":true}'],
    ],
  }),
  textTarget("control-answer", readsAnswer, {
    dictionary: [...WORDS, '"error":"', '"blocked":[', "\x9b", "\u2028", "\x7f"],
    seeds: [
      ["top", JSON.stringify(TOP)],
      ["an error", '{"error":"there is no such command"}\n'],
      ["a list", "[1]\n"],
      ["escape sequences", '{"mode":"\x9b2J\\u001b[2J"}\n'],
    ],
  }),
];
