/**
 * The files behind the settings: read, parsed, and all their faults told together.
 *
 * @module
 */
import type { Config } from "./config.ts";
import { parseConfigFile } from "./config_file.ts";
import { refuseFifo } from "../files.ts";
import { type Fault, StartError } from "./fault.ts";
import { parseIgnoreFile } from "./ignore_file.ts";
import { IgnoreList } from "./ignore_list.ts";

/** The settings of a run, as its files have them. */
export interface Settings {
  config: Config;
  ignore: IgnoreList;
  warnings: Fault[];
}

/**
 * Reads the config file and the ignore file it names.
 *
 * @throws {StartError} with every fault of both files
 */
export function loadSettings(file: string): Settings {
  const text = readText(file);
  if (typeof text !== "string") throw new StartError([text]);
  const { config, faults, warnings, ignoreFile } = parseConfigFile(text, file);
  let ignore = new IgnoreList([]);
  if (ignoreFile !== undefined) {
    const ignoreText = readText(ignoreFile);
    const parsed = typeof ignoreText === "string"
      ? parseIgnoreFile(ignoreText, ignoreFile)
      : { faults: [ignoreText] };
    if ("faults" in parsed) faults.push(...parsed.faults);
    else ignore = parsed.ignore;
  }
  if (!config || faults.length > 0) throw new StartError(faults);
  return { config, ignore, warnings };
}

/**
 * The CONTROL_SOCKET of a config file that may have faults elsewhere, as the file of a program that
 * runs already; undefined when it names none.
 *
 * @throws {StartError} when the file cannot be read
 */
export function controlSocketOf(file: string): string | undefined {
  const text = readText(file);
  if (typeof text !== "string") throw new StartError([text]);
  return parseConfigFile(text, file).controlSocket;
}

/** A file's text, or why it cannot be read. */
function readText(file: string): string | Fault {
  try {
    refuseFifo(file);
    return Deno.readTextFileSync(file);
  } catch (error) {
    return { where: file, line: 0, message: `Cannot read the file: ${reason(error, file)}` };
  }
}

/** By the code that errors of Deno and of node:fs both have. */
const REASONS: Record<string, string> = {
  ENOENT: "there is no such file",
  EACCES: "permission denied",
  EPERM: "permission denied",
  EISDIR: "it is a directory",
};

/** Such as `ENOENT`; undefined of an error that has none. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error ? String(error.code) : undefined;
}

/** What a failed file operation says to the person who has to mend it. */
export function reason(error: unknown, file: string): string {
  if (error instanceof Deno.errors.NotCapable) {
    return `this run lacks the Deno permission for it: name ${file} in PORTSENTRY_FILES, and start anew`;
  }
  const known = REASONS[codeOf(error) ?? ""];
  if (known !== undefined) return known;
  // The runtime appends the call and the path to the system's own words.
  return error instanceof Error
    ? error.message.replace(/^(.*?\(os error \d+\)).*$/s, "$1")
    : String(error);
}
