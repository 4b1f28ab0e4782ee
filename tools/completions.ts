/**
 * Makes the completions for bash, zsh and fish of the command line as the program itself has it.
 *
 *   deno run --allow-read --allow-write tools/completions.ts FOLDER
 *
 * @module
 */
import type { Command, Option } from "commander";
import { buildCommand } from "../src/cli.ts";

/** What a value may be: files, interfaces of this host, or fixed words; nothing for free text. */
type Values = { kind: "files" | "interfaces" | "none" } | { kind: "words"; words: string[] };

const INTERFACE_WORDS = ["ALL", "ALL_NLO", "any"];

/** The placeholder in the help says what an option takes. */
function valuesOf(option: Option): Values | undefined {
  if (!option.required && !option.optional) return undefined;
  if (option.argChoices) return { kind: "words", words: option.argChoices };
  const placeholder = /[<[](\w+)/.exec(option.flags)?.[1];
  if (placeholder === "path") return { kind: "files" };
  return { kind: option.long === "--interface" ? "interfaces" : "none" };
}

const names = ({ short, long }: Option) => [short, long].filter((name) => name !== undefined);
const options = (command: Command) => command.createHelp().visibleOptions(command);
const commands = (command: Command) =>
  command.createHelp().visibleCommands(command).filter((one) => one.name() !== "help");
/** A description in single quotes of a shell. */
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
const summary = (command: Command) => command.summary() || command.description();
/** The placeholder of an argument says what it takes, too. */
const takesFiles = (command: Command) =>
  command.registeredArguments.some((argument) => argument.name() === "file");
const functionName = (command: Command) => `_${command.name().replaceAll(/\W/g, "_")}`;

/** For bash, without need of the bash-completion package. */
export function bash(root: Command): string {
  const tree = [root, ...commands(root)];
  const cases = tree.flatMap((command) =>
    options(command).flatMap((option) => {
      const values = valuesOf(option);
      if (values === undefined) return [];
      const name = command === root ? "*" : command.name();
      return `    ${names(option).map((flag) => `${name}:${flag}`).join(" | ")}) ${
        bashValues(values)
      } ;;`;
    })
  );
  const words = tree.map((command) => {
    const flags = options(command).flatMap(names);
    const inner = command === root ? commands(root).map((one) => one.name()) : [];
    return `    ${command === root ? '""' : command.name()}) words=${
      quoted([...inner, ...flags].join(" "))
    }${takesFiles(command) ? " files=yes" : ""} ;;`;
  });
  const inner = commands(root).map((command) => command.name());
  return `# bash completion for ${root.name()}(8)
${functionName(root)}() {
  local current=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]} command= word words= files=
  # bash makes three words of --option=value.
  if [[ $current == = ]]; then
    current=
  elif [[ $previous == = ]]; then
    previous=\${COMP_WORDS[COMP_CWORD - 2]}
  fi
${
    inner.length === 0 ? "" : `  for word in "\${COMP_WORDS[@]:1:COMP_CWORD - 1}"; do
    case $word in
      ${inner.join(" | ")}) command=$word ;;
    esac
  done
`
  }  COMPREPLY=()
  case $command:$previous in
${cases.join("\n")}
    *) words=none ;;
  esac
  [[ $words == none ]] || return 0
  case $command in
${words.join("\n")}
  esac
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  [[ -n $files ]] || return 0
  compopt -o filenames 2>/dev/null
  mapfile -t -O \${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- "$current")
}
complete -F ${functionName(root)} ${root.name()}
`;
}

function bashValues(values: Values): string {
  const reply = (words: string) => `mapfile -t COMPREPLY < <(compgen ${words} -- "$current")`;
  if (values.kind === "words") return reply(`-W ${quoted(values.words.join(" "))}`);
  if (values.kind === "interfaces") {
    return reply(`-W "${INTERFACE_WORDS.join(" ")} $(ls /sys/class/net 2>/dev/null)"`);
  }
  if (values.kind === "none") return ":";
  return `compopt -o filenames 2>/dev/null; ${reply("-f")}`;
}

