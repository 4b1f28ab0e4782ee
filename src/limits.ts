/**
 * Every bound of the program in one place. What an attacker can fill has a size here, and what can
 * be slow has a time.
 *
 * @module
 */

/**
 * Frames kept by the headers-only capture: link header with two VLAN tags (22), the longest IPv4
 * header (60) and the longest TCP header (60) are 142 bytes. Small slots make the kernel's ring hold
 * eight times the packets that an MTU-sized one would.
 */
export const HEADER_SNAPSHOT_BYTES = 160;

/**
 * Frames kept by the capture of IPv6 extension headers, which may be nearly as long as the packet: as
 * much as a slot of 64 KiB holds behind the ring's own header.
 */
export const FULL_SNAPSHOT_BYTES = 65_440;

/**
 * Packets that the headers-only rings of all interfaces together hold; 20 to 22 MiB of memory. What
 * comes faster than events are made of it waits here: of a flood of 300,000 a second, a whole second.
 */
export const HEADER_RING_SLOTS = 98_304;

/** Least kernel memory for one interface's ring, however many interfaces there are. */
export const LEAST_RING_BYTES = 512 * 1024;

/** Kernel memory for one interface's ring of whole packets. */
export const FULL_RING_BYTES = 512 * 1024;

/** Frames taken from one interface before the others, timers, signals and writes have their turn. */
export const FRAMES_PER_TURN = 2048;

/**
 * Port ranges the kernel filter tells apart; more are joined, and the detector tells the rest. Twice as
 * many take libpcap five times as long to compile.
 */
export const FILTER_PORT_RANGES = 64;

/** How long interfaces may settle after a change before they are listed anew. */
export const INTERFACE_SETTLE_MS = 30;

/** How often an interface that should be watched and cannot be is tried again. */
export const INTERFACE_RETRY_MS = 1000;

/** How long the answer of a service look-up is good: services come and go while packets flood. */
export const SERVICE_CACHE_MS = 300;

/** Questions about single UDP packets in that time: 1 ms of it. A flood is answered from a list. */
export const SERVICE_QUESTIONS = 250;

/** Answers of service look-ups remembered at once; a power of two. */
export const SERVICE_CACHE_ENTRIES = 4096;

/** Connections of this host at watched ports that are remembered; a power of two. 2.5 MiB if full. */
export const CONNECTION_ENTRIES = 262_144;

/** How long a peer may send to a connection that is over: ip-sysctl, tcp_retries2, says 924.6 s. */
export const LATE_SEGMENT_MS = 960_000;

/** How long segments are taken for late ones when connections may have begun unseen. */
export const DOUBT_MS = 3000;

/** Questions to the kernel about single TCP segments in SERVICE_CACHE_MS: 12 ms of it. */
export const CONNECTION_QUESTIONS = 2500;

/** Handshakes taken from their ring before others have their turn. */
export const HANDSHAKES_PER_TURN = 1024;

/** How long a host must not ping an address until it is told again. */
export const PING_QUIET_S = 600;

/** Pairs of a host and an address it pings that are remembered; a power of two. */
export const PING_ENTRIES = 65_536;

/** What emptying the rings may take at the end of the program; packets that wait then are counted. */
export const LAST_DRAIN_MS = 300;

/** Most packets that are counted in a ring that is given up, in a flood that does not end. */
export const MOST_UNREAD = 4 * HEADER_RING_SLOTS;

/** How much of a capture file is in memory at once; {@link MOST_BLOCK_BYTES} at least. */
export const SAVEFILE_WINDOW_BYTES = 1024 * 1024;

/** Longest frame of a capture file; what tcpdump itself keeps of one at most. */
export const MOST_FRAME_BYTES = 262_144;

/** Longest block of a pcapng file that is read, its comments included. */
export const MOST_BLOCK_BYTES = 512 * 1024;

/** Interfaces of one section of such a file. */
export const MOST_SAVEFILE_INTERFACES = 4096;

/** The latest time of a packet: the last day that has a year of four digits. */
export const MOST_TIME_MS = Date.UTC(9999, 11, 31);

/** Pieces of a compressed capture file; what one unpacks to, 8 MiB at most, is in memory at once. */
export const GZIP_PIECE_BYTES = 8 * 1024;

/** What it unpacks to comes in pieces of this size at most. */
export const UNPACKED_PIECE_BYTES = 256 * 1024;

/** Longest duration that a key or an option may name: ten years, "3650d". */
export const MOST_DURATION_S = 3650 * 86_400;

/** Path of a socket in bytes, without the NUL behind it: unix(7), sun_path. */
export const SOCKET_PATH_BYTES = 107;

