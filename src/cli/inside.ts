import type { Command } from "commander";
import type { LogsRequest } from "../commands/logs.ts";
import type { MountRequest } from "../commands/mount.ts";
import type { RunRequest } from "../commands/run.ts";
import { type Act, collect, platform, tlsVerify } from "./command.ts";

/** The commands that go into containers. */
export function addInside(program: Command, act: Act): void {
  program
    .command("exec <name> <command...>")
    .description("run a command in a container, on a terminal when there is one")
    .action(
      act(async (world, name: string, command: readonly string[]) => {
        const { exec } = await import("../commands/exec.ts");
        return exec(world, name, command);
      }),
    );
  program
    .command("shell <name>")
    .description("run a shell of the image in a container")
    .action(
      act(async (world, name: string) => {
        const { shell } = await import("../commands/shell.ts");
        return shell(world, name);
      }),
    );
  addRun(program, act);
  addLogs(program, act);
  addMount(program, act);
  program
    .command("top [names...]")
    .description("show the processes of containers")
    .action(
      act(async (world, names: readonly string[]) => {
        const { top } = await import("../commands/top.ts");
        await top(world, names);
      }),
    );
}

function addRun(program: Command, act: Act): void {
  program
    .command("run <image> [command...]")
    .description("run a command in a new container of an image, or of a container's, as a child of this one")
    .option("--set <name=value>", "give a template variable a value; may be repeated", collect, [])
    .option("--runtime <path>", "the OCI runtime to run it with")
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, image: string, command: readonly string[], options: Omit<RunRequest, "image" | "command">) => {
        const { run } = await import("../commands/run.ts");
        return run(world, { image, command, ...options });
      }),
    );
}

function addLogs(program: Command, act: Act): void {
  program
    .command("logs <name>")
    .description("show what a container's service left in the journal")
    .option("-f, --follow", "go on with what comes, until interrupted", false)
    .option("-n, --lines <n>", "only so many of the last lines")
    .option("--since <time>", "only what came since then, as systemd.time(7) has times")
    .action(
      act(async (world, name: string, options: Omit<LogsRequest, "name">) => {
        const { logs } = await import("../commands/logs.ts");
        return logs(world, { name, ...options });
      }),
    );
}

function addMount(program: Command, act: Act): void {
  program
    .command("mount <image> <directory>")
    .description("show the files of a container or an image at a directory, read-only")
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, image: string, directory: string, options: Pick<MountRequest, "platform" | "tlsVerify">) => {
        const { mount } = await import("../commands/mount.ts");
        await mount(world, { image, directory, ...options });
      }),
    );
  program
    .command("unmount <directory>")
    .description("take away what mount has shown at a directory")
    .action(
      act(async (world, directory: string) => {
        const { unmount } = await import("../commands/mount.ts");
        await unmount(world, directory);
      }),
    );
}

/** Those whose last words are another command with options of its own. */
const commandTakers = ["exec", "run"];

/** `argv` with `--` behind the name that the command to be run follows, so that its options are left to it. */
export function separateCommand(program: Command, argv: readonly string[]): readonly string[] {
  let command: Command | undefined;
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? "";
    if (word === "--") return argv;
    if (word.startsWith("-")) {
      const option = [...(command?.options ?? []), ...program.options].find(
        (each) => each.short === word || each.long === word,
      );
      if (option?.required === true) at += 1;
    } else if (command !== undefined) {
      return argv[at + 1] === "--" ? argv : [...argv.slice(0, at + 1), "--", ...argv.slice(at + 1)];
    } else {
      command = program.commands.find((each) => each.name() === word);
      if (command === undefined || !commandTakers.includes(word)) return argv;
    }
  }
  return argv;
}
