/** The completions, asked as a user's shell asks them. */
import assert from "node:assert/strict";
import { dirname } from "node:path";
import { Command, Option } from "commander";
import { buildCommand } from "../../src/cli.ts";
import { bash, fish, zsh } from "../../tools/completions.ts";
import { run } from "../system/network.ts";

const PROGRAM = buildCommand("0.0.0");

/** A command line with commands of its own, which the completions walk as well. */
const NESTED = new Command("portsentry")
  .option("-c, --configfile <path>", "the configuration file")
  .helpOption("-h, --help", "print this help");
NESTED.command("status").description("say what it's doing: now").option("-j, --json", "as JSON");
NESTED.command("block").description("block a host").argument("<address>")
  .addOption(new Option("-t, --table <name>", "where").choices(["host", "net"]));

/** Words as typed, the last of them unfinished, and what is offered: all of it, or some of much. */
interface Case {
  command?: Command;
  typed: string[];
  offered?: string[];
  among?: string[];
  never?: string[];
}

const CASES: Case[] = [
  { typed: ["--m"], offered: ["--method"] },
  { typed: ["-m", ""], offered: ["pcap", "raw"] },
  { typed: ["-v", "--method", "r"], offered: ["raw"] },
  { typed: ["--logoutput", "s"], offered: ["stdout", "syslog"] },
  { typed: ["-i", ""], among: ["ALL", "ALL_NLO", "any", "lo"], never: ["--method"] },
  { typed: ["-l", "stdout", "-c", "/etc/host"], among: ["hostname", "hosts"] },
  { typed: ["-"], among: ["--connect", "--daemon", "--help", "--version"], never: ["--ready-fd"] },
  { typed: ["replay", "/etc/host"], among: ["hostname", "hosts"] },
  { typed: ["replay", "--t"], offered: ["--to"] },
  { typed: ["top", "--i"], among: ["--interval"] },
  { typed: ["report", "--html", "/etc/host"], among: ["hostname", "hosts"] },
  { command: NESTED, typed: ["s"], offered: ["status"] },
  { command: NESTED, typed: ["-c", "/x", "status", "--j"], offered: ["--json"] },
  { command: NESTED, typed: ["block", "--table", ""], offered: ["host", "net"] },
  { command: NESTED, typed: ["block", "--j"], offered: [] },
];

/** Asks a shell for each case, by a script that prints one offer a line. */
function test(
  shell: string,
  ask: (one: Case, file: string) => Promise<string[]>,
  text: typeof bash,
) {
  Deno.test(`the ${shell} completion offers options, words, files and interfaces`, async () => {
    const folder = Deno.makeTempDirSync();
    try {
      for (const one of CASES) {
        const file = `${folder}/_portsentry`;
        Deno.writeTextFileSync(file, text(one.command ?? PROGRAM));
        // Some shells offer a file with the folder that is typed already.
        const offers = (await ask(one, file)).filter((offer) => offer !== "")
          .map((offer) => offer.split("/").at(-1)!);
        const typed = one.typed.join(" ");
        if (one.offered) assert.deepEqual(offers.sort(), one.offered, typed);
        for (const word of one.among ?? []) assert.ok(offers.includes(word), `${typed}: ${offers}`);
        for (const word of one.never ?? []) assert.ok(!offers.includes(word), `${typed}: ${word}`);
      }
    } finally {
      Deno.removeSync(folder, { recursive: true });
    }
  });
}

test("bash", async ({ typed }, file) => {
  const script =
    `source ${file}; [[ $(complete -p portsentry) == "complete -F _portsentry portsentry" ]] || exit 9
    COMP_WORDS=(portsentry "$@") COMP_CWORD=$# ; _portsentry; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout, stderr } = await run(["bash", "-uc", script, "bash", ...typed]);
  assert.equal(stderr, "");
  return stdout.split("\n");
}, bash);

Deno.test("the bash completion sees a value behind an equal sign", async () => {
  const script = `source /dev/stdin <<<"$1"; COMP_WORDS=(portsentry --method = r) COMP_CWORD=3
    _portsentry; echo "\${COMPREPLY[@]}"; COMP_WORDS=(portsentry --method =) COMP_CWORD=2
    _portsentry; echo "\${COMPREPLY[@]}"`;
  const { stdout } = await run(["bash", "-uec", script, "bash", bash(PROGRAM)]);
  assert.equal(stdout, "raw\npcap raw\n");
});

test("fish", async ({ typed }, file) => {
  const script = `source ${file}; complete -C "portsentry ${typed.join(" ")}"`;
  const { stdout, stderr } = await run(["fish", "--no-config", "-c", script]);
  assert.equal(stderr, "");
  return stdout.split("\n").map((line) => line.split("\t")[0]);
}, fish);

// zsh completes in its line editor alone: one on a terminal of its own, whose compadd tells what it
// was given and what of it fits.
const ZSH = `zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1=; unsetopt beep; fpath=($1 \\$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w shell 'compadd() {
    if [[ " $* " != *" -"[OAD]" "* ]]; then
      local -a offers; builtin compadd -O offers "$@"; print -l -- $offers >>$1/offers
    fi
    builtin compadd "$@"
  }'
zpty -w shell 'ask() { zle complete-word; : >$1/done }; zle -N ask; bindkey "^I" ask; print RE""ADY'
zpty -r shell said '*READY*'
zpty -w -n shell "portsentry $2"$'\\t'
repeat 500; do [[ ! -e $1/done ]] || break; sleep 0.01; done
zpty -d shell`;

test("zsh", async ({ typed }, file) => {
  const folder = dirname(file);
  Deno.writeTextFileSync(`${folder}/offers`, "");
  const script = ZSH.replaceAll(">$1/", `>${folder}/`);
  const { stderr } = await run(["zsh", "-fc", script, "zsh", folder, typed.join(" ")]);
  assert.equal(stderr, "");
  Deno.removeSync(`${folder}/done`); // it was asked
  return [...new Set(Deno.readTextFileSync(`${folder}/offers`).split("\n"))];
}, zsh);
