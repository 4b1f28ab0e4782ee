/**
 * The schema of JSON lines, as a check for the tests.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import ipaddr from "ipaddr.js";

const SCHEMA = JSON.parse(
  Deno.readTextFileSync(new URL("../../docs/events.schema.json", import.meta.url)),
);

/** What the schema leaves to later versions is a fault here: every field has to be told of. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const more = "properties" in schema ? [["additionalProperties", false]] : [];
  return Object.fromEntries([...inner, ...more]);
}

const validate = new Ajv2020({
  strict: true,
  allErrors: true,
  formats: {
    "date-time": (text: string) => new Date(text).toISOString() === text,
    ipv4: (text: string) => ipaddr.IPv4.isValidFourPartDecimal(text),
    ipv6: (text: string) => ipaddr.IPv6.isValid(text),
  },
}).compile(closed(SCHEMA) as object);

/** A line as the schema has it. */
// deno-lint-ignore no-explicit-any -- the schema says what it is
export function validLine(line: string): any {
  const value = JSON.parse(line);
  assert.ok(
    validate(value),
    `${line}\n${
      JSON.stringify(validate.errors?.map(({ instancePath, message }) => [instancePath, message]))
    }`,
  );
  return value;
}
