/**
 * The command line, and other text that comes from outside.
 *
 * @module
 */
import assert from "node:assert/strict";
import { isIP } from "node:net";
import { nftMessage } from "../../../ffi/nftables.ts";
import { parseArguments } from "../../../src/cli.ts";
import { formatFault, StartError } from "../../../src/config/fault.ts";
import { grantedLists, LISTS } from "../../../src/daemon/permissions.ts";
import { retryAfter } from "../../../src/notify/post.ts";
import { plainWords } from "../../../src/response/command.ts";
import { harmlessName } from "../../../src/response/host_names.ts";
import { escapeControls, quote } from "../../../src/text.ts";
import { type Target, textTarget } from "../target.ts";
import { assertReadable } from "./config.ts";

const WORDS = ["--stealth", "--connect", "-m", "--method=", "pcap", "raw", "-i", "ALL", "any", "-l"]
  .concat(["stdout", "syslog", "-c", "-D", "-p", "--ready-fd", "-d", "-v", "-V", "-h", "--", "-"])
  .concat(["-stcp", "-audp", "-L", "-S", "\n", "=", "--disable-local-check", "--no-", "-DLSdv"]);

/** One argument a line. */
function readsArguments(text: string): string {
  try {
    const invocation = parseArguments(text.split("\n"), "1.2.3");
    if (!("options" in invocation)) return JSON.stringify(invocation);
    const { options } = invocation;
    assert.ok(["stealth", "connect"].includes(options.mode));
    assert.ok(["pcap", "raw"].includes(options.method));
    assert.equal(typeof options.configFile, "string");
    assert.ok(options.logOutputs.length > 0);
    assert.equal(new Set(options.logOutputs).size, options.logOutputs.length);
    for (const output of options.logOutputs) assert.ok(["stdout", "syslog"].includes(output));
    const descriptor = options.readyDescriptor ?? 0;
    assert.ok(Number.isSafeInteger(descriptor) && descriptor >= 0, `descriptor ${descriptor}`);
    return JSON.stringify(options);
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    assert.ok(error.faults.length > 0);
    // Whoever typed the arguments may see all of them again.
    for (const fault of error.faults) assertReadable(formatFault(fault), Infinity);
    return error.message;
  }
}

/** Names that their owners choose, and values that end in a shell or in a log line. */
function tamesText(text: string): string {
  const escaped = escapeControls(text);
  assert.equal(escapeControls(escaped), escaped);
  assertReadable(quote(text));
  const name = harmlessName(text);
  if (name !== undefined) {
    assert.match(name, /^[A-Za-z0-9._?-]+$/);
    assert.equal(isIP(name), 0);
  }
  const words = plainWords(text);
  for (const word of words ?? []) assert.match(word, /^[\w\/.:,@%+=-]+$/);
  assert.ok(words?.[0].startsWith("/") ?? true);
  return JSON.stringify([escaped, name, words]);
}

/** Arguments of Deno, one a line. */
function readsPermissions(text: string): string {
  const lists = grantedLists(text.split("\n"));
  assert.deepEqual(Object.keys(lists), LISTS);
  const entries = Object.values(lists).flat();
  for (const entry of entries) assert.ok(entry !== "" && !entry.includes(","), entry);
  return JSON.stringify(lists);
}

/** A header of a server that is told of scans. */
function readsRetryAfter(text: string): string {
  const waitMs = retryAfter(text, 0);
  assert.ok(waitMs === undefined || (waitMs >= 0 && Number.isFinite(waitMs)), `${waitMs}`);
  return String(waitMs);
}

/** What libnftables says went wrong. */
function readsNftError(text: string): string {
  const message = nftMessage(text);
  assert.ok(message !== "" && message === message.trim());
  assert.doesNotMatch(message, /\n/);
  assertReadable(escapeControls(message), Infinity);
  return message;
}

export const TEXT_TARGETS: Target[] = [
  textTarget("permissions", readsPermissions, {
    dictionary: [...LISTS.map((name) => `--allow-${name}=`), "-R=", "-W=", "-N=", "-A", ",", "\n"],
    seeds: [["lists", "run\n--allow-read=/a,,/b\n-W=/c\n--allow-net\n--allow-net=[::1]:80\n-A"]],
  }),
  textTarget("retry-after", readsRetryAfter, {
    dictionary: ["GMT", "Fri, ", " Nov ", "2026", ":", "1e99", "-1", "275760"],
    seeds: [["seconds", "120"], ["a date", "Fri, 27 Nov 2026 18:00:00 GMT"], ["neither", "soon"]],
  }),
  textTarget("nft-error", readsNftError, {
    dictionary: ["Error: ", "\n", "^^^", "/dev/stdin:1:1-2: "],
    seeds: [
      ["as it is", "/dev/stdin:1:1-5: Error: syntax error, unexpected newline\nadd x\n^^^^^\n"],
      ["nothing", ""],
    ],
  }),
  textTarget("command-line", readsArguments, { dictionary: WORDS }),
  textTarget("text", tamesText, {
    dictionary: ["/bin/sh", " -c ", ";", "$(", "`", "\n", "] blocked: [true]", "192.0.2.1", "."],
  }),
];