/** For zsh: a file in a folder of `fpath`. */
export function zsh(root: Command): string {
  const inner = commands(root);
  const subcommands = inner.length === 0 ? "" : `
  local -a commands=(
${inner.map((one) => `    ${quoted(`${one.name()}:${summary(one)}`)}`).join("\n")}
  )
  if ((CURRENT > 1)) && [[ $state == command ]]; then _describe command commands; fi
  if [[ $state == rest ]]; then
    case $words[1] in
${
    inner.map((one) =>
      `      ${one.name()}) _arguments -s \\\n${
        zshOptions(one, "        ")
      }\n        '*: :_default' ;;`
    ).join("\n")
  }
    esac
  fi
`;
  const rest = inner.length === 0 ? "" : " \\\n    '1: :->command' \\\n    '*:: :->rest'";
  return `#compdef ${root.name()}
${functionName(root)}() {
  local curcontext=$curcontext state line
  typeset -A opt_args
  _arguments -s -S -C \\
${zshOptions(root, "    ").replace(/ \\$/, "")}${rest}
${subcommands}}
${functionName(root)} "$@"
`;
}

function zshOptions(command: Command, indent: string): string {
  return options(command).map((option) => {
    const values = valuesOf(option);
    const text = option.description.replaceAll(/[[\]:\\]/g, "\\$&");
    const action = values === undefined ? "" : `:${option.name()}:${zshValues(values)}`;
    const flags = names(option);
    // -x and --xyz are one option, which may be repeated when its default is a list.
    const repeatable = Array.isArray(option.defaultValue);
    const head = repeatable ? quoted("*") : flags.length > 1 ? quoted(`(${flags.join(" ")})`) : "";
    const take = (flag: string) =>
      values === undefined ? flag : flag.startsWith("--") ? `${flag}=` : `${flag}+`;
    const forms = flags.map(take);
    const body = forms.length > 1 ? `{${forms.join(",")}}` : forms[0];
    return `${indent}${head}${body}${quoted(`[${text}]${action}`)} \\`;
  }).join("\n");
}

function zshValues(values: Values): string {
  if (values.kind === "words") return `(${values.words.join(" ")})`;
  if (values.kind === "files") return "_files";
  return values.kind === "interfaces"
    ? `(${INTERFACE_WORDS.join(" ")} \${\$(ls /sys/class/net 2>/dev/null)})`
    : " ";
}

/** For fish. */
export function fish(root: Command): string {
  const lines = [`# fish completion for ${root.name()}(8)`, `complete -c ${root.name()} -f`];
  const inner = commands(root).map((command) => command.name());
  for (const command of [root, ...commands(root)]) {
    const within = command === root
      ? ""
      : ` -n ${quoted(`__fish_seen_subcommand_from ${command.name()}`)}`;
    for (const option of options(command)) {
      const { short, long } = option;
      const flags = [short && ` -s ${short.slice(1)}`, long && ` -l ${long.slice(2)}`].join("");
      const values = valuesOf(option);
      const takes = values === undefined ? "" : fishValues(values);
      lines.push(
        `complete -c ${root.name()}${within}${flags}${takes} -d ${quoted(option.description)}`,
      );
    }
    if (takesFiles(command)) lines.push(`complete -c ${root.name()}${within} -F`);
    if (command !== root) {
      const first = quoted(`not __fish_seen_subcommand_from ${inner.join(" ")}`);
      lines.push(
        `complete -c ${root.name()} -n ${first} -a ${command.name()} -d ${
          quoted(summary(command))
        }`,
      );
    }
  }
  return lines.join("\n") + "\n";
}

function fishValues(values: Values): string {
  if (values.kind === "words") return ` -x -a ${quoted(values.words.join(" "))}`;
  if (values.kind === "files") return " -r -F";
  return values.kind === "interfaces"
    ? ` -x -a ${quoted(`${INTERFACE_WORDS.join(" ")} (ls /sys/class/net 2>/dev/null)`)}`
    : " -x";
}

if (import.meta.main) {
  const [folder] = Deno.args;
  const command = buildCommand("");
  Deno.mkdirSync(folder, { recursive: true });
  Deno.writeTextFileSync(`${folder}/portsentry.bash`, bash(command));
  Deno.writeTextFileSync(`${folder}/_portsentry`, zsh(command));
  Deno.writeTextFileSync(`${folder}/portsentry.fish`, fish(command));
}
