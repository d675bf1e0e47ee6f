import { type Command, Option } from "commander";
import type { BundleRequest } from "../commands/bundle.ts";
import type { CopyRequest } from "../commands/copy.ts";
import type { InspectRequest } from "../commands/inspect.ts";
import type { LoginRequest, LogoutRequest } from "../commands/login.ts";
import type { PushRequest } from "../commands/push.ts";
import type { SyncRequest } from "../commands/sync.ts";
import { type Act, compress, copying, copyingBetween, dryRun, insecurePolicy, platform, tlsVerify } from "./command.ts";

interface Tls {
  readonly tlsVerify: boolean;
}

/** The commands for images where they are: in registries and files. */
export function addRegistry(program: Command, act: Act): void {
  addInspect(program, act);
  addCopy(program, act);
  addSync(program, act);
  addPush(program, act);
  addBundle(program, act);
  program
    .command("tags <repository>")
    .description("list the tags of a repository")
    .addOption(tlsVerify())
    .action(
      act(async (world, repository: string, options: Tls) => {
        const { tags } = await import("../commands/tags.ts");
        await tags(world, repository, options.tlsVerify);
      }),
    );
  program
    .command("digest <file>")
    .description("print the digest of the manifest in a file")
    .action(
      act(async (world, file: string) => {
        const { digest } = await import("../commands/digest.ts");
        digest(world, file);
      }),
    );
  program
    .command("delete <image>")
    .description("remove an image from its registry")
    .addOption(tlsVerify())
    .action(
      act(async (world, image: string, options: Tls) => {
        const { deleteRemote } = await import("../commands/delete.ts");
        await deleteRemote(world, image, options.tlsVerify);
      }),
    );
  addLogin(program, act);
}

function addInspect(program: Command, act: Act): void {
  program
    .command("inspect <image>")
    .description("show what an image says of itself, wherever it is, fetching only layers that are small")
    .option("--raw", "the manifest or index itself, byte for byte", false)
    .option("--config", "the image's configuration, byte for byte", false)
    .option("--no-tags", "leave out the repository's tags")
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, image: string, options: Omit<InspectRequest, "image">) => {
        const { inspect } = await import("../commands/inspect.ts");
        await inspect(world, { image, ...options });
      }),
    );
}

function addCopy(program: Command, act: Act): void {
  const command = program
    .command("copy <from> <to>")
    .description("copy an image from one place to another, digests unchanged");
  copyingBetween(command)
    .addOption(compress())
    .action(
      act(async (world, from: string, to: string, options: Omit<CopyRequest, "from" | "to">) => {
        const { copy } = await import("../commands/copy.ts");
        await copy(world, { from, to, ...options });
      }),
    );
}

function addSync(program: Command, act: Act): void {
  const command = program
    .command("sync <from> <to>")
    .description("copy many images: a repository, a list of them, or a directory of images");
  const source = new Option("-s, --src <transport>", "what FROM is: docker, dir or yaml; default: what it looks like");
  const destination = new Option("-d, --dest <transport>", "what TO is: docker or dir; default: what it looks like");
  copyingBetween(command)
    .addOption(source.choices(["docker", "dir", "yaml"]))
    .addOption(destination.choices(["docker", "dir"]))
    .option("--scoped", "under their full names at the destination", false)
    .option("--keep-going", "go on when an image fails; exit status 1 at the end", false)
    .addOption(dryRun().default(false))
    .action(
      act(async (world, from: string, to: string, options: Omit<SyncRequest, "from" | "to">) => {
        const { sync } = await import("../commands/sync.ts");
        return sync(world, { from, to, ...options });
      }),
    );
}

function addPush(program: Command, act: Act): void {
  const command = program.command("push <image> <to>").description("copy an image of this host to a registry");
  copying(command)
    .addOption(compress())
    .option("--creds <user:password>", "credentials for the registry")
    .action(
      act(async (world, image: string, to: string, options: Omit<PushRequest, "image" | "to">) => {
        const { push } = await import("../commands/push.ts");
        await push(world, { image, to, ...options });
      }),
    );
}

function addBundle(program: Command, act: Act): void {
  program
    .command("bundle <image...>")
    .description(
      "write images, or those of containers, with their signatures into one file for a host without a network",
    )
    .requiredOption("-o, --output <file>", "the file, an OCI archive; it is replaced")
    .addOption(insecurePolicy())
    .addOption(platform())
    .addOption(tlsVerify())
    .action(
      act(async (world, images: readonly string[], options: Omit<BundleRequest, "images">) => {
        const { bundle } = await import("../commands/bundle.ts");
        await bundle(world, { images, ...options });
      }),
    );
}

function addLogin(program: Command, act: Act): void {
  program
    .command("login <registry>")
    .description("keep the credentials for a registry, once it has accepted them")
    .option("-u, --username <name>", "the user's name at the registry")
    .option("--password-stdin", "read the password from standard input", false)
    .option("--authfile <file>", "write to this file instead of the user's auth.json")
    .addOption(tlsVerify())
    .action(
      act(async (world, registry: string, options: Omit<LoginRequest, "registry">) => {
        const { login } = await import("../commands/login.ts");
        await login(world, { registry, ...options });
      }),
    );
  program
    .command("logout <registry>")
    .description("forget the credentials for a registry")
    .option("--authfile <file>", "the file that holds them")
    .action(
      act(async (world, registry: string, options: Omit<LogoutRequest, "registry">) => {
        const { logout } = await import("../commands/login.ts");
        logout(world, { registry, ...options });
      }),
    );
}
