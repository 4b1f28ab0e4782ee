/**
 * Where notifications go: the URLs of NOTIFY_URL. They may hold a token, so that no message quotes
 * more of one than its host and port.
 *
 * @module
 */
import { MOST_NOTIFY_URLS } from "../limits.ts";
import { quote } from "../text.ts";

/** How a notification is written. */
export const NOTICE_FORMATS = ["json", "text", "slack", "ntfy"] as const;
export type NoticeFormat = typeof NOTICE_FORMATS[number];

/** A server that takes notifications. */
export interface NotifyTarget {
  /** Without user and password. */
  url: string;
  /** What `Authorization` says; undefined when the URL has neither user nor password. */
  authorization?: string;
  /** Host without brackets, in lower case. */
  host: string;
  /** Host and port, as Deno's permissions name them, and the only part that is ever told. */
  endpoint: string;
  /** Whether nobody on the way can read along. */
  encrypted: boolean;
}

/**
 * Scheme, user, host and port. tools/permissions.sh reads the same: a host that is written in a way
 * which URLs know and it does not, such as `0x7f.1`, would be another one there.
 */
const AUTHORITY =
  /^(https?):\/\/(?:([^\/?#@\\]*)@)?([A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{1,5}))?(?=[\/?#]|$)/i;

/** Reads one URL or several with blanks between them. */
export function parseNotifyUrls(text: string): { targets: NotifyTarget[] } | { faults: string[] } {
  const urls = text.split(/[ \t]+/).filter((url) => url !== "");
  if (urls.length === 0) {
    return { faults: ['There is no URL: write one, such as "https://ntfy.example/scans"'] };
  }
  if (urls.length > MOST_NOTIFY_URLS) {
    return { faults: [`There are ${urls.length} URLs: write ${MOST_NOTIFY_URLS} at most`] };
  }
  const parsed = urls.map(parseUrl);
  const faults = parsed.flatMap((one, i) =>
    typeof one === "string" ? [urls.length > 1 ? `URL number ${i + 1}: ${one}` : one] : []
  );
  if (faults.length > 0) return { faults };
  return { targets: parsed.filter((one) => typeof one !== "string") };
}

/** How a server is written to when NOTIFY_FORMAT is not set: some hosts take one format alone. */
export function formatFor({ host }: NotifyTarget): NoticeFormat {
  if (host === "hooks.slack.com") return "slack";
  return host === "ntfy.sh" ? "ntfy" : "json";
}

/** The first four characters, `user:pass@` and the path may all be wrong: none of it is quoted. */
function parseUrl(text: string): NotifyTarget | string {
  const [, scheme, user, host, digits] = AUTHORITY.exec(text) ?? [];
  if (scheme === undefined) {
    return "Cannot read this URL (it is not shown, as it may hold a token): " +
      'write a scheme, a host and a path, such as "https://ntfy.example/scans"';
  }
  const name = host.toLowerCase();
  const encrypted = scheme.toLowerCase() === "https";
  const port = digits === undefined ? (encrypted ? 443 : 80) : Number(digits);
  if (port < 1 || port > 65535) return `Cannot use port ${digits}: write one from 1 to 65535`;
  const url = URL.parse(text);
  if (url?.hostname !== name || name.endsWith(".")) {
    return `Cannot use the host ${quote(name)}: write its plain name or address` +
      (url ? `, such as ${quote(url.hostname.replace(/\.$/, ""))}` : "");
  }
  url.username = "";
  url.password = "";
  url.hash = "";
  return {
    url: url.href,
    ...(user !== undefined && { authorization: `Basic ${basic(user)}` }),
    host: name.replaceAll(/[\[\]]/g, ""),
    endpoint: `${name}:${port}`,
    encrypted,
  };
}

/** User and password as RFC 7617 has them, in UTF-8. */
function basic(user: string): string {
  const plain = user.includes(":") ? user : `${user}:`;
  let text = plain;
  try {
    text = decodeURIComponent(plain);
  } catch {
    // A lone % stands for itself.
  }
  return new TextEncoder().encode(text).toBase64();
}
