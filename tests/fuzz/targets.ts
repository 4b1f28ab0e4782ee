/**
 * Everything that is fuzzed. A new parser gets a line in one of the tables here: a name, what it reads
 * and what must hold; its corpus is the folder of that name.
 *
 * @module
 */
import type { Target } from "./target.ts";
import { TEXT_TARGETS } from "./targets/command_line.ts";
import { CONFIG_TARGETS } from "./targets/config.ts";
import { CONTROL_TARGETS } from "./targets/control.ts";
import { FILE_TARGETS } from "./targets/files.ts";
import { FRAME_TARGETS } from "./targets/frames.ts";
import { KERNEL_TARGETS } from "./targets/kernel.ts";
import { NETLINK_TARGETS } from "./targets/netlink.ts";
import { SAVEFILE_TARGETS } from "./targets/savefile.ts";

export const TARGETS: readonly Target[] = [
  ...FRAME_TARGETS,
  ...CONFIG_TARGETS,
  ...CONTROL_TARGETS,
  ...FILE_TARGETS,
  ...TEXT_TARGETS,
  ...KERNEL_TARGETS,
  ...NETLINK_TARGETS,
  ...SAVEFILE_TARGETS,
];
