/**
 * The schema of notifications, as a check for the tests.
 *
 * @module
 */
import { validator } from "../log/events_schema.ts";

const SCHEMA = new URL("../../docs/notification.schema.json", import.meta.url);

/** A notification as the schema has it. */
export const validNotification = validator(SCHEMA);
