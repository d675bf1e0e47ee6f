import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { type GlobalOptions, run } from "./cli.ts";
import { type ErrorCode, errnoOf, errorCodes, inUserWords, KeelsonError, printable } from "./errors.ts";
import type { World } from "./world.ts";

const interruption = new AbortController();
let json = process.argv.includes("--json");
let user = process.argv.includes("--user");

/** The directory with package.json and unit-templates, beside the program or above its sources. */
const home =
  [import.meta.dirname, dirname(import.meta.dirname)].find((path) => existsSync(join(path, "unit-templates"))) ??
  import.meta.dirname;
const version = String(JSON.parse(readFileSync(join(home, "package.json"), "utf8")).version);

/** Loaded only when a command needs it: --help and --version do not. */
async function open(options: GlobalOptions): Promise<World> {
  json = options.json;
  user = options.user;
  const [{ openOutput }, { openWorld }] = await Promise.all([import("./output.ts"), import("./world.ts")]);
  const keelson = resolve(process.env.KEELSON_EXECUTABLE ?? join(home, "dist", "keelson"));
  return openWorld({
    root: options.root,
    user: options.user,
    wait: options.wait,
    output: openOutput(options),
    signal: interruption.signal,
    version,
    home,
    keelson,
  });
}

/** Names a failure of the system by its code; a bug has none and keeps its stack. */
function understood(error: unknown): KeelsonError | undefined {
  if (error instanceof KeelsonError) return error;
  if (interruption.signal.aborted) {
    return new KeelsonError("E_INTERRUPTED", "interrupted", {
      hint: "What was begun has been undone; run the command again.",
      cause: error,
    });
  }
  const errno = errnoOf(error);
  const message = error instanceof Error ? error.message : String(error);
  if (errno === "ENOSPC" || errno === "EDQUOT") {
    return new KeelsonError("E_NO_SPACE", message, {
      hint: "Make room and run the command again; nothing was left behind.",
      cause: error,
    });
  }
  if (errno === "EACCES" || errno === "EPERM" || errno === "EROFS") {
    const hint =
      user || process.getuid?.() === 0
        ? "The file system does not allow it."
        : "Run keelson as root, or with --user for containers of your own.";
    return new KeelsonError("E_NOT_ROOT", message, { hint, cause: error });
  }
  if (errno !== undefined && error instanceof Error && "syscall" in error) {
    return new KeelsonError("E_IO", message, {
      hint: "Mend what the message names and run the command again.",
      cause: error,
    });
  }
  return undefined;
}

function statusOf(code: ErrorCode): number {
  // A script that installs what is there already may go on; one that reads JSON wants to know.
  return code === "E_PRESENT" && json ? 4 : errorCodes[code].status;
}

function report(error: unknown): number {
  const known = understood(error);
  if (known === undefined) {
    process.stderr.write(
      `keelson: this is a defect of keelson\n${error instanceof Error ? error.stack : String(error)}\n`,
    );
    return 1;
  }
  const { code } = known;
  const [message, hint] = user
    ? [known.message.split("\n").map(inUserWords).join("\n"), inUserWords(known.hint)]
    : [known.message, known.hint];
  if (json) process.stdout.write(`${JSON.stringify({ error: { code, message, hint } }, undefined, 2)}\n`);
  process.stderr.write(`keelson: ${message.split("\n").map(printable).join("\n")} (${code})\n  ${printable(hint)}\n`);
  return statusOf(code);
}

async function main(): Promise<void> {
  process.umask(0o022);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interruption.abort());
  process.stdout.on("error", (error) => {
    // Whoever reads us may stop reading; that is their right and no failure.
    if (errnoOf(error) === "EPIPE") process.exit(0);
    throw error;
  });
  try {
    await run(process.argv.slice(2), version, open);
  } catch (error) {
    process.exitCode = report(error);
  }
}

await main();
