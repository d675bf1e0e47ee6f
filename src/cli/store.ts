import type { Command } from "commander";
import type { ImagesRequest } from "../commands/images.ts";
import type { PullRequest } from "../commands/pull.ts";
import { type Act, collect, dryRun, platform, tlsVerify } from "./command.ts";

/** The commands for what is in the store. */
export function addStore(program: Command, act: Act): void {
  program
    .command("pull <image>")
    .description("bring an image into the store")
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, image: string, options: Omit<PullRequest, "image">) => {
        const { pull } = await import("../commands/pull.ts");
        await pull(world, { image, ...options });
      }),
    );
  addImages(program, act);
  program
    .command("prune")
    .description("remove what nobody needs any more: deployments beyond those kept, images, layers, objects")
    .addOption(dryRun().default(false))
    .action(
      act(async (world, options: { readonly dryRun: boolean }) => {
        const { prune } = await import("../commands/prune.ts");
        return prune(world, options.dryRun);
      }),
    );
}

function addImages(program: Command, act: Act): void {
  const images = program
    .command("images")
    .description("list the images in the store; > marks those a container uses")
    .option("-a, --all", "images that have lost their name, too", false)
    .option("-f, --filter <key=value>", "only images of which this holds; may be repeated", collect, [])
    .action(
      act(async (world, options: Pick<ImagesRequest, "all"> & { readonly filter: readonly string[] }) => {
        const { images: list } = await import("../commands/images.ts");
        await list(world, { all: options.all, filters: options.filter });
      }),
    );
  images
    .command("rm <image...>")
    .description("remove images that no container needs")
    .action(
      act(async (world, names: readonly string[]) => {
        const { removeImages } = await import("../commands/remove-images.ts");
        await removeImages(world, names);
      }),
    );
}
