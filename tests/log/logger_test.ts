import assert from "node:assert/strict";
import { JsonLines } from "../../src/log/event_json.ts";
import { LineOutput } from "../../src/log/line_output.ts";
import { Logger } from "../../src/log/logger.ts";
import { StreamOutput } from "../../src/log/stream_output.ts";
import { validLine } from "./events_schema.ts";

class Memory {
  text = "";
  write(bytes: Uint8Array): Promise<number> {
    this.text += new TextDecoder().decode(bytes);
    return Promise.resolve(bytes.length);
  }
}

async function say(
  levels: { verbose: boolean; debug: boolean; json?: JsonLines },
): Promise<[string, string]> {
  const [out, err] = [new Memory(), new Memory()];
  const output = new LineOutput("stdout", out);
  const errors = new LineOutput("stderr", err);
  const log = new Logger({ ...levels, outputs: [new StreamOutput(output, errors)] });
  log.notice("a notice with {braces}");
  log.verbose("a detail");
  log.debug("a trace");
  log.error("an error\nwith a second line");
  await Promise.all([output.close(), errors.close()]);
  return [out.text, err.text];
}

Deno.test("Logger says notices on one output and errors on the other, a line each", async () => {
  const [out, err] = await say({ verbose: false, debug: false });
  assert.equal(out, "a notice with {braces}\n");
  assert.equal(err, "an error\\x0awith a second line\n");
});

Deno.test("Logger adds details with -v and traces with -d", async () => {
  const [out] = await say({ verbose: true, debug: true });
  assert.equal(out, "a notice with {braces}\na detail\ndebug: a trace\n");
});

Deno.test("Logger says the same in JSON, each with its level", async () => {
  const texts = await say({ verbose: true, debug: true, json: new JsonLines("1.2.3") });
  const lines = texts.join("").trimEnd().split("\n").map(validLine);
  assert.deepEqual(lines.map(({ log, message }) => [log.level, message]), [
    ["notice", "a notice with {braces}"],
    ["info", "a detail"],
    ["debug", "a trace"],
    ["error", "an error\nwith a second line"],
  ]);
  for (const line of lines) {
    assert.ok(Math.abs(Date.parse(line["@timestamp"]) - Date.now()) < 60_000);
  }
});