/** Most of SCAN_TRIGGER_PORTS: for each source, one port less is remembered, in 4 bytes each. */
export const MOST_TRIGGER_PORTS = 64;

/** Sources whose events are counted at once. Spoofed sources can fill this, and no more. */
export const SOURCE_TABLE_ENTRIES = 65_536;

/** Lines for one output are collected in pieces of this size, and written a piece at a time. */
export const OUTPUT_CHUNK_BYTES = 128 * 1024;

/**
 * Size of the pieces when several wait: a write is a hop to another thread and back, and on a host whose
 * processors are busy that takes longer than the lines of a flood take to fill a small piece.
 */
export const OUTPUT_LARGE_CHUNK_BYTES = 1024 * 1024;

/** What may wait for one output: the lines of a full ring; what comes on top is dropped and counted. */
export const OUTPUT_BACKLOG_BYTES = 20 * 1024 * 1024;

/** Longest line, in UTF-16 units; more of it is cut off. */
export const OUTPUT_LINE_CHARACTERS = 16_384;

/** How long lines gather in a flood before the next write; a lone line is written at once. */
export const OUTPUT_GATHER_MS = 5;

/** Wait before a failed write is tried again. */
export const OUTPUT_RETRY_MS = 500;

/** What an output that hangs may cost at the end of the program. */
export const OUTPUT_CLOSE_MS = 500;

/** What all of the end may take: SIGTERM ends the program within a second. */
export const END_MS = 900;

/** Least time for stderr at the end, which tells what the other outputs have lost. */
export const LAST_WORDS_MS = 50;

/** How often drops and losses are looked at and told. */
export const LOSS_REPORT_MS = 1000;

/** Commands that run at once; one host's never wait for another's before this many hang. */
export const COMMANDS_AT_ONCE = 64;

/**
 * Commands started before packets, timers and writes have their turn. To start one takes 0.3 ms, and on
 * a busy host some milliseconds: as long as a flood needs to fill the kernel's rings, for all at once.
 */
export const COMMANDS_PER_TURN = 8;

/** Hosts whose responses wait for a free place; what comes on top is told and not acted on. */
export const RESPONSE_QUEUE = 16_384;

/** Events that wait for the outcome of a response that is under way for their host. */
export const RESPONSE_WAITERS = 65_536;

/** A command that runs longer is ended, with all of its process group. */
export const COMMAND_TIMEOUT_MS = 30_000;

/** How often what commands have left in the background is looked for. */
export const LEFT_GROUPS_MS = 250;

/** Exit status of a command that found the firewall tool's lock held: iptables(8), xtables. */
export const COMMAND_BUSY_STATUS = 4;

/** How often such a command is tried again, and the wait before the first time; it doubles. */
export const COMMAND_BUSY_TRIES = 8;
export const COMMAND_BUSY_WAIT_MS = 20;

/** How long after a command the shell for the next one is started: a batch of probes comes first. */
export const READY_SHELL_PAUSE_MS = 2;

/** What responses that are under way may take at the end of the program. */
export const RESPONSE_CLOSE_MS = 400;

/** Hosts remembered as blocked; 16 bytes each. */
export const BLOCKED_HOSTS = 1_000_000;

/** Hosts written to BLOCKED_FILE in one piece, when the disk has not taken them before. */
export const BLOCKED_HOSTS_AT_ONCE = 64;

/** Reverse-DNS questions under way at once: each holds a thread until the resolver gives up. */
export const RESOLVE_AT_ONCE = 8;

/** Events that wait for a name; what comes on top is told with the address alone. */
export const RESOLVE_WAITERS = 1024;

/** How long an event waits for its name. */
export const RESOLVE_TIMEOUT_MS = 2000;

/** Names remembered, and for how long. */
export const RESOLVE_CACHE_ENTRIES = 4096;
export const RESOLVE_CACHE_MS = 600_000;

/** Lines waiting for the system logger; what comes on top is dropped and counted. */
export const SYSLOG_PENDING_LINES = 20_000;

/** Wait before a logger that took nothing is tried again. */
export const SYSLOG_RETRY_MS = 50;

/** Wait before a service manager that took nothing is told again, and what may wait for it. */
export const NOTIFY_RETRY_MS = 50;
export const NOTIFY_WAITING = 64;

/** Text of PORT_BANNER, in bytes: one packet holds it, and a send buffer always has room for it. */
export const BANNER_BYTES = 1024;

/** Connections that one port may hold until they are accepted; the kernel's somaxconn may be less. */
export const CONNECTION_BACKLOG = 4096;

