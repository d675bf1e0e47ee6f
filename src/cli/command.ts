import { type Command, Option } from "commander";
import { KeelsonError } from "../errors.ts";
import type { World } from "../world.ts";

/** What a command line leads to; a number it gives is the exit status. */
export type Action<Rest extends unknown[]> = (world: World, ...rest: Rest) => Promise<unknown>;

/** Makes what commander calls of an action: the world is opened for it and closed behind it. */
export type Act = <Rest extends unknown[]>(action: Action<Rest>) => (...rest: Rest) => Promise<void>;

export const tlsVerify = (): Option =>
  truth("--tls-verify", "false: do not check a registry's certificate, and allow plain HTTP").default(true);

/** An option that is true or false. */
function truth(name: string, description: string): Option {
  return new Option(`${name} [bool]`, description).argParser((text) => {
    if (text === "true" || text === "false") return text === "true";
    throw new KeelsonError("E_USAGE", `${name} is ${text}, neither true nor false`, { hint: `Write ${name}=false.` });
  });
}

export const platform = (): Option =>
  new Option("--platform <os/arch>", "take the image for this platform instead of the host's");

export const bundled = (): Option =>
  new Option("--bundle <file>", "take the image from this bundle, and ask nobody else");

export const insecurePolicy = (): Option => new Option("--insecure-policy", "do not ask policy.json").default(false);

export const soak = (): Option =>
  new Option("--soak <time>", "how long the new deployment has to stay healthy: 500ms, 10s, 1m").default("10s");

export const dryRun = (): Option =>
  new Option("--dry-run", "print what would be changed, and change nothing; exit status 10 when there is something");

export const force = (): Option =>
  new Option(
    "--force",
    "though services would not find what they require, or could not be brought into an order",
  ).default(false);

/** What those ask that bring something to another image, and take it back where that does not stay healthy. */
export function switching(command: Command): Command {
  return command
    .addOption(soak())
    .addOption(force())
    .addOption(bundled())
    .addOption(new Option("--offline", "take the image as the store has it").default(false).conflicts("bundle"))
    .addOption(
      new Option("--allow-widen", "also when the new image may do more on this host than the old one").default(false),
    )
    .addOption(tlsVerify());
}

/** What every command that copies images asks. */
export function copying(command: Command): Command {
  return command
    .option("-a, --all", "every image of an index, and the index itself", false)
    .addOption(
      new Option("-f, --format <format>", "write manifests as oci or as v2s2, Docker's schema 2").choices([
        "oci",
        "v2s2",
      ]),
    )
    .option("--remove-signatures", "leave signatures behind", false)
    .addOption(insecurePolicy())
    .addOption(platform())
    .addOption(tlsVerify());
}

/** What those ask that copy between places of any kind. */
export function copyingBetween(command: Command): Command {
  return copying(command)
    .addOption(truth("--src-tls-verify", "the same for the source alone"))
    .addOption(truth("--dest-tls-verify", "the same for the destination alone"))
    .option("--src-creds <user:password>", "credentials for the source's registry")
    .option("--dest-creds <user:password>", "credentials for the destination's registry");
}

export const compress = (): Option =>
  new Option("--compress <with>", "compress layers with gzip or zstd where they are not").choices(["gzip", "zstd"]);

/** Gathers an option that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
