import { Command, CommanderError } from "commander";
import { addChanges, addPlan } from "./cli/changes.ts";
import type { Action } from "./cli/command.ts";
import { addInside, separateCommand } from "./cli/inside.ts";
import { addMoves } from "./cli/moves.ts";
import { addQuestions } from "./cli/questions.ts";
import { addRegistry } from "./cli/registry.ts";
import { addStore } from "./cli/store.ts";
import { KeelsonError } from "./errors.ts";
import type { World } from "./world.ts";

export interface GlobalOptions {
  readonly root: string;
  readonly user: boolean;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly wait: boolean;
  readonly progress: boolean;
}

/** Makes the world once the global options are known. */
export type OpenWorld = (options: GlobalOptions) => Promise<World>;

/**
 * Reads the command line and runs the one command it names. Throws E_USAGE for a line that is not understood, and what
 * the command throws. --help and --version are answered here.
 */
export async function run(argv: readonly string[], version: string, open: OpenWorld): Promise<void> {
  const program = commandLine(version, open);
  try {
    await program.parseAsync(separateCommand(program, argv), { from: "user" });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return;
    const [first = ""] = error.message.replace(/^error: /, "").split("\n");
    throw new KeelsonError("E_USAGE", first === "(outputHelp)" ? "no command was given" : first, {
      hint: "keelson --help lists the commands, keelson COMMAND --help their options.",
    });
  }
}

/** The whole command line: every command and option there is. */
export function commandLine(version: string, open: OpenWorld): Command {
  const program = new Command("keelson")
    .description("Installs container images as native systemd services, with no container engine in the boot path.")
    .version(version)
    .option("--root <dir>", "work on the host below DIR instead of /; nothing running is touched", "/")
    .option("--user", "work on containers of your own, which your login starts, as a user other than root", false)
    .option("--json", "answer with one JSON document", false)
    .option("-q, --quiet", "say nothing but the answer, warnings and errors", false)
    .option("--wait", "wait while another keelson changes this root, instead of failing", false)
    .option("--no-progress", "show no progress")
    .exitOverride()
    .configureOutput({ writeErr: () => {} })
    .showSuggestionAfterError(false);
  const act = <Rest extends unknown[]>(action: Action<Rest>) => {
    return async (...rest: Rest): Promise<void> => {
      const world = await open(program.opts<GlobalOptions>());
      try {
        const status = await action(world, ...rest);
        if (typeof status === "number") process.exitCode = status;
      } finally {
        await world.close();
      }
    };
  };
  addChanges(program, act);
  addPlan(program, act);
  addStore(program, act);
  addRegistry(program, act);
  addQuestions(program, act);
  addInside(program, act);
  addMoves(program, act);
  return program;
}
