import { type Command, Option } from "commander";
import type { ExportRequest } from "../commands/export.ts";
import type { ImportRequest } from "../commands/import.ts";
import type { ImportAtomicRequest } from "../commands/import-atomic.ts";
import { type Act, dryRun, force, soak, tlsVerify } from "./command.ts";

/** The commands for those who come and those who leave. */
export function addMoves(program: Command, act: Act): void {
  const forms = ["quadlet", "portable", "compose-service", "bundle"];
  program
    .command("export <name>")
    .description("write what others need to run a container without keelson, and say what they have no words for")
    .addOption(
      new Option("--as <form>", "quadlet, portable, compose-service or bundle").choices(forms).makeOptionMandatory(),
    )
    .option("-o, --output <path>", "the file to write, or for portable the directory; default: standard output")
    .addOption(tlsVerify())
    .action(
      act(async (world, name: string, options: ExportRequest) => {
        const { exportContainer } = await import("../commands/export.ts");
        await exportContainer(world, name, options);
      }),
    );
  const imported = program.command("import").description("take over what runs a container now");
  imported
    .command("quadlet <file>")
    .description("write what a .container file of podman says as a stack file and a drop-in of the unit")
    .option("-n, --name <name>", "the container's name; default: that of the file")
    .addOption(dryRun().default(false))
    .action(
      act(async (world, file: string, options: ImportRequest) => {
        const { importQuadlet } = await import("../commands/import.ts");
        return importQuadlet(world, file, options);
      }),
    );
  imported
    .command("atomic [name]")
    .description("take over a container that atomic install --system has installed, in one step and without a network")
    .option("--all", "every container that atomic has, one after the other", false)
    .option("--image <image>", "where the image comes from now, for later updates; default: what atomic has noted")
    .option("--start", "start it, and switch it where it runs", false)
    .addOption(soak())
    .addOption(force())
    .addOption(dryRun().default(false))
    .action(
      act(async (world, name: string | undefined, options: ImportAtomicRequest) => {
        const { importAtomic } = await import("../commands/import-atomic.ts");
        return importAtomic(world, name, options);
      }),
    );
}
