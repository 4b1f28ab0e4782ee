/**
 * What METRICS tells of a run: every name that a dashboard or an alert can rely on.
 *
 * @module
 */
import type { EventTally } from "./event_tally.ts";
import type { Labels, MetricFamily } from "./exposition.ts";

/** A run, as it is measured. Counts are since the start. */
export interface Measured {
  version: string;
  /** Such as `stealth (pcap)`. */
  mode: string;
  /** When the process started, in milliseconds since 1970. */
  startMs: number;
  packets: number;
  services: number;
  tally: EventTally;
  /** Scans that have ended, by kind. */
  scans: Iterable<readonly [kind: string, count: number]>;
  /** Frames that held no segment or datagram, by reason. */
  rejects: ReadonlyMap<string, number>;
  /** Packets lost before this program could read them. */
  kernelDrops: number;
  /** Of FIREWALL; undefined without it. */
  blocks: { inForce: number; made: number; lifted: number } | undefined;
  responsesUnderWay: number;
  responsesNotRun: number;
  logLinesLost: number;
  /** Undefined without NOTIFY_URL. */
  notifications: { sent: number; lost: number; waiting: number } | undefined;
}

/** Everything a scrape answers. The same names come every time, but those of what is not set up. */
export function* metricFamilies(run: Measured): Iterable<MetricFamily> {
  const { tally, blocks, notifications } = run;
  const { version, mode } = run;
  yield gauge("build_info", "The version that runs, and how it watches.", 1, { version, mode });
  yield {
    name: "process_start_time_seconds",
    help: "Start time of the process since the Unix epoch in seconds.",
    type: "gauge",
    samples: [[{}, run.startMs / 1000]],
  };
  yield {
    name: "process_resident_memory_bytes",
    help: "Resident memory of the process in bytes.",
    type: "gauge",
    samples: [[{}, Deno.memoryUsage().rss]],
  };
  yield counter("packets_total", "Packets that were judged.", run.packets);
  yield counter("service_packets_total", "Packets to ports that have a service.", run.services);
  yield family("probes_total", "Probes by protocol and type.", tally.probes());
  yield family("events_total", "Events by what came of them.", tally.events());
  yield family("scans_total", "Scans that have ended, by kind.", scansOf(run));
  yield family("rejected_frames_total", "Frames with no segment or datagram.", rejectsOf(run));
  yield {
    name: "portsentry_capture_lag_seconds",
    help: "How long probes waited in the kernel before they were read.",
    type: "histogram",
    histogram: tally.lag,
  };
  yield counter(
    "kernel_drops_total",
    "Packets that were lost before they could be read.",
    run.kernelDrops,
  );
  yield gauge(
    "responses_under_way",
    "Hosts whose responses by command wait or run.",
    run.responsesUnderWay,
  );
  yield counter(
    "responses_not_run_total",
    "Events that were not responded to because too many waited.",
    run.responsesNotRun,
  );
  yield counter("log_lines_lost_total", "Lines that no output took.", run.logLinesLost);
  if (blocks) {
    yield gauge("blocks", "Blocks of the firewall that are in force.", blocks.inForce);
    yield counter("blocks_made_total", "Blocks that the firewall has taken.", blocks.made);
    yield counter("blocks_lifted_total", "Blocks that were lifted or have ended.", blocks.lifted);
  }
  if (notifications) {
    yield family("notifications_total", "Notifications by what came of them.", [
      [{ result: "sent" }, notifications.sent],
      [{ result: "lost" }, notifications.lost],
    ]);
    yield gauge("notifications_waiting", "Notifications that wait.", notifications.waiting);
  }
}

function* scansOf({ scans }: Measured): Iterable<[Labels, number]> {
  for (const [kind, count] of scans) yield [{ kind }, count];
}

function* rejectsOf({ rejects }: Measured): Iterable<[Labels, number]> {
  for (const [reason, count] of rejects) yield [{ reason: reason.replaceAll(" ", "_") }, count];
}

function family(
  name: string,
  help: string,
  samples: Iterable<readonly [Labels, number]>,
): MetricFamily {
  return { name: `portsentry_${name}`, help, type: "counter", samples };
}

function counter(name: string, help: string, value: number): MetricFamily {
  return family(name, help, [[{}, value]]);
}

function gauge(name: string, help: string, value: number, labels: Labels = {}): MetricFamily {
  return { name: `portsentry_${name}`, help, type: "gauge", samples: [[labels, value]] };
}