/** Connections or datagrams taken from one port before other ports, timers and writes have a turn. */
export const CONNECTS_PER_TURN = 64;

/** Descriptors that connect mode leaves to everything else: files, libraries, commands it runs. */
export const OTHER_DESCRIPTORS = 128;

/** Wait before a port is tried again whose connections could not be accepted. */
export const ACCEPT_RETRY_MS = 100;

/** Connections kept open after their banner, so that it arrives. A flood closes the oldest. */
export const LINGERING_CONNECTIONS = 256;

/** How long a connection is kept after its banner. */
export const LINGER_MS = 2000;

/** Input read and thrown away of a connection after its banner. */
export const LINGER_BYTES = 64 * 1024;

/** Banners that one source gets over UDP in a minute. */
export const UDP_BANNERS_PER_MINUTE = 64;

/** Places in the table that counts those; sources that meet in one share its banners. */
export const UDP_BANNER_ENTRIES = 4096;

/** Port ranges that one message names; the rest are counted. */
export const TOLD_PORT_RANGES = 16;

/**
 * What the lockout guard asks the kernel rests this many times as long as the answer took: however
 * many connections or routes there are, they are looked at a tenth of the time at most.
 */
export const GUARD_REST = 10;

/** How often the lockout guard reads the list of name servers, when it is asked. */
export const NAME_SERVERS_MS = 1000;

/** The most of a file with name servers that is read. */
export const RESOLV_CONF_BYTES = 64 * 1024;

/** Blocked hosts whose count is remembered, so that those that come back are blocked for longer. */
export const OFFENDERS = 262_144;

/** How long after their last block. */
export const OFFENDER_MEMORY_MS = 30 * 86_400_000;

/** Hosts that DRY_RUN has told of; then it begins anew. */
export const DRY_RUN_HOSTS = 65_536;

/** Clients of the control socket served at once. */
export const CONTROL_CLIENTS = 4;

/** Longest request to the control socket, in bytes. */
export const CONTROL_REQUEST_BYTES = 4096;

/** What a client may take to send its request, and to read the answer. */
export const CONTROL_REQUEST_MS = 2000;
export const CONTROL_ANSWER_MS = 10_000;

/** Wait before more of a long answer is sent to a client that is slow to read. */
export const CONTROL_RETRY_MS = 2;

/** How long a command waits for the answer of the running program. */
export const CONTROL_CLIENT_MS = 10_000;

/** How often the state file forgets what is over, and the wall clock is looked at. */
export const STATE_TIDY_MS = 60_000;

/** Wait before a state file that could not be opened is tried again. */
export const STATE_RETRY_MS = 1000;

/** A change of the wall clock that is more than keeping it right: somebody has set it. */
export const CLOCK_STEP_MS = 2000;

/** Longest wait for whoever has the firewall's table already. */
export const TABLE_LOCK_MS = 1000;

/** How often it is asked for again, when whoever had it was gone before it could be asked. */
export const TABLE_LOCK_TRIES = 3;

/** Blocks are looked at so often for hosts that must not be blocked any more. */
export const SPARED_LOOK_MS = 2000;

/** Where a running program takes commands, unless CONTROL_SOCKET names another place. */
export const DEFAULT_CONTROL_SOCKET = "/run/portsentry/control.sock";

/** Longest reason of a block by hand, in UTF-16 units. */
export const MOST_REASON_CHARACTERS = 200;

/** How often the tables for reports are written, while there is something to write. */
export const STORE_WRITE_MS = 1000;

/** Scans written at once: 10 ms of it, in which packets wait in their rings. */
export const SCAN_ROWS_AT_ONCE = 1024;

/** Scans that wait to be written; what comes on top is counted and lost. */
export const SCAN_ROWS_WAITING = 16_384;

/** Scans kept for reports: some 20 MB. The oldest make room. */
export const SCAN_ROWS = 100_000;

/** How long scans and hours are kept for reports. */
export const REPORT_MEMORY_MS = 30 * 86_400_000;

/** How often the tables for reports forget what is over. */
export const STORE_TIDY_MS = 600_000;

/** Ports of an hour that are kept by name, and types. */
export const HOUR_PORTS = 50;
export const HOUR_TYPES = 80;

/** Clients of METRICS at once; who comes on top is hung up on. */
export const METRICS_CLIENTS = 8;

/** What such a client may take with its request, and with reading the answer. */
export const METRICS_REQUEST_MS = 2000;

/** Most of a request to METRICS, in bytes. */
export const METRICS_HEADER_BYTES = 4096;

/** URLs that NOTIFY_URL may name. */
export const MOST_NOTIFY_URLS = 4;

