/**
 * One notification to one server, over HTTP: whatever the server does, it ends in time, and nothing of
 * the URL but host and port gets into what is said about it.
 *
 * @module
 */
import type { NotifyTarget } from "../config/notify_url.ts";
import { escapeControls } from "../text.ts";
import type { NoticeRequest } from "./formats.ts";

/** What came of it. */
export type Answer =
  | { sent: true }
  | {
    sent: false;
    /** What was wrong, as the end of a sentence. */
    failure: string;
    /** Whether the same request may do better later. */
    mayMend: boolean;
    /** The wait that the server asks for. */
    retryAfterMs?: number;
  };

/** Statuses that say "not now" (RFC 9110, section 15.5.9; RFC 8470; RFC 6585, section 4). */
const NOT_NOW = [408, 425, 429];
const REASON_CHARACTERS = 200;

/** Sends a request. Never rejects, and takes no longer than `signal` says. */
export async function post(
  target: NotifyTarget,
  { headers, body }: NoticeRequest,
  signal: AbortSignal,
): Promise<Answer> {
  try {
    const response = await fetch(target.url, {
      method: "POST",
      headers: {
        ...headers,
        "User-Agent": "portsentry",
        ...(target.authorization !== undefined && { Authorization: target.authorization }),
      },
      body,
      // Whoever has got hold of the server must not send this host, and its token, anywhere else.
      redirect: "manual",
      signal,
    });
    // However long the answer is: nobody wants to know.
    response.body?.cancel().catch(() => {});
    return judge(response);
  } catch (error) {
    return { sent: false, failure: connectionFailure(error, signal), mayMend: true };
  }
}

function judge({ status, headers }: Response): Answer {
  if (status >= 200 && status < 300) return { sent: true };
  if (status >= 300 && status < 400) {
    const host = URL.parse(headers.get("location") ?? "")?.host;
    const where = host ? ` to ${escapeControls(host.slice(0, REASON_CHARACTERS))}` : "";
    return {
      sent: false,
      failure: `it redirects${where} (status ${status}), which is not followed`,
      mayMend: false,
    };
  }
  const wait = retryAfter(headers.get("retry-after"), Date.now());
  return {
    sent: false,
    failure: `it answers with status ${status}`,
    mayMend: status >= 500 || NOT_NOW.includes(status),
    ...(wait !== undefined && { retryAfterMs: wait }),
  };
}

/** The wait of a Retry-After header (RFC 9110, section 10.2.3); undefined when it says none. */
export function retryAfter(value: string | null, nowMs: number): number | undefined {
  if (value === null) return undefined;
  if (/^\s*\d{1,9}\s*$/.test(value)) return Number(value) * 1000;
  const timeMs = Date.parse(value);
  return Number.isNaN(timeMs) ? undefined : Math.max(0, timeMs - nowMs);
}

/** Deno's text quotes the URL, with all that is secret in it; what comes behind it does not. */
function connectionFailure(error: unknown, signal: AbortSignal): string {
  if (signal.aborted) return "it does not answer in time";
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause.message : "";
  // A URL has no blanks.
  const end = cause.indexOf("): ");
  if (end < 0) return "the connection failed";
  const reason = cause.slice(end + 3).replace(/^client error \(\w+\): /, "");
  return escapeControls(reason.slice(0, REASON_CHARACTERS));
}
