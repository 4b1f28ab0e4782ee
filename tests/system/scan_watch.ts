/**
 * A program that is to sum up scans, and the summaries that it tells.
 *
 * @module
 */
import assert from "node:assert/strict";
import type { Network } from "./network.ts";
import { Program, type ProgramOptions } from "./program.ts";

const LINE =
  /^Scan summary: from: \[(?<from>[^\]]+)\] kind: \[(?<kind>[a-z]+)\] tool: \[(?<tool>[^\]]+)\] packets: \[(?<packets>\d+)\] ports: \[(?<ports>\d+)\] targets: \[(?<targets>\d+)\] first: \[(?<first>[^\]]+)\] last: \[(?<last>[^\]]+)\] rate: \[(?<rate>[\d.]+) a second\] blocked: \[(?<blocked>true|false)\] sample: \[(?<sample>[^\]]*)\]$/;

/** The summaries that a program has told so far, each of them as it is promised. */
export function summaries(program: Program): Record<string, string>[] {
  return program.stdout.split("\n").filter((line) => line.startsWith("Scan summary")).map(
    (line) => {
      const { groups } = LINE.exec(line) ?? {};
      assert.ok(groups, line);
      return { ...groups };
    },
  );
}

/** Such a part of each as matters. */
export function pick(program: Program, ...fields: string[]): string[][] {
  return summaries(program).map((summary) => fields.map((field) => summary[field]));
}

/** Starts a program that watches ports which the tests scan, and keeps a history. */
export function watch(
  network: Network,
  config = "",
  options: ProgramOptions = {},
): Promise<Program> {
  return Program.start({
    config: `TCP_PORTS="1-2000"\nUDP_PORTS="53"\nHISTORY_FILE="FOLDER/history"\n${config}`,
    namespace: network.watched,
    ...options,
  });
}
