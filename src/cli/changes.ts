import { type Command, Option } from "commander";
import type { InstallRequest } from "../commands/install.ts";
import type { RollbackRequest } from "../commands/rollback.ts";
import type { UninstallRequest } from "../commands/uninstall.ts";
import type { UpdateRequest } from "../commands/update.ts";
import { type Act, bundled, collect, dryRun, force, platform, soak, switching, tlsVerify } from "./command.ts";
import { addApply, addLock, planStack } from "./stacks.ts";

const phases = ["early", "basic", "pre-network", "pre-runtime", "normal"];

/** The commands that change what is installed; as parts of `plan` they only say what they would do. */
export function addChanges(parent: Command, act: Act, planned = false): void {
  for (const add of [addInstall, addUninstall, addUpdate, addRollback, addApply]) {
    const command = add(parent, act, planned);
    if (!planned) command.addOption(dryRun().default(false));
  }
  if (!planned) addLock(parent, act);
}

/** `plan VERB ...` is `VERB --dry-run ...`. */
export function addPlan(program: Command, act: Act): void {
  const plan = program
    .command("plan")
    .description("say what install, uninstall, update, rollback or apply would change, and change nothing");
  addChanges(plan, act, true);
  planStack(plan, act);
}

function addInstall(parent: Command, act: Act, planned: boolean): Command {
  return parent
    .command("install [image]")
    .description("install an image as a systemd service; it is enabled, and started only with --start")
    .option("--system", "install for the whole host, as keelson does without --user")
    .option("-n, --name <name>", "the container's name, also of its unit; default: from the image's name")
    .option("--set <name=value>", "give a template variable a value; may be repeated", collect, [])
    .option("--runtime <path>", "the OCI runtime the unit calls")
    .option("--listen <address>", "start it when somebody connects to this address; may be repeated", collect, [])
    .addOption(new Option("--phase <phase>", "when at boot it starts, in place of what the image says").choices(phases))
    .option("--rootfs <dir>", "use a root filesystem that is on the host instead of the image's own")
    .option("--start", "start the service when it is installed", false)
    .option("--no-enable", "do not start the service at boot")
    .addOption(force())
    .option("--keep-existing", "leave host files that exist alone instead of refusing", false)
    .addOption(bundled())
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, image: string | undefined, options: Omit<InstallRequest, "image">) => {
        const { install } = await import("../commands/install.ts");
        return install(world, { image, ...options, dryRun: planned || options.dryRun });
      }),
    );
}

function addUninstall(parent: Command, act: Act, planned: boolean): Command {
  return parent
    .command("uninstall <name>")
    .description("stop, disable and remove a container")
    .addOption(force())
    .option("--purge", "remove its state too: the directories its tmpfiles lines declare", false)
    .action(
      act(async (world, name: string, options: Omit<UninstallRequest, "name">) => {
        const { uninstall } = await import("../commands/uninstall.ts");
        return uninstall(world, { name, ...options, dryRun: planned || options.dryRun });
      }),
    );
}

function addUpdate(parent: Command, act: Act, planned: boolean): Command {
  const command = parent
    .command("update [name]")
    .description("bring a container to what its image is now; what does not prove healthy is taken back")
    .option("--all", "every container, one after the other", false)
    .option("--rebase <image>", "go over to another image, values kept")
    .option("--set <name=value>", "give a template variable a value; may be repeated", collect, [])
    .option("--unset <name>", "give a variable its default again; may be repeated", collect, [])
    .option("--start", "start the service though it was not running", false)
    .option("--no-restart", "do not restart what runs; its next start has the new deployment");
  return switching(command).action(
    act(async (world, name: string | undefined, options: Omit<UpdateRequest, "name">) => {
      const { update } = await import("../commands/update.ts");
      return update(world, { name, ...options, dryRun: planned || options.dryRun });
    }),
  );
}

function addRollback(parent: Command, act: Act, planned: boolean): Command {
  return parent
    .command("rollback <name>")
    .description("go back to an earlier deployment of a container")
    .addOption(force())
    .option("--to <n>", "the generation to go to; default: the last good one before the current")
    .addOption(soak())
    .action(
      act(async (world, name: string, options: Omit<RollbackRequest, "name">) => {
        const { rollback } = await import("../commands/rollback.ts");
        return rollback(world, { name, ...options, dryRun: planned || options.dryRun });
      }),
    );
}
