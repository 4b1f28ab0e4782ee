/**
 * The text of portsentry.conf: `KEY="VALUE"` lines to a {@link Config}, or every fault in them.
 *
 * @module
 */
import { quote } from "../text.ts";
import { adaptDefaults, contradictions, risks, withoutEffect } from "./combinations.ts";
import { type Config, defaultConfig } from "./config.ts";
import type { Fault } from "./fault.ts";
import { KEYS, SECRET_KEYS } from "./keys.ts";
import { doubtfulValue, DROPPED_KEYS } from "./version1.ts";

/** What a config file says. `config` is absent when there are faults. */
export interface ParsedConfig {
  config?: Config;
  faults: Fault[];
  /** What is allowed but surely not meant. */
  warnings: Fault[];
  /** The ignore file it names, also when there are faults: so that its own can be told as well. */
  ignoreFile?: string;
  /** The control socket it names, also when there are faults. */
  controlSocket?: string;
}

/**
 * Reads the text of a config file. Blanks and tabs around key, `=` and value, CRLF, blank lines and
 * `#` comment lines are accepted.
 *
 * @param file the file's name, for the faults; relative paths in the file start at its folder
 */
export function parseConfigFile(text: string, file: string): ParsedConfig {
  const config = defaultConfig(file);
  const lines = new Map<string, number>();
  const unread = new Set<string>();
  const faults: Fault[] = [];
  const warnings: Fault[] = [];
  const at = (line: number, message: string): Fault => ({ where: file, line, message });

  text.split("\n").forEach((raw, index) => {
    const line = index + 1;
    const setting = parseLine(raw);
    if (setting === undefined) return;
    if (typeof setting === "string") return void faults.push(at(line, setting));
    const { key, value } = setting;
    const read = KEYS.get(key);
    if (!read) return void faults.push(at(line, unknownKey(key, value)));
    const before = lines.get(key);
    if (before !== undefined) {
      warnings.push(at(line, `${key} is set again: its value from line ${before} does not count`));
    }
    lines.set(key, line);
    const doubt = doubtfulValue(key, value);
    if (doubt !== undefined) warnings.push(at(line, `${key}: ${doubt}`));
    const wrong = read(value, config);
    if (wrong.length > 0) unread.add(key);
    for (const fault of wrong) faults.push(at(line, `${key}: ${fault}`));
  });
  const keys = { config, isSet: (key: string) => lines.has(key), unread };
  adaptDefaults(keys);
  for (const { key, message } of contradictions(keys)) {
    faults.push(at(lines.get(key) ?? 0, message));
  }
  for (const { key, message } of [...withoutEffect(keys), ...risks(keys)]) {
    warnings.push(at(lines.get(key) ?? 0, message));
  }

  const { ignoreFile, controlSocket } = config;
  return {
    ...(faults.length === 0 && { config }),
    ...(ignoreFile !== undefined && { ignoreFile }),
    ...(controlSocket !== undefined && { controlSocket }),
    faults: faults.sort((a, b) => a.line - b.line),
    warnings,
  };
}

/** A line's key and value, a fault's text, or undefined when the line says nothing. */
function parseLine(raw: string): { key: string; value: string } | string | undefined {
  const line = raw.trim();
  if (line === "" || line.startsWith("#")) return undefined;
  const equals = line.indexOf("=");
  if (equals < 0) return `Cannot parse ${shown(line, line)}: write KEY="VALUE"`;
  const key = line.slice(0, equals).trim();
  const quoted = line.slice(equals + 1).trim();
  if (key === "") return `Cannot parse ${shown(line, line)}: the key before "=" is missing`;
  if (!quoted.startsWith('"') || quoted.length < 2) {
    return `Cannot parse the value ${shown(quoted, line)} of ${
      quote(key)
    }: write it in double quotes`;
  }
  // Commands may hold quotes of their own, so the value ends at the last one.
  const end = quoted.lastIndexOf('"');
  if (end === 0) return `The value of ${quote(key)} lacks its closing double quote`;
  const rest = quoted.slice(end + 1).trim();
  if (rest !== "") {
    return `Unexpected ${shown(rest, line)} after the value of ${quote(key)}: ` +
      "comments have lines of their own";
  }
  return { key, value: quoted.slice(1, end) };
}

/** Part of a line as it may stand in a message. */
function shown(text: string, line: string): string {
  return [...SECRET_KEYS].some((key) => line.toUpperCase().includes(key))
    ? "(not shown, as it may be secret)"
    : quote(text);
}

function unknownKey(key: string, value: string): string {
  const instead = DROPPED_KEYS.get(key)?.(value);
  if (instead) return `${key} is a key of portsentry 1 and not in use any more: ${instead}`;
  const near = [...KEYS.keys()].find((known) =>
    known.startsWith(key) || known === key.toUpperCase().replaceAll("-", "_")
  );
  return `Unknown key ${quote(key)}${near ? `: did you mean ${near}?` : ""}`;
}
