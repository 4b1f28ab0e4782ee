/**
 * `portsentry report`: what the state file knows about who scanned this host.
 *
 * @module
 */
import type { CommandResult } from "./commands.ts";
import type { Config } from "./config/config.ts";
import { StartError } from "./config/fault.ts";
import { codeOf, loadSettings, reason } from "./config/load.ts";
import { NoReports, readReport, type ReportData } from "./report/report_data.ts";
import { reportPage } from "./report/page.ts";
import { reportJson } from "./report/report_json.ts";
import { reportText } from "./report/report_text.ts";
import { writePage } from "./report/write_page.ts";
import { stateFileOf } from "./resources.ts";
import { ForeignStateFile, isDamaged } from "./state/database.ts";
import { outputStyle } from "./terminal/style.ts";
import { escapeControls, jsonText } from "./text.ts";

/** What to report, and how. */
export interface ReportRequest {
  configFile: string;
  json: boolean;
  /** How far back, in seconds. */
  seconds: number;
  /** Where the page goes, instead of a report on the standard output; "-" is that. */
  html: string | undefined;
}

/** @throws {StartError} in words for the user, when there is nothing to report from */
export function report({ configFile, json, seconds, html }: ReportRequest): CommandResult {
  const data = readData(loadSettings(configFile).config, seconds);
  if (html === "-") return { text: reportPage(data), status: 0 };
  if (html !== undefined) return toFile(html, reportPage(data));
  const text = json ? `${jsonText(reportJson(data))}\n` : reportText(data, outputStyle());
  return { text, status: 0 };
}

function toFile(path: string, page: string): CommandResult {
  try {
    writePage(path, page);
  } catch (error) {
    const missing = codeOf(error) === "ENOENT";
    const why = missing ? "there is no such folder" : reason(error, path);
    throw fault(path, `Cannot write the report: ${why}`);
  }
  return { text: `The report is in ${escapeControls(path)}\n`, status: 0 };
}

function readData(config: Config, seconds: number): ReportData {
  const path = stateFileOf(config);
  if (path === undefined) {
    throw fault(
      config.file,
      "No STATE_FILE is set, and reports are made of what it keeps: write " +
        'STATE_FILE="/var/lib/portsentry/portsentry.db", and start portsentry anew',
    );
  }
  try {
    if (!Deno.statSync(path).isFile) throw new Error("it is no file");
    const nowMs = Date.now();
    return readReport(path, nowMs - seconds * 1000, nowMs);
  } catch (error) {
    throw fault(path, whyNot(path, error));
  }
}

function whyNot(path: string, error: unknown): string {
  if (error instanceof Deno.errors.NotFound) {
    return "There is no state file yet: it is made when portsentry runs with this configuration";
  }
  if (error instanceof NoReports) {
    return "There is nothing for reports in the state file yet: that begins when this version of " +
      "portsentry runs with it";
  }
  if (error instanceof ForeignStateFile) return `Cannot use it as STATE_FILE: ${error.message}`;
  if (isDamaged(error)) {
    return `The state file is damaged (${reason(error, path)}): portsentry sets it aside at its ` +
      "next start, and begins a new one";
  }
  const denied = error instanceof Deno.errors.PermissionDenied || isCannotOpen(error);
  return `Cannot read the state file: ${reason(error, path)}${denied ? ": run this as root" : ""}`;
}

/** SQLite's words for a file that it may not open. */
function isCannotOpen(error: unknown): boolean {
  return error instanceof Error && /unable to open|readonly|permission/i.test(error.message);
}

function fault(where: string, message: string): StartError {
  return new StartError([{ where, line: 0, message }]);
}
