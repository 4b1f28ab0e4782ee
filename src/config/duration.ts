/**
 * Durations, as configuration and command line write them: `90s`, `10m`, `1h`, `7d`, `1h30m`.
 *
 * @module
 */
import { MOST_DURATION_S } from "../limits.ts";
import { quote } from "../text.ts";

/** Units, the longest first: the order in which a duration names them. */
const UNITS = [["d", 86_400], ["h", 3600], ["m", 60], ["s", 1]] as const;

const PATTERN = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/;

/** A duration in seconds, or what is wrong with its text. */
export type ParsedDuration = { seconds: number } | { fault: string };

/**
 * Reads whole numbers with the units d, h, m and s, each once at most and the longest first. Only 0
 * may lack its unit: a bare number means seconds to one person and minutes to the next.
 */
export function parseDuration(text: string): ParsedDuration {
  if (/^0+$/.test(text)) return { seconds: 0 };
  if (/^\d+$/.test(text)) {
    const choices = UNITS.map(([unit]) => `"${text.slice(0, 20)}${unit}"`).reverse();
    const last = choices.pop();
    return {
      fault: `${quote(text)} lacks its unit: write ${choices.join(", ")} or ${last}`,
    };
  }
  const counts = PATTERN.exec(text)?.slice(1);
  if (text === "" || !counts) {
    return { fault: `Cannot use ${quote(text)}: write a time such as "30s", "10m", "1h" or "7d"` };
  }
  const seconds = counts.reduce((sum, count, i) => sum + Number(count ?? 0) * UNITS[i][1], 0);
  if (seconds > MOST_DURATION_S) {
    return {
      fault: `${quote(text)} is too long: write "${formatDuration(MOST_DURATION_S)}" at most`,
    };
  }
  return { seconds };
}

/**
 * The shortest text of a duration: `1h`, `1m30s`, `0s`. {@link parseDuration} reads it back.
 *
 * @param seconds a whole number, not negative
 */
export function formatDuration(seconds: number): string {
  let rest = seconds;
  let text = "";
  for (const [unit, length] of UNITS) {
    const count = Math.floor(rest / length);
    rest -= count * length;
    if (count > 0) text += `${count}${unit}`;
  }
  return text || "0s";
}
