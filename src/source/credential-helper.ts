import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { isAbsolute, join } from "node:path";
import { KeelsonError, printable } from "../errors.ts";
import { isObject } from "../image/json.ts";

/** Never to be printed. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
  /** What a token server takes instead of them. */
  readonly identityToken?: string;
}

/** How helpers are run. */
export interface HelperOptions {
  /** What a helper gets; its PATH is where helpers are looked for. */
  readonly environment: NodeJS.ProcessEnv;
  /** Milliseconds that a helper may take. */
  readonly timeout?: number;
  readonly signal?: AbortSignal | undefined;
}

interface Answer {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

const standardTimeout = 30_000;
const answerLimit = 1024 * 1024;

/**
 * Asks `docker-credential-NAME get` for what it keeps under `server`; undefined when it keeps nothing. No shell is between.
 * Throws E_AUTH with what the helper says on standard error; its standard output may hold a secret, and is not repeated.
 * https://github.com/docker/docker-credential-helpers#development
 */
export async function askHelper(
  name: string,
  server: string,
  options: HelperOptions,
): Promise<Credentials | undefined> {
  const program = `docker-credential-${name}`;
  const path = pathOf(program, options.environment.PATH ?? "");
  if (path === undefined) throw failed(program, server, "it is not installed in PATH");
  const { status, stdout, stderr } = await runHelper(path, server, options).catch((error: unknown) => {
    options.signal?.throwIfAborted();
    throw failed(program, server, error instanceof Error ? error.message : String(error), error);
  });
  if (status !== 0) {
    if (/credentials not found/i.test(stdout)) return undefined;
    const why = status === null ? "it was killed, or took too long" : `it ended with status ${status}`;
    throw failed(program, server, `${why}${stderr.trim() === "" ? "" : `: ${stderr.trim().slice(0, 400)}`}`);
  }
  return credentialsIn(stdout, program, server);
}

/** Absolute: what stands in the directory that keelson was called in is nobody's helper. */
function pathOf(program: string, directories: string): string | undefined {
  const paths = directories.split(":").filter(isAbsolute);
  return paths.map((directory) => join(directory, program)).find(executable);
}

function executable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function runHelper(path: string, server: string, options: HelperOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const child = spawn(path, ["get"], {
      cwd: "/",
      env: options.environment,
      stdio: ["pipe", "pipe", "pipe"],
      timeout: options.timeout ?? standardTimeout,
      killSignal: "SIGKILL",
      ...(options.signal && { signal: options.signal }),
    });
    const said = { stdout: "", stderr: "" };
    for (const name of ["stdout", "stderr"] as const) {
      child[name].setEncoding("utf8").on("data", (text: string) => {
        if (said[name].length < answerLimit) said[name] += text;
      });
    }
    child.once("error", reject);
    // A child of the helper may keep its output open: the helper's own end counts then.
    child.once("exit", (status) => status === null && resolve({ status, ...said }));
    child.once("close", (status) => resolve({ status, ...said }));
    // One that does not read what it is asked is judged by how it ends.
    child.stdin.on("error", () => undefined).end(`${server}\n`);
  });
}

function credentialsIn(stdout: string, program: string, server: string): Credentials | undefined {
  let document: unknown;
  try {
    document = JSON.parse(stdout);
  } catch {
    // It may be a secret as well: nothing of it is repeated.
  }
  if (!isObject(document) || typeof document.Username !== "string" || typeof document.Secret !== "string") {
    throw failed(program, server, "what it gives is not what a credential helper gives");
  }
  const { Username: user, Secret: password } = document;
  if (user === "<token>") return { user: "", password: "", identityToken: password };
  return user === "" && password === "" ? undefined : { user, password };
}

function failed(program: string, server: string, why: string, cause?: unknown): KeelsonError {
  return new KeelsonError("E_AUTH", `${program} gives no credentials for ${printable(server)}: ${printable(why)}`, {
    hint: "Mend the helper, or take it out of auth.json, config.json or registries.conf.",
    cause,
  });
}