/** Notifications a minute; what comes on top is summed up in one more at the minute's end. */
export const NOTICES_PER_MINUTE = 10;

/** Sources that such a sum names, and ports that a scan's notification names. */
export const NOTICE_SAMPLES = 8;

/** Notifications that wait for one URL; what comes on top is counted and lost. */
export const NOTICES_WAITING = 64;

/** Sources remembered as notified of. More of them are notified of again, a few a minute. */
export const NOTICE_SOURCES = 65_536;

/** What sending a notification once may take: name look-up, connection, request and answer. */
export const NOTICE_TIMEOUT_MS = 10_000;

/** How often one is tried, the wait before the second time, which doubles, and its bound. */
export const NOTICE_TRIES = 14;
export const NOTICE_RETRY_MS = 1000;
export const NOTICE_RETRY_MOST_MS = 120_000;

/** How long one is tried for; a server that asks for more patience has it lost. */
export const NOTICE_AGE_MS = 900_000;

/** What notifications that wait may take at the end of the program. */
export const NOTICE_CLOSE_MS = 400;

/** How often the names in NOTIFY_URL are looked up for the lockout guard, and addresses it keeps. */
export const NEEDED_HOSTS_MS = 60_000;
export const NEEDED_ADDRESSES = 64;

/** Where the state is kept when FIREWALL is set and STATE_FILE is not. */
export const DEFAULT_STATE_FILE = "/var/lib/portsentry/portsentry.db";

/** How long changes of the kernel's firewall may settle before ours is looked at. */
export const FIREWALL_SETTLE_MS = 75;

/** Blocks at once that are put into it without asking whose change it was that it tells of. */
export const FIREWALL_SMALL = 16;

/**
 * Blocks put into it at once where the kernel does not take them all: 352 KiB when they are renewed, of
 * the 416 KiB that it takes in a container unless the host has set net.core.wmem_max.
 */
export const FIREWALL_PART = 3000;

/** How often it is looked at while others change theirs all the time, or a repair fails. */
export const FIREWALL_CHECK_MS = 1000;

/** The user that the program becomes when root starts it, unless RUN_AS names another. */
export const DEFAULT_USER = "portsentry";

/**
 * Scans at once, one a source. A flood of spoofed sources can fill this, and no more; a scan takes 150
 * bytes, most of them for the first ports.
 */
export const SCAN_ENTRIES = 32_768;

/** Ports and targets of a scan that are kept in a list, and may be named; more take a bitmap. */
export const SCAN_LIST = 16;

/** Bitmaps for the ports of large scans, 17 KB each; made when they are needed. */
export const SCAN_BITMAPS = 256;

/** Own addresses that are told apart as the targets of scans; a power of two. */
export const SCAN_TARGETS = 4096;

/** Most packets of a source that may be part of a distributed scan. Its list holds all it did. */
export const FEW_PACKETS = SCAN_LIST / 2;

/** Sources with few packets each to one port that make a distributed scan. */
export const DISTRIBUTED_SOURCES = 10;

/** Sources with few packets each, whatever their ports, that are a flood: they are told as one. */
export const CROWD_SOURCES = 1024;

/** Distributed scans at once; more are told as one. */
export const CAMPAIGNS = 32;

/** When a scan is told that does not end, and a distributed one, which never ends on the Internet. */
export const MOST_SCAN_MS = 86_400_000;
export const MOST_CAMPAIGN_MS = 3_600_000;

/** Scans that are told in a minute; more are counted. */
export const SCANS_A_MINUTE = 1000;

/** How often scans are looked through for those that have ended: a 60th of SCAN_WINDOW, within these. */
export const LEAST_SWEEP_MS = 100;
export const MOST_SWEEP_MS = 10_000;

/** Hosts blocked by commands that are remembered for the summaries of their scans. */
export const SCAN_BLOCKED_HOSTS = 4096;

/** Columns of a terminal that does not tell its size. */
export const DEFAULT_COLUMNS = 80;

/** Rows of each list in a report. */
export const REPORT_ROWS = 10;

/** Most bars of a report's timeline; hours are taken together until there are no more. */
export const REPORT_BARS = 31;

/** Sources and ports of late that are counted one by one; who comes on top displaces the quiet. */
export const LATELY_NAMES = 512;

/** Rates are of this time. */
export const LATELY_RATE_MS = 5000;

/** Rows of each list that `top` is answered with, and blocks that are remembered for it. */
export const TOP_ROWS = 50;

/** How often `top` looks, and how often at most, in seconds. */
export const TOP_INTERVAL_S = 1;

/** Rates that `top` draws, one a look. */
export const TOP_HISTORY = 200;
