/**
 * Distributed scans: sources with few probes each, told as one where there are many of them.
 *
 * @module
 */
import { type ScanSummary, UNKNOWN_TOOL } from "../event/scan_summary.ts";
import {
  CAMPAIGNS,
  CROWD_SOURCES,
  DISTRIBUTED_SOURCES,
  MOST_CAMPAIGN_MS,
  SCAN_LIST,
  SCAN_TARGETS,
} from "../limits.ts";
import { type Marks, PORT_MARKS, portText, targetOf } from "./marks.ts";

/** The campaign of a flood, whatever its ports. The others are numbered from 2 on; 0 is none. */
const FLOOD = 1;

/** Several tools at once. */
const MIXED_TOOLS = "mixed";

/** What a scan of few packets adds to its campaign. */
export interface CampaignShare {
  packets: number;
  firstMs: number;
  lastMs: number;
  tool: string;
}

/** A distributed scan that goes on. */
interface Campaign extends CampaignShare {
  sources: number;
  /** When it began, on the clock of the packets' `readMs`. */
  startMs: number;
  targets: number;
  blocked: boolean;
}

/**
 * Joins scans that end. A port that many sources come to at the same time has a campaign, and so has a
 * flood of sources at any ports: its scans are not told one by one. A campaign has ended when no
 * source with few packets is at its ports any more, or at the latest after an hour.
 */
export class Campaigns {
  readonly #marks: Marks;
  /** Sources with few packets so far: at each port, and in all. */
  readonly #sourcesAt = new Uint32Array(PORT_MARKS);
  #sources = 0;
  readonly #campaignAt = new Uint8Array(PORT_MARKS);
  readonly #targets = new Uint8Array((CAMPAIGNS + 1) * SCAN_TARGETS);
  readonly #campaigns: (Campaign | undefined)[] = Array(CAMPAIGNS + 1).fill(undefined);

  constructor(marks: Marks) {
    this.#marks = marks;
  }

  /** Whether there are so many sources with few packets that it must be a flood. */
  get crowded(): boolean {
    return this.#sources >= CROWD_SOURCES;
  }

  /** A source has come, and has sent few packets so far. */
  enter(): void {
    this.#sources++;
  }

  /** Such a source has come to a port. */
  comeTo(port: number): void {
    this.#sourcesAt[port]++;
  }

  /** Such a source has sent more than few packets, or its scan has ended. */
  leave(entry: number): void {
    this.#sources--;
    for (let i = this.#marks.listLength(entry) - 1; i >= 0; i--) {
      const mark = this.#marks.listed(entry, i);
      if (mark < PORT_MARKS) this.#sourcesAt[mark]--;
    }
  }

  /**
   * Finds the campaign of a scan that ends, which has not left yet.
   *
   * @param flood whether it is part of a flood, unless it has another campaign
   * @returns 0 when it has none, and is to be told alone
   */
  campaignOf(entry: number, flood: boolean): number {
    let popular = false;
    for (let i = this.#marks.listLength(entry) - 1; i >= 0; i--) {
      const mark = this.#marks.listed(entry, i);
      if (mark >= PORT_MARKS) continue;
      if (this.#campaignAt[mark] !== 0) return this.#campaignAt[mark];
      popular ||= this.#sourcesAt[mark] >= DISTRIBUTED_SOURCES;
    }
    if (flood) return FLOOD;
    if (!popular) return 0;
    const free = this.#campaigns.indexOf(undefined, FLOOD + 1);
    return free < 0 ? FLOOD : free;
  }

  /** Adds a scan to its campaign, which has no end of room. */
  add(number: number, entry: number, share: CampaignShare, nowMs: number): void {
    const campaign = this.#campaigns[number] ??= newCampaign(share, nowMs);
    campaign.sources++;
    campaign.packets += share.packets;
    campaign.firstMs = Math.min(campaign.firstMs, share.firstMs);
    campaign.lastMs = Math.max(campaign.lastMs, share.lastMs);
    campaign.tool = commonTool(campaign.tool, share.tool);
    for (let i = this.#marks.listLength(entry) - 1; i >= 0; i--) {
      const mark = this.#marks.listed(entry, i);
      if (mark < PORT_MARKS) this.#addPort(number, mark);
      else this.#addTarget(number, campaign, targetOf(mark));
    }
  }

  /** Whether all of a campaign's sources so far were blocked. */
  isBlocked(number: number): boolean {
    return this.#campaigns[number]?.blocked ?? true;
  }

  /** One of a campaign's sources was not blocked. */
  notBlocked(number: number): void {
    this.#campaigns[number]!.blocked = false;
  }

  /**
   * Ends the campaigns that are over, or all of them.
   *
   * @param nowMs on the clock of the packets' `readMs`
   */
  end(nowMs: number, all: boolean): ScanSummary[] {
    const ended: ScanSummary[] = [];
    if (this.#campaigns.every((campaign) => campaign === undefined)) return ended;
    const living = this.#living();
    for (let number = FLOOD; number <= CAMPAIGNS; number++) {
      const campaign = this.#campaigns[number];
      if (campaign === undefined) continue;
      const old = nowMs - campaign.startMs > MOST_CAMPAIGN_MS;
      if (all || old || living[number] === 0) ended.push(this.#end(number, campaign));
    }
    return ended;
  }

  /** What many came to is what the campaign is about; of a flood, everything. */
  #addPort(number: number, port: number): void {
    if (this.#campaignAt[port] !== 0) return;
    if (number === FLOOD || this.#sourcesAt[port] >= DISTRIBUTED_SOURCES) {
      this.#campaignAt[port] = number;
    }
  }

  #addTarget(number: number, campaign: Campaign, target: number): void {
    const place = number * SCAN_TARGETS + target;
    campaign.targets += 1 - this.#targets[place];
    this.#targets[place] = 1;
  }

  /** 1 for each campaign with a port that sources with few packets are at. */
  #living(): Uint8Array {
    const living = new Uint8Array(CAMPAIGNS + 1);
    for (let port = 0; port < PORT_MARKS; port++) {
      if (this.#campaignAt[port] !== 0 && this.#sourcesAt[port] > 0) {
        living[this.#campaignAt[port]] = 1;
      }
    }
    return living;
  }

  #end(number: number, { sources, startMs: _, ...sums }: Campaign): ScanSummary {
    this.#campaigns[number] = undefined;
    this.#targets.fill(0, number * SCAN_TARGETS, (number + 1) * SCAN_TARGETS);
    const samplePorts: string[] = [];
    let ports = 0;
    for (let port = 0; port < PORT_MARKS; port++) {
      if (this.#campaignAt[port] !== number) continue;
      this.#campaignAt[port] = 0;
      ports++;
      if (samplePorts.length < SCAN_LIST) samplePorts.push(portText(port));
    }
    const source = sources === 1 ? "1 source" : `${sources} sources`;
    return { source, sources, kind: "distributed", ...sums, ports, samplePorts };
  }
}

function newCampaign({ firstMs, lastMs, tool }: CampaignShare, startMs: number): Campaign {
  return { sources: 0, packets: 0, targets: 0, firstMs, lastMs, tool, startMs, blocked: true };
}

/** The tool of all whose packets tell. */
function commonTool(one: string, other: string): string {
  if (one === other || other === UNKNOWN_TOOL) return one;
  return one === UNKNOWN_TOOL ? other : MIXED_TOOLS;
}
