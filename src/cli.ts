import { Command, CommanderError, Option } from "commander";
import type { InstallRequest } from "./commands/install.ts";
import type { UpdateRequest } from "./commands/update.ts";
import { KeelsonError } from "./errors.ts";
import type { World } from "./world.ts";

export interface GlobalOptions {
  readonly root: string;
  readonly json: boolean;
  readonly quiet: boolean;
  readonly progress: boolean;
}

/** Makes the world once the global options are known. */
export type OpenWorld = (options: GlobalOptions) => Promise<World>;

/** A number it gives is the exit status. */
type Action<Rest extends unknown[]> = (world: World, ...rest: Rest) => Promise<unknown>;

/**
 * Reads the command line and runs the one command it names. Throws E_USAGE for a line that is not understood, and what
 * the command throws. --help and --version are answered here.
 */
export async function run(argv: readonly string[], version: string, open: OpenWorld): Promise<void> {
  const program = commandLine(version, open);
  try {
    await program.parseAsync(argv, { from: "user" });
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
    .option("--json", "answer with one JSON document", false)
    .option("-q, --quiet", "say nothing but the answer, warnings and errors", false)
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
  addInstall(program, act);
  addUninstall(program, act);
  addUpdate(program, act);
  addGenerations(program, act);
  addImages(program, act);
  addLists(program, act);
  return program;
}

type Act = <Rest extends unknown[]>(action: Action<Rest>) => (...rest: Rest) => Promise<void>;

const tlsVerify = (): Option =>
  new Option("--tls-verify [bool]", "false: do not check a registry's certificate, and allow plain HTTP")
    .default(true)
    .argParser((text) => {
      if (text === "true" || text === "false") return text === "true";
      throw new KeelsonError("E_USAGE", `--tls-verify is ${text}, neither true nor false`, {
        hint: "Write --tls-verify=false.",
      });
    });
const platform = (): Option =>
  new Option("--platform <os/arch>", "take the image for this platform instead of the host's");

function addInstall(program: Command, act: Act): void {
  const command = program
    .command("install <image>")
    .description("install an image as a systemd service; it is enabled, and started only with --start")
    .option("--system", "install for the whole host (what keelson always does)")
    .option("-n, --name <name>", "the container's name, also of its unit; default: from the image's name")
    .option("--set <name=value>", "give a template variable a value; may be repeated", collect, [])
    .option("--runtime <path>", "the OCI runtime the unit calls")
    .option("--rootfs <dir>", "use a root filesystem that is on the host instead of the image's own")
    .option("--start", "start the service when it is installed", false)
    .option("--no-enable", "do not start the service at boot")
    .option("--keep-existing", "leave host files that exist alone instead of refusing", false)
    .option("--dry-run", "print what would be changed, and change nothing", false)
    .addOption(platform())
    .addOption(tlsVerify());
  command.action(
    act(async (world: World, image: string, options: Omit<InstallRequest, "image">) => {
      const { install } = await import("./commands/install.ts");
      return install(world, { image, ...options });
    }),
  );
}

function addUninstall(program: Command, act: Act): void {
  program
    .command("uninstall <name>")
    .description("stop, disable and remove a container")
    .option("--purge", "remove its state too: the directories its tmpfiles lines declare", false)
    .option("--dry-run", "print what would be changed, and change nothing", false)
    .action(
      act(async (world: World, name: string, options: { purge: boolean; dryRun: boolean }) => {
        const { uninstall } = await import("./commands/uninstall.ts");
        await uninstall(world, { name, ...options });
      }),
    );
  program
    .command("recover")
    .description("finish or take back a change that a crash left half done")
    .action(
      act(async (world: World) => {
        const { recover } = await import("./commands/recover.ts");
        await recover(world);
      }),
    );
}

const soak = (): Option =>
  new Option("--soak <time>", "how long the new deployment has to stay healthy: 500ms, 10s, 1m").default("10s");

function addUpdate(program: Command, act: Act): void {
  program
    .command("update [name]")
    .description("bring a container to what its image is now; what does not prove healthy is taken back")
    .option("--all", "every container, one after the other", false)
    .option("--rebase <image>", "go over to another image, values kept")
    .option("--set <name=value>", "give a template variable a value; may be repeated", collect, [])
    .option("--unset <name>", "give a variable its default again; may be repeated", collect, [])
    .option("--start", "start the service though it was not running", false)
    .option("--no-restart", "do not restart what runs; its next start has the new deployment")
    .addOption(soak())
    .option("--offline", "take the image as the store has it", false)
    .option("--dry-run", "print what would be changed; exit status 10 when there is something", false)
    .addOption(tlsVerify())
    .action(
      act(async (world: World, name: string | undefined, options: Omit<UpdateRequest, "name">) => {
        const { update } = await import("./commands/update.ts");
        return update(world, { name, ...options });
      }),
    );
}

function addGenerations(program: Command, act: Act): void {
  program
    .command("rollback <name>")
    .description("go back to an earlier deployment of a container")
    .option("--to <n>", "the generation to go to; default: the last good one before the current")
    .addOption(soak())
    .option("--dry-run", "print what would be changed; exit status 10 when there is something", false)
    .action(
      act(async (world: World, name: string, options: { to?: string; soak: string; dryRun: boolean }) => {
        const { rollback } = await import("./commands/rollback.ts");
        return rollback(world, { name, ...options });
      }),
    );
  program
    .command("history <name>")
    .description("list the deployments of a container; * is the current one, ! a pinned one")
    .action(
      act(async (world: World, name: string) => {
        const { history } = await import("./commands/history.ts");
        await history(world, name);
      }),
    );
  program
    .command("pin <name> <n>")
    .description("keep a deployment however many there are")
    .option("--remove", "let it go again", false)
    .action(
      act(async (world: World, name: string, number: string, options: { remove: boolean }) => {
        const { pin } = await import("./commands/history.ts");
        await pin(world, name, number, !options.remove);
      }),
    );
}

function addImages(program: Command, act: Act): void {
  program
    .command("pull <image>")
    .description("bring an image into the store")
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world: World, image: string, options: { platform?: string; tlsVerify: boolean }) => {
        const { pull } = await import("./commands/pull.ts");
        await pull(world, { image, ...options });
      }),
    );
  program
    .command("images")
    .description("list the images in the store; > marks those a container uses")
    .option("-a, --all", "images that have lost their name, too", false)
    .option("-f, --filter <key=value>", "only images of which this holds; may be repeated", collect, [])
    .action(
      act(async (world: World, options: { all: boolean; filter: readonly string[] }) => {
        const { images } = await import("./commands/images.ts");
        await images(world, { all: options.all, filters: options.filter });
      }),
    );
}

function addLists(program: Command, act: Act): void {
  program
    .command("list")
    .description("list the containers")
    .action(
      act(async (world: World) => {
        const { list } = await import("./commands/list.ts");
        await list(world);
      }),
    );
  program
    .command("verify [name]")
    .description("read again every byte that was installed, and name what is not as it was")
    .action(
      act(async (world: World, name: string | undefined) => {
        const { verify } = await import("./commands/verify.ts");
        return verify(world, name);
      }),
    );
  program
    .command("info <name>")
    .description("show what is known of a container, or of an image in the store")
    .action(
      act(async (world: World, name: string) => {
        const { info } = await import("./commands/info.ts");
        await info(world, name);
      }),
    );
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
