/**
 * Schemas as checks for the tests: that of JSON lines, and any other.
 *
 * @module
 */
import assert from "node:assert/strict";
import { Ajv2020 } from "ajv/dist/2020.js";
import ipaddr from "ipaddr.js";

/** What the schema leaves to later versions is a fault here: every field has to be told of. */
function closed(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(closed);
  if (typeof schema !== "object" || schema === null) return schema;
  const inner = Object.entries(schema).map(([key, value]) => [key, closed(value)]);
  const more = "properties" in schema ? [["additionalProperties", false]] : [];
  return Object.fromEntries([...inner, ...more]);
}

/**
 * Reads text as a schema has it, or fails. The schema says what the value is.
 *
 * @param file of the schema
 */
// deno-lint-ignore no-explicit-any -- the schema says what it is
export function validator(file: URL): (text: string) => any {
  const validate = new Ajv2020({
    strict: true,
    allErrors: true,
    formats: {
      "date-time": (text: string) => new Date(text).toISOString() === text,
      ipv4: (text: string) => ipaddr.IPv4.isValidFourPartDecimal(text),
      ipv6: (text: string) => ipaddr.IPv6.isValid(text),
    },
  }).compile(closed(JSON.parse(Deno.readTextFileSync(file))) as object);
  return (text) => {
    const value = JSON.parse(text);
    const faults = () =>
      JSON.stringify(validate.errors?.map(({ instancePath, message }) => [instancePath, message]));
    assert.ok(validate(value), `${text}\n${faults()}`);
    return value;
  };
}

/** A line as the schema has it. */
export const validLine = validator(new URL("../../docs/events.schema.json", import.meta.url));
